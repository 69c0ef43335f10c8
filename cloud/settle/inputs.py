"""What one slot of some registers is settled from, gathered as arrays: readings, what is carried, history, outages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import BACK, day_of, like_mask
from cloud.metering.codes import DAY_S, SLOT_S, Grade
from cloud.metering.estimate import History, like_day_slots
from cloud.metering.gaps import LONGEST_S, Outages
from cloud.metering.readings import NEVER_S, OFF_GRID_MS, UNKNOWN, Ints, Mask, Raw
from cloud.metering.slot import STUCK_SLOTS, Carried
from cloud.settle.plan import Plan
from contract.quality import FIRST_MISSING

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Some:
    """Some registers of a plan: their places in it, ascending, and their series."""

    plan: Plan
    which: Numbers

    @property
    def series(self) -> npt.NDArray[np.int32]:
        """Ascending."""
        return self.plan.series[self.which]


def local(series: npt.NDArray[np.int32], of: npt.NDArray[np.int32]) -> Numbers:
    """The place of each in `of` (ascending), -1 where it is not there."""
    if not len(of):
        return np.full(len(series), -1, np.int64)
    first, last = int(of[0]), int(of[-1])
    table = np.full(last - first + 1, -1, np.int64)
    table[of - first] = np.arange(len(of))
    inside = (series >= first) & (series <= last)
    return np.where(inside, table[np.where(inside, series - first, 0)], -1)


def columns(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Columns as numpy; a null value is NaN, a null integer UNKNOWN."""
    found = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        missing = float("nan") if pa.types.is_floating(column.type) else UNKNOWN
        found[name] = (pc.fill_null(column, missing) if column.null_count else column).to_numpy()
    return found


def raw_readings(table: pa.Table, some: Some, slot_s: int) -> tuple[Raw, Raw]:
    """APPEND of [slot_s, slot_s + 900] as readings at the slot's start, and those after it."""
    column = columns(table)
    register = local(column["series"], some.series)
    there = register >= 0
    begins = there & (column["time_s"] == slot_s)
    after = there & ~begins
    return _raw(column, register, begins), _raw(column, register, after)


def _raw(column: dict[str, npt.NDArray[Any]], register: Numbers, mask: Mask) -> Raw:
    whole = bool(mask.all())
    picked = [register.astype(np.int32), *(column[name] for name in ("time_s", "value", "quality", "at_ms"))]
    return Raw(*(one if whole else one[mask] for one in picked))


def carried_over(slot_s: int, some: Some, begins: Raw, edges: pa.Table) -> Carried:
    """What each register carries into the slot: its reading at the slot's start, or what an edge has kept."""
    count = len(some.which)
    time_s, value = np.full(count, NEVER_S), np.zeros(count)
    part = np.zeros(count, np.int64)
    good = (begins.quality < FIRST_MISSING) & np.isfinite(begins.value) & (np.abs(begins.at_ms) <= OFF_GRID_MS)
    time_s[begins.register[good]] = slot_s
    value[begins.register[good]] = begins.value[good]
    edge = columns(edges)
    at = local(edge["series"], some.series)
    there = at >= 0
    time_s[at[there]], value[at[there]] = edge["time_s"][there], edge["value"][there]
    part[at[there]] = edge["part_milli"][there]
    time_s = np.where(time_s < slot_s - LONGEST_S, NEVER_S, time_s)
    hung_s, opening = some.plan.hung_s[some.which], some.plan.opening[some.which]
    mounted = (time_s == NEVER_S) & (hung_s >= slot_s) & ~np.isnan(opening)
    return Carried(
        np.where(mounted, hung_s, time_s),
        np.where(mounted, opening, value),
        np.where(mounted, 0, part),
    )


def taken_off(some: Some, slot_s: int, raw: Raw) -> Raw:
    """The readings, and what meters showed when they were taken off within the slot."""
    left_s, closing = some.plan.left_s[some.which], some.plan.closing[some.which]
    at = np.flatnonzero((left_s > slot_s) & (left_s <= slot_s + SLOT_S) & ~np.isnan(closing))
    if not len(at):
        return raw
    return Raw(
        np.concatenate([raw.register, at.astype(np.int32)]),
        np.concatenate([raw.time_s, left_s[at]]),
        np.concatenate([raw.value, closing[at]]),
        np.concatenate([raw.quality, np.zeros(len(at), np.uint8)]),
        np.concatenate([raw.at_ms, np.zeros(len(at), np.int32)]),
    )


def earlier_usage(slot_s: int, some: Some, usage: pa.Table) -> Ints:
    """Measured usage of the five slots before, the oldest first, from their USAGE."""
    found = np.full((STUCK_SLOTS - 1, len(some.which)), UNKNOWN, np.int64)
    column = columns(usage)
    at = local(column["series"], some.series)
    there = (at >= 0) & (column["grade"] <= Grade.Q)
    back = (slot_s - column["slot_s"][there]) // SLOT_S
    found[STUCK_SLOTS - 1 - back, at[there]] = column["milli"][there]
    return found


UsageAt = Callable[[list[int], npt.NDArray[np.int32]], pa.Table]


def like_days(some: Some, usage_at: UsageAt, holidays: Ints) -> Callable[[Numbers, Ints], tuple[Ints, Mask]]:
    """Usage of like days for pairs of register and slot; reads what it needs of the 28 days before each slot."""

    def look(register: Numbers, slot_s: Ints) -> tuple[Ints, Mask]:
        found, known = np.zeros(len(register), np.int64), np.zeros(len(register), bool)
        if not len(register):
            return found, known
        back = DAY_S * np.arange(1, BACK + 1)
        slots = np.unique(slot_s[:, None] - back[None, :])
        series = some.series[np.unique(register)]
        column = columns(usage_at(slots.tolist(), series))
        at = local(column["series"], some.series)
        key = at * len(slots) + np.searchsorted(slots, column["slot_s"])
        order = np.argsort(key)
        key = key[order]
        for day in np.unique(day_of(slot_s)).tolist():
            pairs = np.flatnonzero(day_of(slot_s) == day)
            wanted = np.searchsorted(slots, slot_s[pairs, None] - back[None, :])
            wanted = register[pairs, None] * len(slots) + wanted
            history = _history(column, order, key, wanted)
            usage, fit = like_day_slots(history, like_mask(day, holidays))
            found[pairs], known[pairs] = usage[:, 0], fit[:, 0]
        return found, known

    return look


def _history(column: dict[str, npt.NDArray[Any]], order: Numbers, key: Numbers, wanted: Numbers) -> History:
    if not len(key):
        none = np.zeros((*wanted.shape, 1), np.int64)
        return History(none, np.full(none.shape, Grade.N, np.uint8), none.astype(np.uint32))
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    there = key[place] == wanted
    at = order[place]
    return History(
        np.where(there, column["milli"][at], UNKNOWN)[:, :, None],
        np.where(there, column["grade"][at], np.uint8(Grade.N))[:, :, None],
        np.where(there, column["flags"][at], np.uint32(0))[:, :, None],
    )


@dataclass(frozen=True)
class Outage:
    """One known outage, and which registers of the plan lie in it."""

    from_s: int
    to_s: int
    registers: Mask


def outages_of(plan: Plan, table: pa.Table) -> list[Outage]:
    """Those of `snapshot.OUTAGES` that touch any register of the plan."""
    about = plan.spans.table.take(pa.array(plan.row))
    found = []
    for row in table.to_pylist():
        mask = np.ones(len(plan.row), bool)
        for name in ("meter", "gateway", "site"):
            if row[name] is not None:
                mask &= pc.equal(about[name].cast(pa.string()), row[name]).to_numpy()
        for name, given in (("region", row["region"] or None), ("utility", row["utility"])):
            if given is not None:
                mask &= about[name].to_numpy() == given
        if mask.any():
            found.append(Outage(row["from_s"], row["to_s"], mask))
    return found


def outage_of(some: Some, known: list[Outage]) -> Outages:
    """Whether a known outage lies between two moments, for registers of `some`."""
    masks = [(one.from_s, one.to_s, one.registers[some.which]) for one in known]

    def look(register: Numbers, from_s: Ints, to_s: Ints) -> Mask:
        out = np.zeros(len(register), bool)
        for start_s, end_s, mask in masks:
            out |= mask[register] & (from_s < end_s) & (to_s > start_s)
        return out

    return look
