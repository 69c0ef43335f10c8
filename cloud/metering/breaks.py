"""A device was replaced, or a multiplier changed: what its readings then mean, counted on in thousandths.

Few registers have such a moment within a slot, so that they are taken one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import Rule
from cloud.metering.readings import NEVER_S, UNKNOWN, Flags, Floats, Ints, Readings, thousandths


@dataclass(frozen=True)
class Piece:
    """Of a register, from `from_s` until before `to_s`: the device (`life`) and what multiplies its values; NaN where
    it is not known what the device showed when it came and went.
    """

    from_s: int
    to_s: int
    life: int
    multiplier: float
    opening: float
    closing: float


class _Counter:
    """Counts on over pieces; `frame` rises where it is not known what was used in between."""

    def __init__(self, pieces: Sequence[Piece], time_s: int, value: float) -> None:
        self._pieces = pieces
        self._place = max((n for n, piece in enumerate(pieces) if piece.from_s <= time_s), default=0)
        self._time_s, self._value = time_s, value
        self.milli = _milli(value, pieces[self._place])
        self.frame = 0

    def take(self, time_s: int, value: float) -> None:
        while self._place + 1 < len(self._pieces) and self._pieces[self._place + 1].from_s <= time_s:
            self._cross(time_s, value)
        piece = self._pieces[self._place]
        self.milli += _milli(value, piece) - _milli(self._value, piece)
        self._time_s, self._value = time_s, value

    def _cross(self, time_s: int, value: float) -> None:
        old, new = self._pieces[self._place], self._pieces[self._place + 1]
        if old.life == new.life:
            share = (new.from_s - self._time_s) / (time_s - self._time_s) if time_s > self._time_s else 1.0
            until = after = self._value + (value - self._value) * share
        else:
            until, after = old.closing, new.opening
        if np.isnan(until) or np.isnan(after):
            self.frame += 1
            after = value
        else:
            self.milli += _milli(until, old) - _milli(self._value, old)
        self._time_s, self._value = new.from_s, after
        self._place += 1


def count_on(
    readings: Readings,
    carried: tuple[Ints, Floats],
    pieces: Mapping[int, Sequence[Piece]],
    results: tuple[Ints, Ints, npt.NDArray[np.int32]],
    flags: Flags,
) -> None:
    """For each register in `pieces`, write into `results` (by reading: milli; by register: what is carried, in milli;
    by reading: frame) what its values mean over its pieces. `carried` has times and values before the slot.
    """
    milli, carried_milli, frame = results
    for register, its in pieces.items():
        start = int(np.searchsorted(readings.register, register, "left"))
        end = int(np.searchsorted(readings.register, register, "right"))
        time_s, value = int(carried[0][register]), float(carried[1][register])
        if time_s == NEVER_S:
            if start == end:
                continue
            time_s, value = int(readings.time_s[start]), float(readings.value[start])
            carried_milli[register] = UNKNOWN
        counter = _Counter(its, time_s, value)
        if carried[0][register] != NEVER_S:
            carried_milli[register] = counter.milli
        for at in range(start, end):
            counter.take(int(readings.time_s[at]), float(readings.value[at]))
            milli[at], frame[at] = counter.milli, counter.frame
        if len({piece.life for piece in its}) > 1:
            flags[register] |= np.uint32(Rule.REPLACED)


def _milli(value: float, piece: Piece) -> int:
    return int(thousandths(np.array([value]), np.array([piece.multiplier]))[0])
