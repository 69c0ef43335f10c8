"""What may be shown alone, what may be compared, and how it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.portal.city.charts import chart
from cloud.portal.city.rules import LEAST, Change, Days, Place, compare, districts_of, not_alone
from cloud.portal.city.sums import Sum, combine
from cloud.portal.city.view import amount, percent, scale_of
from tests.cloud.city_totals import CHUNGJANG, DONGMYEONG, GYERIM


def of(milli: int | None, meters: int, counted: int | None = None) -> Sum:
    """One slot's sum."""
    return Sum(milli, meters if counted is None else counted, meters, 0, meters)


@pytest.mark.parametrize(
    ("meters", "hidden"),
    [
        ({1: 5, 2: 9}, set()),
        ({1: 4, 2: 9, 3: 7}, {1, 3}),  # alone it would be the whole less the others: the next smallest joins it
        ({1: 1, 2: 2, 3: 9}, {1, 2, 3}),  # two that are 3 together are still too few
        ({1: 3, 2: 2, 3: 9}, {1, 2}),
        ({1: 4}, {1}),
        ({1: 0, 2: 9}, set()),  # where there is no meter there is nobody
        ({}, set()),
    ],
)
def test_few_meters_are_not_shown_alone_nor_by_subtraction(meters: dict[int, int], hidden: set[int]) -> None:
    assert not_alone(meters) == hidden


def test_the_dongs_of_a_district_that_is_not_shown_are_not_either() -> None:
    days = {
        CHUNGJANG: Days({"gas": of(1000, 8)}, {}, {}),
        DONGMYEONG: Days({"gas": of(2000, 9)}, {}, {}),
        GYERIM: Days({"gas": of(500, 3)}, {}, {}),
    }
    districts = [Place(2, "동구", "Dong-gu"), Place(3, "서구", "Seo-gu")]
    dongs = [Place(CHUNGJANG, "가", "A", 2), Place(DONGMYEONG, "나", "B", 2), Place(GYERIM, "다", "C", 3)]
    east, west = districts_of(districts, dongs, days)
    # the city less the first would be the second, which has three meters; so would the city less two dongs
    assert west.row.figures["gas"].hidden
    assert east.row.figures["gas"].hidden
    assert [dong.figures["gas"].hidden for dong in east.dongs] == [True, True]
    assert east.row.figures["gas"].sum == Sum(3000, 17, 17, 0, 17)
    assert not east.row.figures["water"].hidden


METERS = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), min_size=1, max_size=5)


@given(METERS)
def test_nothing_that_is_hidden_is_left_over_by_few_meters(meters: list[list[int]]) -> None:
    """What somebody gets who takes all that is shown from the sum above it."""
    dongs = [Place(100 * at + one, "", "", at) for at, some in enumerate(meters) for one in range(len(some))]
    days = {dong.key: Days({"heat": of(1, meters[dong.above][dong.key % 100])}, {}, {}) for dong in dongs}
    districts = districts_of([Place(at, "", "") for at in range(len(meters))], dongs, days)
    left = [one.row.figures["heat"].sum.meters for one in districts if one.row.figures["heat"].hidden]
    city = sum(map(sum, meters))
    assert not left or (sum(left) >= LEAST and len(left) > 1) or sum(left) == city
    for one in districts:
        hidden = [dong.figures["heat"].sum.meters for dong in one.dongs if dong.figures["heat"].hidden]
        if one.row.figures["heat"].hidden:
            assert sum(hidden) == one.row.figures["heat"].sum.meters
        else:
            assert not hidden or (sum(hidden) >= LEAST and len(hidden) > 1)
        assert all(dong.figures["heat"].hidden for dong in one.dongs if 0 < dong.figures["heat"].sum.meters < LEAST)


@pytest.mark.parametrize(
    ("now", "then", "change"),
    [
        (of(1100, 10), of(1000, 10), Change(1100 / 1000 - 1)),
        (of(0, 10), of(1000, 10), Change(-1.0)),
        (of(None, 10, 0), of(1000, 10), Change(None, "no-value")),
        (of(1000, 10), of(None, 10, 0), Change(None, "none-then")),
        (of(1000, 10), Sum(), Change(None, "none-then")),
        (of(1000, 10, 8), of(1000, 10), Change(None, "coverage")),
        (of(1000, 10), of(1000, 10, 8), Change(None, "coverage")),
        (of(1000, 10, 9), of(1000, 10, 9), Change(0.0)),
        (of(1000, 20), of(1000, 10), Change(None, "meters")),
        (of(1000, 10), of(0, 10), Change(None, "zero-then")),
        (of(1000, 5), of(900, 4), Change(None, "few-then")),
    ],
)
def test_only_what_is_alike_is_compared(now: Sum, then: Sum, change: Change) -> None:
    assert compare(now, then, alone=True) == change


def test_a_sum_of_what_is_missing_is_missing_and_of_zeros_is_zero() -> None:
    assert combine([of(None, 3, 0), of(None, 2, 0)]) == Sum(None, 0, 5, 0, 5)
    assert combine([of(None, 3, 0), of(0, 2)]) == Sum(0, 2, 5, 0, 5)
    assert Sum().coverage is None
    assert of(None, 3, 0).coverage == 0
    assert of(None, 3, 0).estimated_share is None


@pytest.mark.parametrize(
    ("show", "milli", "said"),
    [
        ("electricity", 0, "0 unit.kwh"),
        ("electricity", 4, "< 0.01 unit.kwh"),
        ("electricity", -4, "> −0.01 unit.kwh"),
        ("electricity", 9_999_000, "9,999 unit.kwh"),
        ("electricity", 10_000_000, "10.0 unit.mwh"),
        ("heat", 25_100_000_000, "25.1 unit.gwh"),
        ("water", 480_123_456, "480,123 unit.m3"),
        ("gas", 3_447_742_000, "3.45 unit.million_m3"),
    ],
)
def test_amounts_have_a_unit_that_fits(show: str, milli: int, said: str) -> None:
    scale = scale_of(show, milli)
    assert f"{amount(milli, scale)} {scale[1]}" == said


@pytest.mark.parametrize(
    ("part", "said"),
    [(1, "100%"), (0, "0%"), (0.99999, "99.9%"), (0.0001, "< 0.1%"), (0.0123, "1.2%"), (0.29, "29.0%")],
)
def test_a_share_is_never_said_to_be_all_or_nothing_when_it_is_not(part: float, said: str) -> None:
    assert percent(part) == said


def test_a_missing_hour_is_a_gap_and_one_that_is_not_over_looks_so() -> None:
    drawn = chart({0: of(50, 5), 1: of(None, 5, 0), 2: of(100, 5)}, {0: of(100, 5), 2: of(25, 5)}, hours_passed=2)
    assert [(bar.x, bar.height, bar.whole) for bar in drawn.bars] == [(2, 57, True), (42, 114, False)]
    assert drawn.line == "M0 6.0h20M40 91.5h20"
