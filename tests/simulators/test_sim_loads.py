"""Load shapes and what meters make of them: the same at a time however it was reached, and like the real thing."""

import math
import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from contract.problems import Problem
from contract.quantities import QUANTITIES
from simulators.shapes import EPOCH_S, SOLAR, Load, Mixed, Series, seed_of, shape
from simulators.sun import sun_height_sine
from simulators.terminals import Terminals

HOUR_S, DAY_S = 3600, 86400
MONDAY = 4  # days from the epoch, a Thursday, to the first Monday
CHUNK_S = 2048 * HOUR_S
USES = [
    (use, utility)
    for use in ("industry", "apartment", "office", "school")
    for utility in ("electricity", "gas", "water", "heat")
] + [("household", "electricity"), ("household", "water"), (SOLAR, "electricity")]
USES += [("shop", "electricity"), ("shop", "gas"), ("shop", "water")]


def series(use: str, utility: str = "electricity", name: str = "x") -> Series:
    return Series(use, utility, 100.0, seed_of(name))


def mean(load: Load, day: int, hours: tuple[float, float], days: int = 1) -> float:
    """The mean rate between two hours of each of some days."""
    spans = [(EPOCH_S + (day + n) * DAY_S + hours[0] * HOUR_S, (hours[1] - hours[0]) * HOUR_S) for n in range(days)]
    return sum(load.total(start + length) - load.total(start) for start, length in spans) / (
        days * (hours[1] - hours[0])
    )


@pytest.mark.parametrize(("use", "utility"), USES)
def test_a_total_is_the_integral_of_its_rate(use: str, utility: str) -> None:
    load = series(use, utility)
    start_s, steps = EPOCH_S + 200 * DAY_S + 9.7 * HOUR_S, 20000
    step_s = 3 * HOUR_S / steps
    summed = sum(load.rate(start_s + (n + 0.5) * step_s) for n in range(steps)) * step_s / HOUR_S
    assert load.total(start_s + 3 * HOUR_S) - load.total(start_s) == pytest.approx(summed, rel=1e-6)


@pytest.mark.parametrize(("use", "utility"), USES)
def test_a_total_never_falls(use: str, utility: str) -> None:
    load = series(use, utility)
    for border_s in (EPOCH_S, EPOCH_S + DAY_S, EPOCH_S + CHUNK_S, EPOCH_S + 3 * CHUNK_S):
        moments = [border_s + n * 7.3 for n in range(-300, 300)]
        totals = [load.total(moment) for moment in moments]
        assert all(after >= before - 1e-9 for before, after in pairwise(totals))
        assert all(load.rate(moment) >= 0 for moment in moments)


@pytest.mark.parametrize(("use", "utility"), USES)
def test_a_total_is_the_same_whichever_way_its_time_was_reached(use: str, utility: str) -> None:
    moments = [EPOCH_S + random.Random(7).uniform(0, 700 * DAY_S) for _ in range(30)]
    walked = series(use, utility)
    in_order = {moment: walked.total(moment) for moment in sorted(moments)}
    jumped = series(use, utility)
    assert {moment: jumped.total(moment) for moment in moments} == in_order
    for moment in moments[:5]:
        assert series(use, utility).total(moment) == in_order[moment]


def test_meters_differ_and_names_repeat_themselves() -> None:
    moment = EPOCH_S + 100 * DAY_S
    assert series("industry", name="a").total(moment) != series("industry", name="b").total(moment)
    assert seed_of("hanam-e-main-01") == 2167371210


def test_before_the_epoch_nothing_has_flowed() -> None:
    assert series("office").total(0.0) == series("office").total(EPOCH_S) == 0


def test_industry_rests_at_noon_and_at_weekends() -> None:
    load = Mixed([(series("industry", name=str(n)), 1.0) for n in range(20)])
    weeks = 7 * 12
    worked = sum(mean(load, MONDAY + weeks + n, (0, 24)) for n in range(5)) / 5
    rested = sum(mean(load, MONDAY + weeks + 5 + n, (0, 24)) for n in range(2)) / 2
    assert rested / worked == pytest.approx(0.35, abs=0.07)
    assert mean(load, MONDAY + weeks, (12, 13)) < 0.6 * mean(load, MONDAY + weeks, (10, 11))
    assert mean(load, MONDAY + weeks, (2, 4)) < 0.15 * mean(load, MONDAY + weeks, (14, 16))


def test_homes_peak_in_the_evening_and_schools_by_day() -> None:
    homes, school = series("apartment"), series("school")
    assert mean(homes, MONDAY, (19, 22), 5) > 1.3 * mean(homes, MONDAY, (10, 16), 5)
    assert mean(homes, MONDAY, (2, 5), 5) < 0.8 * mean(homes, MONDAY, (10, 16), 5)
    assert mean(school, MONDAY, (9, 15), 5) > 3 * mean(school, MONDAY, (0, 5), 5)
    assert mean(school, MONDAY + 5, (9, 15), 2) < 0.4 * mean(school, MONDAY, (9, 15), 5)


@pytest.mark.parametrize(("use", "utility"), [("apartment", "gas"), ("apartment", "heat"), ("office", "heat")])
def test_heating_follows_the_season(use: str, utility: str) -> None:
    load = series(use, utility)
    assert mean(load, 7, (0, 24), 14) > 3 * mean(load, 203, (0, 24), 14)


def test_air_conditioning_follows_it_too() -> None:
    homes = series("apartment")
    assert mean(homes, 215, (0, 24), 14) > 1.2 * mean(homes, 100, (0, 24), 14)


@pytest.mark.parametrize(
    ("day", "height_deg"),
    [(171, 90 - 35.16 + 23.44), (354, 90 - 35.16 - 23.44), (79, 90 - 35.16)],
    ids=["longest day", "shortest day", "equinox"],
)
def test_the_sun_stands_over_gwangju(day: int, height_deg: float) -> None:
    moments = np.arange(EPOCH_S + day * DAY_S, EPOCH_S + (day + 1) * DAY_S, 60, dtype=np.float64)
    heights = np.degrees(np.arcsin(sun_height_sine(moments)))
    assert heights.max() == pytest.approx(height_deg, abs=0.7)
    noon_h = (moments[heights.argmax()] - EPOCH_S - day * DAY_S) / HOUR_S
    assert noon_h == pytest.approx(12 + (135 - 126.85) / 15, abs=0.3)  # Korean time is that of 135 degrees east


def test_solar_arrays_rest_at_night_and_bear_more_in_summer() -> None:
    load = series(SOLAR)
    assert load.rate(EPOCH_S + 100 * DAY_S + 2 * HOUR_S) == 0
    assert mean(load, 100, (0, 5), 30) == pytest.approx(0, abs=1e-9)
    assert mean(load, 140, (0, 24), 60) > 1.4 * mean(load, 340, (0, 24), 60)
    # 100 kW bear some 1,300 full hours a year in Gwangju
    assert 1100 < (load.total(EPOCH_S + 365 * DAY_S) - load.total(EPOCH_S)) / 100 < 1500
    assert max(load.rate(EPOCH_S + n * HOUR_S) for n in range(8760)) < 100


def test_clouds_are_the_citys() -> None:
    one, other = series(SOLAR, name="a"), series(SOLAR, name="b")
    days_one = [mean(one, day, (0, 24)) for day in range(120, 150)]
    days_other = [mean(other, day, (0, 24)) for day in range(120, 150)]
    assert max(days_one) > 2 * min(days_one)
    assert days_one == pytest.approx(days_other, rel=0.05)


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(Problem, match=r"'factory\.electricity': not known; expected one of industry\.electricity"):
        shape("factory", "electricity")


def terminals(use: str = "industry", utility: str = "electricity", multiplier: float = 1.0) -> Terminals:
    return Terminals(series(use, utility), 100.0, 42, multiplier)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_every_quantity_of_the_contract_can_be_measured(quantity: str) -> None:
    moments = [EPOCH_S + 60 * DAY_S + n * 977 for n in range(200)]
    values = [terminals()(quantity, moment) for moment in moments]
    assert all(math.isfinite(value) for value in values)
    if QUANTITIES[quantity].kind == "register":
        assert values == sorted(values)


@pytest.mark.parametrize(
    ("register", "instant"),
    [
        ("electricity_import_kwh", "electricity_power_kw"),
        ("electricity_reactive_import_kvarh", "electricity_reactive_power_kvar"),
        ("gas_volume_m3", "gas_flow_m3_per_h"),
        ("water_volume_m3", "water_flow_m3_per_h"),
        ("heat_energy_kwh", "heat_power_kw"),
        ("heat_volume_m3", "heat_flow_m3_per_h"),
    ],
)
def test_registers_are_the_integral_of_what_is_shown_beside_them(register: str, instant: str) -> None:
    found, start_s = terminals(), EPOCH_S + 50 * DAY_S + 8.2 * HOUR_S
    summed = sum(found(instant, start_s + n + 0.5) for n in range(3600)) / 3600
    assert found(register, start_s + 3600) - found(register, start_s) == pytest.approx(summed, rel=1e-5)


def test_electricity_is_consistent() -> None:
    at: Callable[[str], float] = lambda quantity: terminals()(quantity, EPOCH_S + 40 * DAY_S + 10 * HOUR_S)  # noqa: E731  # a short name for one moment
    phases = ("l1", "l2", "l3")
    power = at("electricity_power_kw")
    assert sum(at(f"electricity_power_{phase}_kw") for phase in phases) == pytest.approx(power)
    apparent = sum(at(f"electricity_voltage_{p}_v") * at(f"electricity_current_{p}_a") for p in phases) / 1000
    assert apparent == pytest.approx(at("electricity_apparent_power_kva"))
    assert power == pytest.approx(apparent * at("electricity_power_factor_ratio"))
    assert math.hypot(power, at("electricity_reactive_power_kvar")) == pytest.approx(apparent)
    assert 0.8 < at("electricity_power_factor_ratio") <= 1
    for phase in phases:
        assert 205 < at(f"electricity_voltage_{phase}_v") < 235
    assert 59.9 < at("electricity_frequency_hz") < 60.1


def test_a_meter_behind_transformers_sees_less_current_and_the_same_voltage() -> None:
    moment = EPOCH_S + 40 * DAY_S + 10 * HOUR_S
    direct, behind = terminals(), terminals(multiplier=120.0)
    for quantity in ("electricity_power_kw", "electricity_current_l1_a", "electricity_import_kwh"):
        assert behind(quantity, moment) * 120 == pytest.approx(direct(quantity, moment))
    for quantity in ("electricity_voltage_l1_v", "electricity_power_factor_ratio"):
        assert behind(quantity, moment) == pytest.approx(direct(quantity, moment))


def test_heat_is_what_water_carries() -> None:
    found, moment = terminals(utility="heat"), EPOCH_S + 20 * DAY_S
    spread = found("heat_supply_temperature_c", moment) - found("heat_return_temperature_c", moment)
    assert found("heat_power_kw", moment) == pytest.approx(1.163 * spread * found("heat_flow_m3_per_h", moment))
