"""What the rules of a day look at and what they find: n meters of one utility, arrays with a row a meter."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.arrays import Bits, Bools, Floats, Floats32, Grades, Ints
from cloud.metering.calendar import SLOTS
from cloud.metering.codes import ESTIMATED, Grade
from cloud.metering.estimate import trusted

Counts = npt.NDArray[np.uint8]

_IS_ESTIMATED = np.isin(np.arange(256), [int(grade) for grade in ESTIMATED])


@dataclass(frozen=True)
class Day:
    """One local day. `usage_milli`, `known`, `grade` and `rules` are [n, 96]; usage means nothing where not known."""

    day: int
    usage_milli: Ints
    known: Bools
    grade: Grades
    rules: Bits
    expected_slots: Ints  # [n]: 96, or fewer on the days when a meter was mounted or taken off
    outdoor_c: float  # the day's mean, NaN where not known


@dataclass(frozen=True)
class Past:
    """The 28 days before: [:, j] is the day j + 1 days earlier. Of what `keep` returned for each; 0 where nothing."""

    sum_milli: Ints  # [n, 28]
    measured_slots: Counts
    trusted_slots: Counts
    max_milli: Ints
    like: Bools  # [28], `calendar.like_mask`
    outdoor_c: Floats  # [28]


@dataclass(frozen=True)
class Meters:
    """What else is known of the meters on the day."""

    heat: Bools
    production: Bools
    delta_milli: Ints  # the registers' difference over the day
    delta_known: Bools
    unit_milli: Ints  # one step of the register, its multiplier applied
    profile: Floats32  # [n, 96], `mean_profile` of the like days before; NaN where there is none


@dataclass(frozen=True)
class Limits:
    """Where the rules begin to object. The amounts in thousandths guard against small numbers; they suit kWh."""

    spike_ratio: float = 1.8  # V07: (highest - third) / third
    spike_least_milli: int = 500  # of the slot
    high: float = 3.0  # V08, times the expected
    low: float = 0.2
    day_least_milli: int = 2_000  # V07 over the week, V08, V13 and V15: of the day
    heating_below_c: float = 18.0
    cooling_above_c: float = 24.0
    habit_days: int = 3  # of the 28 must have been as unusual, for a warning to pass its second look
    zero_days: int = 7  # V09: more than so many, today with them
    sum_share: float = 0.01  # V12
    sum_units: int = 2
    loss_share: float = 0.05  # V13: what a main may have more than its subs together, where they are all of it
    excess_share: float = 0.02  # and what it may have less
    shift_least_slots: int = 2  # V15
    shift_likeness: float = 0.9  # correlation with the shifted profile
    shift_gain: float = 0.3  # and how much better than unshifted
    warm_likeness: float = 0.5  # V17: correlation of heat with the outdoor temperature
    warm_days: int = 14
    warm_span_c: float = 8.0
    night_least_milli: int = 20  # V17: of a dark slot


@dataclass(frozen=True)
class Found:
    """Rules as bits. `day` has all that fired; `slots` those that mean single slots, at these slots.

    `passed` are the warnings that passed their second look: on three of the 28 days before, the meter showed as much
    (or, where it is low, as little), whether or not a rule objected then. `shift_slots` is by how much the day lies
    later than the meter's own profile; 0 unless V15.
    """

    day: Bits  # [n]
    slots: Bits  # [n, 96]
    passed: Bits  # [n]
    shift_slots: npt.NDArray[np.int8]  # [n]

    def per_slot(self) -> Bits:
        """[n, 96]: what stands against each slot, where a rule that means no single slot means all of them."""
        whole = self.day & ~np.bitwise_or.reduce(self.slots, axis=1)
        against: Bits = self.slots | whole[:, None]
        return against


@dataclass(frozen=True)
class DayProfile:
    """What is kept of each meter's day, [n] each."""

    sum_milli: Ints  # over the known slots
    known_slots: Counts
    measured_slots: Counts
    trusted_slots: Counts
    estimated_milli: Ints  # what of the sum rests on an estimate
    max_milli: Ints  # the highest measured slot


def keep(day: Day) -> DayProfile:
    """What later days will need of this one."""
    value = np.where(day.known, day.usage_milli, 0)
    came = measured(day)
    return DayProfile(
        value.sum(axis=1),
        day.known.sum(axis=1, dtype=np.uint8),
        came.sum(axis=1, dtype=np.uint8),
        (came & trusted(day.grade, day.rules)).sum(axis=1, dtype=np.uint8),
        np.where(_IS_ESTIMATED[day.grade], value, 0).sum(axis=1),
        np.where(came, value, 0).max(axis=1),
    )


def measured(day: Day) -> Bools:
    """[n, 96]: the slots whose value came from the meter, whether or not a rule objects."""
    came: Bools = day.known & (day.grade <= Grade.Q)
    return came


def mean_profile(usage_milli: Ints, whole: Bools, fewest: int = 3, most: int = 4) -> Floats32:
    """The mean of each slot over the `most` nearest whole days; NaN with fewer than `fewest`. [n, m, 96] → [n, 96].

    [:, j] are like days, the nearest first, and `whole` [n, m] says which have 96 trusted slots. It is always made
    anew from these days, never moved on from the mean before it, so that a rebuild gives the same.
    """
    taken = whole & (np.cumsum(whole, axis=1, dtype=np.int16) <= most)
    count = taken.sum(axis=1, dtype=np.int64)
    total = np.zeros((len(whole), SLOTS), np.int64)
    for days_back in range(whole.shape[1]):
        total += np.where(taken[:, days_back, None], usage_milli[:, days_back], 0)
    count_or_nan = np.where(count >= fewest, count, np.nan)
    return (total / count_or_nan[:, None]).astype(np.float32)
