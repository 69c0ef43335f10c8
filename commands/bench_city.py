"""`bitgoeul bench city`: a whole city's meters, each minute, on this machine: broker, area, settling and portal.

Afterwards the broker is killed, and all gateways come back at once. What was published is then counted in the
area's file; what came late, and how much of two cores was left idle, is measured while it runs.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

from cloud.registry import snapshot
from cloud.store.duck import DuckStore
from cloud.store.flight import FlightStore
from commands.bench_city_watch import CORES, Watch, busy_s, folder_bytes, p95, process_s, settled_s
from commands.language import say
from commands.listener import Listener
from commands.processes import Child, bitgoeul, check_alive, wait_until
from contract.problems import Problem, UsageProblem
from simulators.city import FULL_METERS
from simulators.city_build import build
from simulators.city_load import LoadSettings
from simulators.city_load import run as run_load
from simulators.city_registry import AREA, snapshot_tables
from simulators.city_wire import FILES_BESIDE, allow_files
from simulators.servers import Server, free_port, mosquitto

TICK_S = 60
READY_S = 600.0
LOOK_S = 1.0
BROKER_AWAY_S = 5.0
BROKER_SAVES_S: int | None = None  # never: the killed one comes back knowing nobody, which is the worse case
HERD_S = 300.0
DRAIN_S = 300.0
STOP_S = 120.0
TICKS_S = 180.0  # by then a tick has begun, or the last one ended, on the busiest machine and however short a tick is
LAG_S = 5.0


@dataclass(frozen=True)
class Stage:
    """What runs."""

    folder: Path
    broker: Server
    area: Child
    portal: Child
    load: SpawnProcess
    watch: Watch
    gateways: int

    @property
    def data(self) -> Path:
        """The area's folder."""
        return self.folder / "area"

    def check(self) -> None:
        """Raises Problem when one of them has ended."""
        check_alive([self.area, self.portal])
        if not self.load.is_alive():
            raise Problem("부하 프로세스가 끝나 버렸습니다", "the load's process has ended")

    def used_s(self) -> dict[str, float]:
        """Processor time of each, in seconds."""
        pids = {"area": self.area.pid, "portal": self.portal.pid, "load": self.load.pid}
        pids |= {"broker": self.broker.pid} if self.broker.running else {}
        return {name: process_s(pid) for name, pid in pids.items() if pid is not None}


def options(parser: argparse.ArgumentParser) -> None:
    """How large a city, and for how long."""
    parser.add_argument("--meters", type=int, default=FULL_METERS, help=say("계량기 수", "how many meters"))
    parser.add_argument("--gateways", type=int, default=0, help=say("게이트웨이 수", "how many gateways"))
    parser.add_argument("--minutes", type=int, default=20, help=say("몇 분 동안", "for how many minutes"))
    parser.add_argument("--json", action="store_true", help=say("마지막 줄을 JSON으로", "the last line as JSON"))


def run(args: argparse.Namespace) -> int:
    """0 when nothing was lost; the other figures are not judged here."""
    if args.minutes < 1:
        raise UsageProblem(
            f"--minutes {args.minutes}: 1 이상이어야 합니다", f"--minutes {args.minutes}: expected 1 or more"
        )
    folder = Path(tempfile.mkdtemp(prefix="bitgoeul-bench-"))
    try:
        figures = _bench(folder, args)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for key, value in figures.items():
        print(f"{key:<24} {'-' if value is None else f'{value:,.3f}' if abs(value) < 10 else f'{value:,.0f}'}")
    if args.json:
        print(json.dumps({key: value if value is None else round(value, 3) for key, value in figures.items()}))
    return 0 if figures["lost"] == 0 else 1


def _bench(folder: Path, args: argparse.Namespace) -> dict[str, float | None]:
    gateways = _register(folder, args)
    allow_files(gateways + FILES_BESIDE)
    with _running(folder, args, gateways) as stage:
        began_bytes, began_s = folder_bytes(stage.data), time.monotonic()
        figures: dict[str, float | None] = {"meters": args.meters, "gateways": gateways}
        figures |= _measure(stage, args.minutes)
        figures |= _herd(stage)
        slots = settled_s(stage.area.log.read_text("utf-8"))
        figures |= {"slots_settled": len(slots), "settle_s": max(slots, default=None)}
        _drain(stage)
        seconds = time.monotonic() - began_s
        stage.area.stop(STOP_S)
        grown = folder_bytes(stage.data) - began_bytes
    return figures | {"disk_gb_per_day": grown / 1e9 / seconds * 86_400} | _judge(stage)


def _register(folder: Path, args: argparse.Namespace) -> int:
    """Write the snapshot of the registry; how many gateways there are."""
    city = build(args.meters, args.gateways)
    snapshot.write(folder / "registry", snapshot_tables(city))
    print(
        say(
            f"계량기 {args.meters:,}대, 게이트웨이 {city.gateways:,}대의 등록부를 썼습니다",
            f"registry of {args.meters:,} meters on {city.gateways:,} gateways written",
        ),
        flush=True,
    )
    return city.gateways


@contextmanager
def _running(folder: Path, args: argparse.Namespace, gateways: int) -> Iterator[Stage]:
    """All of it, connected; the ticks have not begun."""
    data, registry, port = folder / "area", folder / "registry", free_port()
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    with mosquitto(folder / "broker", persistence_s=BROKER_SAVES_S) as broker:
        settings = LoadSettings(broker.port, f"b{time.time_ns():x}", args.meters, args.gateways, tick_s=TICK_S)
        load = context.Process(target=run_load, args=(settings, theirs), daemon=True)
        where: list[str | Path] = [
            "--data",
            data,
            "--registry",
            registry,
            "--broker",
            f"mqtt://{broker.host}:{broker.port}",
        ]
        area = Child("area", bitgoeul("cloud", "area", AREA, *where), folder / "area.log")
        socket = data / f"{AREA}.sock"
        shown: list[str | Path] = ["--registry", registry, "--port", str(port), "--area", f"{AREA}={socket}"]
        shown += ["--totals", data / "totals" / AREA]
        portal = Child("portal", bitgoeul("cloud", "portal", *shown), folder / "portal.log")
        stage = Stage(folder, broker, area, portal, load, Watch(ours, FlightStore(socket)), gateways)
        load.start()
        try:
            area.start()
            subscribed = "broker subscribed"
            wait_until(lambda: subscribed in area.log.read_text("utf-8"), "area", [area], READY_S)
            portal.start()
            listener = Listener(port)
            if not _until(stage, lambda: stage.watch.progress.connected == gateways, READY_S):
                raise Problem(
                    f"게이트웨이 {gateways:,}대 가운데 {stage.watch.progress.connected:,}대만 브로커에 연결되었습니다",
                    f"only {stage.watch.progress.connected:,} of {gateways:,} gateways have connected",
                )
            yield stage
            listener.close()
        finally:
            load.kill()
            portal.stop()
            area.stop(STOP_S)


def _until(stage: Stage, holds: Callable[[], bool], timeout_s: float) -> bool:
    """Look on until it holds; whether it did in time. Raises Problem when something has ended."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        stage.check()
        stage.watch.look()
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def _measure(stage: Stage, minutes: int) -> dict[str, float]:
    """So many minutes after one to warm up, each told."""
    watch = stage.watch
    watch.orders.send("begin")
    _ticks(stage, 2)
    began_s, began_busy_s, began = time.time(), busy_s(), watch.progress
    for minute in range(1, minutes + 1):
        at_s, used_s, was_busy_s = time.time(), stage.used_s(), busy_s()
        _ticks(stage, 2 + minute)
        seconds = time.time() - at_s
        used = " ".join(f"{name} {(now - used_s[name]) / seconds:.2f}" for name, now in stage.used_s().items())
        told, busy = watch.progress, (busy_s() - was_busy_s) / seconds
        lag_s, disk = p95(watch.lags_since(at_s)), folder_bytes(stage.data) / 1e9
        print(
            say(
                f"{minute:3}분: 측정값 {told.readings:,}, 영수증 없는 묶음 {told.waiting:,}, 지연 {lag_s:.1f}초, "
                f"코어 {busy:.2f} ({used}), 디스크 {disk:.2f} GB",
                f"minute {minute:3}: {told.readings:,} readings, {told.waiting:,} batches unreceipted, "
                f"lag {lag_s:.1f} s, cores {busy:.2f} ({used}), disk {disk:.2f} GB",
            ),
            flush=True,
        )
    seconds, told = time.time() - began_s, watch.progress
    return {
        "readings_per_s": (told.readings - began.readings) / seconds,
        "lag_p95_s": p95(watch.lags_since(began_s)),
        "idle_share": 1 - (busy_s() - began_busy_s) / (CORES * seconds),
        "load_ms_per_1000": (told.cpu_s - began.cpu_s) / (told.readings - began.readings) * 1e6,
    }


def _ticks(stage: Stage, count: int) -> None:
    """Return once so many ticks have begun."""
    if not _until(stage, lambda: stage.watch.progress.ticks >= count, TICKS_S):
        raise Problem("부하가 멈추었습니다", "the load has stopped")


def _herd(stage: Stage) -> dict[str, float]:
    """Kill the broker. From then until all gateways are back, and what they publish is readable in time."""
    watch = stage.watch
    print(say("브로커를 죽입니다", "killing the broker"), flush=True)
    stage.broker.kill()
    killed_s = time.monotonic()
    _until(stage, lambda: time.monotonic() - killed_s >= BROKER_AWAY_S, HERD_S)
    stage.broker.start()
    _until(stage, lambda: watch.progress.connected == stage.gateways, HERD_S)
    back_s = time.time()
    _until(stage, lambda: _in_time([lag_s for from_s, lag_s in watch.lags if from_s >= back_s]), HERD_S)
    return {"herd_recovered_s": time.monotonic() - killed_s}


def _in_time(lags_s: list[float]) -> bool:
    return len(lags_s) >= 3 and max(lags_s[-3:]) < LAG_S


def _drain(stage: Stage) -> None:
    """End the ticks, and return once every batch has its receipt, or none has come for long."""
    watch = stage.watch
    watch.orders.send("stop")
    _until(stage, lambda: time.time() > watch.progress.last_tick_s + TICK_S + 2 * LOOK_S, TICKS_S)
    _until(stage, lambda: watch.progress.waiting == 0, DRAIN_S)
    watch.orders.send("end")
    stage.load.join(STOP_S)
    watch.hear()


def _judge(stage: Stage) -> dict[str, float]:
    """Count what the area's file holds, against what was published. The area has ended."""
    told = stage.watch.progress
    store = DuckStore(stage.data / f"{AREA}.duckdb")
    try:
        counts = store.counts(0, told.last_tick_s + 1)
    finally:
        store.close()
    return {
        "published": told.readings,
        "stored": counts.identities,
        "doubled": counts.rows - counts.identities,
        "conflicts": counts.conflicts,
        "batches_sent_again": told.sent - told.batches,
        "batches_refused": told.refused,
        "lost": told.batches - told.receipted + max(0, told.readings - counts.identities),
    }
