"""Readings of one slot, put in order: by register and time, each moment once, without what is no value."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import SLOT_S, Rule
from contract.quality import FIRST_MISSING

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]

NEVER_S = -(2**62)
UNKNOWN = -(2**62)
OFF_GRID_MS = 120_000

# a register's number, the second within the slot, and the place in the order of arrival share one integer
_TIME_BITS, _PLACE_BITS = 10, 28


@dataclass(frozen=True)
class Readings:
    """`register` ascends, and within one register `time_s` does; `value` is what the meter showed."""

    register: npt.NDArray[np.int32]
    time_s: Ints
    value: Floats


@dataclass(frozen=True)
class Raw:
    """Readings as they came, oldest arrival first; columns of one length. slot_s < time_s <= slot_s + 900."""

    register: npt.NDArray[np.int32]
    time_s: Ints
    value: Floats
    quality: npt.NDArray[np.uint8]
    at_ms: npt.NDArray[np.int32]


def in_order(raw: Raw, slot_s: int, count: int) -> tuple[Readings, Flags]:
    """The readings that count, and for each of `count` registers the rules that objected to one (V01, V02)."""
    flags = np.zeros(count, np.uint32)
    good = (raw.quality < FIRST_MISSING) & np.isfinite(raw.value)
    late = good & (np.abs(raw.at_ms) > OFF_GRID_MS)
    if late.any():
        flags[raw.register[late]] |= np.uint32(Rule.V02_OFF_GRID)
        good &= ~late
    register, time_s, value = raw.register, raw.time_s, raw.value
    if not good.all():
        register, time_s, value = register[good], time_s[good], value[good]
    assert len(register) < 1 << _PLACE_BITS
    assert count < 1 << (63 - _TIME_BITS - _PLACE_BITS)
    second = time_s - slot_s
    assert not len(second) or (second.min() > 0 and second.max() <= SLOT_S)
    key = (register.astype(np.int64) << _TIME_BITS) | second
    if len(key) and not (key[1:] > key[:-1]).all():
        key = (key << _PLACE_BITS) | np.arange(len(key))
        key.sort()
        place = key & ((1 << _PLACE_BITS) - 1)
        key >>= _PLACE_BITS
        register, time_s, value = register[place], time_s[place], value[place]
        last = np.append(key[1:] != key[:-1], True)
        if not last.all():
            again = np.flatnonzero(~last)
            differs = value[again] != value[again + 1]
            flags[register[again[differs]]] |= np.uint32(Rule.V01_DUPLICATE)
            register, time_s, value = register[last], time_s[last], value[last]
    return Readings(register, time_s, value), flags


def thousandths(value: Floats, multiplier: Floats) -> Ints:
    """What there is, as int64 thousandths of its unit: rounded once, here, and only added up afterwards."""
    found: Ints = np.rint(value * multiplier * 1000).astype(np.int64)
    return found
