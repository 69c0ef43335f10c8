"""PURE: rules that look at sums of days: V07 within the week, V08, V09, V12, V13, V17 of heat."""

import numpy as np

from cloud.metering.arrays import Bools, Floats, Ints
from cloud.metering.calendar import SLOTS
from cloud.metering.day_rules_data import Limits, Past

_WEEK, _FEWEST_OF_WEEK = 7, 5
_FEWEST_LIKE, _FEWEST_FOR_SLOPE = 3, 10
_LEAST_EXPECTED = 0.25  # of the like days' mean: degree-days may take no more away


def week_spike(today_milli: Ints, whole: Bools, past: Past, limits: Limits) -> Bools:
    """V07 within the week: today is the highest of the last seven days, and (1st - 3rd) / 3rd > 1.8.

    Judged where today is whole, five days are, and the third is above 0.
    """
    before = np.where(_whole(past)[:, : _WEEK - 1], past.sum_milli[:, : _WEEK - 1], -1)
    others: Ints = np.sort(before, axis=1)
    second, third = others[:, -1], others[:, -2]
    fired: Bools = (today_milli >= second) & (today_milli - third > limits.spike_ratio * third)
    fired &= whole & (third > 0) & (today_milli >= limits.day_least_milli)
    fired &= (before >= 0).sum(axis=1) + 1 >= _FEWEST_OF_WEEK
    return fired


def high_low(today_milli: Ints, whole: Bools, past: Past, outdoor_c: float, limits: Limits) -> Bools:
    """V08: more than 3 times, or less than 0.2 times, what `expected_milli` says, and by an amount worth the talk.

    A day of no use at all is left to V09.
    """
    expected = expected_milli(past, outdoor_c, limits)
    high = (today_milli > limits.high * expected) & (today_milli - expected >= limits.day_least_milli)
    low = (today_milli > 0) & (today_milli < limits.low * expected) & (expected >= limits.day_least_milli)
    fired: Bools = whole & (high | low)
    return fired


def expected_milli(past: Past, outdoor_c: float, limits: Limits) -> Floats:
    """What the meter's own past says of a day like today, NaN with fewer than three whole like days. [n].

    The mean of the like days, moved by how the meter's whole days of all types answered to degree-days (heating
    below 18 °C and cooling above 24 °C, together; a straight line through ten or more, never falling).
    """
    whole = _whole(past)
    like = whole & past.like
    likes = like.sum(axis=1)
    mean: Floats = np.where(like, past.sum_milli, 0).sum(axis=1) / np.where(likes >= _FEWEST_LIKE, likes, np.nan)
    today, degree_days = _degree_days(np.array([outdoor_c]), limits)[0], _degree_days(past.outdoor_c, limits)
    weighed = whole & np.isfinite(degree_days)
    degree_days = np.nan_to_num(degree_days)
    if not np.isfinite(today) or not weighed.any():
        return mean
    slope = _slope(degree_days, past.sum_milli, weighed)
    like &= weighed
    usual = np.where(like, degree_days, 0.0).sum(axis=1) / np.maximum(like.sum(axis=1), 1)
    moved = np.where(like.any(axis=1), mean + slope * (today - usual), mean)
    expected: Floats = np.maximum(moved, _LEAST_EXPECTED * mean)
    return expected


def zero_run(today_milli: Ints, whole: Bools, past: Past, limits: Limits) -> Bools:
    """V09: today and the whole days before it show no use, more than n in all, though the meter was not zero before.

    "Before" is within the 28 days: a meter that is zero for longer is no longer told. Days not whole are passed over.
    """
    used = (past.trusted_slots > 0) & (past.sum_milli > 0)
    since = np.where(used.any(axis=1), used.argmax(axis=1), -1)
    zeros = (_whole(past) & (np.arange(used.shape[1]) < since[:, None])).sum(axis=1) + 1
    fired: Bools = whole & (today_milli == 0) & (zeros > limits.zero_days)
    return fired


def sum_check(today_milli: Ints, whole: Bools, delta_milli: Ints, unit_milli: Ints, limits: Limits) -> Bools:
    """V12: the slots' sum is not the registers' difference, by more than two steps of the register and 1 %.

    `whole` is where both are known.
    """
    tolerance = np.maximum(limits.sum_units * unit_milli, limits.sum_share * np.abs(delta_milli))
    fired: Bools = whole & (np.abs(today_milli - delta_milli) > tolerance)
    return fired


def parent_child(use_milli: Ints, whole: Bools, parent: Ints, covered: Bools, limits: Limits) -> Bools:
    """V13, on mains: their subs together have more than the main, or, where they are all of it, much less.

    Rows are all meters of an area: `use_milli` of the day (of a main: import + production - export), `parent` is the
    row of the meter that each hangs behind, or -1; `covered` tells mains whose subs leave nothing out. Judged where
    the main and all its subs are whole.
    """
    subs = np.flatnonzero(parent >= 0)
    total, broken, number = (np.zeros(len(parent), np.int64) for _ in range(3))
    np.add.at(total, parent[subs], use_milli[subs])
    np.add.at(broken, parent[subs], ~whole[subs])
    np.add.at(number, parent[subs], 1)
    over = total - use_milli > np.maximum(limits.excess_share * use_milli, limits.day_least_milli)
    lost = use_milli - total > np.maximum(limits.loss_share * use_milli, limits.day_least_milli)
    fired: Bools = whole & (number > 0) & (broken == 0) & (over | (covered & lost))
    return fired


def warm_heat(today_milli: Ints, whole: Bools, past: Past, outdoor_c: float, limits: Limits) -> Bools:
    """V17: over today and the 27 days before, more heat was used the warmer it was outdoors.

    Judged on 14 whole days or more between which the temperature changed by 8 °C or more.
    """
    temperature = np.append(outdoor_c, past.outdoor_c[:-1])
    use = np.column_stack((today_milli, past.sum_milli[:, :-1]))
    there = np.column_stack((whole, _whole(past)[:, :-1])) & np.isfinite(temperature)
    temperature = np.nan_to_num(temperature)
    warmest = np.where(there, temperature, -np.inf).max(axis=1)
    coldest = np.where(there, temperature, np.inf).min(axis=1)
    judged = (there.sum(axis=1) >= limits.warm_days) & (warmest - coldest >= limits.warm_span_c)
    covariance, spread, spread_of_use = _moments(temperature, use, there)
    same: Bools = judged & (covariance > limits.warm_likeness * np.sqrt(spread * spread_of_use))
    return same


def habit(today_milli: Ints, highest_milli: Ints, past: Past, limits: Limits) -> tuple[Bools, Bools, Bools]:
    """The second look: did three of the 28 days have as high a slot, use as much, use as little? Whole days for use."""
    whole = past.measured_slots == SLOTS
    peaks = past.max_milli >= highest_milli[:, None]
    high, low = (past.sum_milli >= today_milli[:, None]) & whole, (past.sum_milli <= today_milli[:, None]) & whole
    peak, much, little = (days.sum(axis=1) >= limits.habit_days for days in (peaks, high, low))
    return peak, much, little


def _whole(past: Past) -> Bools:
    whole: Bools = past.trusted_slots == SLOTS
    return whole


def _degree_days(outdoor_c: Floats, limits: Limits) -> Floats:
    return np.maximum(limits.heating_below_c - outdoor_c, 0.0) + np.maximum(outdoor_c - limits.cooling_above_c, 0.0)


def _slope(degree_days: Floats, use: Ints, there: Bools) -> Floats:
    """Use by degree-day, 0 where it would fall or there is too little to tell."""
    covariance, spread, _ = _moments(degree_days, use, there)
    enough = (there.sum(axis=1) >= _FEWEST_FOR_SLOPE) & (spread > 1.0)
    return np.where(enough, np.maximum(covariance / np.where(enough, spread, 1.0), 0.0), 0.0)


def _moments(x: Floats, y: Ints, there: Bools) -> tuple[Floats, Floats, Floats]:
    """Sums of the products of deviations: x with y, x with x, y with y; x is [m], the others [n, m]."""
    number = np.maximum(there.sum(axis=1, keepdims=True), 1)
    off_x = np.where(there, x - np.where(there, x, 0.0).sum(axis=1, keepdims=True) / number, 0.0)
    off_y = np.where(there, y - np.where(there, y, 0).sum(axis=1, keepdims=True) / number, 0.0)
    return (off_x * off_y).sum(axis=1), (off_x * off_x).sum(axis=1), (off_y * off_y).sum(axis=1)
