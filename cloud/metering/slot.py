"""One slot of many registers: usage with its grade and the rules that objected, from readings and what came before.

Pure, and a function of what lies before the slot's end only, so that settling again gives the same, bit for bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud.metering import frames, gaps
from cloud.metering.codes import DAY_S, SLOT_S, Grade, Rule
from cloud.metering.gaps import Gaps, LikeDays, Outages, Usage
from cloud.metering.readings import NEVER_S, UNKNOWN, Flags, Floats, Ints, Mask, Readings, thousandths

STUCK_SLOTS = 6
WAIT_S = 7200  # an open gap is not estimated before
ESTIMATE_S = 7 * DAY_S  # and not after


@dataclass(frozen=True)
class Registers:
    """By register: what turns what it shows into what there is, its limits, and from when to when within the slot it
    hung there.
    """

    multiplier: Floats
    limits: frames.Limits
    start_s: Ints
    end_s: Ints


@dataclass(frozen=True)
class Carried:
    """By register: its latest value that counts, when that was (NEVER_S), and what had been used in that moment's slot
    until then (UNKNOWN); a moment at a bound belongs to the slot that it ends.
    """

    time_s: Ints
    value: Floats
    part_milli: Ints


@dataclass(frozen=True)
class Context:
    """What else a slot needs. `earlier` has the usage of the five slots before, the oldest first, UNKNOWN where it was
    not measured, and is written to. `milli` and `frame` are what each reading means, `carried_milli` each register's
    value before the slot, with replacements and changed multipliers counted on (see `breaks`).
    """

    earlier: Ints
    like_days: LikeDays
    outages: Outages
    milli: Ints
    carried_milli: Ints
    frame: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """The slot's usage, one row a register in their order; that of earlier slots in which a gap has now closed; and
    what is carried on.
    """

    usage: Usage
    closed: Usage
    carried: Carried


def plain_context(
    readings: Readings, registers: Registers, carried: Carried, like_days: LikeDays, outages: Outages
) -> Context:
    """The context of a slot without breaks; `earlier` knows nothing."""
    return Context(
        np.full((STUCK_SLOTS - 1, len(registers.multiplier)), UNKNOWN, np.int64),
        like_days,
        outages,
        thousandths(readings.value, registers.multiplier[readings.register]),
        carried_milli(carried, registers.multiplier),
        np.zeros(len(readings.register), np.int32),
    )


def carried_milli(carried: Carried, multiplier: Floats) -> Ints:
    """What is carried as thousandths, UNKNOWN where nothing is."""
    known = carried.time_s > NEVER_S
    return np.where(known, thousandths(np.where(known, carried.value, 0.0), multiplier), UNKNOWN)


@dataclass(frozen=True)
class _Ends:
    """By register: places of the first and last reading that count, -1 where there is none."""

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    there: Mask


def settle(
    slot_s: int, readings: Readings, registers: Registers, carried: Carried, context: Context, flags: Flags
) -> Outcome:
    """`flags` come from `readings.in_order` and are added to."""
    end_s = slot_s + SLOT_S
    before = carried.time_s, context.carried_milli
    framed = frames.judge(readings, context.milli, before, registers.limits, end_s, flags)
    frame = framed.frame + context.frame
    ends = _ends(readings, framed.kept, len(flags))
    last_s = _at(readings.time_s, ends.last, NEVER_S)
    exact = (carried.time_s == registers.start_s) & (carried.time_s > NEVER_S)
    start, start_grade = np.where(exact, context.carried_milli, UNKNOWN), np.full(len(flags), Grade.A, np.uint8)
    gapped = ends.there & ~exact & (carried.time_s > NEVER_S)
    gapped[gapped] = frame[ends.first[gapped]] == 0
    which = np.flatnonzero(gapped)
    closed, start[which], start_grade[which] = gaps.close(
        _gaps(which, readings.time_s[ends.first[which]], framed.milli[ends.first[which]], carried, context),
        slot_s,
        context.like_days,
        context.outages,
    )
    _remember(slot_s, closed, context)
    milli, grade = _measured(ends, framed, frame, start, start_grade)
    done = ends.there & (last_s == registers.end_s)
    usage = _grade(slot_s, np.where(done, milli, UNKNOWN), grade, registers, context, flags)
    usage = _estimate(usage, ends, carried, registers, context)
    part = np.where(ends.there, milli, carried.part_milli)
    onward = Carried(
        np.where(ends.there, last_s, carried.time_s),
        np.where(ends.there, _at(readings.value, ends.last, 0.0), carried.value),
        np.where(done, 0, part),
    )
    return Outcome(usage, _check(closed, registers), onward)


def _ends(readings: Readings, kept: Mask, count: int) -> _Ends:
    first, last = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
    places = np.flatnonzero(kept)
    register = readings.register[places]
    if len(places):
        changes = register[1:] != register[:-1]
        heads, tails = np.append(True, changes), np.append(changes, True)
        first[register[heads]] = places[heads]
        last[register[tails]] = places[tails]
    return _Ends(first, last, last >= 0)


def _remember(slot_s: int, closed: Usage, context: Context) -> None:
    """What a closed gap has just measured of the slots before is known to this one."""
    back = (slot_s - closed.slot_s) // SLOT_S
    recent = (back < STUCK_SLOTS) & (closed.grade == Grade.A)
    context.earlier[STUCK_SLOTS - 1 - back[recent], closed.register[recent]] = closed.milli[recent]


def _at(column: npt.NDArray[np.generic], places: npt.NDArray[np.int64], otherwise: float) -> npt.NDArray[Any]:
    """The column at these places, and something else where a place is -1."""
    if not len(column):
        return np.full(len(places), otherwise, column.dtype)
    return np.where(places >= 0, column[places], otherwise)


def _gaps(which: npt.NDArray[np.int64], to_s: Ints, to_milli: Ints, carried: Carried, context: Context) -> Gaps:
    """The gaps that end in this slot, at these moments and values."""
    before = context.carried_milli[which]
    return Gaps(which, carried.time_s[which], to_s, before, to_milli, carried.part_milli[which])


def _measured(
    ends: _Ends, framed: frames.Framed, frame: npt.NDArray[np.int32], start: Ints, start_grade: npt.NDArray[np.uint8]
) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """What was used from the slot's start to the last reading, UNKNOWN where that cannot be said."""
    known = ends.there & (start != UNKNOWN) & (_at(frame, ends.last, 0) == 0)
    milli = np.where(known, _at(framed.milli, ends.last, 0) - start, UNKNOWN)
    return milli, np.where(known, start_grade, np.uint8(Grade.N))


def _grade(
    slot_s: int, milli: Ints, grade: npt.NDArray[np.uint8], registers: Registers, context: Context, flags: Flags
) -> Usage:
    known = milli != UNKNOWN
    grade = np.where(known, grade, np.uint8(Grade.N))
    stuck = known & (milli > 0) & (context.earlier == milli).all(0)
    flags[stuck] |= np.uint32(Rule.V10_STUCK)
    warned = (flags & (Rule.V01_DUPLICATE | Rule.V02_OFF_GRID | Rule.V05_NEGATIVE | Rule.ROLLOVER)) != 0
    grade = np.where((grade == Grade.A) & warned, np.uint8(Grade.V), grade)
    grade = np.where(stuck & ((grade == Grade.A) | (grade == Grade.V)), np.uint8(Grade.Q), grade)
    everyone = np.arange(len(milli))
    return _check(Usage(everyone, np.full(len(milli), slot_s, np.int64), milli, grade, flags), registers)


def _check(usage: Usage, registers: Registers) -> Usage:
    """V06: more than is physically possible is rejected."""
    most = registers.limits.max_milli_per_h[usage.register] * (SLOT_S / 3600)
    wrong = (usage.milli != UNKNOWN) & (usage.milli > most)
    if not wrong.any():
        return usage
    flags = np.where(wrong, usage.flags | np.uint32(Rule.V06_PHYSICAL_MAX), usage.flags)
    return Usage(
        usage.register,
        usage.slot_s,
        np.where(wrong, UNKNOWN, usage.milli),
        np.where(wrong, np.uint8(Grade.X), usage.grade),
        flags,
    )


def _estimate(usage: Usage, ends: _Ends, carried: Carried, registers: Registers, context: Context) -> Usage:
    """Slots of a gap that is still open: like days, once nothing has come for long enough, and no known outage."""
    missing = usage.grade == Grade.N
    flags = np.where(missing, usage.flags | np.uint32(Rule.V04_MISSING), usage.flags)
    grade, milli = usage.grade.copy(), usage.milli.copy()
    which = np.flatnonzero(missing)
    out = context.outages(which, registers.start_s[which], registers.end_s[which])
    flags[which[out]] |= np.uint32(Rule.OUTAGE)
    silent_s = registers.end_s - carried.time_s
    wanted = missing & ~ends.there & (carried.time_s > NEVER_S) & (silent_s > WAIT_S) & (silent_s <= ESTIMATE_S)
    which = np.flatnonzero(wanted)
    which = which[~context.outages(which, carried.time_s[which], registers.end_s[which])]
    if len(which):
        found, known = context.like_days(which, usage.slot_s[which])
        which, found = which[known], found[known]
        milli[which], grade[which] = found, Grade.P
    return Usage(usage.register, usage.slot_s, milli, grade, flags)
