"""`bitgoeul bench stack`: the compose file started for real, each container killed under load, all of it taken down and
brought up, and a back-up brought back into an empty installation, while the judge counts what was lost.
"""

import argparse
import json
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from commands import bench_stack_judge, stack_run, stretch
from commands.install import install
from commands.language import say
from commands.processes import Child, check_alive, stop_all
from commands.stack_run import LEFT_OUT, SERVICES, Stack
from contract.problems import Problem, UsageProblem
from simulators.docker_daemon import docker_daemon
from simulators.standin_images import IMAGES, build_ours, build_standins, size_mb

SITES = ("hanam", "suwan")
TICK_S = 1
BETWEEN_S = 5.0
SETTLED_S = 240.0
BACKUP = "/var/lib/bitgoeul/backup"
PROGRAMS = ("dockerd", "docker-compose", "mosquitto", "influxd", "nginx", "postgres", "curl", "strip")


@dataclass
class Load:
    """The sites outside of the containers, and what was done meanwhile."""

    sites: stretch.Sites
    folder: Path
    meters: Child
    gateways: list[Child] = field(default_factory=list)
    began_s: float = 0.0
    down: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument(
        "--backup-before-s",
        type=int,
        default=600,
        metavar="S",
        help=say("부하가 끝나기 몇 초 전의 백업인가", "how long before the end of the load the back-up is made"),
    )
    parser.add_argument(
        "--no-restore", action="store_true", help=say("백업과 복원 없이", "without back-up and restore")
    )
    parser.add_argument("--keep", type=Path, help=say("파일을 남길 폴더", "keep all files in this folder"))
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """0 when nothing was lost or doubled, and what was brought back is equal."""
    if args.backup_before_s < 0:
        raise UsageProblem("--backup-before-s: 0 이상", "--backup-before-s: expected 0 or more")
    install(PROGRAMS)
    with ExitStack() as ending:
        folder = args.keep or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="bitgoeul-")))
        ending.enter_context(docker_daemon())
        began_s = time.monotonic()
        build_standins()
        build_ours()
        result: dict[str, object] = {"built_s": round(time.monotonic() - began_s, 1)}
        result |= {f"{part}_image_mb": size_mb(IMAGES[f"BITGOEUL_{part.upper()}_IMAGE"]) for part in ("cloud", "edge")}
        result |= _under_load(folder.absolute(), args, ending)
    print(json.dumps(result) if args.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
    return int(bool(result["lost"] or result["duplicated"]) or result.get("restore_equal") is False)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _under_load(folder: Path, args: argparse.Namespace, ending: ExitStack) -> dict[str, object]:
    project = f"bitgoeulbench{secrets.token_hex(3)}"
    sites = stretch.load_sites(folder / "field", SITES)
    stack = stack_run.prepare(folder / "installation", project)
    meters = stretch.simulation(sites, SITES, TICK_S)
    load = Load(sites, folder, meters)
    ending.callback(meters.stop)
    stretch.start_simulation(sites, meters)
    ending.callback(stack_run.down, stack, "--volumes")
    began_s = time.monotonic()
    stack_run.register(stack, sites.sites)
    registered_s = time.monotonic() - began_s
    ready_s = stack_run.up(stack)
    _tell(f"registered_s={registered_s:.1f} ready_s={ready_s:.1f} left_out={','.join(LEFT_OUT)}")
    ending.callback(lambda: stop_all(load.gateways))
    bench_stack_judge.enrol(stack, load.sites, folder / "carried")
    _send(load, stack)
    recovered = _kill_each(stack, load)
    recovered["all"] = _down_and_up(stack)
    result: dict[str, object] = {
        "ready_s": round(ready_s, 1),
        "registered_s": round(registered_s, 1),
        "healthy": len(SERVICES),
        "left_out": list(LEFT_OUT),
        "killed": len(SERVICES),
        "recovered_max_s": round(max(recovered.values()), 1),
        "recovered_s": {name: round(took_s, 1) for name, took_s in recovered.items()},
    }
    if args.no_restore:
        span = (load.began_s, _cease(load))
        return result | bench_stack_judge.judge(stack, sites, span, folder / "judged")
    _backup(stack)
    _tell(f"back-up made; load goes on for {args.backup_before_s} s")
    _go_on(load, args.backup_before_s)
    return result | _restored(stack, load, ending)


def _restored(first: Stack, load: Load, ending: ExitStack) -> dict[str, object]:
    """All of the first installation goes away but its back-up; the second has its address, and its gateways."""
    folder = load.folder
    registry = bench_stack_judge.registry_of(first, folder / "first")
    stack_run.compose(first, "stop", "area-main")
    copies = bench_stack_judge.copy_outboxes(load.sites, folder / "copied")
    span = (load.began_s, time.time())
    verdict = bench_stack_judge.judge(first, load.sites, span, folder / "first", copies)
    atoms = bench_stack_judge.atoms_of(first, folder / "first")
    stack_run.down(first)
    second = stack_run.prepare(folder / "restored", f"{first.project}restored", first)
    ending.callback(stack_run.down, second, "--volumes")
    began_s = time.monotonic()
    stack_run.run_tool(second, "--help")  # makes the volumes
    bench_stack_judge.restore(first, second)
    stack_run.up(second)
    restored_s = time.monotonic() - began_s
    filled_s = bench_stack_judge.wait_filled(second, copies, folder / "looked-at")
    _tell(f"restored_s={restored_s:.1f} filled_s={filled_s:.1f}")
    missing = _until_settled(second, atoms, folder / "second")
    same_registry = bench_stack_judge.registry_of(second, folder / "second") == registry
    after = bench_stack_judge.judge(second, load.sites, (load.began_s, _cease(load)), folder / "second")
    equal = same_registry and not missing and not after["lost"] and not after["duplicated"] and not after["changed"]
    return verdict | {
        "restored_s": round(restored_s, 1),
        "filled_s": round(filled_s, 1),
        "totals_compared": len(atoms),
        "totals_missing": missing,
        "registry_equal": same_registry,
        "restored": after,
        "restore_equal": equal,
    }


def _until_settled(stack: Stack, atoms: set[str], folder: Path) -> int:
    """How many of these rows the totals lack, once what came again has been settled again."""
    deadline = time.monotonic() + SETTLED_S
    while missing := len(atoms - bench_stack_judge.atoms_of(stack, folder)):
        if time.monotonic() > deadline:
            break
        time.sleep(10)
    return missing


def _send(load: Load, stack: Stack) -> None:
    load.gateways = bench_stack_judge.gateways(stack, load.sites, load.folder / "carried")
    load.began_s = time.time()
    for gateway in load.gateways:
        gateway.start()
    _go_on(load, BETWEEN_S)


def _go_on(load: Load, for_s: float) -> None:
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        check_alive([load.meters, *load.gateways])
        time.sleep(1)


def _kill_each(stack: Stack, load: Load) -> dict[str, float]:
    recovered = {}
    for service in SERVICES:
        recovered[service] = stack_run.kill(stack, service)
        _tell(f"killed {service}: well again after {recovered[service]:.1f} s")
        _go_on(load, BETWEEN_S)
    return recovered


def _down_and_up(stack: Stack) -> float:
    """Until all is healthy again, from when all was gone."""
    stack_run.down(stack)
    took_s = stack_run.up(stack)
    _tell(f"down and up: well again after {took_s:.1f} s")
    return took_s


def _backup(stack: Stack) -> None:
    argv = ["backup", "--to", BACKUP, "--area", "main=/run/bitgoeul/main.sock", "--totals", "/var/lib/bitgoeul/totals"]
    stack_run.run_tool(stack, *argv, "--registry", stack_run.REGISTRY)


def _cease(load: Load) -> float:
    """Reading stops, and the outboxes empty; when it stopped."""
    ended_s = time.time()
    stop_all(load.gateways)
    for gateway in load.gateways:
        drain = stretch.drain(load.sites, gateway.name)
        drain.start()
        if drain.wait(120):
            raise Problem(
                f"{drain.name}: 전송 대기함을 다 보내지 못했습니다: {drain.last_words()}",
                f"{drain.name}: its outbox was not sent whole: {drain.last_words()}",
            )
    return ended_s
