"""One slot of one register, each case with its answer worked out by hand."""

import numpy as np
import pytest

from cloud.metering.codes import Grade, Rule
from cloud.metering.readings import UNKNOWN
from tests.metering.one_slot import SLOT, Meters, row, run

NONE = Rule(0)
MINUTES = [(60 * n, 100 + n / 10) for n in range(1, 16)]


def test_a_slot_is_the_difference_of_its_registers() -> None:
    assert row(run(Meters([MINUTES])).usage) == (1500, Grade.A, NONE)


def test_the_multiplier_makes_what_there_is_of_what_is_shown() -> None:
    assert row(run(Meters([MINUTES], multiplier=120.0)).usage) == (180_000, Grade.A, NONE)


def test_a_missing_minute_within_changes_nothing() -> None:
    assert row(run(Meters([MINUTES[:4] + MINUTES[9:]])).usage) == (1500, Grade.A, NONE)


def test_without_a_reading_at_the_end_the_slot_waits() -> None:
    outcome = run(Meters([MINUTES[:-1]]))
    assert row(outcome.usage) == (None, Grade.N, Rule.V04_MISSING)
    assert (outcome.carried.time_s[0], outcome.carried.value[0]) == (SLOT + 840, 101.4)
    assert outcome.carried.part_milli[0] == 1400


def test_the_reading_after_closes_what_waited() -> None:
    # 1.4 kWh until 60 s before the bound, then 0.2 kWh in 120 s: half of it before the bound
    outcome = run(Meters([[(60, 101.6), (900, 103.0)]], carried=(-60, 101.4), part_milli=1400))
    assert row(outcome.closed) == (1500, Grade.A, NONE)
    assert outcome.closed.slot_s.tolist() == [SLOT - 900]
    assert row(outcome.usage) == (1500, Grade.A, NONE)


def test_a_gap_of_two_hours_is_estimated_in_a_line() -> None:
    # from 15 minutes after one bound to the bound at the end: 7200 s, 8 kWh, 1 kWh a slot
    outcome = run(Meters([[(900, 108.0)]], carried=(-6300, 100.0)))
    assert row(outcome.usage) == (1000, Grade.L, NONE)
    assert outcome.closed.slot_s.tolist() == [SLOT - 900 * n for n in range(7, 0, -1)]
    assert outcome.closed.milli.tolist() == [1000] * 7
    assert set(outcome.closed.grade.tolist()) == {Grade.L}


def test_parts_of_a_gap_sum_to_its_registers_exactly() -> None:
    outcome = run(Meters([[(900, 100.01)]], carried=(-6300, 100.0)))
    assert int(outcome.closed.milli.sum()) + int(outcome.usage.milli[0]) == 10


def test_a_longer_gap_takes_the_shape_of_like_days() -> None:
    outcome = run(Meters([[(900, 116.0)]], carried=(-9000, 100.0), like_milli=500))
    assert outcome.closed.milli.tolist() + outcome.usage.milli.tolist() == pytest.approx([16000 / 11] * 11, abs=1)
    assert int(outcome.closed.milli.sum()) + int(outcome.usage.milli[0]) == 16_000
    assert row(outcome.usage)[1] is Grade.R


def test_nothing_is_estimated_across_a_known_outage() -> None:
    outcome = run(Meters([[(900, 108.0)]], carried=(-6300, 100.0), outages=[(-5400, -4500)]))
    assert row(outcome.usage) == (None, Grade.N, Rule.V04_MISSING)
    assert set(outcome.closed.grade.tolist()) == {Grade.N}
    assert [bool(flags & Rule.OUTAGE) for flags in outcome.closed.flags] == [False, True] + [False] * 5


def test_equal_registers_prove_that_nothing_was_used_in_an_outage() -> None:
    outcome = run(Meters([[(900, 100.0)]], carried=(-6300, 100.0), outages=[(-5400, -4500)]))
    assert row(outcome.usage) == (0, Grade.A, NONE)
    assert outcome.closed.milli.tolist() == [0] * 7


def test_an_open_gap_waits_two_hours_and_is_then_estimated_by_like_days() -> None:
    missing = (None, Grade.N, Rule.V04_MISSING)
    assert row(run(Meters([[]], carried=(-6300, 100.0), like_milli=700)).usage) == missing
    assert row(run(Meters([[]], carried=(-6301, 100.0), like_milli=700)).usage)[:2] == (700, Grade.P)
    assert row(run(Meters([[]], carried=(-7 * 86_400, 100.0), like_milli=700)).usage) == missing
    assert row(run(Meters([[]], carried=(-6301, 100.0))).usage) == missing
    out = run(Meters([[]], carried=(-6301, 100.0), like_milli=700, outages=[(-5000, 9000)])).usage
    assert row(out) == (None, Grade.N, Rule.V04_MISSING | Rule.OUTAGE)


def test_v01_the_latest_of_two_values_counts_and_the_slot_says_so() -> None:
    twice = [*MINUTES, (900, 101.7)]
    assert row(run(Meters([twice])).usage) == (1700, Grade.V, Rule.V01_DUPLICATE)
    assert row(run(Meters([[*MINUTES, MINUTES[-1]]])).usage) == (1500, Grade.A, NONE)


def test_v02_what_was_read_far_from_its_tick_does_not_count() -> None:
    usage = run(Meters([MINUTES], at_ms=120_001)).usage
    assert row(usage) == (None, Grade.N, Rule.V02_OFF_GRID | Rule.V04_MISSING)
    assert row(run(Meters([MINUTES], at_ms=-120_000)).usage) == (1500, Grade.A, NONE)


def test_v04_silence_is_missing_and_not_zero() -> None:
    assert row(run(Meters([[]])).usage) == (None, Grade.N, Rule.V04_MISSING)
    assert row(run(Meters([MINUTES], quality=16)).usage) == (None, Grade.N, Rule.V04_MISSING)


def test_v05_a_dip_and_a_peak_are_rejected() -> None:
    dip = [(60, 100.1), (120, 0.0), (180, 0.0), (240, 100.4), (900, 101.5)]
    assert row(run(Meters([dip])).usage) == (1500, Grade.V, Rule.V05_NEGATIVE)
    peak = [(60, 100.1), (120, 900.0), (240, 100.4), (900, 101.5)]
    assert row(run(Meters([peak])).usage) == (1500, Grade.V, Rule.V05_NEGATIVE)


def test_v06_more_than_is_possible_is_rejected() -> None:
    assert row(run(Meters([MINUTES], max_per_h=6.0)).usage) == (1500, Grade.A, NONE)
    assert row(run(Meters([MINUTES], max_per_h=5.9)).usage) == (None, Grade.X, Rule.V06_PHYSICAL_MAX)


def test_v10_six_equal_slots_are_questionable() -> None:
    assert row(run(Meters([MINUTES], earlier=[1500] * 5)).usage) == (1500, Grade.Q, Rule.V10_STUCK)
    assert row(run(Meters([MINUTES], earlier=[1500] * 4 + [UNKNOWN])).usage) == (1500, Grade.A, NONE)
    still = [(900, 100.0)]
    assert row(run(Meters([still], earlier=[0] * 5)).usage) == (0, Grade.A, NONE)


def test_v11_a_register_turns_over() -> None:
    over = [(300, 9999.9), (600, 0.1), (900, 0.4)]
    usage = run(Meters([over], carried=(0, 9999.0), digits=4)).usage
    assert row(usage) == (1400, Grade.V, Rule.V11_DECREASE | Rule.ROLLOVER)
    assert run(Meters([over], carried=(0, 9999.0), digits=4)).carried.value[0] == 0.4


def test_v11_a_register_above_its_digits_has_not_turned_over() -> None:
    usage = run(Meters([[(300, 9929.5), (600, 99.0), (900, 99.3)]], carried=(0, 9929.4), digits=3)).usage
    assert row(usage)[:2] == (None, Grade.N)


def test_v11_a_fall_from_below_is_a_reset() -> None:
    anew = [(300, 100.5), (600, 0.0), (660, 0.1), (900, 0.4)]
    outcome = run(Meters([anew], digits=4))
    assert row(outcome.usage) == (None, Grade.N, Rule.V11_DECREASE | Rule.RESET | Rule.V04_MISSING)
    assert outcome.carried.value[0] == 0.4


def test_v11_one_low_value_at_the_end_is_not_believed_yet() -> None:
    outcome = run(Meters([[(300, 100.5), (900, 0.0)]], digits=4))
    assert outcome.carried.value[0] == 100.5
    assert row(outcome.usage)[1] is Grade.N


def test_v14_a_thousandfold_register_says_something_else() -> None:
    wh = [(60, 100.1), (120, 100_200.0), (900, 100_900.0)]
    usage = run(Meters([wh])).usage
    assert row(usage) == (None, Grade.N, Rule.V14_UNIT_CHANGE | Rule.V04_MISSING)


def test_registers_do_not_touch_each_other() -> None:
    usage = run(Meters([MINUTES, [], [(900, 100.2)], [(60, 50.0), (900, 51.0)]])).usage
    assert [row(usage, n)[0] for n in range(4)] == [1500, None, 200, None]
    assert np.array_equal(usage.register, [0, 1, 2, 3])
