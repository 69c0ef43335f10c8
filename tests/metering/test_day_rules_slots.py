"""Rules that look at the slots of a day, each firing once and not firing once, by hand."""

import numpy as np
import pytest

from cloud.metering import day_rules_slots as rules
from cloud.metering.arrays import Bools, Ints
from cloud.metering.calendar import SLOTS
from cloud.metering.day_rules_data import Limits

LIMITS = Limits()
ALL: Bools = np.ones((1, SLOTS), bool)


def flat(value: int, **at: int) -> Ints:
    """One meter; `s5=7` sets slot 5 to 7."""
    usage = np.full((1, SLOTS), value, np.int64)
    for slot, other in at.items():
        usage[0, int(slot[1:])] = other
    return usage


def test_v03_a_day_has_96_slots_or_as_many_as_the_meter_hung_there() -> None:
    came = np.ones((3, SLOTS), bool)
    came[1, 7] = came[2, :40] = False
    assert rules.count(came, np.array([96, 96, 56], np.int64)).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("highest", "fires"),
    [(2_800, False), (2_801, True)],  # third is 1,000: (2,800 - 1,000) / 1,000 is 1.8, and must be more
)
def test_v07_spike_over_the_third_highest(highest: int, fires: bool) -> None:
    fired, at, value = rules.spike(flat(100, s10=highest, s11=1_500, s50=1_000), ALL, LIMITS)
    assert fired.tolist() == [fires]
    assert (at[0], value[0]) == (10, highest)


def test_v07_wants_more_than_small_numbers_and_half_a_day() -> None:
    assert not rules.spike(flat(1, s10=499), ALL, LIMITS)[0][0]
    assert rules.spike(flat(1, s10=500), ALL, LIMITS)[0][0]
    assert not rules.spike(flat(0, s10=5_000), ALL, LIMITS)[0][0]  # a third of 0 is nothing to compare with
    came = ALL.copy()
    came[0, 48:] = False
    assert rules.spike(flat(1, s10=500), came, LIMITS)[0][0]
    came[0, 47] = False
    assert not rules.spike(flat(1, s10=500), came, LIMITS)[0][0]


def test_v07_sees_only_what_came() -> None:
    came = ALL.copy()
    came[0, 10] = False
    fired, at, _ = rules.spike(flat(400, s10=9_000, s20=900), came, LIMITS)
    assert fired.tolist() == [False]  # 900 over 400 is 1.25 more
    assert at.tolist() == [20]


def profile() -> Ints:
    """Breakfast and a long evening."""
    return flat(100, s28=900, s29=800, s72=1_500, s73=1_500, s74=1_200, s75=1_000)


@pytest.mark.parametrize("shift", [36, -36, 2, -5, 47, -48])
def test_v15_a_day_that_lies_elsewhere_is_told_by_how_much(shift: int) -> None:
    day = np.roll(profile(), shift, axis=1) * 2 + 30  # nor its level nor its base matters
    assert rules.clock_shift(day, ALL, profile().astype(np.float32), LIMITS).tolist() == [shift]


def test_v15_is_silent_of_days_in_place_unlike_flat_small_or_broken() -> None:
    own = profile().astype(np.float32)
    # shifted by one slot, unlike the profile wherever it lies, flat, and less in all than 2 kWh
    for day in (np.roll(profile(), 1, axis=1), flat(100, s3=2_000), flat(700), np.roll(profile(), 36, axis=1) // 10):
        assert rules.clock_shift(day, ALL, own, LIMITS).tolist() == [0]
    moved = np.roll(profile(), 36, axis=1)
    came = ALL.copy()
    came[0, 0] = False
    assert rules.clock_shift(moved, came, own, LIMITS).tolist() == [0]
    assert rules.clock_shift(moved, ALL, np.full_like(own, np.nan), LIMITS).tolist() == [0]
    assert rules.clock_shift(moved, ALL, np.full_like(own, 5), LIMITS).tolist() == [0]


def test_v15_must_be_much_better_than_where_the_day_lies() -> None:
    both = profile() + np.roll(profile(), 20, axis=1) * 11 // 10  # nearly as like unshifted (0.65) as shifted (0.72)
    limits = Limits(shift_likeness=0.5)
    assert rules.clock_shift(both, ALL, profile().astype(np.float32), limits).tolist() == [0]
    limits = Limits(shift_likeness=0.5, shift_gain=0.01)
    assert rules.clock_shift(both, ALL, profile().astype(np.float32), limits).tolist() == [20]


def test_v17_no_panel_works_in_the_dark() -> None:
    dark = np.zeros(SLOTS, bool)
    dark[:20] = True
    usage = flat(0, s3=20, s4=19, s5=50, s50=900)
    came = ALL.copy()
    came[0, 5] = False
    assert np.argwhere(rules.night(usage, came, dark, LIMITS)).tolist() == [[0, 3]]
