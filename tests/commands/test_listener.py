"""How fresh a page is: the slowest gateway decides, and what was never shown is not forgotten."""

from commands.listener import Shown, freshness_s

QUICK, SLOW = 90, 10  # series of two gateways
TICKS = range(1000, 1060)
MOMENTS = {tick_s: [tick_s + 0.1] * (QUICK + SLOW) for tick_s in TICKS}


def shown(at_s: float, quick_s: int, slow_s: int) -> Shown:
    reached = ((quick_s, QUICK), (slow_s, QUICK + SLOW)) if quick_s > slow_s else ((quick_s, QUICK + SLOW),)
    return Shown(at_s, "live", reached)


def ages(events: list[Shown]) -> list[float]:
    return sorted(round(age_s, 3) for age_s in freshness_s(events, MOMENTS, TICKS.stop))


def test_a_tick_is_shown_when_all_of_it_is() -> None:
    assert set(ages([shown(tick_s + 0.5, tick_s, tick_s) for tick_s in TICKS])) == {0.4}


def test_a_gateway_that_lags_is_not_hidden_by_one_that_is_quick() -> None:
    found = ages([shown(tick_s + 0.5, tick_s, tick_s - 3) for tick_s in TICKS])
    assert found[len(found) // 2] == 3.4


def test_what_is_never_shown_has_the_age_of_the_end() -> None:
    found = ages([shown(tick_s + 0.5, tick_s, TICKS.start - 1) for tick_s in TICKS])
    assert (found[0], found[-1]) == (0.9, 59.9)


def test_a_tick_that_every_series_has_passed_is_shown() -> None:
    assert Shown(0.0, "live", ((1005, 40), (1003, 100))).series_at(1004) == 40
    assert Shown(0.0, "live", ((1005, 40), (1003, 100))).series_at(1001) == 100
    assert Shown(0.0, "live", ()).series_at(1001) == 0
