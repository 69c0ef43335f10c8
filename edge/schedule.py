"""PURE: which tick is next, who is due on a line, how long a meter is waited for, and how a dead one is left alone.

A meter is dead after silence that has lasted both a number of questions and a time. From then on it costs the line
one probe now and then, at growing intervals, and the first answer revives it. `now_s` is of the monotonic clock,
ticks are UTC epoch seconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

DEAD_AFTER_FAILURES = 3
DEAD_AFTER_S = 3.0
PROBE_STEP_S = 5.0
PROBE_CAP_S = 300.0
# A line whose healthy meters take all its time spends a probe no more often than this.
PROBE_BUSY_S = 30.0
# The first probe, and every fourth after it, waits as long as the settings allow: the meter may only be slower now.
PATIENT_PROBE = 4
# Beside the meter's own time and its jitter: adapters, drivers and a busy gateway.
SLACK_S = 0.05
# As in RFC 6298.
_SMOOTH_TIME = 1 / 8
_SMOOTH_JITTER = 1 / 4


@dataclass(frozen=True)
class Health:
    """What a line remembers of one meter. `response_s` is None until it has answered once.

    `failures` are silences in a row, the first at `failing_since_s`. `turn` numbers the turns of the whole line.
    """

    limit_s: float
    interval_s: int = 0
    response_s: float | None = None
    jitter_s: float = 0.0
    failures: int = 0
    failing_since_s: float = 0.0
    dead: bool = False
    probes: int = 0
    probe_at_s: float = 0.0
    turn: int = 0


def patience_s(health: Health) -> float:
    """How long the meter's silence is borne: by what it needed so far, and longer after each silence."""
    if health.response_s is None:
        return health.limit_s
    usual_s = health.response_s + 4 * health.jitter_s + SLACK_S
    if health.dead:
        patient = health.probes % PATIENT_PROBE == 0
        return health.limit_s if patient else min(2 * usual_s, health.limit_s)
    return min((1 + health.failures) * usual_s, health.limit_s)


def answered(health: Health, response_s: float) -> Health:
    """After an answer, be it an exception: alive, and its time learnt."""
    if health.response_s is None:
        known_s, jitter_s = response_s, response_s / 2
    else:
        jitter_s = health.jitter_s + _SMOOTH_JITTER * (abs(response_s - health.response_s) - health.jitter_s)
        known_s = health.response_s + _SMOOTH_TIME * (response_s - health.response_s)
    return replace(health, response_s=known_s, jitter_s=jitter_s, failures=0, dead=False, probes=0)


def silent(health: Health, now_s: float) -> Health:
    """After a question that stayed unanswered."""
    if health.dead:
        probes = health.probes + 1
        return replace(health, probes=probes, probe_at_s=now_s + _probe_wait_s(probes))
    failures = health.failures + 1
    since_s = health.failing_since_s if health.failures else now_s
    if failures < DEAD_AFTER_FAILURES or now_s - since_s < DEAD_AFTER_S:
        return replace(health, failures=failures, failing_since_s=since_s)
    return replace(
        health, failures=failures, failing_since_s=since_s, dead=True, probes=0, probe_at_s=now_s + _probe_wait_s(0)
    )


def _probe_wait_s(probes: int) -> float:
    return min((probes + 1) * PROBE_STEP_S, PROBE_CAP_S)


def had_turn(health: Health, turn: int) -> Health:
    """After the meter was asked, as the line's `turn`-th."""
    return replace(health, turn=turn)


def is_due(health: Health, tick: int, tick_s: int) -> bool:
    """Whether the meter is read in that tick at all: one that runs on a battery only in its interval's first."""
    return health.interval_s <= tick_s or tick % health.interval_s < tick_s


def turns(healths: Sequence[Health]) -> list[int]:
    """The living meters by index: who waited longest first, so that no one is always cut off."""
    due = [i for i, health in enumerate(healths) if not health.dead]
    return sorted(due, key=lambda i: healths[i].turn)


def probe(healths: Sequence[Health], now_s: float, *, last_s: float, busy: bool, eager: bool = False) -> int | None:
    """The dead meter to be probed next in this tick, after all others, by index: whose time came or comes first.

    `last_s` is when the line was last probed; `busy`: the living ones have taken the whole tick. `eager`: the last
    probe was answered. Then the whole line may have been silent and be back: nobody's time is waited for.
    """
    if busy and not eager and now_s - last_s < PROBE_BUSY_S:
        return None
    due = [i for i, health in enumerate(healths) if health.dead]
    first = min(due, key=lambda i: healths[i].probe_at_s, default=None)
    return first if first is not None and (eager or healths[first].probe_at_s <= now_s) else None


def begun_tick(now_s: float, tick_s: int) -> int:
    """The tick that has begun last, of the wall clock: a multiple of `tick_s`."""
    return math.floor(now_s / tick_s) * tick_s


def due_tick(now_s: float, tick_s: int, last_s: int) -> int | None:
    """The tick to be read now, given the last one that was; None while the next has not begun.

    Ticks that passed meanwhile are skipped. A clock that was set back by more than a tick is followed at once;
    one set back by less is waited for.
    """
    begun = begun_tick(now_s, tick_s)
    return begun if begun > last_s or begun < last_s - tick_s else None


def missed_ticks(tick: int, last_s: int, tick_s: int, elapsed_s: float) -> int:
    """How many ticks were skipped before `tick`. `elapsed_s` (monotonic) tells skipped ones from a set clock."""
    return max(0, min((tick - last_s) // tick_s, math.floor(elapsed_s / tick_s)) - 1)
