"""The whole gateway, on a simulated line and a real Mosquitto: its clocks, its restarts, its outboxes."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import ParamSpec

import msgspec
import psutil
import pytest

from contract.quality import Quality
from contract.reading import Reading
from edge.agent import BEHIND, LAST_RESET, NOT_TRUSTED, RUNS_WELL_S, TASK_FAILED, Agent, supervise
from edge.alarms import Alarms
from edge.clock import HOLDOVER_AFTER_S, OFFSET_FILE, Clock
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.models import load_model, quantities
from edge.outbox import Outbox
from simulators.gateway_files import write_gateway_file
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.receiver import Receiver
from simulators.servers import Server, mosquitto
from simulators.tcp_server import TcpServer

ROOT = Path(__file__).parents[2]
MODEL = "eastron_sdm120"
METERS = 3
P = ParamSpec("P")

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed",
)


def in_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run an asynchronous test; pytest still sees its fixtures."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # what is waited for is the receiver's, in another thread
            await asyncio.sleep(0.01)


def counting(quantity: str, time_s: float) -> float:
    """Another value at every reading."""
    return time_s % 10_000 if quantity.endswith("_kwh") else 0.5


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path / "broker") as server:
        yield server


@pytest.fixture
def cloud(broker: Server) -> Iterator[Receiver]:
    with Receiver(broker.host, broker.port) as receiver:
        yield receiver


@pytest.fixture
def line() -> Iterator[LineConfig]:
    meters = [SimMeter(f"m-{unit}", load_model(MODEL), unit, counting) for unit in range(1, METERS + 1)]
    with TcpServer(SimLine("a", meters)) as server:
        named = [MeterConfig(name=meter.name, model=MODEL, unit=meter.unit) for meter in meters]
        yield LineConfig(name="a", meter=named, host="127.0.0.1", tcp_port=server.port)


@pytest.fixture
def site(tmp_path: Path, broker: Server, line: LineConfig) -> Site:
    return Site(
        area="main",
        site="hanam",
        gateway="hanam-01",
        line=[line],
        uplink=UplinkConfig(brokers=[f"mqtt://127.0.0.1:{broker.port}"]),
        outbox=OutboxConfig(path=str(tmp_path / "outbox.db")),
        tick_s=1,
        clock="system",
    )


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the gateway's clock wrong by so many seconds."""
    path = tmp_path / "offset"
    monkeypatch.setenv(OFFSET_FILE, str(path))

    def set_to(offset_s: float) -> None:
        path.with_suffix(".new").write_text(str(offset_s))
        path.with_suffix(".new").rename(path)

    return set_to


@contextlib.asynccontextmanager
async def running(site: Site, clock: Clock | None = None) -> AsyncIterator[Agent]:
    stop = asyncio.Event()
    agent = Agent(site, clock)
    task = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        assert await task == 0


def ticks(cloud: Receiver) -> list[int]:
    return sorted({time_s for _, time_s in cloud.stored})


def in_outbox(path: str) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT run.name || '-' || n FROM batch JOIN run ON run.id = run WHERE readings > 0")
        return {batch for (batch,) in rows}


def assert_nothing_is_doubled(cloud: Receiver) -> None:
    assert {len(contents) for contents in cloud.contents().values()} == {1}
    assert {len(values) for values in cloud.stored.values()} == {1}
    per_tick = METERS * len(quantities(load_model(MODEL)))
    assert len(cloud.stored) == per_tick * len(ticks(cloud))


@in_loop
async def test_readings_flow_from_the_line_to_the_cloud(site: Site, cloud: Receiver) -> None:
    async with running(site) as agent:
        await until(lambda: len(ticks(cloud)) >= 3)
    assert_nothing_is_doubled(cloud)
    first, *_, last = ticks(cloud)
    # a loaded machine may pass a tick of one second over, and then says so
    assert last - first + 1 - len(ticks(cloud)) <= agent.lines[0].state().ticks_missed
    assert cloud.births[0].meters[0].quantities == quantities(load_model(MODEL))
    assert (cloud.births[0].clock, cloud.births[0].tick_s) == ("system", 1)
    assert cloud.states[0].lines["a"].up
    await until(lambda: cloud.states[-1].status == "offline")
    assert set(cloud.identities()) == in_outbox(site.outbox.path)


@in_loop
async def test_no_reading_is_made_in_1970(site: Site, cloud: Receiver, clock: Callable[[float], None]) -> None:
    clock(-time.time() + 100)
    async with running(site) as agent:
        await until(lambda: bool(cloud.states) and NOT_TRUSTED in cloud.states[-1].warnings)
        await asyncio.sleep(1.1)
        assert not agent.outbox.waiting(10)
        assert not cloud.arrivals
        began_s = time.time()
        clock(0)
        await until(lambda: len(ticks(cloud)) >= 2)
    assert_nothing_is_doubled(cloud)
    assert ticks(cloud)[0] > began_s - 1
    assert agent.alarms.codes() == []


@in_loop
async def test_the_tick_into_which_the_clock_was_set_is_left_to_who_had_it_before(
    site: Site, cloud: Receiver, clock: Callable[[float], None]
) -> None:
    tick_s = 4
    clock(-time.time() + 100)
    async with running(msgspec.structs.replace(site, tick_s=tick_s)) as agent:
        await until(lambda: NOT_TRUSTED in agent.alarms.codes())
        offset_s = 1 - time.time() % tick_s  # a second after a tick began
        set_s = time.time() + offset_s
        clock(offset_s)
        await until(lambda: len(ticks(cloud)) >= 1, 30)
    assert ticks(cloud)[0] > set_s


@in_loop
async def test_a_clock_that_is_stepped_back_doubles_nothing(
    site: Site, cloud: Receiver, clock: Callable[[float], None]
) -> None:
    clock(0)
    async with running(site):
        await until(lambda: len(ticks(cloud)) >= 2)
        clock(-300)
        await until(lambda: BEHIND in cloud.states[-1].warnings)
        held = ticks(cloud)
        await asyncio.sleep(1.1)
        assert ticks(cloud) == held
        clock(0)
        await until(lambda: len(ticks(cloud)) >= len(held) + 1)
    assert_nothing_is_doubled(cloud)


@in_loop
async def test_a_clock_that_was_in_the_future_finds_back(
    site: Site, cloud: Receiver, clock: Callable[[float], None]
) -> None:
    clock(1e7)
    cloud.refuse = "implausible-clock"
    async with running(site) as agent:
        await until(lambda: len(cloud.arrivals) >= 2)
        clock(0)
        cloud.refuse = ""
        await until(lambda: LAST_RESET in cloud.states[-1].warnings)
        await until(lambda: len(ticks(cloud)) >= 2)
        assert BEHIND not in agent.alarms.codes()
    assert_nothing_is_doubled(cloud)
    assert abs(ticks(cloud)[-1] - time.time()) < 5


@in_loop
async def test_a_cloud_whose_clock_differs_does_not_release_the_future(
    site: Site, cloud: Receiver, clock: Callable[[float], None]
) -> None:
    clock(1e7)
    cloud.clock_offset_s = 1e7 / 2
    async with running(site) as agent:
        await until(lambda: len(cloud.arrivals) >= 1)
        clock(0)
        await until(lambda: BEHIND in agent.alarms.codes())
        # the empty batch that asks for the time has come, and its receipt gone
        await until(lambda: any(arrival.payload == b"[]" for arrival in cloud.arrivals))
        await until(lambda: not agent.outbox.waiting(1))
        assert LAST_RESET not in agent.alarms.codes()


def copy(source: Path, target: Path) -> None:
    for ending in ("", "-wal"):
        Path(f"{target}{ending}").unlink(missing_ok=True)
        if Path(f"{source}{ending}").exists():
            shutil.copy(f"{source}{ending}", f"{target}{ending}")


@in_loop
async def test_a_reinstalled_gateway_begins_anew_and_doubles_nothing(site: Site, cloud: Receiver) -> None:
    async with running(site):
        await until(lambda: len(ticks(cloud)) >= 1)
    for file in Path(site.outbox.path).parent.glob("outbox.db*"):
        file.unlink()
    before = set(cloud.identities())
    async with running(site):
        await until(lambda: len(ticks(cloud)) >= 2)
    assert_nothing_is_doubled(cloud)
    assert in_outbox(site.outbox.path) == set(cloud.identities()) - before


@in_loop
async def test_a_restored_old_outbox_doubles_nothing(site: Site, cloud: Receiver, tmp_path: Path) -> None:
    outbox, old = Path(site.outbox.path), tmp_path / "old.db"
    async with running(site):
        await until(lambda: bool(cloud.states))
        cloud.pause()
        await asyncio.sleep(1.5)
        # taken while the receipts are missing: all that is in it will be sent again
        await asyncio.to_thread(copy, outbox, old)
        cloud.resume()
        await until(lambda: len(ticks(cloud)) >= 2)
    await asyncio.to_thread(copy, old, outbox)
    async with running(site):
        count = len(ticks(cloud))
        await until(lambda: len(ticks(cloud)) >= count + 1)
        await until(lambda: max(cloud.identities().values()) > 1)
    assert_nothing_is_doubled(cloud)


@in_loop
async def test_a_swapped_gateway_doubles_nothing(site: Site, cloud: Receiver, tmp_path: Path) -> None:
    async with running(site):
        await until(lambda: len(ticks(cloud)) >= 1)
    swapped = Site(
        **{field: getattr(site, field) for field in site.__struct_fields__ if field != "outbox"},
        outbox=OutboxConfig(path=str(tmp_path / "other.db")),
    )
    async with running(swapped):
        await until(lambda: len(ticks(cloud)) >= 2)
    async with running(site):
        await until(lambda: len(ticks(cloud)) >= 3)
    assert_nothing_is_doubled(cloud)
    assert in_outbox(site.outbox.path) | in_outbox(swapped.outbox.path) == set(cloud.identities())


@in_loop
async def test_readings_of_a_clock_in_holdover_are_marked(site: Site, cloud: Receiver) -> None:
    ahead_s, answers = [0.0], [True, False]
    clock = Clock(
        "ntp", None, lambda: answers.pop(0) if answers[1:] else answers[0], lambda: time.monotonic() + ahead_s[0]
    )
    assert clock.trust() == "ntp"
    ahead_s[0] += HOLDOVER_AFTER_S + 1
    async with running(site, clock):
        await until(lambda: len(ticks(cloud)) >= 1)
        await until(lambda: "clock-holdover" in cloud.states[-1].warnings)
    assert f'"q":{int(Quality.CLOCK_HOLDOVER)}'.encode() in cloud.arrivals[0].payload
    assert b'"clock":"holdover"' in cloud.arrivals[0].payload


@in_loop
async def test_losses_are_reported_once_a_receipt_shows_that_the_state_went_out(site: Site, cloud: Receiver) -> None:
    with contextlib.closing(Outbox(site.outbox, Alarms())) as outbox:
        (batch,) = outbox.take(
            "a", 1_800_000_000, [Reading("m-1", "electricity_import_kwh", 1_800_000_000, 1.0)], 0, ""
        )
    with contextlib.closing(sqlite3.connect(site.outbox.path, isolation_level=None)) as db:
        db.execute("UPDATE body SET payload = zeroblob(9) WHERE id = ?", (batch,))
    with contextlib.closing(Outbox(site.outbox, Alarms())) as outbox:
        assert outbox.message(batch) is None
    async with running(site):
        await until(lambda: bool(ticks(cloud)))
    assert (cloud.states[0].readings_dropped, cloud.states[0].warnings) == (1, ["outbox-dropped"])
    with contextlib.closing(Outbox(site.outbox, Alarms())) as outbox:
        assert outbox.readings_dropped == 0


@in_loop
async def test_a_task_that_fails_is_warned_of_until_it_has_run_well(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 0.0
    alarms = Alarms(lambda: now_s)

    async def fail() -> None:
        raise KeyError("register")

    task = asyncio.create_task(supervise("line a", fail, alarms))
    await until(lambda: alarms.codes() == [TASK_FAILED])
    assert caplog.messages[-1].startswith("alarm=task-failed task=\"line a\" error=KeyError('register')")
    now_s = RUNS_WELL_S
    assert alarms.codes() == []
    task.cancel()


def start(site: Site, folder: Path, action: str = "run") -> "subprocess.Popen[str]":
    file = write_gateway_file(site, folder / "site.toml")
    command = [sys.executable, "-m", "commands", "edge", action, str(file)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


@in_loop
async def test_the_process_ends_on_sigterm_and_what_waits_can_be_drained(
    site: Site, cloud: Receiver, tmp_path: Path
) -> None:
    with start(site, tmp_path) as process:
        await until(lambda: len(ticks(cloud)) >= 1)
        megabytes = psutil.Process(process.pid).memory_info().rss / 2**20
        cloud.pause()
        await asyncio.sleep(2)
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.to_thread(process.communicate)
    assert (process.returncode, megabytes < 60) == (0, True)
    assert len(log.splitlines()) <= 5, log
    assert cloud.states[-1].status == "offline"
    cloud.resume()
    with start(site, tmp_path, "drain") as process:
        await asyncio.to_thread(process.communicate)
    assert process.returncode == 0
    assert_nothing_is_doubled(cloud)
    with contextlib.closing(sqlite3.connect(site.outbox.path)) as db:
        assert db.execute("SELECT count(*) FROM batch WHERE state < 3").fetchone() == (0,)


@pytest.mark.parametrize("damage", ["file", "batch"])
def test_a_drain_of_a_damaged_outbox_is_no_success(
    site: Site, cloud: Receiver, tmp_path: Path, readings_at: Callable[..., list[Reading]], damage: str
) -> None:
    with contextlib.closing(Outbox(site.outbox, Alarms())) as outbox:
        outbox.take("a", 1_800_000_000, readings_at(1_800_000_000), 0, "")
    if damage == "file":
        with Path(site.outbox.path).open("r+b") as file:
            file.write(bytes(16))
    else:
        with contextlib.closing(sqlite3.connect(site.outbox.path, isolation_level=None)) as db:
            db.execute("UPDATE body SET payload = zeroblob(9)")
    with start(site, tmp_path, "drain") as process:
        _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    assert log.splitlines()[-1].startswith(f"bitgoeul: {site.outbox.path}: "), log
    assert "outbox-set-aside" in log.splitlines()[-1] if damage == "file" else "outbox-dropped" in log.splitlines()[-1]
    assert not cloud.arrivals


def test_a_gateway_imports_nothing_heavy() -> None:
    code = "import sys, edge.agent; print(sorted({name.split('.')[0] for name in sys.modules}))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    for heavy in ("numpy", "pydantic", "pyarrow", "duckdb", "cloud"):
        assert f"'{heavy}'" not in answer.stdout
