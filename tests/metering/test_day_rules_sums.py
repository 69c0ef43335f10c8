"""Rules that look at sums of days, each firing once and not firing once, by hand."""

import numpy as np
import pytest

from cloud.metering import day_rules_sums as rules
from cloud.metering.arrays import Bools, Ints
from cloud.metering.calendar import BACK
from cloud.metering.day_rules_data import Limits
from tests.metering.day_arrays import past_of

LIMITS = Limits()
YES: Bools = np.array([True])
NO: Bools = np.array([False])
NAN = float("nan")


def one(value: int) -> Ints:
    return np.array([value], np.int64)


@pytest.mark.parametrize(
    ("today", "before", "fires"),
    [
        (28_000, [9_000, 10_000, 11_000, 9_000], False),  # third 10,000: (28 - 10) / 10 is 1.8
        (28_001, [9_000, 10_000, 11_000, 9_000], True),
        (28_001, [9_000, 10_000, 11_000], False),  # four days only
        (28_001, [9_000, 10_000, 11_000, 0], True),  # a day without use is a day
        (28_001, [9_000, 10_000, 29_000, 9_000], False),  # not the highest
        (28_001, [9_000] * 6 + [28_000, 27_000], True),  # eight days ago is another week
        (1_999, [100] * 6, False),
        (2_000, [100] * 6, True),
        (9_000, [0, 8_000, 0, 0, 0, 0], False),  # a third of 0 is nothing to compare with
    ],
)
def test_v07_spike_within_the_week(today: int, before: list[int], fires: bool) -> None:
    assert rules.week_spike(one(today), YES, past_of(before), LIMITS).tolist() == [fires]
    assert rules.week_spike(one(today), NO, past_of(before), LIMITS).tolist() == [False]


@pytest.mark.parametrize(
    ("today", "fires"), [(30_000, False), (30_001, True), (10_000, False), (2_000, False), (1_999, True)]
)
def test_v08_more_than_three_times_or_less_than_a_fifth_of_the_usual(today: int, fires: bool) -> None:
    past = past_of([9_000, 10_000, 11_000])
    assert rules.high_low(one(today), YES, past, NAN, LIMITS).tolist() == [fires]


def test_v08_guards_small_numbers_and_wants_three_like_days() -> None:
    assert not rules.high_low(one(2_099), YES, past_of([100, 100, 100]), NAN, LIMITS)[0]
    assert rules.high_low(one(2_100), YES, past_of([100, 100, 100]), NAN, LIMITS)[0]
    assert not rules.high_low(one(1), YES, past_of([1_999] * 3), NAN, LIMITS)[0]
    assert rules.high_low(one(1), YES, past_of([2_000] * 3), NAN, LIMITS)[0]
    assert not rules.high_low(one(0), YES, past_of([2_000] * 3), NAN, LIMITS)[0]  # V09 counts days of no use
    assert not rules.high_low(one(90_000), YES, past_of([100, 100]), NAN, LIMITS)[0]
    assert not rules.high_low(one(90_000), NO, past_of([100] * 5), NAN, LIMITS)[0]


def test_v08_compares_with_days_of_the_same_type() -> None:
    like = np.arange(BACK) % 2 == 0
    past = past_of([10_000, 1_000] * 5, like)
    assert rules.expected_milli(past, NAN, LIMITS).tolist() == [10_000]


def test_v08_is_moved_by_degree_days() -> None:
    # ten days between 8 and 17 °C, 10 down to 1 degree-days of 18: use is 1,000 + 500 a degree-day.
    # The mean day has 5.5 degree-days and 3,750; at -2 °C (20 degree-days) 3,750 + 500 x 14.5 = 11,000.
    outdoor_c = np.full(BACK, np.nan)
    outdoor_c[:10] = np.arange(8, 18)
    past = past_of([6_000, 5_500, 5_000, 4_500, 4_000, 3_500, 3_000, 2_500, 2_000, 1_500], outdoor_c=outdoor_c)
    assert rules.expected_milli(past, -2.0, LIMITS) == pytest.approx([11_000])
    assert rules.expected_milli(past, 28.0, LIMITS) == pytest.approx([3_000])  # 4 degree-days of cooling
    assert rules.expected_milli(past, NAN, LIMITS) == pytest.approx([3_750])
    assert not rules.high_low(one(20_000), YES, past, -2.0, LIMITS)[0]
    assert rules.high_low(one(20_000), YES, past, 12.5, LIMITS)[0]


def test_v08_takes_no_slope_from_nine_days_nor_a_falling_one() -> None:
    outdoor_c = np.full(BACK, np.nan)
    outdoor_c[:10] = np.arange(8, 18)
    falling = past_of([1_000 * day for day in range(1, 11)], outdoor_c=outdoor_c)
    assert rules.expected_milli(falling, -20.0, LIMITS).tolist() == [5_500]
    outdoor_c[9] = np.nan
    few = past_of([10_000 - 1_000 * day for day in range(9)] + [1_000], outdoor_c=outdoor_c)
    assert rules.expected_milli(few, -20.0, LIMITS).tolist() == [5_500]


def test_a_warning_is_looked_at_again_by_what_three_days_have_shown() -> None:
    past = past_of([100, 200, 300, 400, 500])  # the highest slots 5, 10, 15, 20, 25
    past.trusted_slots[:] = 0  # a rule may have objected to them
    for highest, today, seen in (
        (15, 300, (True, True, True)),
        (16, 301, (False, False, True)),
        (15, 299, (True, True, False)),
    ):
        found = rules.habit(one(today), one(highest), past, LIMITS)
        assert tuple(bool(each[0]) for each in found) == seen
    past.measured_slots[0, 2:4] = 95  # a day with a hole says nothing of the day, but may show a slot
    assert [each.tolist() for each in rules.habit(one(100), one(15), past, LIMITS)] == [[True], [True], [False]]


@pytest.mark.parametrize(
    ("today", "before", "fires"),
    [
        (0, [0] * 7 + [300], True),  # eight days of zero
        (0, [0] * 6 + [300], False),  # seven
        (0, [0] * 28, False),  # was never seen otherwise
        (0, [0] * 3 + [300] + [0] * 10, False),
        (5, [0] * 9 + [300], False),
    ],
)
def test_v09_zero_for_more_than_a_week_on_a_meter_that_was_not(today: int, before: list[int], fires: bool) -> None:
    assert rules.zero_run(one(today), YES, past_of(before), LIMITS).tolist() == [fires]
    assert rules.zero_run(one(today), NO, past_of(before), LIMITS).tolist() == [False]


def test_v09_passes_over_days_that_are_not_whole() -> None:
    past = past_of([0] * 9 + [300])
    past.trusted_slots[0, :2] = 95
    assert rules.zero_run(one(0), YES, past, LIMITS).tolist() == [True]  # today and seven
    past.trusted_slots[0, 2] = 0
    assert rules.zero_run(one(0), YES, past, LIMITS).tolist() == [False]


@pytest.mark.parametrize(
    ("total", "delta", "unit", "fires"),
    [
        (10_100, 10_000, 10, False),  # 1 % is 100
        (10_101, 10_000, 10, True),
        (9_899, 10_000, 10, True),
        (12_000, 10_000, 1_000, False),  # two steps are 2,000
        (12_001, 10_000, 1_000, True),
    ],
)
def test_v12_slots_add_up_to_the_registers(total: int, delta: int, unit: int, fires: bool) -> None:
    assert rules.sum_check(one(total), YES, one(delta), one(unit), LIMITS).tolist() == [fires]
    assert rules.sum_check(one(total), NO, one(delta), one(unit), LIMITS).tolist() == [False]


@pytest.mark.parametrize(
    ("main", "subs", "covered", "fires"),
    [
        (100_000, [60_000, 42_000], False, False),  # 2 % over is what meters differ by
        (100_000, [60_000, 42_001], False, True),
        (100_000, [60_000, 20_000], False, False),  # the rest is the main's own
        (100_000, [60_000, 35_000], True, False),  # 5 % is lost on the way
        (100_000, [60_000, 34_999], True, True),
        (1_000, [2_000, 1_000], False, False),  # 2 kWh is too little to talk of
        (100_000, [], True, False),
    ],
)
def test_v13_a_main_and_its_subs(main: int, subs: list[int], covered: bool, fires: bool) -> None:
    use = np.array([*subs, main], np.int64)
    parent = np.array([len(subs)] * len(subs) + [-1], np.int64)
    whole = np.ones(len(use), bool)
    fired = rules.parent_child(use, whole, parent, np.full(len(use), covered), LIMITS)
    assert fired.tolist() == [False] * len(subs) + [fires]
    if subs:
        whole[0] = False
        assert not rules.parent_child(use, whole, parent, np.full(len(use), covered), LIMITS).any()


def test_v13_tells_each_main_of_its_own_subs() -> None:
    use = np.array([10_000, 13_000, 90_000, 1_000, 5_000], np.int64)  # mains are rows 0 and 2
    parent = np.array([-1, 0, -1, 2, 2], np.int64)
    fired = rules.parent_child(use, np.ones(5, bool), parent, np.zeros(5, bool), LIMITS)
    assert fired.tolist() == [True, False, False, False, False]


def test_v17_heat_rises_when_it_gets_colder() -> None:
    outdoor_c = np.linspace(-4, 12, BACK)
    cold = [int(10_000 - 500 * c) for c in outdoor_c]
    warm = [int(10_000 + 500 * c) for c in outdoor_c]
    for uses, today, fires in ((cold, 10_000, False), (warm, 10_000, True)):
        past = past_of(uses, outdoor_c=outdoor_c)
        assert rules.warm_heat(one(today), YES, past, 0.0, LIMITS).tolist() == [fires]


def test_v17_wants_two_weeks_in_which_the_weather_changed() -> None:
    outdoor_c = np.linspace(-4, 12, BACK)
    warm = [int(10_000 + 500 * c) for c in outdoor_c]
    thirteen, fourteen = past_of(warm[:12], outdoor_c=outdoor_c), past_of(warm[:13], outdoor_c=outdoor_c)
    limits = Limits(warm_span_c=7.0)  # -4 °C and 13 steps of 16 / 27 °C
    assert not rules.warm_heat(one(8_000), YES, thirteen, -4.0, limits)[0]
    assert rules.warm_heat(one(8_000), YES, fourteen, -4.0, limits)[0]
    assert not rules.warm_heat(one(8_000), YES, fourteen, -4.0, LIMITS)[0]  # 8 °C are wanted, 7.1 there are
    flat = past_of([10_000] * BACK, outdoor_c=outdoor_c)
    assert not rules.warm_heat(one(10_000), YES, flat, 0.0, LIMITS)[0]
