"""What every store promises, on the real thing: DuckDB, InfluxDB 1.6.7, and another process's view of one."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer, FlightStore
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxSettings
from cloud.store.protocol import APPEND, LEDGER, QUARANTINE, ROWS, RUNS, SPANS, Commit, Store
from contract.problems import Problem
from contract.quality import Quality
from simulators import servers

TICK_S = 1_795_392_000
IMPORT, WATER = "electricity_import_kwh", "water_volume_m3"

Row = tuple[str, str, int, float | None, int, int]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    try:
        server = servers.influxdb(tmp_path_factory.mktemp("influx"))
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        yield server


def _duckdb(folder: Path, _request: pytest.FixtureRequest) -> Store:
    return DuckStore(folder / "area.duckdb")


def _influxdb(folder: Path, request: pytest.FixtureRequest) -> Store:
    server: servers.Server = request.getfixturevalue("influx")
    database = f"db{next(_numbers)}"
    servers.create_database(server, database)
    settings = InfluxSettings(f"http://{server.host}:{server.port}", database)
    return InfluxStore(settings, DuckStore(folder / "area.duckdb"))


class AskedByFlight(DuckStore):
    """The default store as another process reads it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "area.duckdb")
        self._door = AreaServer(folder / "socket", DuckRows(super().rows))
        self._asking = FlightStore(folder / "socket")

    def rows(self, *asked: Any, **named: Any) -> pa.Table:
        return self._asking.rows(*asked, **named)

    def close(self) -> None:
        self._door.close()
        super().close()


class DuckRows(NamedTuple):
    """What answers behind the door."""

    rows: Callable[..., pa.Table]


def _flight(folder: Path, _request: pytest.FixtureRequest) -> Store:
    return AskedByFlight(folder)


_numbers = itertools.count()


@pytest.fixture(params=[_duckdb, _influxdb, _flight], ids=["duckdb", "influxdb", "flight"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = request.param(tmp_path, request)
    yield opened
    opened.close()


def readings(store: Store, rows: Sequence[Row]) -> pa.Table:
    """Rows as (meter, quantity, time_s, value, quality, at_ms) in the form that is appended."""
    series = store.series([row[0] for row in rows], [row[1] for row in rows])
    columns = [pa.array(series, pa.int32())]
    columns += [pa.array([row[at] for row in rows], APPEND.types[at - 1]) for at in range(2, 6)]
    return pa.table(columns, schema=APPEND)


def put(store: Store, *rows: Row) -> None:
    store.commit(Commit(readings=readings(store, rows)))


def got(store: Store, start_s: int = 0, end_s: int = 2**35, **asked: Sequence[str]) -> list[Row]:
    table = store.rows(start_s, end_s, **asked)
    assert table.schema == ROWS
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_what_was_committed_is_read_back_in_order(store: Store) -> None:
    rows: list[Row] = [
        ("b", IMPORT, TICK_S, 2.5, 0, 120),
        ("a", WATER, TICK_S + 60, 7.0, Quality.SUSPECT, -3),
        ("a", IMPORT, TICK_S, None, Quality.NO_ANSWER, 0),
        ("a", WATER, TICK_S, 6.0, 0, 59_999),
    ]
    put(store, *rows)
    assert got(store) == sorted(rows, key=lambda row: row[:3])


def test_an_empty_commit_and_an_empty_answer_are_fine(store: Store) -> None:
    store.commit(Commit())
    assert got(store) == []
    assert len(store.series([], [])) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((1.0, 0, 5), (2.0, 0, 7)),
        ((1.0, 0, 5), (None, Quality.NO_ANSWER, 7)),
        ((None, Quality.NO_ANSWER, 5), (2.0, 0, 7)),
        ((1.0, Quality.SUSPECT, 5), (1.0, 0, 0)),
        ((None, Quality.NO_ANSWER, 5), (None, Quality.GARBLED, 7)),
    ],
)
@pytest.mark.parametrize("together", [False, True])
def test_the_latest_arrival_replaces_the_earlier_whole(
    store: Store, first: tuple[float | None, int, int], second: tuple[float | None, int, int], together: bool
) -> None:
    key = ("a", IMPORT, TICK_S)
    if together:
        put(store, (*key, *first), ("b", IMPORT, TICK_S, 0.0, 0, 0), (*key, *second))
    else:
        put(store, (*key, *first), ("b", IMPORT, TICK_S, 0.0, 0, 0))
        put(store, (*key, *second))
    assert got(store, meters=["a"]) == [(*key, *second)]


def test_the_same_readings_twice_are_each_there_once(store: Store) -> None:
    rows: list[Row] = [(f"m{m}", IMPORT, TICK_S + 10 * t, m + t / 8, 0, 0) for m in range(30) for t in range(40)]
    put(store, *rows)
    put(store, *reversed(rows))
    assert got(store) == sorted(rows)


def test_bounds_are_half_open_and_filters_combine(store: Store) -> None:
    rows: list[Row] = [
        (meter, quantity, TICK_S + tick, 1.0, 0, 0)
        for meter in ("a", "b", "c")
        for quantity in (IMPORT, WATER)
        for tick in (0, 1, 2)
    ]
    put(store, *rows)
    asked = {"meters": ["a", "c", "unheard-of"], "quantities": [WATER, "unheard-of"]}
    assert got(store, TICK_S + 1, TICK_S + 2, **asked) == [
        ("a", WATER, TICK_S + 1, 1.0, 0, 0),
        ("c", WATER, TICK_S + 1, 1.0, 0, 0),
    ]
    assert got(store, TICK_S, TICK_S + 3) == rows
    assert got(store, TICK_S + 1, TICK_S + 1) == []
    assert got(store, meters=[]) == []
    assert got(store, quantities=[]) == []


def test_values_come_back_bit_for_bit(store: Store) -> None:
    odd = [0.1 + 0.2, 1e-300, 5e-324, 1.7976931348623157e308, 2**53 + 2.0, 1e22, 1e23, 123456789.123456789, 1e-5, 1e16]
    odd += [float(-value) for value in odd] + [0.0, 100.0, 1 / 3, 2.5]
    random.seed(7)
    odd += [random.uniform(-1e6, 1e6) for _ in range(200)] + [random.random() * 10.0**e for e in range(-300, 300, 7)]
    put(store, *((f"m{at:04}", IMPORT, TICK_S, value, 0, 0) for at, value in enumerate(odd)))
    assert [repr(row[3]) for row in got(store)] == [repr(value) for value in odd]  # -0.0 == 0.0


def test_numbered_rows_are_those_of_the_series_and_times_asked_for(store: Store) -> None:
    put(store, ("a", IMPORT, 100, 1.0, 0, 0), ("b", IMPORT, 100, 2.0, 0, 0), ("a", IMPORT, 200, 3.0, 0, 0))
    put(store, ("a", IMPORT, 100, 4.0, 0, 0))
    one, other = store.series(["a", "b"], [IMPORT, IMPORT])
    found = store.numbered(100, 200, np.array([one], np.int32)).to_pylist()
    mine = [(row["time_s"], row["value"]) for row in found if row["series"] == one]
    # the latest arrival is last, whether or not an earlier one is kept
    assert mine[-1] == (100, 4.0)
    assert {time_s for time_s, _ in mine} == {100}
    both = store.numbered(0, 300, np.array(sorted([one, other]), np.int32)).to_pylist()
    assert {(row["series"], row["time_s"]) for row in both} == {(one, 100), (one, 200), (other, 100)}


def test_series_are_the_same_for_ever(store: Store) -> None:
    first = store.series(["a", "b", "a"], [IMPORT, IMPORT, WATER])
    assert first.dtype == np.int32
    assert len(set(first.tolist())) == 3
    again = store.series(["c", "a", "b", "a", "a"], [IMPORT, WATER, IMPORT, IMPORT, WATER])
    assert again[1:].tolist() == [first[2], first[1], first[0], first[2]]
    assert again[0] not in first


def test_names_that_no_query_language_likes(store: Store) -> None:
    meters = ["a b", "a,b", "a=b", 'a"b', "a'b", "a\\", "a\\'b", "미터", "-"]
    put(store, *((meter, IMPORT, TICK_S, 1.0, 0, 0) for meter in meters))
    assert [row[0] for row in got(store)] == sorted(meters)
    for meter in meters:
        assert [row[0] for row in got(store, meters=[meter])] == [meter]


def test_a_big_commit(store: Store) -> None:
    n = 60_000
    series = store.series([f"m{at:05}" for at in range(n // 60)], [IMPORT] * (n // 60))
    columns = {
        "series": np.tile(series, 60),
        "time_s": np.repeat(np.arange(60) * 60 + TICK_S, n // 60),
        "value": np.arange(n) / 100,
        "quality": np.zeros(n, np.uint8),
        "at_ms": np.arange(n) % 2000,
    }
    store.commit(Commit(readings=pa.table(columns).cast(APPEND)))
    found = store.rows(TICK_S, TICK_S + 3600)
    assert found.num_rows == n
    assert sorted(found.column("value").to_pylist()) == [at / 100 for at in range(n)]
    assert found.column("meter").to_pylist() == sorted(found.column("meter").to_pylist())


def _ledger(*rows: tuple[str, str, int, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(LEDGER.names, row, strict=True)) for row in rows], LEDGER)


def _spans(*rows: tuple[str, str, int, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SPANS.names, row, strict=True)) for row in rows], SPANS)


def _tuples(table: pa.Table) -> list[tuple[object, ...]]:
    return sorted(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_the_ledger_is_kept_and_shortened(store: Store) -> None:
    store.commit(Commit(ledger=_ledger(("g1", "r", 1, 2**64 - 1), ("g1", "r", 2, 7), ("g1", "s", 1, 8))))
    store.commit(Commit(ledger=_ledger(("g1", "r", 4, 9), ("g2", "r", 1, 10))))
    assert _tuples(store.ledger()) == [
        ("g1", "r", 1, 2**64 - 1), ("g1", "r", 2, 7), ("g1", "r", 4, 9), ("g1", "s", 1, 8), ("g2", "r", 1, 10),
    ]  # fmt: skip
    store.commit(Commit(spans=_spans(("g1", "r", 1, 2))))
    store.commit(Commit(spans=_spans(("g1", "r", 1, 2), ("g1", "r", 4, 4), ("g2", "r", 1, 1))))
    assert _tuples(store.ledger()) == [("g1", "s", 1, 8)]
    assert _tuples(store.spans()) == [("g1", "r", 1, 2), ("g1", "r", 4, 4), ("g2", "r", 1, 1)]
    assert store.ledger().schema == LEDGER
    assert store.spans().schema == SPANS


def test_a_forgotten_run_is_gone_and_may_begin_anew(store: Store) -> None:
    store.commit(Commit(ledger=_ledger(("g1", "r", 3, 1), ("g1", "s", 1, 2)), spans=_spans(("g1", "r", 1, 2))))
    forgotten = pa.table([["g1"], ["r"]], schema=RUNS)
    store.commit(Commit(ledger=_ledger(("g1", "r", 9, 3)), forgotten=forgotten))
    assert _tuples(store.ledger()) == [("g1", "r", 9, 3), ("g1", "s", 1, 2)]
    assert store.spans().num_rows == 0


def _refused(gateway: str, *records: str, reason: str = "nan") -> Commit:
    rows = [{"arrived_s": 1.5, "gateway": gateway, "batch": "r-1", "reason": reason, "record": r} for r in records]
    return Commit(quarantine=pa.Table.from_pylist(rows, QUARANTINE))


def test_quarantine_is_listed_and_released_with_its_readings(store: Store) -> None:
    store.commit(_refused("g1", "one", "two"))
    store.commit(_refused("g2", "three", reason="unknown-meter"))
    listed = store.quarantined().to_pylist()
    assert [row["record"] for row in listed] == ["one", "two", "three"]
    assert listed[0] | {"id": 0} == {
        "id": 0, "arrived_s": 1.5, "gateway": "g1", "batch": "r-1", "reason": "nan", "record": "one",
    }  # fmt: skip
    assert [row["record"] for row in store.quarantined(gateway="g1", limit=1).to_pylist()] == ["one"]
    assert [row["record"] for row in store.quarantined(reason="unknown-meter").to_pylist()] == ["three"]
    assert _tuples(store.quarantine_counts()) == [("g1", 2, 0), ("g2", 1, 0)]
    mended = readings(store, [("a", IMPORT, TICK_S, 1.0, 0, 0)])
    store.commit(Commit(readings=mended, released=[row["id"] for row in listed[1:]]))
    assert [row["record"] for row in store.quarantined().to_pylist()] == ["one"]
    assert _tuples(store.quarantine_counts()) == [("g1", 1, 0), ("g2", 0, 0)]
    store.commit(_refused("g1", "four"))
    assert store.quarantined().to_pylist()[1]["id"] > listed[2]["id"]
    assert len(got(store)) == 1
