"""The ladder of estimates: worked out by hand, and what must hold for any gap."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cloud.metering.arrays import Bools, Floats, Grades, round_ratio
from cloud.metering.calendar import BACK
from cloud.metering.codes import ESTIMATED, Grade, Rule
from cloud.metering.estimate import (
    Gaps,
    History,
    class_profile,
    fill,
    like_day_slots,
    linear,
    rung,
    scale_profile,
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


def test_e2_telescopes() -> None:
    # 10 over 4: after each slot 2.5 5 7.5 10 have run, rounded 2 5 8 10
    inside = np.array([[True, True, True, True, False], [True, True, False, False, False]])
    assert linear(np.array([10, 3], np.int64), inside).tolist() == [[2, 3, 3, 2, 0], [2, 1, 0, 0, 0]]


def test_e1_lays_a_difference_out_by_the_profile() -> None:
    # 10 by 1:2:0:3: after each slot 1.67 5 5 10, rounded 2 5 5 10
    profile = np.array([[1, 2, 0, 3], [0, 0, 0, 0], [5, 5, 5, 5]], np.int64)
    usage = scale_profile(np.array([10, 8, 0], np.int64), profile)
    assert usage.tolist() == [[2, 3, 0, 5], [2, 2, 2, 2], [0, 0, 0, 0]]


def test_e4_is_the_shape_of_the_class_at_the_meters_own_level() -> None:
    usage, known = class_profile(np.array([1_000.0, 0.0, np.nan, -5.0]), np.array([0.1, 0.25, 0.0]))
    assert usage.tolist() == [[100, 250, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert known.tolist() == [[True] * 3, [True] * 3, [False] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("gap_s", "delta", "elapsed_s", "outage", "due"),
    [
        (2 * H, 7, H, False, Grade.L),
        (2 * H + 900, 7, H, False, Grade.R),
        (30 * D, 7, 20 * D, False, Grade.R),
        (0, None, 2 * H, False, Grade.N),
        (0, None, 2 * H + 900, False, Grade.P),
        (0, None, 30 * D, False, Grade.P),
        (0, None, 3 * H, True, Grade.N),
        (2 * H, 7, H, True, Grade.N),
        (9 * H, 0, H, True, Grade.A),
        (9 * H, 0, H, False, Grade.A),
        (H, -7, H, False, Grade.N),
    ],
)
def test_the_rung_of_a_slot(gap_s: int, delta: int | None, elapsed_s: int, outage: bool, due: Grade) -> None:
    numbers = (np.array([value], np.int64) for value in (gap_s, delta or 0, elapsed_s))
    gap, change, elapsed = numbers
    assert rung(gap, change, np.array([delta is not None]), elapsed, np.array([outage])).tolist() == [due]


def gap(slots: int, delta: int | None, like: list[int | None], out: tuple[int, ...] = (), of_class: int = 5) -> Gaps:
    """One gap of so many slots; the like days' usage begins with `like` and goes on with its last."""
    shape = (1, slots)
    values = np.array([(like + [like[-1]] * slots)[:slots]], float)
    outage = np.zeros(shape, bool)
    outage[0, list(out)] = True
    return Gaps(
        np.ones(shape, bool),
        np.array([delta or 0], np.int64),
        np.array([delta is not None]),
        outage,
        (np.nan_to_num(values).astype(np.int64), np.isfinite(values)),
        (np.full(shape, of_class, np.int64), np.ones(shape, bool)),
    )


def letters(grade: Grades) -> str:
    return "".join(Grade(code).name for code in grade[0])


def test_a_short_closed_gap_is_filled_evenly() -> None:
    usage, grade = fill(gap(4, 10, [1, 9]))
    assert usage.tolist() == [[2, 3, 3, 2]]
    assert letters(grade) == "LLLL"


def test_a_long_closed_gap_is_filled_by_like_days_and_by_the_class_where_there_are_none() -> None:
    # ten slots weigh 1 + 9 x 4, of the second none is known and the class gives 5: 1 + 5 + 8 x 4 = 38
    usage, grade = fill(gap(10, 380, [1, None, 4]))
    assert usage.tolist() == [[10, 50, 40, 40, 40, 40, 40, 40, 40, 40]]
    assert letters(grade) == "R" * 10


def test_an_open_gap_waits_two_hours_then_takes_like_days_then_the_class() -> None:
    usage, grade = fill(gap(8 * 96, None, [3]))
    assert letters(grade) == "N" * 8 + "P" * (8 * 96 - 8)
    assert usage[0, [7, 8, 7 * 96 - 1, 7 * 96]].tolist() == [0, 3, 3, 5]


def test_an_open_gap_without_like_days_stays_missing() -> None:
    usage, grade = fill(gap(10, None, [3] * 8 + [None]))
    assert letters(grade) == "N" * 10
    assert not usage.any()


def test_an_outage_stays_missing_unless_both_registers_prove_zero() -> None:
    usage, grade = fill(gap(4, 8, [1], out=(1, 2)))
    assert (usage.tolist(), letters(grade)) == ([[2, 0, 0, 2]], "LNNL")
    usage, grade = fill(gap(4, 0, [1], out=(1, 2)))
    assert (usage.tolist(), letters(grade)) == ([[0, 0, 0, 0]], "AAAA")
    _, grade = fill(gap(10, None, [3], out=(9,)))
    assert letters(grade) == "N" * 8 + "PN"


AMOUNT = st.integers(0, 2**40)


@given(st.lists(AMOUNT, min_size=1, max_size=20), AMOUNT)
def test_a_difference_laid_out_keeps_its_sum_and_is_never_negative(profile: list[int], delta: int) -> None:
    for usage in (
        scale_profile(np.array([delta], np.int64), np.array([profile], np.int64)),
        linear(np.array([delta], np.int64), np.ones((1, len(profile)), bool)),
    ):
        assert usage.sum() == delta
        assert (usage >= 0).all()


@st.composite
def any_gaps(draw: st.DrawFn) -> Gaps:
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 14))
    lengths = np.array(draw(st.lists(st.integers(1, k), min_size=n, max_size=n)))

    def mask(*shape: int) -> Any:
        return draw(arrays.arrays(bool, shape))

    def amounts(*shape: int) -> Any:
        return draw(arrays.arrays(np.int64, shape, elements=AMOUNT))

    inside: Bools = np.arange(k)[None, :] < lengths[:, None]
    return Gaps(inside, amounts(n), mask(n), mask(n, k), (amounts(n, k), mask(n, k)), (amounts(n, k), mask(n, k)))


@given(any_gaps())
def test_of_any_gap_the_sum_is_kept_and_no_estimate_is_unmarked(gaps: Gaps) -> None:
    usage, grade = fill(gaps)
    assert (usage >= 0).all()
    marked = np.isin(grade, [int(code) for code in ESTIMATED])
    assert (marked | (usage == 0)).all()
    assert not marked[gaps.outage | ~gaps.inside].any()
    closed = gaps.delta_known & ~(gaps.outage & gaps.inside).any(axis=1)
    assert (usage.sum(axis=1) == gaps.delta_milli)[closed].all()
    assert (grade != Grade.N)[gaps.inside & closed[:, None]].all()


@given(any_gaps(), st.randoms())
def test_the_order_of_meters_does_not_matter(gaps: Gaps, random: Any) -> None:
    order = list(range(len(gaps.delta_milli)))
    random.shuffle(order)
    turned = Gaps(
        gaps.inside[order],
        gaps.delta_milli[order],
        gaps.delta_known[order],
        gaps.outage[order],
        (gaps.like[0][order], gaps.like[1][order]),
        (gaps.of_class[0][order], gaps.of_class[1][order]),
    )
    (usage, grade), (usage_turned, grade_turned) = fill(gaps), fill(turned)
    assert usage[order].tolist() == usage_turned.tolist()
    assert grade[order].tolist() == grade_turned.tolist()


@given(any_gaps())
def test_a_slot_of_an_open_gap_does_not_depend_on_what_comes_after_it(gaps: Gaps) -> None:
    whole: Bools = np.ones(gaps.inside.shape, bool)
    still_open = Gaps(whole, gaps.delta_milli, np.zeros_like(gaps.delta_known), gaps.outage, gaps.like, gaps.of_class)
    cut = max(1, gaps.inside.shape[1] - 3)
    earlier = Gaps(
        whole[:, :cut],
        gaps.delta_milli,
        still_open.delta_known,
        gaps.outage[:, :cut],
        (gaps.like[0][:, :cut], gaps.like[1][:, :cut]),
        (gaps.of_class[0][:, :cut], gaps.of_class[1][:, :cut]),
    )
    (usage, grade), (usage_cut, grade_cut) = fill(still_open), fill(earlier)
    assert usage[:, :cut].tolist() == usage_cut.tolist()
    assert grade[:, :cut].tolist() == grade_cut.tolist()
