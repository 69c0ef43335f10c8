"""The day's rules over all registers of an area, once a local day is settled, and again where it has changed.

What is found is a function of the usage and of the day sums of the 28 days before, so that judging again, in the
order of days, ends where judging anew ends. Grades of usage stay as settling gave them: findings stand beside.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering import day_rules
from cloud.metering.arrays import Bits, Bools, Floats, Floats32, Grades, Ints
from cloud.metering.calendar import BACK, SLOTS, begin_s, days_before, like_mask
from cloud.metering.codes import DAY_S, SLOT_S, Grade, Rule
from cloud.metering.day_rules_data import Counts, Day, DayProfile, Found, Meters, Past, keep, mean_profile
from cloud.metering.day_rules_sums import parent_child
from cloud.metering.families import PRODUCTION
from cloud.metering.readings import OFF_GRID_MS, UNKNOWN, thousandths
from cloud.settle.days_roll import LIMITS, Roll, roll_of, series_limits
from cloud.settle.engine import Engine
from cloud.settle.inputs import columns, local
from cloud.store.days import DAY_SUMS, FINDINGS, Days
from cloud.store.settled import Progress
from contract.quality import FIRST_MISSING

CHUNK = 60_000  # registers at a time: 1 GB
THREADS = 2
LIKE_DAYS = 4  # like days that a meter's profile is made of, the nearest; with three of them whole there is one
UNIT_MILLI = 10  # one step of a register: most show two decimals

SeriesArray = npt.NDArray[np.int32]


def first_whole_day(progress: Progress) -> int | None:
    """The first local day that is settled, or will be, from its beginning."""
    return None if progress.first_s is None else -(-(progress.first_s - begin_s(0)) // DAY_S)


def pending_days(days: Days, progress: Progress) -> list[int]:
    """Whole local days that are settled and not judged, or of which something changed since; ascending."""
    first = first_whole_day(progress)
    if first is None or progress.settled_s is None:
        return []
    end = (progress.settled_s - begin_s(0)) // DAY_S
    judged = days.judged()
    new = range(first if judged is None else max(judged + 1, first), end)
    return [*(day for day in days.rejudged() if first <= day < end), *new]


def judge_day(
    engine: Engine,
    days: Days,
    day: int,
    keep_going: Callable[[], bool],
    said: Callable[[int, int], None],
    outdoor_c: Mapping[int, float] | None = None,
) -> bool:
    """Judge one of the `pending_days`, the earliest first; `said` is told how many registers are done, of how many.

    `outdoor_c` are the known mean temperatures by day. False when `keep_going` ended it: the day is then still
    pending, and judging it again replaces what was kept of it.
    """
    roll = roll_of(engine.facts.spans, day)
    judged = days.judged()
    series = roll.series
    if judged is not None and day <= judged:
        series = days.rejudged_series(day)
    sky = _sky(day, engine.facts.holidays, outdoor_c or {})
    for at in range(0, len(series), CHUNK):
        if not keep_going():
            return False
        chunk = series[at : at + CHUNK]
        part = roll.some(chunk)
        sums, findings = DAY_SUMS.empty_table(), FINDINGS.empty_table()
        if len(part.series):
            sums, findings = _Chunk(engine, days, part, sky).judge()
        days.replace(day, chunk, sums, findings)
        said(min(at + CHUNK, len(series)), len(series))
    if not keep_going():
        return False
    days.finish(day, _families(engine, days, roll))
    return True


@dataclass(frozen=True)
class _Sky:
    """What a day has in common for all meters: which days are like it, and how warm it was. [28] each but its own."""

    like: Bools
    past_c: Floats
    own_c: float


def _sky(day: int, holidays: Ints, outdoor_c: Mapping[int, float]) -> _Sky:
    past = [outdoor_c.get(one, np.nan) for one in days_before(day).tolist()]
    return _Sky(like_mask(day, holidays), np.array(past), outdoor_c.get(day, np.nan))


@dataclass(frozen=True)
class _Chunk:
    """Some registers of a day, all of which are judged from what lies in memory."""

    engine: Engine
    days: Days
    roll: Roll
    sky: _Sky

    def judge(self) -> tuple[pa.Table, pa.Table]:
        """DAY_SUMS and FINDINGS of these registers."""
        # a few thousand of one unit at a time: what the rules suit
        parts = [
            (unit, which[at : at + day_rules.CHUNK])
            for unit, which in enumerate(series_limits(self.roll))
            for at in range(0, len(which), day_rules.CHUNK)
        ]

        past = self._past()

        def one(part: tuple[int, Ints]) -> tuple[Ints, Found, DayProfile]:
            unit, which = part
            own_day, own_past = day.take(which), past.take(which)
            meters = self._meters(which, own_past, like_days, delta)
            return which, day_rules.judge(own_day, own_past, meters, LIMITS[unit]), keep(own_day)

        with ThreadPoolExecutor(THREADS, "judge") as pool:
            own, looked = pool.submit(self._day), pool.submit(self._delta)
            like = np.flatnonzero(self.sky.like)[:LIKE_DAYS].tolist()
            like_days = dict(zip(like, pool.map(partial(self._like_day, past), like), strict=True))
            day, delta = own.result(), looked.result()
            found = list(pool.map(one, parts))
        return self._sums(found), self._findings(found)

    def _day(self) -> "_SlotMajor":
        roll, start_s = self.roll, begin_s(self.roll.day)
        shape = SLOTS, len(roll.series)
        usage = np.full(shape, UNKNOWN, np.int64)
        grade: Grades = np.full(shape, Grade.N, np.uint8)
        rules: Bits = np.zeros(shape, np.uint32)
        column = columns(self.days.usage(start_s, start_s + DAY_S, roll.series))
        there, place = _places(column["series"], roll.series, column["nth"])
        for into, name in ((usage, "milli"), (grade, "grade"), (rules, "flags")):
            into.reshape(-1)[place] = column[name][there]
        return _SlotMajor(roll, usage, grade, rules, self.sky.own_c)

    def _past(self) -> "_DayMajor":
        roll = self.roll
        shape = BACK, len(roll.series)
        column = columns(self.days.sums(roll.day - BACK, roll.day, roll.series))
        there, place = _places(column["series"], roll.series, roll.day - 1 - column["day"])
        arrays = []
        for name in ("milli", "measured_slots", "trusted_slots", "highest_milli"):
            array = np.zeros(shape, np.uint8 if name.endswith("slots") else np.int64)
            array.reshape(-1)[place] = column[name][there]
            arrays.append(array)
        return _DayMajor(arrays, self.sky)

    def _like_day(self, past: "_DayMajor", ago: int) -> Ints:
        """[96, n]: usage of the day ago + 1 days earlier; where it is not whole it means nothing."""
        series = self.roll.series
        usage = np.zeros((SLOTS, len(series)), np.int64)
        if (past.trusted_slots[ago] == SLOTS).any():
            start_s = begin_s(self.roll.day - 1 - ago)
            column = columns(self.days.usage(start_s, start_s + DAY_S, series, "milli"))
            there, place = _places(column["series"], series, column["nth"])
            usage.reshape(-1)[place] = column["milli"][there]
        return usage

    def _delta(self) -> tuple[Ints, Bools]:
        """The registers' difference over the day, and where it is known: one device and multiplier all day long."""
        roll = self.roll
        start_s = begin_s(roll.day)
        first, last = (self._shown(time_s) for time_s in (start_s, start_s + DAY_S))
        known = roll.steady & np.isfinite(first) & np.isfinite(last) & (last >= first)
        milli = [thousandths(np.where(known, one, 0.0), roll.multiplier) for one in (first, last)]
        return milli[1] - milli[0], known

    def _shown(self, time_s: int) -> Floats:
        """What each register showed at a moment, NaN where no reading tells."""
        column = columns(self.engine.store.numbered(time_s, time_s + 1, self.roll.series))
        at = local(column["series"], self.roll.series)
        good = (at >= 0) & (column["quality"] < FIRST_MISSING) & (np.abs(column["at_ms"]) <= OFF_GRID_MS)
        shown = np.full(len(self.roll.series), np.nan)
        shown[at[good]] = column["value"][good]
        return shown

    def _meters(self, which: Ints, past: Past, like_days: dict[int, Ints], delta: tuple[Ints, Bools]) -> Meters:
        roll = self.roll
        profile: Floats32 = np.full((len(which), SLOTS), np.nan, np.float32)
        if like_days:
            usage = np.stack([_turned(one, which) for one in like_days.values()], axis=1)
            profile = mean_profile(usage, past.trusted_slots[:, list(like_days)] == SLOTS, most=LIKE_DAYS)
        unit = np.maximum(np.rint(roll.multiplier[which] * UNIT_MILLI), 1).astype(np.int64)
        return Meters(roll.heat[which], roll.production[which], delta[0][which], delta[1][which], unit, profile)

    def _sums(self, found: list[tuple[Ints, Found, DayProfile]]) -> pa.Table:
        series = self.roll.series
        arrays = [np.zeros(len(series), field.type.to_pandas_dtype()) for field in list(DAY_SUMS)[2:]]
        for which, _, kept in found:
            counts = (kept.known_slots, kept.measured_slots, kept.trusted_slots)
            for into, of in zip(arrays, (kept.sum_milli, *counts, kept.estimated_milli, kept.max_milli), strict=True):
                into[which] = of
        return pa.table([np.full(len(series), self.roll.day, np.int32), series, *arrays], schema=DAY_SUMS)

    def _findings(self, found: list[tuple[Ints, Found, DayProfile]]) -> pa.Table:
        series = self.roll.series
        rules, passed = np.zeros(len(series), np.uint32), np.zeros(len(series), np.uint32)
        shift = np.zeros(len(series), np.int8)
        for which, one, _ in found:
            rules[which], passed[which], shift[which] = one.day, one.passed, one.shift_slots
        late = self.days.restated(self.roll.day, series)
        rules[np.isin(series, late)] |= np.uint32(Rule.V18_LATE)
        fired = np.flatnonzero(rules)
        days = np.full(len(fired), self.roll.day, np.int32)
        return pa.table([days, series[fired], rules[fired], passed[fired], shift[fired]], schema=FINDINGS)


@dataclass(frozen=True)
class _SlotMajor:
    """A day as it lies in the file, [96, n]: filled in order, which is much faster than meter by meter."""

    roll: Roll
    usage: Ints  # UNKNOWN
    grade: Grades
    rules: Bits
    outdoor_c: float

    def take(self, which: Ints) -> Day:
        """The day of some, a row a meter."""
        usage = _turned(self.usage, which)
        known = usage != UNKNOWN
        usage[~known] = 0
        grade, rules = _turned(self.grade, which), _turned(self.rules, which)
        return Day(self.roll.day, usage, known, grade, rules, self.roll.expected_slots[which], self.outdoor_c)


@dataclass(frozen=True)
class _DayMajor:
    """The 28 days before as they lie in the file, [28, n], the nearest first: what `Past` has, in its order."""

    arrays: list[npt.NDArray[Any]]
    sky: _Sky

    @property
    def trusted_slots(self) -> Counts:
        """Of each day and register."""
        return self.arrays[2]

    def take(self, which: Ints) -> Past:
        """The past of some, a row a meter."""
        total, measured, trusted, highest = (_turned(array, which) for array in self.arrays)
        return Past(total, measured, trusted, highest, self.sky.like, self.sky.past_c)


def _turned(array: npt.NDArray[Any], which: Ints) -> npt.NDArray[Any]:
    """Some columns of [m, n] as rows."""
    first, last = int(which[0]), int(which[-1])
    if last - first + 1 == len(which):
        return array[:, first : last + 1].T.copy()
    return np.ascontiguousarray(array[:, which].T)


def _places(of: SeriesArray, series: SeriesArray, nth: npt.NDArray[Any]) -> tuple[slice | Ints, npt.NDArray[np.int32]]:
    """Which rows are of these series, and the place of these rows in an array [m, n] of which they are `nth` by n.

    `of` are between the first and the last of `series`.
    """
    numbers = np.full(int(series[-1]) - int(series[0]) + 1, -1, np.int32)
    numbers[series - series[0]] = np.arange(len(series), dtype=np.int32)
    at = numbers[of - series[0]]
    there: slice | Ints = slice(None)
    if len(at) and at.min() < 0:
        there = np.flatnonzero(at >= 0)
        at = at[there]
    return there, np.multiply(nth[there], len(series), dtype=np.int32) + at


def _families(engine: Engine, days: Days, roll: Roll) -> pa.Table:
    """FINDINGS of V13, from the sums of all registers' day."""
    plan = engine.plan(begin_s(roll.day) + DAY_S - SLOT_S)
    tree = plan.meters.tree if len(plan.series) else None
    if tree is None or not (tree.parent >= 0).any():
        return FINDINGS.empty_table()
    table = days.sums(roll.day, roll.day + 1, plan.series)
    table = table.filter(pc.equal(table["measured_slots"], SLOTS))
    milli = np.full(len(plan.series) + 1, UNKNOWN, np.int64)
    at = local(table["series"].to_numpy(), plan.series)
    milli[at[at >= 0]] = table["milli"].to_numpy()[at >= 0]
    inward, outward, made = milli[tree.inward], milli[tree.outward], milli[tree.produced]
    # -1, where a meter has no such register, is the last place, which is unknown
    sends = tree.outward >= 0
    known = (inward != UNKNOWN) & (~sends | (outward != UNKNOWN))
    use = np.where(known, inward, 0) - np.where(known & sends, outward, 0)
    behind = np.flatnonzero((tree.role == PRODUCTION) & (tree.parent >= 0))
    np.add.at(use, tree.parent[behind], np.where(made[behind] != UNKNOWN, made[behind], 0))
    np.logical_and.at(known, tree.parent[behind], made[behind] != UNKNOWN)
    parent = np.where(tree.role == PRODUCTION, -1, tree.parent)
    # the registry does not tell whether subs are all that hangs behind a main
    covered = np.zeros(len(parent), bool)
    volume = np.zeros(len(plan.series) + 1, bool)
    volume[:-1] = roll.some(plan.series).volume
    fired = np.zeros(len(parent), bool)
    for unit, limits in enumerate(LIMITS):
        of_unit = volume[tree.inward] == bool(unit)
        fired |= parent_child(use, known & of_unit, parent, covered, limits)
    series = np.sort(plan.series[tree.inward[fired]])
    of = len(series)
    zeros = np.zeros(of, np.uint32), np.zeros(of, np.int8)
    rules = np.full(of, Rule.V13_PARENT_CHILD, np.uint32)
    return pa.table([np.full(of, roll.day, np.int32), series, rules, *zeros], schema=FINDINGS)
