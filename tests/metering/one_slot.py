"""A few registers and their readings, written as a person would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import SLOT_S, Grade, Rule
from cloud.metering.frames import Limits
from cloud.metering.gaps import Usage
from cloud.metering.readings import NEVER_S, UNKNOWN, Ints, Mask, Raw, in_order
from cloud.metering.slot import Carried, Outcome, Registers, plain_context, settle

SLOT = 1_767_225_600  # 2026-01-01 00:00 UTC, a bound of slots

Reading = tuple[int, float]


def no_like_days(register: npt.NDArray[np.int64], _slot_s: Ints) -> tuple[Ints, Mask]:
    """No day to take after."""
    return np.full(len(register), UNKNOWN, np.int64), np.zeros(len(register), bool)


@dataclass(frozen=True)
class Meters:
    """One or more registers alike. `carried` is (seconds relative to the slot's start, value)."""

    readings: Sequence[Sequence[Reading]]  # of each register: seconds after the slot's start, value
    carried: Reading | None = (0, 100.0)
    part_milli: int = 0
    multiplier: float = 1.0
    digits: int = 0
    max_per_h: float = np.inf
    earlier: Sequence[int] | None = None  # usage of the five slots before
    like_milli: int | None = None
    outages: Sequence[tuple[int, int]] = ()  # seconds relative to the slot's start
    quality: int = 0
    at_ms: int = 0
    more: Mapping[str, object] = field(default_factory=dict)


def run(meters: Meters) -> Outcome:
    """What the slot comes to."""
    count = len(meters.readings)
    rows = [(n, SLOT + t, v) for n, its in enumerate(meters.readings) for t, v in its]
    raw = Raw(
        np.array([row[0] for row in rows], np.int32),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.full(len(rows), meters.quality, np.uint8),
        np.full(len(rows), meters.at_ms, np.int32),
    )
    readings, flags = in_order(raw, SLOT, count)
    when, value = (SLOT + meters.carried[0], meters.carried[1]) if meters.carried else (NEVER_S, 0.0)
    carried = Carried(np.full(count, when), np.full(count, value), np.full(count, meters.part_milli, np.int64))
    capacity = round(10**meters.digits * meters.multiplier * 1000) if meters.digits else UNKNOWN
    registers = Registers(
        np.full(count, meters.multiplier),
        Limits(np.full(count, capacity, np.int64), np.full(count, meters.max_per_h * 1000)),
        np.full(count, SLOT, np.int64),
        np.full(count, SLOT + SLOT_S, np.int64),
    )
    context = plain_context(readings, registers, carried, _like(meters.like_milli), _outages(meters.outages))
    if meters.earlier is not None:
        context = replace(context, earlier=np.repeat(np.array([meters.earlier], np.int64).T, count, axis=1))
    return settle(SLOT, readings, registers, carried, context, flags)


def _like(milli: int | None) -> Callable[[npt.NDArray[np.int64], Ints], tuple[Ints, Mask]]:
    if milli is None:
        return no_like_days
    return lambda register, _: (np.full(len(register), milli, np.int64), np.ones(len(register), bool))


def _outages(spans: Sequence[tuple[int, int]]) -> Callable[[npt.NDArray[np.int64], Ints, Ints], Mask]:
    def lies(_register: npt.NDArray[np.int64], from_s: Ints, to_s: Ints) -> Mask:
        out = np.zeros(len(from_s), bool)
        for start, end in spans:
            out |= (from_s < SLOT + end) & (to_s > SLOT + start)
        return out

    return lies


def row(usage: Usage, at: int = 0) -> tuple[int | None, Grade, Rule]:
    """Usage in thousandths or None, grade, and rules."""
    milli = int(usage.milli[at])
    return None if milli == UNKNOWN else milli, Grade(int(usage.grade[at])), Rule(int(usage.flags[at]))
