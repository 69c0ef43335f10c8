"""PURE: the rules that look at a whole day, once a day over all meters, in chunks of meters of one utility.

What is not here runs apart: V13 (`day_rules_sums.parent_child`) needs all meters of an area at once, V16 and V18
(`day_rules_books`) look at periods and arrivals. Rules of a slot are found when it is settled.
"""

import numpy as np

from cloud.metering import day_rules_slots as slots
from cloud.metering import day_rules_sums as sums
from cloud.metering.arrays import Bits, Bools
from cloud.metering.codes import Rule
from cloud.metering.day_rules_data import Day, Found, Limits, Meters, Past, measured
from cloud.metering.sun import night_slots

CHUNK = 20_000  # meters at once: larger arrays leave the cache and take twice the time each


def judge(day: Day, past: Past, meters: Meters, limits: Limits) -> Found:
    """V03, V07, V08, V09, V12, V15 and V17 of each meter's day. Nothing of it looks at a later day."""
    came = measured(day)
    whole = np.logical_and.reduce(came, axis=1)
    today = np.where(day.known, day.usage_milli, 0).sum(axis=1)
    spiked, at, highest = slots.spike(day.usage_milli, came, limits)
    spiked_week = sums.week_spike(today, whole, past, limits)
    unusual = sums.high_low(today, whole, past, day.outdoor_c, limits)
    shift = slots.clock_shift(day.usage_milli, came, meters.profile, limits)
    lit = slots.night(day.usage_milli, came & meters.production[:, None], night_slots(day.day), limits)
    warm = meters.heat & sums.warm_heat(today, whole, past, day.outdoor_c, limits)
    balance = sums.sum_check(
        today, day.known.all(axis=1) & meters.delta_known, meters.delta_milli, meters.unit_milli, limits
    )
    fired = [
        (Rule.V03_COUNT, slots.count(came, day.expected_slots)),
        (Rule.V07_SPIKE, spiked | spiked_week),
        (Rule.V08_HIGH_LOW, unusual),
        (Rule.V09_ZERO_RUN, sums.zero_run(today, whole, past, limits)),
        (Rule.V12_SUM, balance),
        (Rule.V15_CLOCK_SHIFT, shift != 0),
        (Rule.V17_CROSS_UTILITY, warm | lit.any(axis=1)),
    ]
    at_slots = np.where(lit, np.uint32(Rule.V17_CROSS_UTILITY), np.uint32(0))
    at_slots[warm] = 0  # the whole day is meant
    single = np.flatnonzero(spiked & ~spiked_week)
    at_slots[single, at[single]] |= np.uint32(Rule.V07_SPIKE)
    peak, much, little = sums.habit(today, highest, past, limits)
    passed = [(Rule.V07_SPIKE, (~spiked | peak) & (~spiked_week | much)), (Rule.V08_HIGH_LOW, much & little)]
    found = _bits(fired)
    return Found(found, at_slots, found & _bits(passed), shift)


def _bits(fired: list[tuple[Rule, Bools]]) -> Bits:
    bits = np.zeros(len(fired[0][1]), np.uint32)
    for rule, where in fired:
        bits |= np.where(where, np.uint32(rule), np.uint32(0))
    return bits
