"""The window, its rate, and what happens when no receipt comes."""

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.topics import BatchId
from edge.flow import (
    BACKLOG_BURST,
    BACKLOG_PER_S,
    EMPTIES,
    FIRST_WINDOW,
    HELD_AT_ONCE,
    LIVE,
    LOOKAHEAD,
    PARKED,
    RETRY_CAP_S,
    RETRY_S,
    SPANS,
    WINDOW,
    Asks,
    Flow,
)


def middle() -> float:
    return 0.5


@pytest.fixture
def flow() -> Flow:
    made = Flow(middle)
    made.reset(0.0)
    return made


def opened(flow: Flow, now_s: float = 0.0) -> None:
    """As after many receipts: the whole window is open."""
    flow.receipted(range(-WINDOW, 0), now_s)


def test_live_goes_first_newest_first_and_the_backlog_beside_it_oldest_first(flow: Flow) -> None:
    opened(flow)
    flow.offer([100, 101, 102])
    assert flow.pick(1.0, range(90, 103)) == [102, 101, 100, *range(90, 98)]


def test_at_most_a_window_is_without_receipt(flow: Flow) -> None:
    waiting = list(range(1000))
    sent: list[int] = []
    for second in range(1, 20):
        sent += flow.pick(float(second), waiting)
        opened(flow, second) if second == 1 else None
    flow.offer(range(2000, 2100))
    sent += flow.pick(21.0, waiting)
    assert len(sent) == len(set(sent)) == WINDOW
    assert flow.pick(22.0, waiting) == []
    flow.receipted(sent[:5], 22.0)
    assert len(flow.pick(23.0, waiting)) == 5


def test_a_new_connection_begins_with_a_small_window(flow: Flow) -> None:
    flow.offer(range(50))
    first = flow.pick(0.0, [])
    assert len(first) == FIRST_WINDOW
    flow.receipted(first, 0.1)
    assert len(flow.pick(0.1, [])) == 2 * FIRST_WINDOW


def test_live_data_never_waits_behind_the_backlog(flow: Flow) -> None:
    opened(flow)
    waiting = list(range(10_000))
    on_the_way: list[list[int]] = [[], [], []]
    for tick in range(1, 100):
        live = 20_000 + tick
        flow.offer([live])
        picked = flow.pick(float(tick), waiting[:LOOKAHEAD])
        assert picked[0] == live
        on_the_way.append(picked)
        # a receipt takes three seconds: the backlog would fill the whole window if it might
        waiting = [batch for batch in waiting if batch not in on_the_way[0]]
        flow.receipted(on_the_way.pop(0), tick + 0.5)
    assert len(waiting) < 10_000 - 4 * 99


def test_the_backlog_keeps_to_its_rate_and_live_data_is_not_counted(flow: Flow) -> None:
    waiting = list(range(100_000))
    opened(flow)
    sent, live, now_s = 0, 0, 0.0
    for step in range(1000):
        now_s = step / 100
        flow.offer([-step])
        picked = flow.pick(now_s, waiting[:LOOKAHEAD])
        live += picked[0] <= 0
        sent += sum(batch > 0 for batch in picked)
        waiting = [batch for batch in waiting[:LOOKAHEAD] if batch not in picked] + waiting[LOOKAHEAD:]
        assert flow.starved
        assert 0 <= round(BACKLOG_BURST + BACKLOG_PER_S * now_s - sent, 6) <= 1  # neither ahead of its rate nor behind
        flow.receipted(picked, now_s)
    assert live == 1000
    assert BACKLOG_PER_S * 9 <= sent <= BACKLOG_PER_S * 11


def test_one_missing_receipt_means_one_resend_with_doubling_pauses(flow: Flow) -> None:
    opened(flow)
    flow.offer([1])
    assert flow.pick(1.0, [1]) == [1]
    resent = []
    for second in range(2, 2000):
        flow.receipted([], float(second))
        resent += [second for _ in flow.pick(float(second), [1])]
    pauses = [b - a for a, b in zip([1, *resent], resent, strict=False)]
    assert pauses[:4] == [RETRY_S, 2 * RETRY_S, 4 * RETRY_S, 8 * RETRY_S]
    assert set(pauses[4:]) == {RETRY_CAP_S}


def test_batches_that_never_get_a_receipt_do_not_block_the_others(flow: Flow) -> None:
    opened(flow)
    poison = set(range(40))
    waiting, delivered = list(range(400)), set[int]()
    for second in range(1, 1200):
        picked = flow.pick(float(second), waiting[:LOOKAHEAD])
        good = [batch for batch in picked if batch not in poison]
        delivered |= set(good)
        waiting = [batch for batch in waiting if batch not in delivered]
        flow.receipted(good, float(second))
    assert delivered == set(range(400)) - poison


def test_a_silent_cloud_gets_one_probe_at_a_time_and_the_newest_first(flow: Flow) -> None:
    opened(flow)
    waiting = list(range(200))
    for second in range(1, 20):
        flow.pick(float(second), waiting)
    assert len(flow.sent) == WINDOW - WINDOW // 4
    probes = []
    for second in range(20, 3620):
        flow.offer([1000 + second])
        picked = flow.pick(float(second), waiting)
        probes += [(second, batch) for batch in picked]
        assert len(flow.sent) <= WINDOW
    first = probes[: WINDOW // 4]
    assert [second for second, _ in first] == list(range(20, 20 + WINDOW // 4))  # live fills the window
    rest = probes[WINDOW // 4 :]
    assert all(batch == 1000 + second for second, batch in rest)
    assert len(rest) < 20  # in an hour
    assert max(b - a for (a, _), (b, _) in itertools.pairwise(rest)) <= RETRY_CAP_S + 1
    flow.receipted([], 3620.0)
    assert len(flow.pick(3621.0, waiting)) >= FIRST_WINDOW - 1


def test_a_reconnection_makes_everything_backlog_again(flow: Flow) -> None:
    flow.offer([1, 2])
    assert flow.pick(0.0, [1, 2]) == [2, 1]
    flow.reset(5.0)
    assert dict(flow.sent) == {}
    assert flow.pick(5.0, [1, 2]) == [1, 2]


def test_nothing_in_the_flow_grows(flow: Flow) -> None:
    waiting = list(range(LOOKAHEAD))
    for second in range(1, 5000):
        flow.offer(range(second * 10, second * 10 + 10))
        flow.pick(float(second), waiting)
        # the cloud lives, and never answers for any of ours
        flow.receipted([], float(second))
    assert len(flow.sent) <= WINDOW + PARKED + WINDOW
    assert len(flow._live) <= LIVE


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), loss=st.floats(0, 0.6), cuts=st.integers(0, 5))
def test_whatever_is_lost_on_the_way_everything_arrives_once_it_is_kept(seed: int, loss: float, cuts: int) -> None:
    chance = random.Random(seed)
    flow, now_s = Flow(chance.random), 0.0
    flow.reset(now_s)
    waiting, taken = list(range(30)), 30
    cut_at = {chance.randrange(1, 3000) for _ in range(cuts)}
    for step in range(200_000):
        now_s += 0.5
        if step in cut_at:
            flow.reset(now_s)
        if step % 20 == 0 and taken < 100:
            flow.offer([taken])
            waiting.append(taken)
            taken += 1
        picked = flow.pick(now_s, waiting[:LOOKAHEAD])
        assert sum(sent.late_s > now_s for sent in flow.sent.values()) <= WINDOW
        arrived = [batch for batch in picked if chance.random() >= loss]
        assert len(set(picked)) == len(picked)
        waiting = [batch for batch in waiting if batch not in arrived]
        if arrived:
            flow.receipted(arrived, now_s)
        if not waiting and taken == 100:
            return
    pytest.fail(f"{len(waiting)} batches never arrived")


def answers(asks: Asks, held: Callable[[str, int, int], list[int]], messages: int) -> tuple[list[int], list[BatchId]]:
    """What the outbox is made to send again, and the empty batches, within so many steps."""
    again: list[int] = []
    empties: list[BatchId] = []
    for _ in range(messages):
        span = asks.next_span()
        if span is not None:
            found = held(*span)[:HELD_AT_ONCE]
            again += found
            asks.found(found)
        empty = asks.next_empty()
        if empty is not None:
            empties.append(empty)
    return again, empties


def test_what_is_held_is_sent_again_and_the_rest_answered_with_empty_batches() -> None:
    asks, held = Asks(), [3, 4, 5, 7, 90]
    asks.add({"old": [(2, 9)]}, "own", 50)
    again, empties = answers(asks, lambda _, first, last: [n for n in held if first <= n <= last], 100)
    assert again == [3, 4, 5, 7]
    assert empties == [BatchId("old", n) for n in (2, 6, 8, 9)]


def test_numbers_not_used_yet_are_never_answered() -> None:
    asks = Asks()
    asks.add({"own": [(49, 10**18), (60, 70)]}, "own", 50)
    assert answers(asks, lambda *_: [], 100)[1] == [BatchId("own", 49), BatchId("own", 50)]


def test_absurd_spans_are_never_written_out() -> None:
    asks = Asks()
    held = list(range(5000, 6000))
    asks.add({"gone": [(-(10**30), 10**30)]}, "own", 50)
    asks.add({"held": [(1, 10**30)], "not/a#run": [(1, 5)], "x" * 1000: [(1, 5)]}, "own", 50)
    asks.add({f"r{i}": [(n, n) for n in range(1, 1000)] for i in range(1000)}, "own", 50)
    assert len(asks._spans) == SPANS
    again, empties = answers(
        asks, lambda run, first, last: [n for n in held if first <= n <= last] if run == "held" else [], 5000
    )
    assert again == held
    assert len(empties) <= 5000
    assert {batch.run for batch in empties} >= {"gone"}
    assert len([batch for batch in empties if batch.run == "gone"]) == EMPTIES
    assert all(batch.n < 10**15 for batch in empties)


def test_the_same_ask_is_noted_once() -> None:
    asks = Asks()
    for _ in range(10):
        asks.add({"old": [(1, 2)]}, "own", 0)
    assert answers(asks, lambda *_: [], 100)[1] == [BatchId("old", 1), BatchId("old", 2)]


def test_a_span_that_could_not_be_looked_up_is_answered_later_and_not_as_gone() -> None:
    asks = Asks()
    asks.add({"old": [(1, 2)], "other": [(5, 5)]}, "own", 0)
    asks.later()
    assert asks.next_empty() is None
    assert asks.next_span() == ("other", 5, 5)
    assert answers(asks, lambda *_: [], 100)[1] == [BatchId("other", 5), BatchId("old", 1), BatchId("old", 2)]
