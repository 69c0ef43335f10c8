"""All rules of a day together: which bits stand where, what is kept, and what must hold for any meters."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.metering.arrays import Ints
from cloud.metering.calendar import BACK, SLOTS, like_mask
from cloud.metering.codes import ESTIMATED, Grade, Rule
from cloud.metering.day_rules import judge
from cloud.metering.day_rules_data import Day, Found, Limits, Meters, Past, keep, mean_profile
from cloud.metering.quality import grade_of
from tests.metering.day_arrays import TODAY, day_of, meters_of, past_of

LIMITS = Limits()
WEEK = past_of([9_600] * 7)  # as a day of 100 in every slot; its highest slot had 480


def flat_with(slot: int, value: int) -> Day:
    usage = np.full((1, SLOTS), 100, np.int64)
    usage[0, slot] = value
    return day_of(usage)


def test_a_usual_day_is_silent() -> None:
    found = judge(flat_with(3, 110), WEEK, meters_of(1), LIMITS)
    assert found.day.tolist() == [0]
    assert not found.slots.any()
    assert found.shift_slots.tolist() == [0]


def test_a_spike_stands_at_its_slot_and_passes_where_the_meter_has_been_as_high() -> None:
    found = judge(flat_with(7, 900), WEEK, meters_of(1), LIMITS)
    assert found.day.tolist() == [Rule.V07_SPIKE]
    assert np.argwhere(found.slots).tolist() == [[0, 7]]
    assert found.passed.tolist() == [0]
    grades = grade_of(found.per_slot(), found.passed[:, None])
    assert grades[0, 6:9].tolist() == [Grade.A, Grade.Q, Grade.A]
    before = replace(WEEK, max_milli=np.full((1, BACK), 900, np.int64))
    found = judge(flat_with(7, 900), before, meters_of(1), LIMITS)
    assert found.passed.tolist() == [Rule.V07_SPIKE]
    assert grade_of(found.per_slot(), found.passed[:, None])[0, 6:9].tolist() == [Grade.A, Grade.V, Grade.A]


def test_a_rule_that_means_the_day_stands_against_all_its_slots() -> None:
    day = day_of(np.full((1, SLOTS), 500))  # 48,000: five times the usual, and the week's spike
    found = judge(day, WEEK, meters_of(1), LIMITS)
    assert found.day.tolist() == [Rule.V08_HIGH_LOW | Rule.V07_SPIKE]
    assert not found.slots.any()
    assert found.passed.tolist() == [0]
    assert (found.per_slot() == found.day[0]).all()
    assert (grade_of(found.per_slot(), found.passed[:, None]) == Grade.Q).all()


def test_an_unusual_day_passes_where_three_days_were_as_unusual() -> None:
    sundays = np.arange(BACK) % 7 == 6
    past = past_of(np.where(sundays, 1_000, 9_600).tolist(), ~sundays)
    past.measured_slots[0, 27] = 0
    found = judge(day_of(np.full((1, SLOTS), 15)), past, meters_of(1), LIMITS)  # 1,440, as a holiday has
    assert (found.day.tolist(), found.passed.tolist()) == ([Rule.V08_HIGH_LOW], [Rule.V08_HIGH_LOW])
    found = judge(day_of(np.full((1, SLOTS), 10)), past, meters_of(1), LIMITS)  # 960
    assert (found.day.tolist(), found.passed.tolist()) == ([Rule.V08_HIGH_LOW], [0])


def test_estimated_slots_are_missed_by_the_count_and_judged_by_nothing_but_the_sum() -> None:
    day = flat_with(7, 9_000)
    day.grade[0, 7] = Grade.P
    meters = replace(
        meters_of(1), delta_milli=np.array([18_500]), delta_known=np.array([True]), unit_milli=np.array([10])
    )
    assert judge(day, WEEK, meters, LIMITS).day.tolist() == [Rule.V03_COUNT]  # 9,500 + 9,000, as the registers say
    wrong = replace(meters, delta_milli=np.array([9_600]))
    assert judge(day, WEEK, wrong, LIMITS).day.tolist() == [Rule.V03_COUNT | Rule.V12_SUM]


def test_production_in_the_dark_and_heat_against_the_weather() -> None:
    outdoor_c = np.linspace(-4, 12, BACK)
    past = past_of([int(9_600 + 200 * c) for c in outdoor_c], outdoor_c=outdoor_c)
    day = replace(flat_with(50, 120), outdoor_c=0.0)
    production = replace(meters_of(1), production=np.array([True]))
    found = judge(day, past, production, LIMITS)
    assert found.day.tolist() == [Rule.V17_CROSS_UTILITY]
    assert found.slots[0, [0, 50, 95]].tolist() == [Rule.V17_CROSS_UTILITY, 0, Rule.V17_CROSS_UTILITY]
    heat = replace(meters_of(1), heat=np.array([True]))
    found = judge(day, past, heat, LIMITS)
    assert found.day.tolist() == [Rule.V17_CROSS_UTILITY]
    assert not found.slots.any()
    assert judge(day, past, meters_of(1), LIMITS).day.tolist() == [0]


def test_a_clock_that_runs_in_utc_is_nine_hours_early() -> None:
    own = np.full((1, SLOTS), 100, np.int64)
    own[0, 40:60] = 400
    meters = replace(meters_of(1), profile=own.astype(np.float32))
    past = past_of([int(own.sum())] * 7)
    found = judge(day_of(np.roll(own, -36, axis=1)), past, meters, LIMITS)
    assert (found.day.tolist(), found.shift_slots.tolist()) == ([Rule.V15_CLOCK_SHIFT], [-36])
    assert judge(day_of(own), past, meters, LIMITS).day.tolist() == [0]


def test_no_use_for_a_week() -> None:
    past = past_of([0] * 7 + [9_600] * 4)
    found = judge(day_of(np.zeros((1, SLOTS), np.int64)), past, meters_of(1), LIMITS)
    assert found.day.tolist() == [Rule.V09_ZERO_RUN]
    assert (grade_of(found.per_slot(), found.passed[:, None]) == Grade.A).all()


def test_what_is_kept_of_a_day() -> None:
    usage = np.full((1, SLOTS), 10, np.int64)
    usage[0, :6] = [500, 400, 300, 200, 100, 90]
    day = day_of(usage)
    day.known[0, 0] = False
    day.grade[0, :6] = [Grade.N, Grade.L, Grade.Q, Grade.V, Grade.A, Grade.A]
    day.rules[0, 4] = Rule.OUTAGE
    kept = keep(day)
    assert kept.sum_milli.tolist() == [400 + 300 + 200 + 100 + 90 + 900]
    assert kept.known_slots.tolist() == [95]
    assert kept.measured_slots.tolist() == [94]  # without the missing and the estimated one
    assert kept.trusted_slots.tolist() == [92]  # nor the questionable one and the outage
    assert kept.estimated_milli.tolist() == [400]
    assert kept.max_milli.tolist() == [300]


def test_the_profile_is_the_mean_of_the_four_nearest_whole_days() -> None:
    days = np.array([1, 2, 9, 3, 5, 100])[None, :, None] * np.ones((1, 1, SLOTS), np.int64)
    whole = np.array([[True, True, False, True, True, True]])
    assert (mean_profile(days, whole) == 2.75).all()
    whole[0, 3:] = [False, False, True]
    assert mean_profile(days, whole)[0, 0] == pytest.approx(103 / 3)
    whole[0, 5] = False
    assert np.isnan(mean_profile(days, whole)).all()


def some_meters(seed: int, n: int) -> tuple[Day, Past, Meters]:
    """Meters of which many have something about them."""
    rng = np.random.default_rng(seed)
    level = rng.choice([0, 3, 100, 2_000], (n, 1))
    usage: Ints = rng.integers(0, 2, (n, SLOTS)) * level + level
    usage[rng.random((n, SLOTS)) < 0.01] *= 5
    usage[rng.random(n) < 0.3] *= rng.choice([0, 9])
    grade = rng.choice(len(Grade), (n, SLOTS), p=[0.99] + [0.001] * 10).astype(np.uint8)
    grade[rng.random(n) < 0.5] = Grade.A
    known = (grade != Grade.N) & (grade != Grade.X)
    outdoor_c = rng.normal(5, 8, BACK)
    day = Day(TODAY, usage, known, grade, np.zeros((n, SLOTS), np.uint32), np.full(n, SLOTS), float(rng.normal(5, 8)))
    sums = rng.integers(100, 200, (n, BACK)) * level
    slots = rng.choice([0, 90, SLOTS], (n, BACK), p=[0.05, 0.05, 0.9]).astype(np.uint8)
    past = Past(sums, slots, slots, sums // 20, like_mask(TODAY, np.zeros(0, np.int64)), outdoor_c)
    profile = np.roll(usage, rng.choice([0, 36]), axis=1).astype(np.float32)
    off = rng.choice([0, 1, 500], n)
    meters = Meters(
        rng.random(n) < 0.3, rng.random(n) < 0.3, usage.sum(axis=1) + off, rng.random(n) < 0.7, np.full(n, 10), profile
    )
    return day, past, meters


def rows(of: Any, order: Ints | slice, n: int) -> Any:
    """The same with these rows of every array that has a row a meter."""
    parts = {field.name: getattr(of, field.name) for field in fields(of)}
    return replace(of, **{name: part[order] for name, part in parts.items() if np.shape(part)[:1] == (n,)})


def same(one: Found, other: Found) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Found))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(29, 60))
def test_neither_the_order_of_meters_nor_the_chunk_matters(seed: int, n: int) -> None:
    day, past, meters = some_meters(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    found = judge(day, past, meters, LIMITS)
    turned = judge(rows(day, order, n), rows(past, order, n), rows(meters, order, n), LIMITS)
    assert same(turned, rows(found, order, n))
    half = slice(0, n // 2)
    assert same(judge(rows(day, half, n), rows(past, half, n), rows(meters, half, n), LIMITS), rows(found, half, n))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_bits_agree_with_each_other_whatever_the_meters(seed: int) -> None:
    day, past, meters = some_meters(seed, 40)
    found = judge(day, past, meters, LIMITS)
    assert (np.bitwise_or.reduce(found.slots, axis=1) & ~found.day == 0).all()
    assert (found.passed & ~found.day == 0).all()
    assert ((found.shift_slots != 0) == (found.day & Rule.V15_CLOCK_SHIFT > 0)).all()
    assert (np.bitwise_or.reduce(found.per_slot(), axis=1) == found.day).all()
    assert (found.day & Rule.V17_CROSS_UTILITY == 0)[~meters.heat & ~meters.production].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_not_known_is_not_looked_at(seed: int) -> None:
    day, past, meters = some_meters(seed, 40)
    hidden = replace(day, usage_milli=np.where(day.known, day.usage_milli, 10**9))
    assert same(judge(hidden, past, meters, LIMITS), judge(day, past, meters, LIMITS))
    kept, kept_hidden = keep(day), keep(hidden)
    assert kept.sum_milli.tolist() == kept_hidden.sum_milli.tolist()
    assert kept.max_milli.tolist() == kept_hidden.max_milli.tolist()
    estimated = np.isin(day.grade, [int(grade) for grade in ESTIMATED])
    assert (kept.estimated_milli <= kept.sum_milli).all()
    assert (kept.estimated_milli == 0)[~estimated.any(axis=1)].all()
