"""The parts of `bench settle` that take a whole city: its registry, a slot, a start, and a day."""

import resource
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S, Grade
from cloud.registry import snapshot
from cloud.registry.facts import holiday_days
from cloud.settle.days import judge_day
from cloud.settle.engine import Engine, Facts
from cloud.settle.plan import spans_of
from cloud.settle.sums import sum_stale
from cloud.store.duck import DuckStore
from cloud.store.parquet import TotalsWriter
from cloud.store.protocol import Commit
from cloud.store.settled import EDGES, USAGE, Batch
from commands.processes import Child, bitgoeul, wait_until
from commands.stretch import AREA
from simulators import servers
from simulators.city_build import build
from simulators.city_faults import Kind, draw
from simulators.city_history import readings
from simulators.city_registry import snapshot_tables, write_csvs

Figures = dict[str, float | bool]

START_S = 1_796_050_800 // DAY_S * DAY_S - SEOUL_S  # a local midnight
TICK_S = 60
FAULTY = {Kind.LATE: 0.01, Kind.MISSING: 0.01, Kind.ROLLOVER: 0.01}


def registry(folder: Path, meters: int) -> Figures:
    """CSV files of the city taken in by the registry, and its snapshot."""
    from cloud.registry.change import Author  # noqa: PLC0415  # this part alone needs the database
    from cloud.registry.importing import import_parts, read_parts  # noqa: PLC0415
    from cloud.registry.opening import init_registry  # noqa: PLC0415

    write_csvs(build(meters), folder / "csv")
    book = init_registry(folder / "registry")
    began_s = time.perf_counter()
    import_parts(book, read_parts([folder / "csv"]), Author("bench"))
    took_s = time.perf_counter() - began_s
    return {"registry_import_s": took_s, "registry_import_rss_gb": _peak_gb()}


def fill(folder: Path, meters: int) -> Figures:
    """One slot's readings of the whole city, in commits like those of ingest."""
    city = build(meters)
    snapshot.write(folder / "snapshot", snapshot_tables(city, AREA))
    store = DuckStore(folder / f"{AREA}.duckdb")
    numbers = store.series(*city.series_names())
    for table in readings(city, numbers, START_S, START_S + 1, TICK_S):
        store.commit(Commit(readings=table))
    store.close()
    empty = _bytes(folder)
    store = DuckStore(folder / f"{AREA}.duckdb")
    began_s, count = time.perf_counter(), 0
    faults = draw(city, START_S, START_S + SLOT_S + TICK_S, TICK_S, FAULTY)
    for table in readings(city, numbers, START_S + TICK_S, START_S + SLOT_S + 1, TICK_S, faults):
        store.commit(Commit(readings=table))
        count += table.num_rows
    seconds = time.perf_counter() - began_s
    store.close()
    return {
        "readings": count,
        "filled_per_s": count / seconds,
        "bytes_per_reading": (_bytes(folder) - empty) / count,
    }


def _bytes(folder: Path) -> int:
    with duckdb.connect(folder / f"{AREA}.duckdb") as connection:
        connection.execute("CHECKPOINT")
    return (folder / f"{AREA}.duckdb").stat().st_size


def settle(folder: Path, meters: int) -> Figures:
    """The slot settled: usage of every register with the slot's rules, and the sums on disk."""
    del meters
    limit_s = _scan_s(folder / f"{AREA}.duckdb")
    store = DuckStore(folder / f"{AREA}.duckdb")
    began_s = time.perf_counter()
    engine = Engine(store, store.settled, _facts(store, folder))
    store.settled.begin(START_S, engine.facts.version)
    loaded_s = time.perf_counter() - began_s
    totals = TotalsWriter(folder / "totals")
    began_s = time.perf_counter()
    store.settled.close_until(START_S + SLOT_S)
    engine.settle(START_S)
    usage_s = time.perf_counter() - began_s
    assert sum_stale(engine, totals, lambda: True, lambda _done, _of: None)
    took_s = time.perf_counter() - began_s
    usage = store.settled.usage(START_S, START_S + 1)
    grades = np.bincount(usage["grade"].to_numpy(), minlength=len(Grade))
    store.close()
    return {
        "settle_s": took_s,
        "usage_s": usage_s,
        "facts_s": loaded_s,
        "scan_s": limit_s,
        "settle_ratio": took_s / limit_s,
        "peak_rss_gb": _peak_gb(),
        "registers": usage.num_rows,
        "actual_share": float(grades[[Grade.A, Grade.V]].sum() / usage.num_rows),
    }


def _scan_s(path: Path) -> float:
    """What it takes to read the slot, and to find each register's last value, and no more."""
    began_s = time.perf_counter()
    with duckdb.connect(path) as connection:
        query = "SELECT count(*), sum(v) FROM (SELECT arg_max(value, time_s) AS v FROM readings GROUP BY series)"
        connection.execute(query).fetchall()
    return time.perf_counter() - began_s


def _facts(store: DuckStore, folder: Path) -> Facts:
    found = snapshot.load(folder / "snapshot")
    return Facts(found.version, spans_of(found.spans, AREA, store.series), found.outages, holiday_days())


def restart(folder: Path, meters: int) -> Figures:
    """An area's process with all meters, until it takes readings from its broker."""
    del meters
    with servers.mosquitto(folder / "broker") as broker:
        argv = bitgoeul(
            "cloud", "area", AREA, "--data", folder, "--broker", f"mqtt://127.0.0.1:{broker.port}", "--allow-plain"
        )
        argv += ["--registry", str(folder / "snapshot")]
        child = Child("area", argv, folder / "area.log")
        began_s = time.perf_counter()
        child.start()
        try:
            wait_until(lambda: "broker subscribed" in child.log.read_text("utf-8"), "area", [child], 300.0)
            return {"restart_s": time.perf_counter() - began_s}
        finally:
            child.stop(60.0)


def day_rules(folder: Path, meters: int) -> Figures:
    """The rules of a day, over the usage of every register in all of its slots."""
    del meters
    store = DuckStore(folder / f"{AREA}.duckdb")
    engine = Engine(store, store.settled, _facts(store, folder))
    day = (START_S + SEOUL_S) // DAY_S
    _fill_day(store, engine)
    began_s = time.perf_counter()
    assert judge_day(engine, store.days, day, lambda: True, lambda _done, _of: None)
    took_s = time.perf_counter() - began_s
    store.close()
    return {"day_rules_s": took_s, "day_rules_rss_gb": _peak_gb()}


def _fill_day(store: DuckStore, engine: Engine) -> None:
    """Usage of a whole day, slot by slot, as settling leaves it."""
    series = engine.plan(START_S).series
    chance = np.random.default_rng(1)
    level = chance.integers(1, 400, len(series))
    store.settled.forget_all()
    for place in range(DAY_S // SLOT_S):
        slot_s = START_S + place * SLOT_S
        milli = level + chance.integers(0, 1 + level // 2)
        grade = np.where(chance.random(len(series)) < 0.01, np.uint8(Grade.N), np.uint8(Grade.A))
        missing = pa.array(milli, mask=grade == Grade.N)
        columns = [np.full(len(series), slot_s), series, missing, grade, np.zeros(len(series), np.uint32)]
        store.settled.append(pa.table(columns, schema=USAGE), store.settled.edges(0))
        if place % 12 == 11:
            print(f"  {place + 1} / 96", flush=True)
    store.settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), settled_s=START_S + DAY_S))


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
