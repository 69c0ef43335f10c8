"""Who is due, how long silence is borne, and how little a dead meter costs."""

from hypothesis import given
from hypothesis import strategies as st

from edge.schedule import (
    DEAD_AFTER_FAILURES,
    DEAD_AFTER_S,
    PROBE_BUSY_S,
    PROBE_CAP_S,
    PROBE_STEP_S,
    Health,
    answered,
    begun_tick,
    due_tick,
    had_turn,
    is_due,
    missed_ticks,
    patience_s,
    probe,
    silent,
    turns,
)

LIVELY = answered(Health(limit_s=0.5), 0.01)


def killed(health: Health, now_s: float) -> Health:
    """The meter after silences that make it dead, the last at `now_s`."""
    for back_s in (8.0, 4.0, 0.0):
        health = silent(health, now_s - back_s)
    return health


def test_a_meter_dies_of_silence_that_lasts_both_a_number_and_a_time() -> None:
    quick = LIVELY
    for i in range(10):
        quick = silent(quick, 100 + i * DEAD_AFTER_S / 20)
    assert quick.failures > DEAD_AFTER_FAILURES
    assert not quick.dead
    slow = silent(silent(LIVELY, 100), 200)
    assert not slow.dead
    assert silent(slow, 300).dead


def test_one_answer_revives() -> None:
    revived = answered(killed(LIVELY, 100), 0.02)
    assert (revived.dead, revived.failures, revived.probes) == (False, 0, 0)
    assert patience_s(revived) < 0.5


def test_patience_is_learnt_and_grows_with_silence() -> None:
    assert patience_s(Health(limit_s=0.5)) == 0.5
    learnt = LIVELY
    for _ in range(50):
        learnt = answered(learnt, 0.01)
    first = patience_s(learnt)
    assert 0.05 < first < 0.08
    second = patience_s(silent(learnt, 0))
    third = patience_s(silent(silent(learnt, 0), 1))
    assert first < second < third < 0.5


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30))
def test_patience_never_exceeds_the_limit_nor_undercuts_what_is_usual(responses: list[float]) -> None:
    health = Health(limit_s=0.5)
    for response_s in responses:
        health = answered(health, response_s)
    assert health.response_s is not None
    assert min(health.response_s, 0.5) <= patience_s(health) <= 0.5


def test_probes_come_ever_more_rarely_and_one_in_four_is_patient() -> None:
    health = killed(LIVELY, 0.0)
    waits, patiences = [], []
    now_s = 0.0
    for _ in range(100):
        waits.append(health.probe_at_s - now_s)
        now_s = health.probe_at_s
        patiences.append(patience_s(health))
        health = silent(health, now_s)
    assert waits[0] == PROBE_STEP_S
    assert waits == sorted(waits)
    assert waits[-1] == PROBE_CAP_S
    assert [patience == 0.5 for patience in patiences[:8]] == [True, False, False, False] * 2


def test_three_dead_meters_cost_less_than_a_thirtieth_of_five_minutes() -> None:
    cost_s = 0.0
    for start_s in (0.0, 0.1, 0.2):
        health, now_s = LIVELY, start_s
        while now_s < 300:
            cost_s += patience_s(health)
            health = silent(health, now_s)
            now_s = health.probe_at_s if health.dead else now_s + 4
    assert cost_s < 10.0


def test_who_waited_longest_comes_first() -> None:
    healths = [had_turn(LIVELY, turn) for turn in (4, 2, 5, 1)] + [killed(LIVELY, 0)]
    assert turns(healths) == [3, 1, 0, 2]


def test_cut_off_meters_lead_the_next_tick() -> None:
    healths = [LIVELY] * 5
    seen = [0] * 5
    for _ in range(10):
        for i in turns(healths)[:2]:
            seen[i] += 1
            healths[i] = had_turn(healths[i], sum(seen))
    assert seen == [4, 4, 4, 4, 4]


def test_a_battery_is_spared() -> None:
    spared = Health(limit_s=1.5, interval_s=60)
    assert [tick for tick in range(0, 180, 10) if is_due(spared, tick, 10)] == [0, 60, 120]
    assert [tick for tick in range(0, 182, 7) if is_due(spared, tick, 7)] == [0, 63, 126]
    assert all(is_due(spared, tick, 300) for tick in range(0, 3000, 300))
    assert is_due(LIVELY, 7, 7)


def test_only_the_most_overdue_dead_meter_is_probed_in_a_tick() -> None:
    healths = [LIVELY, killed(LIVELY, 20), killed(LIVELY, 10)]
    assert probe(healths, 14.9, last_s=0, busy=False) is None
    assert probe(healths, 30.0, last_s=0, busy=False) == 2
    assert probe(healths[:1], 30.0, last_s=0, busy=False) is None


def test_a_busy_line_is_probed_rarely_but_is_probed() -> None:
    healths = [killed(LIVELY, 0)]
    assert probe(healths, 1000.0, last_s=1000 - PROBE_BUSY_S + 1, busy=True) is None
    assert probe(healths, 1000.0, last_s=1000 - PROBE_BUSY_S, busy=True) == 0


def test_where_one_dead_meter_has_answered_the_others_are_asked_before_their_time() -> None:
    healths = [LIVELY, killed(LIVELY, 20), killed(LIVELY, 10)]
    assert probe(healths, 14.9, last_s=14, busy=False, eager=True) == 2
    assert probe(healths, 14.9, last_s=14, busy=True, eager=True) == 2
    assert probe(healths[:1], 14.9, last_s=14, busy=False, eager=True) is None


@given(st.floats(0, 4e9), st.integers(1, 86400))
def test_ticks_are_multiples_on_the_wall_clock(now_s: float, tick_s: int) -> None:
    begun = begun_tick(now_s, tick_s)
    assert begun % tick_s == 0
    assert begun <= now_s < begun + tick_s


def test_each_tick_is_due_once_and_missed_ones_are_skipped() -> None:
    assert due_tick(119.9, 60, 60) is None
    assert due_tick(120.0, 60, 60) == 120
    assert due_tick(120.1, 60, 120) is None
    assert due_tick(500.0, 60, 120) == 480
    assert missed_ticks(480, 120, 60, 375.0) == 5
    assert missed_ticks(180, 120, 60, 60.0) == 0


def test_a_clock_that_is_set_neither_stalls_nor_spins() -> None:
    assert due_tick(1_000_000.0, 60, 120) == 999_960
    assert missed_ticks(999_960, 120, 60, 61.0) == 0
    assert due_tick(119.0, 60, 120) is None
    assert due_tick(1000.0, 60, 999_960) == 960
    assert due_tick(1001.0, 60, 960) is None
