"""One installation for the file of tests that needs a running one, gone after it.

Grafana is left out, since no Debian package has it.
"""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from commands import bench_stack_judge, stack_run, stretch
from commands.processes import Child, stop_all, wait_until
from commands.stack_run import Stack
from simulators.docker_daemon import docker_daemon, why_not
from simulators.standin_images import build_ours, build_standins

SITE = "hanam"
TICK_S = 1


@dataclass(frozen=True)
class Running:
    """The installation, and who sends to it from outside."""

    stack: Stack
    sites: stretch.Sites
    gateways: list[Child]
    ready_s: float


@pytest.fixture(scope="module")
def images() -> Iterator[None]:
    """Stand-ins for those that come from a registry, and ours by their own Dockerfiles."""
    if missing := why_not():
        pytest.skip(missing)
    with docker_daemon():
        build_standins()
        build_ours()
        yield


@pytest.fixture(scope="module")
def running(
    images: None,  # noqa: ARG001  # they must be there
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """Up, healthy, with a registry, and gateways that send."""
    folder = tmp_path_factory.mktemp("stack")
    sites = stretch.load_sites(folder / "field", [SITE])
    stack = stack_run.prepare(folder / "installation", f"bitgoeultest{secrets.token_hex(3)}")
    with ExitStack() as ending:
        meters = stretch.simulation(sites, [SITE], TICK_S)
        ending.callback(meters.stop)
        stretch.start_simulation(sites, meters)
        ending.callback(stack_run.down, stack, "--volumes")
        stack_run.register(stack, sites.sites)
        ready_s = stack_run.up(stack)
        bench_stack_judge.enrol(stack, sites, folder / "carried")
        gateways = bench_stack_judge.gateways(stack, sites, folder / "carried")
        ending.callback(stop_all, gateways)
        for gateway in gateways:
            gateway.start()
        heard = [gateway.log for gateway in gateways]
        wait_until(lambda: all("first-receipt" in log.read_text("utf-8") for log in heard), "receipts", gateways)
        yield Running(stack, sites, gateways, ready_s)
