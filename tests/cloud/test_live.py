"""Live values: the latest of each series and the day's first, whatever the order in which readings come."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.live import LIVE, WATCHED, Live, day_start_s
from cloud.ingest.rebuild import rebuild
from cloud.store.duck import DuckStore
from cloud.store.protocol import APPEND, Commit
from contract.quality import FIRST_MISSING, Quality

MIDNIGHT_S = 1_795_359_600  # 2026-11-23 00:00 in Seoul
NOON_S = MIDNIGHT_S + 43_200
KWH = "electricity_import_kwh"

Row = tuple[int, int, float | None]  # series, time, value


def readings(*rows: Row) -> pa.Table:
    columns = [
        [series for series, _, _ in rows],
        [time_s for _, time_s, _ in rows],
        [value for _, _, value in rows],
        [Quality.GOOD if value is not None else Quality.NO_ANSWER for _, _, value in rows],
        [7 for _ in rows],
    ]
    return pa.table(columns, schema=APPEND)


def watched(meters: Sequence[str], series: Iterable[int]) -> pa.Table:
    return pa.table([meters, [KWH] * len(meters), list(series)], schema=WATCHED)


def live(now_s: float = NOON_S, series: int = 3) -> Live:
    made = Live(now_s)
    made.watch(watched([f"e{n}" for n in range(series)], range(series)))
    return made


def shown(made: Live, series: int = 0, now_s: float = NOON_S) -> dict[str, Any]:
    row: dict[str, Any] = made.table(now_s).to_pylist()[series]
    return row


def test_midnight_is_seouls() -> None:
    assert day_start_s(MIDNIGHT_S) == MIDNIGHT_S
    assert day_start_s(MIDNIGHT_S - 1) == MIDNIGHT_S - 86_400
    assert day_start_s(MIDNIGHT_S + 86_399.9) == MIDNIGHT_S


def test_never_read_is_null_and_has_its_names() -> None:
    table = live().table(NOON_S)
    assert table.schema == LIVE
    assert table["meter"].to_pylist() == ["e0", "e1", "e2"]
    assert all(table[name].null_count == 3 for name in LIVE.names[2:])


def test_the_latest_wins_and_a_late_one_turns_nothing_back() -> None:
    made = live()
    made.update(readings((0, NOON_S, 5.0), (0, NOON_S - 60, 4.0), (1, NOON_S, 9.0)), NOON_S)
    made.update(readings((0, NOON_S - 120, 3.0)), NOON_S)
    row = shown(made)
    assert (row["time_s"], row["value"], row["at_ms"], row["quality"]) == (NOON_S, 5.0, 7, 0)
    assert (row["day_time_s"], row["day_value"]) == (NOON_S - 120, 3.0)
    assert shown(made, 1)["value"] == 9.0


def test_of_one_identity_the_later_arrival_wins() -> None:
    made = live()
    made.update(readings((0, NOON_S, 5.0), (0, NOON_S, 6.0)), NOON_S)
    assert shown(made)["value"] == 6.0
    made.update(readings((0, NOON_S, 7.0)), NOON_S)
    assert shown(made)["value"] == 7.0


def test_a_missing_value_is_missing_and_the_last_one_stays_beside_it() -> None:
    made = live()
    made.update(readings((0, NOON_S - 60, 5.0), (0, NOON_S, None)), NOON_S)
    row = shown(made)
    assert (row["time_s"], row["value"], row["quality"]) == (NOON_S, None, Quality.NO_ANSWER)
    assert (row["last_time_s"], row["last_value"]) == (NOON_S - 60, 5.0)
    assert (row["day_time_s"], row["day_value"]) == (NOON_S - 60, 5.0)


def test_the_day_begins_with_the_first_value_at_or_after_midnight() -> None:
    made = live()
    made.update(readings((0, MIDNIGHT_S - 1, 1.0), (0, MIDNIGHT_S + 30, 3.0), (0, NOON_S, 9.0)), NOON_S)
    assert shown(made)["day_value"] == 3.0
    made.update(readings((0, MIDNIGHT_S, 2.0)), NOON_S)
    assert shown(made)["day_value"] == 2.0
    tomorrow_s = MIDNIGHT_S + 86_400
    made.update(readings((0, tomorrow_s - 60, 20.0)), tomorrow_s - 60)
    assert shown(made, now_s=tomorrow_s)["day_value"] is None
    made.update(readings((0, tomorrow_s - 30, 21.0), (0, tomorrow_s + 60, 22.0)), tomorrow_s + 60)
    row = shown(made, now_s=tomorrow_s + 60)
    assert (row["day_time_s"], row["day_value"]) == (tomorrow_s + 60, 22.0)


def test_a_gateway_whose_clock_is_ahead_begins_the_day_before_we_do() -> None:
    made, tomorrow_s = live(), MIDNIGHT_S + 86_400
    made.update(readings((0, tomorrow_s, 5.0)), tomorrow_s - 30)
    assert shown(made, now_s=tomorrow_s - 1)["day_value"] == 5.0
    assert shown(made, now_s=tomorrow_s + 1)["day_value"] == 5.0


arrivals = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(MIDNIGHT_S - 100, MIDNIGHT_S + 100).filter(lambda time_s: time_s % 7),
        st.none() | st.floats(-1e6, 1e6),
    ),
    unique_by=lambda row: row[:2],
    max_size=40,
)


@given(arrivals, st.lists(st.integers(1, 9), max_size=20))
def test_any_order_in_any_pieces_shows_the_same(rows: list[Row], cuts: list[int]) -> None:
    made, left = live(), list(rows)
    for cut in [*cuts, len(left)]:
        made.update(readings(*left[:cut]), NOON_S)
        left = left[cut:]
    for series in range(3):
        own = sorted((time_s, value) for n, time_s, value in rows if n == series and value is not None)
        every = sorted(time_s for n, time_s, _ in rows if n == series)
        row = shown(made, series)
        assert row["time_s"] == (every[-1] if every else None)
        assert (row["last_time_s"], row["last_value"]) == (own[-1] if own else (None, None))
        today = [pair for pair in own if pair[0] >= MIDNIGHT_S]
        assert (row["day_time_s"], row["day_value"]) == (today[0] if today else (None, None))


def test_what_is_not_shown_is_passed_over_and_what_stays_keeps_its_values() -> None:
    made = live()
    made.update(readings((0, NOON_S, 1.0), (2, NOON_S, 3.0), (7, NOON_S, 8.0), (10**6, NOON_S, 9.0)), NOON_S)
    assert made.table(NOON_S)["value"].to_pylist() == [1.0, None, 3.0]
    assert made.watch(watched(["e7", "e2"], [7, 2]))
    assert made.table(NOON_S)["value"].to_pylist() == [None, 3.0]
    assert made.table(NOON_S)["day_value"].to_pylist() == [None, 3.0]
    made.update(readings((2, NOON_S + 1, 3.5), (0, NOON_S + 1, 1.5), (7, NOON_S, 8.0)), NOON_S)
    assert made.table(NOON_S)["value"].to_pylist() == [8.0, 3.5]
    assert not made.watch(watched(["e2"], [2]))
    assert not made.watch(watched([], []))
    made.update(readings((2, NOON_S + 2, 3.5)), NOON_S)
    assert made.table(NOON_S).num_rows == 0


def test_fifty_thousand_series_take_milliseconds() -> None:
    made = live(series=50_000)
    made.update(readings(*((n, NOON_S, 1.0) for n in range(50_000))), NOON_S)
    best_s = min(_seconds(made) for _ in range(5))
    assert best_s < 0.05


def _seconds(made: Live) -> float:
    began_s = time.perf_counter()
    assert made.table(NOON_S).num_rows == 50_000
    return time.perf_counter() - began_s


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "area.duckdb")
    yield opened
    opened.close()


def test_after_a_start_it_is_as_if_it_had_never_stopped(store: DuckStore) -> None:
    names = [f"e{n}" for n in range(6)]
    series = store.series(names, [KWH] * 6)
    history: list[Row] = []
    for n, (begin_s, end_s, step_s) in enumerate(
        [
            (MIDNIGHT_S - 3600, NOON_S, 300),  # as it should be
            (MIDNIGHT_S - 7200, MIDNIGHT_S + 900, 300),  # died in the night
            (MIDNIGHT_S + 5 * 3600, NOON_S, 300),  # came in the morning
            (NOON_S - 20 * 3600, MIDNIGHT_S - 3600, 300),  # died yesterday
            (NOON_S - 30, NOON_S, 10),  # just came
        ]
    ):
        history += [(int(series[n]), at_s, at_s / 7) for at_s in range(begin_s, end_s, step_s)]
    # the last one answers nothing any more
    history += [(int(series[0]), NOON_S - 60, None), (int(series[5]), NOON_S - 60, None)]
    store.commit(Commit(readings=readings(*history)))

    def fresh() -> Live:
        made = Live(NOON_S)
        made.watch(watched(names, series.tolist()))
        return made

    always, restarted = fresh(), fresh()
    always.update(readings(*history), NOON_S)
    rebuild(restarted, store, NOON_S)
    assert restarted.table(NOON_S).to_pylist() == always.table(NOON_S).to_pylist()
    # and again, beside readings that came meanwhile
    meanwhile = readings((int(series[2]), NOON_S + 5, 1.0))
    early = fresh()
    early.update(meanwhile, NOON_S)
    rebuild(early, store, NOON_S)
    always.update(meanwhile, NOON_S)
    assert early.table(NOON_S).to_pylist() == always.table(NOON_S).to_pylist()


def test_qualities_below_the_first_missing_one_are_values() -> None:
    made = live()
    table = readings((0, NOON_S, 5.0)).set_column(3, "quality", pa.array([FIRST_MISSING - 1], pa.uint8()))
    made.update(table, NOON_S)
    assert shown(made)["value"] == 5.0
