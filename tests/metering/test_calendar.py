"""Local days, their slots and types, and which days may be looked back to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.metering import calendar
from cloud.metering.arrays import Ints
from cloud.metering.calendar import DayType

NONE: Ints = np.zeros(0, np.int64)

# 2026-11-26 is a Thursday: 20,783 days after 1970-01-01, itself one, and 20,783 = 7 x 2,969.
THURSDAY = 20_783


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_a_local_day_begins_nine_hours_before_the_utc_day() -> None:
    # 1970-01-02 00:00 in Seoul is 1970-01-01 15:00 UTC = 54,000 s
    moments = ints(53_999, 54_000, 54_900, 0)
    assert calendar.day_of(moments).tolist() == [0, 1, 1, 0]
    assert calendar.slot_of_day(moments).tolist() == [95, 0, 1, 36]
    assert calendar.begin_s(1) == 54_000


def test_moments_before_1970_fall_on_their_own_day() -> None:
    assert calendar.day_of(ints(-32_401, -32_400)).tolist() == [-1, 0]
    assert calendar.slot_of_day(ints(-32_401)).tolist() == [95]


def test_the_type_of_a_day_by_weekday_and_holiday() -> None:
    week = THURSDAY + np.arange(7)
    work, rest = DayType.WORKDAY, DayType.REST
    assert calendar.day_types(week, NONE).tolist() == [work, work, DayType.SATURDAY, rest, work, work, work]
    holidays = ints(THURSDAY, THURSDAY + 2, THURSDAY + 40)
    assert calendar.day_types(week, holidays).tolist() == [rest, work, rest, rest, work, work, work]


def test_like_days_are_of_the_same_type_and_the_nearest_come_first() -> None:
    before = ints(THURSDAY - 8, THURSDAY - 1, THURSDAY - 4, THURSDAY - 2)  # Wednesday, Wednesday, Sunday, Tuesday
    assert calendar.like_days(THURSDAY, before, NONE).tolist() == [THURSDAY - 1, THURSDAY - 2, THURSDAY - 8]
    saturdays = calendar.like_mask(THURSDAY + 2, NONE)
    assert np.flatnonzero(saturdays).tolist() == [6, 13, 20, 27]  # [j] is j + 1 days before


def test_no_like_day_is_later_nor_more_than_four_weeks_back() -> None:
    candidates = ints(THURSDAY, THURSDAY + 7, THURSDAY - 28, THURSDAY - 35)
    assert calendar.like_days(THURSDAY, candidates, NONE).tolist() == [THURSDAY - 28]


@given(st.integers(10_000, 40_000), st.lists(st.integers(-40, 40), max_size=30), st.lists(st.integers(-40, 40)))
def test_later_days_change_nothing(day: int, offsets: list[int], free: list[int]) -> None:
    holidays = np.unique(day + np.array(free, np.int64))
    candidates = day + np.array(offsets, np.int64)
    earlier = candidates[candidates < day]
    found = calendar.like_days(day, candidates, holidays)
    assert found.tolist() == calendar.like_days(day, earlier, holidays).tolist()
    types = calendar.day_types(np.append(found, day), holidays)
    assert len(set(types.tolist())) == 1
