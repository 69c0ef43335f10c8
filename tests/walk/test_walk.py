"""The walk of the README: a number put into a meter's registers is the number that the live page shows."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.registry import snapshot
from commands.processes import Child, bitgoeul, check_alive, wait_until
from contract.problems import Problem
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.models import load_model
from simulators.gateway_files import write_gateway_file
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.registered import spans
from simulators.rtu_bus import RtuBus
from simulators.servers import Server, free_port, mosquitto

METER, MODEL = "walk-e-01", "eastron_sdm630"
POWER_W = {"electricity_power_kw": 12.5}
MULTIPLIER = 40  # its current transformers: the page shows what flows in the mains


def _source(quantity: str, time_s: float) -> float:
    del time_s
    return POWER_W.get(quantity, 100.0)


def _site(folder: Path, port: str, broker: Server) -> Site:
    (folder / "password").touch(mode=0o600)
    (folder / "password").write_text("secret", "utf-8")
    return Site(
        area="main",
        site="walk",
        gateway="walk-gw",
        line=[LineConfig(name="walk-line", port=port, meter=[MeterConfig(name=METER, model=MODEL, unit=7)])],
        uplink=UplinkConfig(
            brokers=[f"mqtt://127.0.0.1:{broker.port}"],
            username="walk-gw",
            password_file=str(folder / "password"),
        ),
        outbox=OutboxConfig(path=str(folder / "outbox")),
        tick_s=1,
        clock="system",
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    try:
        server = mosquitto(tmp_path / "broker", users={"walk-gw": "secret", "ingest": "secret"})
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        yield server


def test_a_register_becomes_a_figure_of_the_live_page(tmp_path: Path, broker: Server) -> None:
    meter = SimMeter(METER, load_model(MODEL), 7, _source)
    registry = tmp_path / "registry"
    columns = {"meter": [METER] * len(meter.quantities), "quantity": meter.quantities}
    columns |= {"gateway": ["walk-gw"] * len(meter.quantities), "site": ["walk"] * len(meter.quantities)}
    about = {"site": "walk", "name_ko": "산책", "name_en": "The walk", "kind": "other", "region": 0, "live": True}
    multiplier = [MULTIPLIER] * len(meter.quantities)
    tables = {
        "spans": spans(columns | {"multiplier": multiplier}),
        "sites": pa.Table.from_pylist([about], snapshot.SITES),
    }
    snapshot.write(registry, tables)
    port = free_port()
    with RtuBus(Line("walk-line", [meter])) as bus, ExitStack() as stack:
        gateway = write_gateway_file(_site(tmp_path, bus.port, broker), tmp_path / "gateway.toml")
        area = bitgoeul("cloud", "area", "main", "--data", tmp_path, "--broker", f"mqtt://127.0.0.1:{broker.port}")
        area += ["--username", "ingest", "--password-file", str(tmp_path / "password")]
        area += ["--registry", str(registry)]
        portal = bitgoeul("cloud", "portal", "--registry", registry, "--port", str(port))
        portal += ["--area", f"main={tmp_path / 'main.sock'}"]
        argvs = {"gateway": bitgoeul("edge", "run", gateway), "area": area, "portal": portal}
        children = [Child(name, argv, tmp_path / f"{name}.log") for name, argv in argvs.items()]
        for child in children:
            child.start()
            stack.callback(child.stop)
        wait_until(lambda: _shown(port) is not None, "the live page", children)
        check_alive(children)
        assert _shown(port) == POWER_W["electricity_power_kw"] * MULTIPLIER


def _shown(port: int) -> float | None:
    """What the live page's data say of the site's electricity now, once it is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/live", timeout=30) as answer:
            (site,) = json.load(answer)["sites"]
    except OSError:
        return None
    value: float | None = site["figures"]["electricity_import_power_kw"]["value"]
    return value
