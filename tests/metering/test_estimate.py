"""The ladder of estimates: worked out by hand, and what must hold for any gap."""

import numpy as np
import pytest

from cloud.metering.arrays import Bools, Floats, round_ratio
from cloud.metering.calendar import BACK
from cloud.metering.codes import Grade, Rule
from cloud.metering.estimate import (
    History,
    class_profile,
    like_day_slots,
)

ALL_LIKE: Bools = np.ones(BACK, bool)
H, D = 3600, 86_400


def history(nearest_first: list[int]) -> History:
    """One meter, one slot: these days actual, all days before them missing."""
    usage = np.zeros((1, BACK, 1), np.int64)
    grade = np.full((1, BACK, 1), Grade.N, np.uint8)
    usage[0, : len(nearest_first), 0] = nearest_first
    grade[0, : len(nearest_first), 0] = Grade.A
    return History(usage, grade, np.zeros((1, BACK, 1), np.uint32))


def mean_of(past: History, like: Bools = ALL_LIKE, factor: Floats | None = None) -> int | None:
    usage, known = like_day_slots(past, like, factor)
    return int(usage[0, 0]) if known[0, 0] else None


def test_a_ratio_rounds_its_half_to_the_even_number() -> None:
    above, below = np.array([5, 7, -5, -7, 8, 10], np.int64), np.array([2, 2, 2, 2, 3, 3], np.int64)
    assert round_ratio(above, below).tolist() == [2, 4, -2, -4, 3, 3]  # 2.5 3.5 -2.5 -3.5 2.67 3.33


def test_e3_is_the_mean_of_the_four_nearest() -> None:
    assert mean_of(history([100, 200, 300, 401, 9_999])) == 250  # 1,001 / 4 = 250.25
    assert mean_of(history([100, 200, 301])) == 200  # 601 / 3 = 200.33
    assert mean_of(history([1, 2, 3, 4])) == 2  # 2.5, to the even
    assert mean_of(history([0, 0, 0, 5])) == 1  # a day without use is a day; 1.25
    usage, known = like_day_slots(history([100, 200]), ALL_LIKE)
    assert (usage.tolist(), known.tolist()) == ([[0]], [[False]])


def test_e3_takes_like_days_only() -> None:
    like = ALL_LIKE.copy()
    like[1] = False
    assert mean_of(history([100, 9_999, 200, 300]), like) == 200
    assert mean_of(history([100, 9_999, 200]), like) is None


@pytest.mark.parametrize("grade", [grade for grade in Grade if grade not in (Grade.A, Grade.V)])
def test_e3_never_looks_at_a_slot_that_is_not_actual_and_valid(grade: Grade) -> None:
    past = history([100, 9_999, 200, 300])
    past.grade[0, 1] = grade
    assert mean_of(past) == 200


def test_e3_never_looks_into_an_outage_nor_at_negative_usage_but_takes_a_validated_slot() -> None:
    past = history([100, 0, 200, -7, 300])
    past.rules[0, 1] = Rule.OUTAGE | Rule.V07_SPIKE
    past.grade[0, 2] = Grade.V
    assert mean_of(past) == 200


def test_e3_scaled_by_temperature() -> None:
    assert mean_of(history([100, 200, 300]), factor=np.array([1.5])) == 300
    assert mean_of(history([100, 200, 300]), factor=np.array([0.0])) == 0
    for factor in (np.nan, np.inf, -1.0):
        assert mean_of(history([100, 200, 300]), factor=np.array([factor])) is None


def test_e3_chooses_the_days_of_each_slot_apart() -> None:
    past = history([10, 20, 30, 40, 50])
    two = History(past.usage_milli.repeat(2, 2), past.grade.repeat(2, 2), past.rules.repeat(2, 2))
    two.grade[0, 0, 1] = Grade.L
    usage, _ = like_day_slots(two, ALL_LIKE)
    assert usage.tolist() == [[25, 35]]


def test_e4_is_the_shape_of_the_class_at_the_meters_own_level() -> None:
    usage, known = class_profile(np.array([1_000.0, 0.0, np.nan, -5.0]), np.array([0.1, 0.25, 0.0]))
    assert usage.tolist() == [[100, 250, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert known.tolist() == [[True] * 3, [True] * 3, [False] * 3, [False] * 3]
