"""A gap between two readings that has closed: the register at each slot bound within it, and the usage between.

Up to a slot long it is interpolated and counts as measured; up to two hours it is estimated linearly (L); beyond, the
known difference is laid out by like days (R). All are cumulative, so that the parts sum to the difference exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import DAY_S, SLOT_S, Grade, Rule
from cloud.metering.readings import UNKNOWN, Flags, Floats, Ints, Mask

LINEAR_S = 7200
LONGEST_S = 28 * DAY_S

# For registers and slots of one length: usage of like days in thousandths, and whether there were enough of them.
LikeDays = Callable[[npt.NDArray[np.int64], Ints], tuple[Ints, Mask]]
# For registers and times from and to, of one length: whether a known outage lies between.
Outages = Callable[[npt.NDArray[np.int64], Ints, Ints], Mask]


@dataclass(frozen=True)
class Usage:
    """Usage by register and slot, columns of one length; UNKNOWN where `grade` says that there is no value."""

    register: npt.NDArray[np.int64]
    slot_s: Ints
    milli: Ints
    grade: npt.NDArray[np.uint8]
    flags: Flags


@dataclass(frozen=True)
class Gaps:
    """One a register: from the reading before to the reading after. `part_milli` is what had been used in the slot
    of the first one before it (UNKNOWN).
    """

    register: npt.NDArray[np.int64]
    from_s: Ints
    to_s: Ints
    from_milli: Ints
    to_milli: Ints
    part_milli: Ints


def close(gaps: Gaps, slot_s: int, like_days: LikeDays, outages: Outages) -> tuple[Usage, Ints, npt.NDArray[np.uint8]]:
    """Usage of all slots before `slot_s` in which a gap lies, the register at `slot_s` (UNKNOWN), each gap's grade.

    Every gap begins at or before `slot_s` and ends after it.
    """
    delta, length_s = gaps.to_milli - gaps.from_milli, gaps.to_s - gaps.from_s
    grade = _grades(gaps, delta, length_s, outages)
    first_bound = (gaps.from_s // SLOT_S + 1) * SLOT_S
    count = np.maximum((slot_s - first_bound) // SLOT_S + 1, 0)
    count = np.where(length_s > LONGEST_S, np.minimum(count, LONGEST_S // SLOT_S), count)
    gap = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(gap)) - np.repeat(np.cumsum(count) - count, count)
    bound_s = slot_s - (count[gap] - 1 - step) * SLOT_S
    share = (bound_s - gaps.from_s[gap]) / length_s[gap]
    laid_out = (grade == Grade.R) & (delta > 0)
    if laid_out.any():
        _by_like_days(share, gaps, (gap, bound_s), laid_out, like_days)
    at_bound = gaps.from_milli[gap] + np.rint(delta[gap] * share).astype(np.int64)
    begins = step == 0
    before = np.append(0, at_bound[:-1])
    before[begins] = gaps.from_milli[gap[begins]]
    milli = at_bound - before
    partial = begins & (gaps.from_s[gap] % SLOT_S != 0) & (length_s[gap] <= LONGEST_S)
    part = gaps.part_milli[gap]
    milli = np.where(partial, np.where(part == UNKNOWN, UNKNOWN, milli + part), milli)
    found = grade[gap]
    found = np.where(milli == UNKNOWN, np.uint8(Grade.N), found)
    milli = np.where(found == Grade.N, UNKNOWN, milli)
    usage = _usage(gaps.register[gap], bound_s - SLOT_S, milli, found, outages)
    return usage, np.where(grade == Grade.N, UNKNOWN, _at_end(gaps, at_bound, count)), grade


def _usage(
    register: npt.NDArray[np.int64], slot_s: Ints, milli: Ints, grade: npt.NDArray[np.uint8], outages: Outages
) -> Usage:
    flags = np.zeros(len(register), np.uint32)
    missing = grade == Grade.N
    flags[missing] = Rule.V04_MISSING
    out = missing.copy()
    out[missing] = outages(register[missing], slot_s[missing], slot_s[missing] + SLOT_S)
    flags[out] |= np.uint32(Rule.OUTAGE)
    return Usage(register, slot_s, milli, grade, flags)


def _grades(gaps: Gaps, delta: Ints, length_s: Ints, outages: Outages) -> npt.NDArray[np.uint8]:
    grade = np.full(len(delta), Grade.R, np.uint8)
    grade[length_s <= LINEAR_S] = Grade.L
    out = outages(gaps.register, gaps.from_s, gaps.to_s)
    # nothing is estimated across a known outage
    grade[out | (length_s > LONGEST_S)] = Grade.N
    # an interval no longer than a slot is interpolated, and equal registers prove that nothing was used
    grade[(length_s <= SLOT_S) | ((delta == 0) & (length_s <= LONGEST_S))] = Grade.A
    return grade


def _by_like_days(
    share: Floats, gaps: Gaps, bounds: tuple[npt.NDArray[np.int64], Ints], wanted: Mask, like_days: LikeDays
) -> None:
    """Replace the linear share of the gaps wanted by that of like days, where every slot of the gap has some."""
    gap, bound_s = bounds
    places = np.flatnonzero(wanted[gap])
    which = gap[places]
    heads = np.flatnonzero(np.append(True, which[1:] != which[:-1]))
    ids = which[heads]
    # the slot in which the gap ends belongs to the profile too, and has no bound of its own within the gap
    slots = np.concatenate([bound_s[places] - SLOT_S, bound_s[places[np.append(heads[1:], len(places)) - 1]]])
    owner = np.concatenate([which, ids])
    usage, known = like_days(gaps.register[owner], slots)
    inside = np.minimum(slots + SLOT_S, gaps.to_s[owner]) - np.maximum(slots, gaps.from_s[owner])
    weight = np.where(known, usage, 0) * (inside / SLOT_S)
    total = np.bincount(owner, weight, len(wanted))
    whole = np.bincount(owner, ~known, len(wanted)) == 0
    body = weight[: len(places)]
    running = np.cumsum(body)
    running -= np.repeat(running[heads] - body[heads], np.diff(np.append(heads, len(places))))
    use = (whole & (total > 0))[which]
    share[places[use]] = np.minimum(running[use] / total[which[use]], 1.0)


def _at_end(gaps: Gaps, at_bound: Ints, count: npt.NDArray[np.int64]) -> Ints:
    """The register at the last bound of each gap."""
    found = gaps.from_milli.copy()
    there = count > 0
    found[there] = at_bound[np.cumsum(count)[there] - 1]
    return found
