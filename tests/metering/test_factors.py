"""Factors against values worked out by hand, and which of them is in force when."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.metering import factors
from cloud.metering.factors import Factor, Kind
from cloud.registry import facts

SHIPPED = facts.shipped_factors()
ELECTRICITY, GAS, WATER, HEAT = range(4)


def day(text: str) -> int:
    return (date.fromisoformat(text) - factors.EPOCH).days


def value(kind: Kind, utility: int, when: str, edition: str | None = None) -> float | None:
    found = factors.in_force(SHIPPED, kind, utility, day(when), edition)
    return found.value if found else None


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2019-01-01", None),
        ("2019-06-01", 0.4594),
        ("2022-01-09", 0.4594),
        ("2022-01-10", 0.4781),
        ("2024-06-01", 0.4781),
        ("2025-06-01", 0.4541),
        ("2026-06-01", 0.4173),
    ],
)
def test_electricity_has_the_factor_of_its_day(when: str, expected: float | None) -> None:
    assert value("co2", ELECTRICITY, when) == expected


@pytest.mark.parametrize(
    ("utility", "when", "expected"),
    [
        (GAS, "2019-06-01", 2.173),
        (GAS, "2022-11-20", 2.173),
        (GAS, "2022-11-21", 2.151),
        (GAS, "2024-06-01", 2.151),
        (WATER, "2019-06-01", 0.332),
        (WATER, "2022-06-01", 0.332),
        (WATER, "2026-06-01", 0.247),
        (HEAT, "2019-06-01", None),
        (HEAT, "2022-06-01", 0.2078),
        (HEAT, "2026-06-01", 0.2078),
    ],
)
def test_the_others_too(utility: int, when: str, expected: float | None) -> None:
    assert value("co2", utility, when) == expected


def test_an_edition_may_be_asked_for() -> None:
    assert value("co2", ELECTRICITY, "2021-06-01", "gir-by-year") == 0.4509
    assert value("co2", ELECTRICITY, "2022-01-01", "gir-by-year") == 0.4312
    assert value("co2", ELECTRICITY, "2023-12-31", "gir-by-year") == 0.4173
    assert value("co2", ELECTRICITY, "2024-01-01", "gir-by-year") is None
    assert value("co2", ELECTRICITY, "2026-01-01", "gir-mean-2021-2023") == 0.4330
    assert value("co2", ELECTRICITY, "2026-01-01", "no-such") is None


def test_shipped_values_follow_from_what_they_rest_on() -> None:
    carbon = 15.236 * 44 / 12 / 1000  # tCO2 per GJ
    assert value("co2", GAS, "2024-01-01") == pytest.approx(carbon * 38.5, abs=5e-4)
    assert value("co2", GAS, "2020-01-01") == pytest.approx(carbon * 38.9, abs=5e-4)
    assert value("co2", GAS, "2024-01-01", "ipcc-2006") == pytest.approx(56.2665 * 38.5 / 1000, abs=5e-5)
    kg_per_gj = 57.456 + 0.0044617 * 28 + 0.0005625 * 265
    assert value("co2", HEAT, "2024-01-01") == pytest.approx(kg_per_gj * 0.0036, abs=5e-5)
    assert value("co2", WATER, "2024-01-01") == pytest.approx(7150 / 29_000, abs=5e-4)
    assert value("toe", ELECTRICITY, "2024-01-01") == pytest.approx(860 / 1e7, rel=1e-12)
    assert value("toe", GAS, "2024-01-01") == pytest.approx(10_190 / 1e7, rel=1e-12)
    assert value("toe", GAS, "2020-01-01") == pytest.approx(43.1 / 41_868, abs=5e-7)
    assert value("toe", HEAT, "2024-01-01") == pytest.approx(3.6 / 41_868, rel=1e-6)
    assert value("toe", WATER, "2024-01-01") is None
    assert [value("won", utility, "2024-01-01") for utility in range(4)] == [None] * 4


def test_an_amount_is_converted_by_its_days() -> None:
    # 100 kWh on each side of the new factor: 45.94 kg and 47.81 kg; none is known of the day before the first
    days = np.array([day("2022-01-09"), day("2022-01-10"), day("2019-01-01")])
    kg = factors.converted(np.full(3, 100_000), factors.per_day(SHIPPED, "co2", ELECTRICITY, days))
    assert kg[:2] == pytest.approx([45.94, 47.81])
    assert np.isnan(kg[2])


@given(
    st.lists(st.integers(day("2015-01-01"), day("2027-12-31")), max_size=20),
    st.sampled_from(["co2", "toe", "won"]),
    st.integers(0, 3),
    st.sampled_from([None, "gir-by-year", "final-use"]),
)
def test_many_days_are_as_each_of_them(days: list[int], kind: Kind, utility: int, edition: str | None) -> None:
    found = factors.per_day(SHIPPED, kind, utility, np.array(days, np.int64), edition)
    each = [factors.in_force(SHIPPED, kind, utility, one, edition) for one in days]
    np.testing.assert_array_equal(found, [factor.value if factor else np.nan for factor in each])


def test_a_table_by_day_leaves_out_what_is_not_known() -> None:
    days = np.array([day("2019-06-01"), day("2023-06-01")])
    table = factors.by_day(SHIPPED, "co2", days, {ELECTRICITY: "gir-by-year"})
    assert table.schema == factors.BY_DAY
    assert table.to_pylist() == [
        {"day": days[1], "utility": ELECTRICITY, "value": 0.4173},
        {"day": days[0], "utility": GAS, "value": 2.173},
        {"day": days[1], "utility": GAS, "value": 2.151},
        {"day": days[0], "utility": WATER, "value": 0.332},
        {"day": days[1], "utility": WATER, "value": 0.247},
        {"day": days[1], "utility": HEAT, "value": 0.2078},
    ]
    assert factors.by_day(SHIPPED, "won", days).num_rows == 0


def made(edition: str, from_day: int, to_day: int, default: bool = True) -> Factor:
    return replace(SHIPPED[0], edition=edition, from_day=from_day, to_day=to_day, default=default)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([made("a", 0, 10), made("b", 10, 20)], None),
        ([made("a", 0, 11), made("b", 10, 20)], (0, 1)),
        ([made("b", 10, 20), made("c", 30, 40), made("a", 0, 11)], (0, 2)),
        ([made("a", 0, 100), made("b", 10, 20, default=False)], None),
        ([made("b", 0, 100, default=False), made("b", 10, 20, default=False)], (0, 1)),
        ([made("a", 0, 100), replace(made("b", 0, 100), utility=HEAT)], None),
        ([made("a", 0, 100), replace(made("b", 0, 100), kind="toe")], None),
    ],
)
def test_defaults_do_not_overlap(rows: list[Factor], expected: tuple[int, int] | None) -> None:
    assert factors.overlap(rows) == expected


def test_shipped_ones_do_not() -> None:
    assert factors.overlap(SHIPPED) is None


def test_a_citys_own_comes_first_and_replaces_its_edition() -> None:
    shipped = (made("a", 0, 10), made("b", 10, 20))
    own = (replace(made("a", 5, 12), value=1.0), replace(made("c", 15, 16), value=2.0))
    both = factors.merged(shipped, own)
    days = np.array([4, 5, 11, 12, 15, 16])
    b = shipped[1].value
    np.testing.assert_array_equal(factors.per_day(both, "co2", ELECTRICITY, days), [np.nan, 1.0, 1.0, b, 2.0, b])
