"""When to ask, and the small curves."""

import random
from itertools import pairwise

import pytest

from cloud.portal.live.phase import Phase
from cloud.portal.live.recent import STEP_S, STEPS, Recent


def lags_of(phase: Phase, start_s: float, seconds: int, delay_s: float, jitter_s: float) -> list[float]:
    """Ask for a while; readings of each whole second come in `delay_s` later. The lag of every answer."""
    luck = random.Random(7)
    now_s, lags = start_s, []
    arrives_s = {
        second: second + delay_s + luck.gauss(0, jitter_s) for second in range(int(start_s) - 5, int(start_s) + 2000)
    }
    asked: list[float] = []
    for _ in range(seconds):
        now_s = phase.next_s(now_s)
        asked.append(now_s)
        newest = max(second for second in range(int(now_s) - 4, int(now_s) + 1) if arrives_s[second] <= now_s)
        lags.append(now_s - newest)
        phase.learn(lags[-1])
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert min(gaps) >= 0.75
    assert sum(gaps) / len(gaps) == pytest.approx(1, abs=0.05)
    return lags


@pytest.mark.parametrize("delay_s", [0.02, 0.28, 0.5, 0.97, 1.4])
def test_questions_settle_just_after_the_readings(delay_s: float) -> None:
    lags = lags_of(Phase(), 1_000_000.3, 1200, delay_s, jitter_s=0.02)
    late = [lag for lag in lags if lag > delay_s + 0.25]
    assert len(late) <= 0.05 * len(lags)
    soon = sorted(lags[:60])  # from the first minute on
    assert soon[54] < delay_s + 0.6
    assert sum(lag > delay_s + 1 for lag in soon) <= 3


def test_a_phase_that_became_bad_is_given_up() -> None:
    phase = Phase()
    lags_of(phase, 1_000_000, 100, 0.2, jitter_s=0.01)
    lags = lags_of(phase, 1_000_500, 200, 0.7, jitter_s=0.01)[60:]
    assert sorted(lags)[len(lags) * 9 // 10] < 1.0


def test_without_anything_to_learn_from_it_asks_once_a_second() -> None:
    phase, now_s = Phase(), 50.0
    for _ in range(30):
        before, now_s = now_s, phase.next_s(now_s)
        assert 0 <= now_s - before <= 2


def test_a_clock_set_back_does_not_stop_the_questions() -> None:
    phase = Phase()
    phase.next_s(1_000_000)
    assert phase.next_s(500_000) < 500_002


def test_curves_have_a_point_a_step_and_gaps_where_nothing_was() -> None:
    recent = Recent(2)
    assert recent.curves() == [[], []]
    for now_s, value in ((0, 1.0), (STEP_S - 1, 2.0), (STEP_S, 3.00049), (3 * STEP_S, None)):
        recent.note(now_s, [value, 7.0], [3, 1])
    assert recent.curves() == [[2.0, 3.0, None, None], [7.0, 7.0, None, 7.0]]
    for step in range(500):
        recent.note(step * STEP_S, [float(step), None], [3, 1])
    assert recent.curves()[0] == [float(step) for step in range(500 - STEPS, 500)]


def test_a_curve_begins_anew_when_a_meter_leaves_the_sum() -> None:
    recent = Recent(2)
    recent.note(0, [30.0, 5.0], [3, 1])
    recent.note(STEP_S, [30.0, 5.0], [3, 1])
    recent.note(2 * STEP_S, [20.0, 5.0], [2, 1])
    recent.note(3 * STEP_S, [21.0, 5.0], [2, 1])
    assert recent.curves() == [[20.0, 21.0], [5.0, 5.0, 5.0, 5.0]]
