"""`bitgoeul bench ingest`: how many readings a second go from Mosquitto through every check into a store, on disk.

Beside it, in the same run, what the store takes by itself: that is the limit, and the ratio to it is what can be
compared between machines. The first batch of each gateway only warms up (it makes the series); it is not timed.
"""

import argparse
import json
import re
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from cloud.registry import snapshot
from cloud.store.duck import DuckStore
from commands import bench_limits
from commands.bench_publisher import (
    AREA,
    BATCH_READINGS,
    METERS,
    QUANTITIES,
    Load,
    gateway_name,
    meter_names,
    publish,
)
from commands.language import say
from commands.processes import Child, bitgoeul, wait_until
from contract.problems import Problem, UsageProblem
from simulators.registered import spans
from simulators.servers import Server, create_database, influxdb, mosquitto

DATABASE = "bitgoeul"
STORES = ("duckdb", "influx")


def options(parser: argparse.ArgumentParser) -> None:
    """What to measure, and how much."""
    parser.add_argument(
        "--store", choices=("both", *STORES), default="both", help=say("기본: 둘 다", "default: both, in turn")
    )
    parser.add_argument("--gateways", type=int, default=1000, help=say("게이트웨이 수", "how many gateways"))
    parser.add_argument(
        "--duckdb-readings", type=int, default=6_000_000, help=say("DuckDB로 보낼 건수", "readings sent to DuckDB")
    )
    parser.add_argument(
        "--influx-readings", type=int, default=3_000_000, help=say("InfluxDB로 보낼 건수", "readings sent to InfluxDB")
    )
    parser.add_argument("--json", action="store_true", help=say("마지막 줄을 JSON으로", "the last line as JSON"))


def run(args: argparse.Namespace) -> int:
    """0 when nothing was lost or doubled; the figures are not judged here."""
    wanted = STORES if args.store == "both" else (args.store,)
    figures: dict[str, float] = {"gateways": args.gateways, "meters": args.gateways * METERS}
    folder = Path(tempfile.mkdtemp(prefix="bitgoeul-bench-"))
    try:
        for store in wanted:
            readings = args.duckdb_readings if store == "duckdb" else args.influx_readings
            load = _load(args.gateways, readings)
            place = folder / store
            place.mkdir()
            figures |= _duckdb(place, load) if store == "duckdb" else _influx(place, load)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for key, value in figures.items():
        print(f"{key:<24} {value:,.2f}" if value < 10 else f"{key:<24} {value:,.0f}")
    if args.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
    return 0


def _load(gateways: int, readings: int) -> Load:
    if not 1 <= gateways <= 9999:
        raise UsageProblem(f"--gateways {gateways}: 1~9999이어야 합니다", f"--gateways {gateways}: expected 1 to 9999")
    least = 2 * gateways * BATCH_READINGS
    if readings < least:
        raise UsageProblem(
            f"측정값 {readings:,}건: 게이트웨이 {gateways:,}대에는 {least:,}건 이상이어야 합니다",
            f"{readings:,} readings: expected at least {least:,} for {gateways:,} gateways",
        )
    # lately, so that it is not too old, and not in the future
    return Load(gateways, readings // (gateways * BATCH_READINGS), int(time.time()) // 3600 * 3600 - 3600)


def _duckdb(folder: Path, load: Load) -> dict[str, float]:
    with mosquitto(folder / "broker") as broker:
        per_s, twice = _ingest(folder, broker, load, [])
    store = DuckStore(folder / f"{AREA}.duckdb")
    try:
        counts = store.counts(load.start_s, load.start_s + load.batches + 1)
        _expect("duckdb", load, counts.rows, counts.identities)
    finally:
        store.close()
    print(say("DuckDB만 측정 중", "measuring DuckDB by itself"), flush=True)
    limit_per_s = bench_limits.duckdb_per_s(folder / "limit.duckdb", load)
    sent = {"duckdb_readings": load.readings, "duckdb_batches_sent_twice": twice}
    return sent | {"duckdb_per_s": per_s, "duckdb_limit_per_s": limit_per_s, "duckdb_ratio": per_s / limit_per_s}


def _influx(folder: Path, load: Load) -> dict[str, float]:
    with _empty_influxdb(folder / "influx") as url, mosquitto(folder / "broker") as broker:
        more = ["--store", "influx", "--influx-url", url, "--influx-db", DATABASE]
        per_s, twice = _ingest(folder, broker, load, more)
        stored = bench_limits.influx_count(url, DATABASE, QUANTITIES, load)
        _expect("influx", load, stored, stored)
    print(say("InfluxDB만 측정 중", "measuring InfluxDB by itself"), flush=True)
    # a server of its own: the first one would still be compacting what it was given
    with _empty_influxdb(folder / "raw") as url:
        raw_per_s = bench_limits.influx_per_s(url, DATABASE, load)
    sent = {"influx_readings": load.readings, "influx_batches_sent_twice": twice}
    return sent | {"influx_per_s": per_s, "influx_raw_per_s": raw_per_s, "influx_ratio": per_s / raw_per_s}


@contextmanager
def _empty_influxdb(folder: Path) -> Iterator[str]:
    """Its address; it has the database and nothing in it."""
    with influxdb(folder) as server:
        create_database(server, DATABASE)
        yield f"http://{server.host}:{server.port}"


def _expect(store: str, load: Load, rows: int, identities: int) -> None:
    """Count what is in the store: nothing lost, nothing doubled."""
    print(say(f"{store}: {rows:,}행 확인", f"{store}: {rows:,} rows counted"), flush=True)
    if (rows, identities) != (load.readings, load.readings):
        raise Problem(
            f"{store}: {load.readings:,}건을 보냈는데 {rows:,}행, {identities:,}건이 있습니다",
            f"{store}: {load.readings:,} readings sent, {rows:,} rows of {identities:,} identities found",
        )


def _ingest(folder: Path, broker: Server, load: Load, more: Sequence[str]) -> tuple[float, int]:
    """Readings a second, from the first packet to the last receipt; how many batches ingest met a second time."""
    registry = _write_registry(folder / "registry", load)
    argv = bitgoeul("cloud", "area", AREA, "--data", folder, "--broker", f"mqtt://{broker.host}:{broker.port}")
    area = Child("area", [*argv, "--registry", str(registry), *more], folder / "area.log")
    context = get_context("spawn")
    receipted = context.Value("q", 0)
    ours, theirs = context.Pipe()
    publisher = context.Process(target=publish, args=(broker.port, load, receipted, theirs), daemon=True)
    publisher.start()
    print(say(f"{load.readings:,}건 준비 중", f"preparing {load.readings:,} readings"), flush=True)
    with _running(area):
        ours.recv()
        ours.send("warm up")
        ours.recv()
        ours.send("go")
        while not ours.poll(1.0):
            if not (area.alive and publisher.is_alive()):
                raise Problem(f"수집이 끝났습니다: {area.last_words()}", f"ingest ended: {area.last_words()}")
            print(f"  {receipted.value * BATCH_READINGS:,}", flush=True)
        seconds = float(ours.recv())
        wait_until(lambda: _metric(area, "queue_messages") == 0, "area", [area])
        twice = int(_metric(area, "duplicate_batches_total"))
    publisher.join()
    if twice != load.sent_twice:
        raise Problem(
            f"두 번 보낸 묶음 {load.sent_twice:,}개 가운데 {twice:,}개가 두 번째로 확인되었습니다",
            f"{load.sent_twice:,} batches were sent twice, ingest met {twice:,} a second time",
        )
    return (load.readings - load.gateways * BATCH_READINGS) / seconds, twice


@contextmanager
def _running(area: Child) -> Iterator[None]:
    area.start()
    try:
        wait_until(lambda: _metric(area, "broker_connected") == 1, "area", [area])
        yield
    finally:
        area.stop(30.0)


def _metric(area: Child, name: str) -> float:
    """A value of the area's /metrics, whose address is in its log; NaN before it answers."""
    found = re.search(r"metrics=(http://\S+)", area.log.read_text("utf-8"))
    if found is None:
        return float("nan")
    with urllib.request.urlopen(found[1], timeout=5.0) as answer:  # noqa: S310  # an address of our own log
        text = answer.read().decode()
    line = re.search(rf"^bitgoeul_ingest_{name} (\S+)$", text, re.MULTILINE)
    return float(line[1]) if line else float("nan")


def _write_registry(folder: Path, load: Load) -> Path:
    rows = [
        (gateway_name(number), meter, quantity)
        for number in range(load.gateways)
        for meter in meter_names(number)
        for quantity in QUANTITIES
    ]
    columns: dict[str, object] = dict(zip(("gateway", "meter", "quantity"), zip(*rows, strict=True), strict=True))
    snapshot.write(folder, {"spans": spans(columns | {"area": [AREA] * len(rows)})})
    return folder
