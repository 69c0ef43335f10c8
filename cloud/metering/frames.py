"""Registers that fall: a glitch is rejected, a rollover carried over, a reset begins a new frame. V05, V11, V14.

Two values can be subtracted only within one frame. All judgement looks at one slot and the value carried into it:
what comes later cannot change what a slot was found to be.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import Rule
from cloud.metering.readings import UNKNOWN, Flags, Floats, Ints, Mask, Readings

ROLLOVER_FROM = 0.9  # of the capacity: a register that falls from there has turned over
ROLLOVER_USE = 0.1  # of the capacity: more than this was not used since, where no physical limit is known
SUPPORT = 3  # readings that a new frame needs within its slot
PATIENCE_S = 7200  # without that many it is believed when nothing has fitted the old frame for so long
UNIT_STEPS = (10, 100, 1000)
UNIT_TOLERANCE = 0.005
UNIT_FROM_MILLI = 100_000  # a register below says nothing about its unit


@dataclass(frozen=True)
class Limits:
    """By register: `capacity_milli`, at which it starts again at 0 (UNKNOWN), and the most that it can rise in an
    hour (inf where that is not known).
    """

    capacity_milli: Ints
    max_milli_per_h: Floats


@dataclass(frozen=True)
class Framed:
    """By reading: whether it counts, and what it says with rollovers carried over, in the frame so numbered."""

    kept: Mask
    milli: Ints
    frame: npt.NDArray[np.int32]


@dataclass(frozen=True)
class _Sequences:
    """Registers with a fall, one a row: the carried value first, then the readings of the slot, padded."""

    register: npt.NDArray[np.int64]
    at: Ints  # place of the reading; -1 for the carried value and for padding
    milli: Ints
    time_s: Ints
    used: Mask
    ends: npt.NDArray[np.int64]  # column of the last one


def judge(
    readings: Readings, milli: Ints, carried: tuple[Ints, Ints], limits: Limits, end_s: int, flags: Flags
) -> Framed:
    """`milli` is what the readings say, `carried` the time and value of each register before the slot (UNKNOWN where
    there is none). Adds to `flags`.
    """
    register, time_s = readings.register, readings.time_s
    framed = Framed(np.ones(len(register), bool), milli.copy(), np.zeros(len(register), np.int32))
    if not len(register):
        return framed
    carried_s, carried_milli = carried
    first = np.append(True, register[1:] != register[:-1])
    before = np.append(0, milli[:-1])
    before[first] = carried_milli[register[first]]
    _unit_change(register, milli, before, framed, flags)
    fallen = np.unique(register[(milli < before) & (before != UNKNOWN)])
    if len(fallen):
        sequences = _sequences(fallen, register, time_s, milli, (carried_s, carried_milli))
        _mend(sequences, framed, limits, end_s, flags)
    return framed


def _unit_change(register: npt.NDArray[np.int32], milli: Ints, before: Ints, framed: Framed, flags: Flags) -> None:
    """V14: a register that is suddenly ten, a hundred or a thousand times what it was says something else."""
    jumps = np.flatnonzero((before >= UNIT_FROM_MILLI) & (milli > 5 * before))
    if not len(jumps):
        return
    ratio = milli[jumps] / before[jumps]
    stepped = np.zeros(len(jumps), bool)
    for step in UNIT_STEPS:
        stepped |= np.abs(ratio / step - 1) <= UNIT_TOLERANCE
    for at in jumps[stepped].tolist():
        flags[register[at]] |= np.uint32(Rule.V14_UNIT_CHANGE)
        end = int(np.searchsorted(register, register[at], "right"))
        framed.frame[at:end] += 1


def _sequences(
    fallen: npt.NDArray[np.int32],
    register: npt.NDArray[np.int32],
    time_s: Ints,
    milli: Ints,
    carried: tuple[Ints, Ints],
) -> _Sequences:
    starts = np.searchsorted(register, fallen, "left")
    counts = np.searchsorted(register, fallen, "right") - starts
    columns = np.arange(int(counts.max()) + 1)
    used = columns[None, :] <= counts[:, None]
    at = np.where(used & (columns > 0), starts[:, None] + columns - 1, -1)
    value, when = milli[at], time_s[at]
    value[:, 0], when[:, 0] = carried[1][fallen], carried[0][fallen]
    unknown = value[:, 0] == UNKNOWN
    value[unknown, 0], when[unknown, 0] = value[unknown, 1], when[unknown, 1]
    last = np.take_along_axis(value, counts[:, None], 1)
    value = np.where(used, value, last)
    return _Sequences(fallen.astype(np.int64), at, value, when, used, counts)


def _mend(seq: _Sequences, framed: Framed, limits: Limits, end_s: int, flags: Flags) -> None:
    rows = np.arange(len(seq.register))
    highest = np.maximum.accumulate(seq.milli, axis=1)
    dips = np.zeros(seq.used.shape, bool)
    dips[:, 1:] = seq.milli[:, 1:] < highest[:, :-1]
    lowest = np.minimum.accumulate(seq.milli[:, ::-1], axis=1)[:, ::-1]
    peaks = np.zeros(seq.used.shape, bool)
    peaks[:, :-1] = seq.milli[:, :-1] > lowest[:, 1:]
    # a dip is one only if the register came back, a peak only if it came from below
    dips_fit, peaks_fit = ~dips[rows, seq.ends], ~peaks[:, 0]
    by_dips = dips_fit & (~peaks_fit | ((dips & seq.used).sum(1) <= (peaks & seq.used).sum(1)))
    glitch = np.where(by_dips[:, None], dips, peaks) & (dips_fit | peaks_fit)[:, None] & seq.used
    places = seq.at[glitch]
    framed.kept[places[places >= 0]] = False
    flags[seq.register[dips_fit | peaks_fit]] |= np.uint32(Rule.V05_NEGATIVE)
    open_rows = np.flatnonzero(~(dips_fit | peaks_fit))
    if len(open_rows):
        _turn_over(seq, open_rows, framed, limits, end_s, flags)


def _turn_over(
    seq: _Sequences, rows: npt.NDArray[np.int64], framed: Framed, limits: Limits, end_s: int, flags: Flags
) -> None:
    register = seq.register[rows]
    value, when, used, at = seq.milli[rows], seq.time_s[rows], seq.used[rows], seq.at[rows]
    falls = np.zeros(used.shape, bool)
    falls[:, 1:] = (value[:, 1:] < value[:, :-1]) & used[:, 1:]
    before = np.roll(value, 1, axis=1)
    capacity = limits.capacity_milli[register][:, None]
    hours = np.maximum(when - np.roll(when, 1, axis=1), 1) / 3600
    most = np.minimum(limits.max_milli_per_h[register][:, None] * hours, ROLLOVER_USE * capacity)
    taken = capacity - before + value
    turned = falls & (capacity != UNKNOWN) & (before > ROLLOVER_FROM * capacity) & (taken >= 0) & (taken <= most)
    over = (turned == falls).all(1)
    _carry_over(over, turned, capacity, at, framed)
    flags[register[over]] |= np.uint32(Rule.V11_DECREASE | Rule.ROLLOVER)
    _begin_anew(~over, falls, (at, when, seq.ends[rows]), framed, end_s)
    flags[register[~over]] |= np.uint32(Rule.V11_DECREASE | Rule.RESET)


def _carry_over(over: Mask, turned: Mask, capacity: Ints, at: Ints, framed: Framed) -> None:
    added = np.cumsum(turned, axis=1) * np.where(over[:, None], capacity, 0)
    there = (at >= 0) & over[:, None]
    framed.milli[at[there]] += added[there]


def _begin_anew(
    reset: Mask, falls: Mask, places: tuple[Ints, Ints, npt.NDArray[np.int64]], framed: Framed, end_s: int
) -> None:
    """Readings after a fall are another frame, once enough of them say so."""
    at, when, ends = places
    frame = np.cumsum(falls, axis=1)
    latest = falls.shape[1] - 1 - np.argmax(falls[:, ::-1], axis=1)
    believed = (ends - latest + 1 >= SUPPORT) | (when[:, 0] <= end_s - PATIENCE_S)
    there = (at >= 0) & (reset & believed)[:, None]
    framed.frame[at[there]] += frame[there].astype(np.int32)
    refused = (at >= 0) & (reset & ~believed)[:, None] & (frame > 0)
    framed.kept[at[refused]] = False
