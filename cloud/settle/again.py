"""Marked slots settled again, and all that follows from them, slot by slot in the order of time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import DAY_S, SLOT_S
from cloud.metering.slot import STUCK_SLOTS
from cloud.settle.engine import Engine, edges_table, usage_table
from cloud.settle.inputs import Some
from cloud.store.settled import EDGES, MARKS, USAGE, Batch

LOG = logging.getLogger(__name__)

DEPENDENT_S = 28 * DAY_S
SUMS_ONLY = 0  # a mark of this series is of the sums alone

SeriesArray = npt.NDArray[np.int32]


@dataclass
class _Pending:
    """Series that are still to be settled, by slot; whether they came from the slot before or begin here."""

    until_s: int
    by_slot: dict[int, list[tuple[SeriesArray, bool]]] = field(default_factory=dict)

    def add(self, slot_s: int, series: SeriesArray, *, onward: bool = False) -> None:
        if len(series) and slot_s < self.until_s:
            self.by_slot.setdefault(slot_s, []).append((series, onward))

    def take(self) -> tuple[int, SeriesArray, SeriesArray]:
        """The earliest slot, those that came onward, and those that begin there."""
        slot_s = min(self.by_slot)
        found = self.by_slot.pop(slot_s)
        none = np.zeros(0, np.int32)
        onward, begun = (
            np.unique(np.concatenate([none, *(series for series, came in found if came is way)]))
            for way in (True, False)
        )
        return slot_s, onward, np.setdiff1d(begun, onward)


def settle_marked(engine: Engine, keep_going: Callable[[], bool], said: Callable[[int, int], None]) -> bool:
    """Settle all marks again; `said` is told how many slots are done and how many are known to wait. False when
    `keep_going` ended it: the marks are then still there.
    """
    marks, last = engine.settled.marks()
    if not marks.num_rows:
        return True
    progress = engine.settled.progress()
    assert progress.first_s is not None
    assert progress.settled_s is not None
    pending, stale = _expand(marks, progress.first_s, progress.settled_s)
    done = 0
    while pending.by_slot:
        if not keep_going():
            return False
        slot_s, onward, begun = pending.take()
        begun = _from_gap_on(engine, slot_s, begun, pending)
        if len(onward) + len(begun):
            _settle_slot(engine, slot_s, np.union1d(onward, begun), pending)
        done += 1
        said(done, len(pending.by_slot))
    engine.settled.finish(Batch(usage=USAGE.empty_table(), edges=EDGES.empty_table(), stale=stale, marks_done=last))
    return True


def _expand(marks: pa.Table, first_s: int, settled_s: int) -> tuple[_Pending, list[int]]:
    pending, stale = _Pending(settled_s), set[int]()
    spans: dict[tuple[int, int], list[int]] = {}
    for series, from_s, to_s in zip(*(column.to_pylist() for column in marks.cast(MARKS).columns), strict=True):
        span = max(from_s // SLOT_S * SLOT_S, first_s), min(to_s, settled_s)
        spans.setdefault(span, []).append(series)
    for (start_s, end_s), series in spans.items():
        own = np.unique(np.array([one for one in series if one != SUMS_ONLY], np.int32))
        for slot_s in range(start_s, end_s, SLOT_S):
            pending.add(slot_s, own)
            if SUMS_ONLY in series:
                stale.add(slot_s)
    return pending, sorted(stale)


def _from_gap_on(engine: Engine, slot_s: int, series: SeriesArray, pending: _Pending) -> SeriesArray:
    """Those that begin with a reading. The others are in a gap, all of which is to be settled again: what this slot
    finds may close it in another way, or no longer.
    """
    if not len(series):
        return series
    edges = engine.settled.edges(slot_s - SLOT_S, series)
    owner, time_s = edges["series"].to_numpy(), edges["time_s"].to_numpy()
    first_s = np.where(time_s % SLOT_S == 0, time_s, time_s // SLOT_S * SLOT_S)
    for one in np.unique(first_s).tolist():
        pending.add(one, np.sort(owner[first_s == one]), onward=True)
    return np.setdiff1d(series, owner)


def _settle_slot(engine: Engine, slot_s: int, series: SeriesArray, pending: _Pending) -> None:
    some, outcome = engine.settle_some(slot_s, series)
    usage = usage_table(some, outcome.usage)
    usage = pa.concat_tables([usage, usage_table(some, outcome.closed)])
    gone = series[~np.isin(series, some.series)]
    changed = _changed(engine, usage)
    removed = _rows_of(engine, slot_s, gone)
    edges = edges_table(slot_s, some, outcome.carried, removing=True)
    moved = _moved(engine, slot_s, some, edges)
    stale = np.unique(np.concatenate([changed["slot_s"].to_numpy(), np.full(len(removed), slot_s)]))
    engine.settled.finish(Batch(usage=changed, edges=edges, stale=stale.tolist(), removed=(slot_s, removed)))
    # who still has no reading at the slot's end, or another than before, is what the next slot begins with
    still_open = some.series[pc.is_valid(edges["time_s"]).to_numpy(zero_copy_only=False)]
    pending.add(slot_s + SLOT_S, np.union1d(moved, still_open), onward=True)
    _add_dependents(engine, slot_s, changed, pending)


def _changed(engine: Engine, usage: pa.Table) -> pa.Table:
    """Rows of USAGE that are not in the store as they are."""
    slots = usage["slot_s"].unique().to_pylist()
    stored = engine.settled.usage_at(slots, np.unique(usage["series"].to_numpy()))
    keys = ["slot_s", "series"]
    joined = usage.join(stored, keys, join_type="left outer", right_suffix="_old")
    same = pa.array(np.ones(joined.num_rows, bool))
    for name in ("milli", "grade", "flags"):
        new, old = joined[name], joined[f"{name}_old"]
        equal = pc.or_(pc.fill_null(pc.equal(new, old), False), pc.and_(pc.is_null(new), pc.is_null(old)))
        same = pc.and_(same, equal)
    # a slot that was never settled has no grade
    same = pc.and_(same, pc.is_valid(joined["grade_old"]))
    return joined.filter(pc.invert(same)).select(USAGE.names).cast(USAGE)


def _rows_of(engine: Engine, slot_s: int, series: SeriesArray) -> SeriesArray:
    """Those of the series that have a row in that slot, though nothing hangs there any more."""
    if not len(series):
        return series
    found: SeriesArray = engine.settled.usage_at([slot_s], series)["series"].to_numpy()
    return found


def _moved(engine: Engine, slot_s: int, some: Some, edges: pa.Table) -> SeriesArray:
    """Series that carry something else over the slot's end than before."""
    stored = engine.settled.edges(slot_s, some.series)
    joined = edges.join(stored, "series", right_suffix="_old")
    differs = pa.array(np.zeros(joined.num_rows, bool))
    for name in ("time_s", "value", "part_milli"):
        new, old = joined[name], joined[f"{name}_old"]
        equal = pc.or_(pc.fill_null(pc.equal(new, old), False), pc.and_(pc.is_null(new), pc.is_null(old)))
        differs = pc.or_(differs, pc.invert(equal))
    found: SeriesArray = joined.filter(differs)["series"].to_numpy()
    return np.sort(found)


def _add_dependents(engine: Engine, slot_s: int, changed: pa.Table, pending: _Pending) -> None:
    """Slots that looked back at what has changed: the five after (V10), and estimates of the 28 days after."""
    if not changed.num_rows:
        return
    series, slots = changed["series"].to_numpy(), changed["slot_s"].to_numpy()
    for one in np.unique(slots).tolist():
        its = np.unique(series[slots == one])
        for n in range(1, STUCK_SLOTS):
            after = one + n * SLOT_S
            if after > slot_s:
                pending.add(after, its)
    first = int(slots.min())
    open_slots = engine.settled.open_slots(max(first, slot_s) + 1, first + DEPENDENT_S + 1, np.unique(series))
    owner, when = open_slots["series"].to_numpy(), open_slots["slot_s"].to_numpy()
    for one in np.unique(when).tolist():
        pending.add(one, np.unique(owner[when == one]))
