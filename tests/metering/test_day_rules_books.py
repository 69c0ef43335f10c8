"""Billing periods and arrivals: known answers, and any periods against the plainest way to look at them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cloud.metering.arrays import Ints
from cloud.metering.day_rules_books import late, periods


def told(*rows: tuple[int, int, int]) -> tuple[list[bool], list[bool]]:
    table: Ints = np.array(rows, np.int64).reshape(-1, 3)
    overlap, gap = periods(table[:, 0], table[:, 1], table[:, 2])
    return overlap.tolist(), gap.tolist()


def test_v16_periods_that_follow_each_other_are_silent() -> None:
    assert told((1, 0, 10), (1, 10, 20), (2, 5, 9)) == ([False] * 3, [False] * 3)
    assert told() == ([], [])


def test_v16_overlap_and_gap_are_told_at_the_later_period_in_any_order() -> None:
    assert told((1, 9, 20), (1, 0, 10), (1, 21, 30)) == ([True, False, False], [False, False, True])


def test_v16_a_long_period_is_not_forgotten_behind_a_short_one() -> None:
    assert told((1, 0, 100), (1, 10, 20), (1, 50, 60), (1, 100, 110)) == ([False, True, True, False], [False] * 4)


def test_v16_another_meters_periods_do_not_matter() -> None:
    assert told((1, 0, 100), (2, 10, 20), (2, 20, 30)) == ([False] * 3, [False] * 3)


def test_v16_a_period_must_end_after_it_begins() -> None:
    assert told((1, 10, 10), (2, 20, 15)) == ([True, True], [False, False])


PERIOD = st.tuples(st.integers(0, 3), st.integers(-20, 20), st.integers(1, 9)).map(
    lambda row: (row[0], row[1], row[1] + row[2])
)


@given(st.lists(PERIOD, max_size=12))
def test_v16_agrees_with_looking_at_each_pair(rows: list[tuple[int, int, int]]) -> None:
    overlap, gap = told(*rows)
    for at, (meter, start, end) in enumerate(rows):
        earlier = [
            other for place, other in enumerate(rows) if other[0] == meter and (*other[1:], place) < (start, end, at)
        ]
        assert overlap[at] == any(other[2] > start for other in earlier)
        assert gap[at] == (bool(earlier) and all(other[2] < start for other in earlier))


def test_v18_late_or_restated() -> None:
    arrived, settled = np.array([100, 101, 50], np.int64), np.array([100, 100, 100], np.int64)
    assert late(arrived, settled, np.array([False, False, True])).tolist() == [False, True, True]
