"""A city's readings straight into tables, as ingest would commit them: for filling a store with days in minutes."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store.protocol import APPEND
from contract.quality import Quality
from simulators.city import City, Ints, registers
from simulators.city_faults import Faults, Kind, Shown

COMMIT_ROWS = 500_000


def readings(
    city: City,
    series_numbers: npt.NDArray[np.int32],
    start_s: int,
    end_s: int,
    tick_s: int,
    faults: Faults | None = None,
) -> Iterator[pa.Table]:
    """APPEND tables of at most COMMIT_ROWS, tick by tick with start_s <= time_s < end_s, in the order of arrival.

    `series_numbers` are the store's, of all the city's series. What is late beyond `end_s` comes at the end.
    """
    shown = Shown(city, faults) if faults else None
    waiting: list[tuple[Ints, pa.Table]] = []  # when each row is due
    for time_s in range(start_s, end_s, tick_s):
        values = registers(city, time_s)
        if shown is not None:
            shown.apply(values, time_s)
        table = _table(series_numbers, time_s, values, faults)
        if faults is not None:
            table, late = _arriving(table, time_s, faults)
            waiting += [late] if late[1].num_rows else []
            waiting, due = _due(waiting, time_s)
            table = pa.concat_tables([table, *due]).combine_chunks()
        yield from _commits(table)
    rest = [table for _, table in waiting]
    if rest:
        yield from _commits(pa.concat_tables(rest).combine_chunks())


def _table(series: npt.NDArray[np.int32], time_s: int, values: Ints, faults: Faults | None) -> pa.Table:
    count = len(series)
    quality = np.zeros(count, np.uint8)
    missing = np.zeros(count, bool)
    if faults is not None:
        missing[faults.now(time_s, Kind.MISSING)] = True
        quality[missing] = Quality.NO_ANSWER
    return pa.table(
        [
            pa.array(series),
            pa.array(np.full(count, time_s, np.int64)),
            pa.array(values / 1000.0, mask=missing if missing.any() else None),
            pa.array(quality),
            pa.array(np.zeros(count, np.int32)),
        ],
        schema=APPEND,
    )


def _arriving(table: pa.Table, time_s: int, faults: Faults) -> tuple[pa.Table, tuple[Ints, pa.Table]]:
    """What arrives now, and what arrives later, with when."""
    late_rows = np.flatnonzero((faults.kind == Kind.LATE) & (faults.from_s <= time_s) & (time_s < faults.to_s))
    late = faults.series[late_rows]
    kept = np.ones(table.num_rows, bool)
    kept[late] = False
    kept[faults.now(time_s, Kind.ABSENT)] = False
    twice = table.take(pa.array(faults.now(time_s, Kind.DUPLICATE)))
    now = table if kept.all() else table.filter(pa.array(kept))
    due_s = faults.to_s[late_rows] + faults.amount[late_rows]
    return pa.concat_tables([now, twice]), (due_s, table.take(pa.array(late)))


def _due(waiting: list[tuple[Ints, pa.Table]], time_s: int) -> tuple[list[tuple[Ints, pa.Table]], list[pa.Table]]:
    """What still waits, and what is due."""
    still, due = [], []
    for due_s, table in waiting:
        now = due_s <= time_s
        if now.any():
            due.append(table.filter(pa.array(now)))
        if not now.all():
            still.append((due_s[~now], table.filter(pa.array(~now))))
    return still, due


def _commits(table: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, table.num_rows, COMMIT_ROWS):
        yield table.slice(first, COMMIT_ROWS)
