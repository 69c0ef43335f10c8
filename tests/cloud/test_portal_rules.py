"""What the live page says of meters that count, that are missing, stale, derived, or of another kind."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cloud.portal.live.rules import Clock, Snapshot, Trails, snapshot
from cloud.portal.live.sites import Roster, load_roster
from cloud.portal.live.sums import Figure
from tests.cloud.portal_area import MIDNIGHT_S, NOW_S, Series, live_table, write_sites

CLOCK = Clock(NOW_S + 1, stale_after_s=100)


def site(meter: str, utility: str = "electricity", role: str = "main", multiplier: float = 1, name: str = "a") -> str:
    return f"{name},가 아파트,A Apartments,apartment-block,{meter},{utility},{role},{multiplier}"


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    """One apartment block with two electricity mains, a sub-meter, solar, gas, pulse-counted water and heat."""
    return load_roster(
        write_sites(
            tmp_path,
            site("e1", multiplier=40),
            site("e2"),
            site("e3", role="sub"),
            site("s1", role="production"),
            site("g1", "gas"),
            site("g2", "gas", role="sub"),
            site("w1", "water", multiplier=0.01),
            site("h1", "heat"),
        ),
        NOW_S,
    )


def power(meter: str, value: float | None, **more: float) -> Series:
    return Series(meter, "electricity_power_kw", value, **more)  # type: ignore[arg-type]  # keywords of a test


def at(*series: Series, roster: Roster, clock: Clock = CLOCK) -> Snapshot:
    return snapshot(live_table(*series), roster, Trails(), clock)


def use(snap: Snapshot) -> Figure:
    return snap.rows[0]["electricity_use_power_kw"]


def test_now_sums_mains_with_multiplier_and_production_but_no_sub_meter(roster: Roster) -> None:
    production = Series("s1", "electricity_production_power_kw", 30.0)
    snap = at(power("e1", 2.0), power("e2", -5.0), power("e3", 50.0), production, roster=roster)
    figures = snap.rows[0]
    assert figures["electricity_import_power_kw"].value == 80.0
    assert figures["electricity_export_power_kw"].value == 5.0
    assert figures["electricity_production_power_kw"].value == 30.0
    assert use(snap) == Figure(105.0, expected=3, counted=3, newest_s=NOW_S, oldest_s=NOW_S)
    assert snap.city == figures


def test_a_missing_meter_is_no_zero_and_lowers_the_coverage(roster: Roster) -> None:
    snap = at(power("e1", 2.0), power("e2", None, quality=16, last=7.0, last_time_s=NOW_S - 1), roster=roster)
    figure = snap.rows[0]["electricity_import_power_kw"]
    assert (figure.value, figure.counted, figure.expected, figure.reason) == (80.0, 1, 2, "no-answer")
    nothing = at(power("e1", None, quality=17), power("e2", None, quality=17), roster=roster)
    assert nothing.rows[0]["electricity_import_power_kw"] == Figure(expected=2, reason="garbled")
    assert use(nothing).value is None


def test_a_meter_that_was_never_heard_is_expected_all_the_same(roster: Roster) -> None:
    snap = at(roster=roster)
    assert snap.rows[0]["gas_volume_m3"] == Figure(expected=1, reason="never-heard")
    assert snap.rows[0]["gas_flow_m3_per_h"] == Figure(expected=1, reason="never-heard")
    assert snap.tick is None


@pytest.mark.parametrize("time_s", [NOW_S - 100, NOW_S + 600])
def test_a_value_far_from_now_is_not_live(roster: Roster, time_s: int) -> None:
    snap = at(power("e1", 2.0), power("e2", 1.0, time_s=time_s), roster=roster)
    figure = snap.rows[0]["electricity_import_power_kw"]
    assert (figure.value, figure.counted, figure.reason) == (80.0, 1, "stale")


def test_a_meter_that_reports_seldom_is_live_for_longer_and_one_that_reports_often_is_not(roster: Roster) -> None:
    trails = Trails()
    said = {}
    for second in range(0, 1200, 10):
        hourly = NOW_S + second // 600 * 600
        often = NOW_S + min(second, 900)
        series = [Series("h1", "heat_power_kw", 5.0, time_s=hourly), power("e1", 2.0, time_s=often)]
        figures = snapshot(live_table(*series), roster, trails, Clock(NOW_S + second, 15)).rows[0]
        said[second] = (figures["heat_power_kw"].counted, figures["electricity_import_power_kw"].counted)
    assert said[80] == (1, 1)  # heard once
    assert said[500] == (0, 1)
    assert said[600] == (1, 1)
    assert said[1190] == (1, 0)  # known by now: every ten minutes, and every ten seconds
    assert said[930] == (1, 1)
    assert said[940] == (1, 0)


def test_the_newest_and_oldest_reading_are_told(roster: Roster) -> None:
    snap = at(power("e1", 2.0), power("e2", 1.0, time_s=NOW_S - 10), roster=roster)
    figure = snap.rows[0]["electricity_import_power_kw"]
    assert (figure.newest_s, figure.oldest_s) == (NOW_S, NOW_S - 10)


def registers(e1: float, exported: float | None, made: float | None) -> list[Series]:
    return [
        Series("e1", "electricity_import_kwh", e1, day=10.0),
        Series("e2", "electricity_import_kwh", 1005.0, day=1000.0),
        Series("e2", "electricity_export_kwh", exported, day=50.0, quality=0 if exported else 16),
        Series("e3", "electricity_import_kwh", 999.0, day=0.0),
        Series("s1", "electricity_production_kwh", made, day=300.0, quality=0 if made else 16),
    ]


def test_use_of_the_day_is_import_and_production_less_export(roster: Roster) -> None:
    figures = at(*registers(12.0, exported=52.0, made=320.0), roster=roster).rows[0]
    assert figures["electricity_import_kwh"].value == 2 * 40 + 5
    assert figures["electricity_export_kwh"].value == 2
    assert figures["electricity_production_kwh"].value == 20
    assert figures["electricity_use_kwh"].value == 85 + 20 - 2
    assert figures["electricity_use_kwh"].since_last_s == MIDNIGHT_S


def test_use_without_an_export_register_does_not_pretend_that_nothing_was_exported(roster: Roster) -> None:
    use_kwh = at(*registers(12.0, exported=None, made=320.0), roster=roster).rows[0]["electricity_use_kwh"]
    assert (use_kwh.value, use_kwh.counted, use_kwh.expected) == (80 + 20, 2, 3)
    assert use_kwh.reason == "no-answer"


def test_an_export_register_that_is_known_and_unread_is_missing_too(roster: Roster) -> None:
    unread = Series("e2", "electricity_export_kwh", None, time_s=0)
    series = [Series("e2", "electricity_import_kwh", 1005.0, day=1000.0), unread]
    figures = at(*series, roster=roster).rows[0]
    assert figures["electricity_import_kwh"].value == 5
    assert figures["electricity_use_kwh"] == Figure(expected=3, reason="never-heard")
    assert figures["electricity_export_kwh"] == Figure(expected=1, reason="never-heard")


def test_a_use_below_nothing_is_missing_where_an_inverter_is_silent(roster: Roster) -> None:
    snap = at(power("e1", -3.0), power("e2", 1.0), roster=roster)
    assert (use(snap).value, use(snap).reason) == (None, "never-heard")
    assert snap.rows[0]["electricity_export_power_kw"].value == 120.0


def test_the_day_keeps_what_a_silent_register_had_counted(roster: Roster) -> None:
    silent = Series("g1", "gas_volume_m3", None, day=5.0, quality=16, last=8.0, last_time_s=NOW_S - 7200)
    figure = at(silent, roster=roster).rows[0]["gas_volume_m3"]
    assert (figure.value, figure.counted, figure.oldest_s) == (3.0, 1, NOW_S - 7200)


@pytest.mark.parametrize(
    ("series", "reason"),
    [
        (Series("g1", "gas_volume_m3", 8.0, day=None), "no-midnight-register"),
        (Series("g1", "gas_volume_m3", 8.0, day=5.0, day_time_s=MIDNIGHT_S - 86_400), "no-midnight-register"),
        (Series("g1", "gas_volume_m3", 4.0, day=5.0), "register-fell"),
        (Series("g1", "gas_volume_m3", None, day=5.0, quality=20), "backed-off"),
    ],
)
def test_a_day_without_two_registers_of_today_is_missing(roster: Roster, series: Series, reason: str) -> None:
    assert at(series, roster=roster).rows[0]["gas_volume_m3"] == Figure(expected=1, reason=reason)


def test_a_day_that_began_late_says_since_when(roster: Roster) -> None:
    late = Series("g1", "gas_volume_m3", 8.0, day=5.0, day_time_s=NOW_S - 600)
    figure = at(late, roster=roster).rows[0]["gas_volume_m3"]
    assert (figure.value, figure.since_first_s, figure.since_last_s) == (3.0, NOW_S - 600, NOW_S - 600)


def test_flow_of_a_pulse_counter_is_its_rise_of_the_last_minutes(roster: Roster) -> None:
    trails = Trails()
    flows = []
    for second in range(0, 400, 5):
        pulses = Series("w1", "pulses_count", 1000.0 + second // 10, day=900.0, time_s=NOW_S + second)
        snap = snapshot(live_table(pulses), roster, trails, Clock(NOW_S + second + 1, 30))
        flows.append(snap.rows[0]["water_flow_m3_per_h"])
    assert flows[0].reason == "warming-up"
    assert flows[0].value is None
    assert flows[-1].derived == 1
    assert flows[-1].value == pytest.approx(0.1 * 0.01 * 3600, rel=0.02)
    day = snap.rows[0]["water_volume_m3"]
    assert day.value == pytest.approx((1039 - 900) * 0.01)


def test_a_derived_flow_does_not_outlive_its_meter(roster: Roster) -> None:
    trails = Trails()
    for second in (0, 60, 120):
        pulses = Series("w1", "pulses_count", 1000.0 + second, time_s=NOW_S + second)
        snapshot(live_table(pulses), roster, trails, Clock(NOW_S + second, 30))
    silent = Series("w1", "pulses_count", None, quality=16, time_s=NOW_S + 121)
    snap = snapshot(live_table(silent), roster, trails, Clock(NOW_S + 121, 30))
    assert snap.rows[0]["water_flow_m3_per_h"] == Figure(expected=1, reason="no-answer")
    fallen = Series("w1", "pulses_count", 3.0, time_s=NOW_S + 122)
    assert snapshot(live_table(fallen), roster, trails, Clock(NOW_S + 122, 30)).rows[0][
        "water_flow_m3_per_h"
    ] == Figure(expected=1, reason="warming-up")
    stale = snapshot(live_table(pulses), roster, trails, Clock(NOW_S + 400, 30))
    assert stale.rows[0]["water_flow_m3_per_h"].reason == "stale"


def test_the_newest_tick_tells_its_moments_of_reading(roster: Roster) -> None:
    snap = at(
        power("e1", 2.0, at_ms=350),
        power("e2", 1.0, at_ms=50),
        power("e3", 1.0, time_s=NOW_S - 1),
        Series("g1", "gas_flow_m3_per_h", None, quality=16, at_ms=900),
        roster=roster,
    )
    assert snap.tick is not None
    assert (snap.tick.time_s, snap.tick.series) == (NOW_S, 3)
    assert (snap.tick.first_ms, snap.tick.last_ms) == (NOW_S * 1000 + 50, NOW_S * 1000 + 350)
    assert snap.tick.lag_s == pytest.approx(1.8, abs=0.1)


def test_a_clock_far_ahead_is_not_the_newest_tick(roster: Roster) -> None:
    snap = at(power("e1", 2.0, time_s=NOW_S - 50), power("e2", 1.0, time_s=NOW_S + 500), roster=roster)
    assert snap.tick is not None
    assert snap.tick.time_s == NOW_S - 50


def test_meters_outside_the_list_are_counted_and_not_summed(roster: Roster) -> None:
    snap = at(power("e1", 1.0), power("stranger", 500.0), roster=roster)
    assert snap.unlisted_series == 1
    assert snap.city["electricity_import_power_kw"].value == 40.0


def test_the_city_is_the_sum_of_its_sites_and_households_are_one_row(tmp_path: Path) -> None:
    lines = [f"home-{i},집,Home,household,m{i},electricity,main,1" for i in range(3)]
    lines.append("factory,공단,Works,industrial-complex,m9,electricity,main,1")
    roster = load_roster(write_sites(tmp_path, *lines), NOW_S)
    snap = at(*(power(f"m{i}", 1.5) for i in (0, 1, 2, 9)), roster=roster)
    assert [(row.kind, row.sites) for row in roster.rows] == [("industrial-complex", 1), ("household", 3)]
    assert [figures["electricity_use_power_kw"].value for figures in snap.rows] == [1.5, 4.5]
    assert snap.city["electricity_use_power_kw"].value == 6.0


def test_the_clock_knows_midnight_in_seoul() -> None:
    assert Clock(NOW_S, 1).midnight_s() == MIDNIGHT_S
    assert Clock(MIDNIGHT_S, 1).midnight_s() == MIDNIGHT_S
    assert Clock(MIDNIGHT_S - 0.001, 1).midnight_s() == MIDNIGHT_S - 86_400


@pytest.mark.alone
def test_fifty_thousand_series_take_well_under_a_tenth_of_a_second(tmp_path: Path) -> None:
    size = 12_500
    lines = [f"s{i % 200},이름,Name,other,m{i},electricity,main,1" for i in range(size)]
    roster = load_roster(write_sites(tmp_path, *lines), NOW_S)
    quantities = (
        "electricity_power_kw",
        "electricity_import_kwh",
        "electricity_export_kwh",
        "electricity_frequency_hz",
    )
    value = np.full(4 * size, 2.0)
    live = pa.table(
        {
            "meter": pa.array([f"m{i}" for i in range(size) for _ in quantities]),
            "quantity": pa.array([name for _ in range(size) for name in quantities]),
            "time_s": np.full(4 * size, NOW_S),
            "at_ms": np.zeros(4 * size, np.int32),
            "value": value,
            "quality": np.zeros(4 * size, np.uint8),
            "last_value": value,
            "last_time_s": np.full(4 * size, NOW_S),
            "day_value": value - 1,
            "day_time_s": np.full(4 * size, MIDNIGHT_S),
        }
    )
    trails = Trails()
    spent_s = []
    for _ in range(5):
        started = time.perf_counter()
        snap = snapshot(live, roster, trails, CLOCK)
        spent_s.append(time.perf_counter() - started)
    assert snap.city["electricity_use_power_kw"].value == 2.0 * size
    assert min(spent_s) < 0.1
    print(f"snapshot of 50,000 series: {min(spent_s) * 1000:.1f} ms")
