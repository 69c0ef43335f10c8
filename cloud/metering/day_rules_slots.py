"""PURE: rules that look at the slots of a day: V03, V07 within the day, V15, V17 at night."""

import numpy as np
import numpy.typing as npt

from cloud.metering.arrays import Bools, Floats, Floats32, Ints
from cloud.metering.calendar import SLOTS
from cloud.metering.day_rules_data import Limits

_HALF = SLOTS // 2


def count(came: Bools, expected_slots: Ints) -> Bools:
    """V03: not as many slots came from the meter as the day has for it."""
    short: Bools = came.sum(axis=1) != expected_slots
    return short


def spike(usage_milli: Ints, came: Bools, limits: Limits) -> tuple[Bools, Ints, Ints]:
    """V07 within the day: (1st - 3rd) / 3rd > 1.8, of the three highest slots. Also the highest slot and its usage.

    Judged where half the day came, the third is above 0, and the highest is worth the talk. Of equal ones the first.
    """
    left = np.where(came, usage_milli, -1)
    rows = np.arange(len(left))
    at, highest = [], []
    for _ in range(3):
        place = left.argmax(axis=1)
        at.append(place)
        highest.append(left[rows, place])
        left[rows, place] = -1
    first, third = highest[0], highest[2]
    fired = first - third > limits.spike_ratio * third
    fired &= (third > 0) & (first >= limits.spike_least_milli) & (came.sum(axis=1) >= _HALF)
    return fired, at[0], first


def clock_shift(usage_milli: Ints, came: Bools, profile: Floats32, limits: Limits) -> npt.NDArray[np.int8]:
    """V15: by how many slots the day lies later than the profile (negative: earlier); 0 unless clearly better.

    The correlation with the profile, turned round the day, is highest at that shift. Judged on whole days only.
    """
    shift = np.zeros(len(usage_milli), np.int8)
    fit = np.flatnonzero(came.all(axis=1) & np.isfinite(profile[:, 0]))
    day, own = _standard(usage_milli[fit], limits), _standard(profile[fit], limits)
    unshifted = np.einsum("ij,ij->i", day, own)
    worth = np.flatnonzero((unshifted <= 1 - limits.shift_gain) & day.any(axis=1) & own.any(axis=1))
    turned = np.fft.irfft(np.fft.rfft(day[worth]) * np.fft.rfft(own[worth]).conj(), SLOTS)
    best = turned.argmax(axis=1)
    likeness = turned[np.arange(len(worth)), best]
    slots = (best + _HALF) % SLOTS - _HALF
    clear = (likeness >= limits.shift_likeness) & (likeness - unshifted[worth] >= limits.shift_gain)
    clear &= np.abs(slots) >= limits.shift_least_slots
    shift[fit[worth[clear]]] = slots[clear]
    return shift


def night(usage_milli: Ints, came: Bools, dark: Bools, limits: Limits) -> Bools:
    """V17: [n, 96], the dark slots in which something was produced. `dark` is bool[96]."""
    lit: Bools = came & dark & (usage_milli >= limits.night_least_milli)
    return lit


def _standard(values: Ints | Floats32, limits: Limits) -> Floats:
    """Each row with mean 0 and length 1; all 0 where it is flat or too little."""
    total = values.sum(axis=1, dtype=np.float64)
    centred = values - (total / SLOTS)[:, None]
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    good = (length > 1e-6 * np.abs(total)) & (total >= limits.day_least_milli)
    standard: Floats = centred * np.where(good, 1 / np.where(good, length, 1.0), 0.0)[:, None]
    return standard
