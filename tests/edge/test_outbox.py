"""What the outbox promises while all goes well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from contract.problems import Problem
from contract.reading import Reading
from contract.senml import MAX_BATCH_BYTES, Resolved, encode_batch, resolve
from contract.topics import BatchId
from edge.outbox import Message, Outbox

T = 1_795_392_000

Make = Callable[..., Outbox]
Readings = Callable[..., list[Reading]]


def messages(outbox: Outbox) -> list[Message]:
    found = [outbox.message(batch) for batch in outbox.waiting(1000)]
    return [message for message in found if message is not None]


def test_a_tick_is_frozen_as_one_batch(make_outbox: Make, readings_at: Readings) -> None:
    outbox, readings = make_outbox(), readings_at(T)
    assert outbox.take("a", T, readings, T + 0.5, "ntp") == outbox.waiting(10)
    assert messages(outbox) == [Message(BatchId(outbox.run, 1), encode_batch(readings, T + 0.5, "ntp"))]
    assert outbox.last_n == 1
    assert outbox.summary()[0] == 1
    assert outbox.summary().oldest_s == T


def test_the_run_is_new_at_every_start_and_old_batches_keep_their_identity(
    make_outbox: Make, readings_at: Readings
) -> None:
    first = make_outbox()
    first.take("a", T, readings_at(T), T, "ntp")
    before = messages(first)
    first.close()
    second = make_outbox()
    second.take("a", T + 60, readings_at(T + 60), T + 60, "ntp")
    assert len(second.run) == 16
    assert second.run != first.run
    assert messages(second)[0] == before[0]
    assert messages(second)[1].batch == BatchId(second.run, 1)
    assert second.held() == {first.run: [(1, 1)], second.run: [(1, 1)]}


def test_only_later_ticks_are_taken_line_by_line_and_over_restarts(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox()
    assert outbox.take("a", T, readings_at(T), T, "ntp")
    assert outbox.take("a", T, readings_at(T), T, "ntp") == []
    assert outbox.take("a", T - 60, readings_at(T - 60), T, "ntp") == []
    assert outbox.take("b", T - 60, readings_at(T - 60), T, "ntp")
    outbox.close()
    again = make_outbox()
    assert (again.last_s("a"), again.last_s("b"), again.last_s("c")) == (T, T - 60, 0)
    assert again.take("a", T, readings_at(T), T, "ntp") == []
    assert len(again.waiting(10)) == 2


def test_no_readings_are_no_tick(make_outbox: Make) -> None:
    outbox = make_outbox()
    assert outbox.take("a", T, [], T, "ntp") == []
    assert outbox.last_s("a") == 0


def test_a_large_tick_is_split_and_keeps_order_and_content(make_outbox: Make, readings_at: Readings) -> None:
    outbox, readings = make_outbox(), readings_at(T, meters=2000)
    assert len(outbox.take("a", T, readings, T, "ntp")) > 1
    sent = messages(outbox)
    assert all(len(message.payload) <= MAX_BATCH_BYTES for message in sent)
    assert [message.batch.n for message in sent] == list(range(1, len(sent) + 1))
    found = [record for message in sent for record in resolve(message.payload)]
    assert [(r.name, r.value) for r in found if isinstance(r, Resolved)] == [
        (f"{r.meter}/{r.quantity}", r.value) for r in readings
    ]


def test_a_receipt_ends_the_waiting_and_the_batch_is_kept(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox()
    ids = [outbox.take("a", T + i, readings_at(T + i), T + i, "ntp")[0] for i in range(5)]
    assert outbox.done({outbox.run: [(2, 3)], "another": [(1, 9)]}) == ids[1:3]
    assert outbox.done({outbox.run: [(2**64, 2**64), (-(2**64), -5)]}) == []
    assert outbox.done({outbox.run: [(-5, 10**30)]}) == [ids[0], ids[3], ids[4]]
    assert outbox.waiting(10) == []
    assert outbox.message(ids[0]) is None
    assert outbox.summary() == (0, 0, 0)
    assert outbox.held() == {outbox.run: [(1, 5)]}


def test_a_kept_batch_waits_again_when_it_is_asked_for(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox()
    ids = [outbox.take("a", T + i, readings_at(T + i), T + i, "ntp")[0] for i in range(5)]
    before = messages(outbox)
    outbox.done({outbox.run: [(1, 4)]})
    assert outbox.reopen(outbox.run, 2, 10**15, limit=2) == [2, 3]
    assert outbox.reopen("another", 1, 5, limit=5) == []
    assert outbox.reopen(outbox.run, 2**64, 2**64, limit=5) == []
    assert outbox.waiting(10) == [ids[1], ids[2], ids[4]]
    assert messages(outbox) == [before[1], before[2], before[4]]


def test_a_batch_refused_whole_is_done_with_and_never_sent_again(make_outbox: Make, readings_at: Readings) -> None:
    outbox, whole = make_outbox(keep_days=1), len(readings_at(T))
    ids = [outbox.take("a", T + i, readings_at(T + i), T + i, "ntp")[0] for i in range(4)]
    refused = {BatchId(outbox.run, 1): whole, BatchId(outbox.run, 2): 1, BatchId("another", 1): whole}
    assert sorted(outbox.refused(refused)) == ids[:2]
    assert outbox.waiting(10) == ids[2:]
    assert outbox.message(ids[0]) is None
    # of the second all but one reading was stored
    assert outbox.reopen(outbox.run, 1, 2, limit=5) == [2]
    assert outbox.waiting(10) == ids[1:]
    outbox.take("a", T + 90_000, readings_at(T + 90_000), T + 90_000, "ntp")
    assert outbox.held() == {outbox.run: [(2, 5)]}


def test_what_was_kept_long_enough_is_forgotten(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox(keep_days=1)
    for i in range(3):
        outbox.take("a", T + i, readings_at(T + i), T + i, "ntp")
    outbox.done({outbox.run: [(1, 2)]})
    late = T + 86_400 + 2
    outbox.take("a", late, readings_at(late), late, "ntp")
    # the third waits for its receipt, however old it is
    assert outbox.held() == {outbox.run: [(3, 4)]}
    assert len(outbox.waiting(10)) == 2


def test_a_future_that_never_came_keeps_nothing(make_outbox: Make, readings_at: Readings) -> None:
    outbox, future = make_outbox(keep_days=1), T + 10**8
    for i in range(5):
        outbox.take("a", future + i, readings_at(future + i), future + i, "system")
    outbox.refused({BatchId(outbox.run, n): len(readings_at(T)) for n in range(1, 6)})
    assert outbox.reset_last(T) == ["a"]
    for tick in range(T, T + 3 * 86_400, 3600):
        outbox.take("a", tick, readings_at(tick), tick, "ntp")
        outbox.done({outbox.run: [(1, 1000)]})
    ((first, last),) = outbox.held()[outbox.run]
    assert last - first <= 25


def test_a_run_is_known_while_something_of_it_is_held(make_outbox: Make, readings_at: Readings) -> None:
    first = make_outbox()
    first.take("a", T, readings_at(T), T, "ntp")
    first.close()
    idle = make_outbox()
    idle.close()
    outbox = make_outbox()
    assert [outbox.knows(run) for run in (first.run, idle.run, outbox.run, "another")] == [True, False, True, False]


def test_an_empty_batch_brings_back_a_receipt(make_outbox: Make) -> None:
    outbox = make_outbox()
    (batch,) = outbox.take_nothing(T)
    message = outbox.message(batch)
    assert message == Message(BatchId(outbox.run, 1), b"[]")


def test_a_future_last_tick_is_reset_but_what_the_cloud_took_stays_taken(
    make_outbox: Make, readings_at: Readings
) -> None:
    outbox = make_outbox()
    for tick in (T, T + 300, T + 10**8):
        outbox.take("a", tick, readings_at(tick), tick, "ntp")
    outbox.take("b", T, readings_at(T), T, "ntp")
    assert outbox.lines_ahead(T + 100)
    assert outbox.reset_last(T + 100) == ["a"]
    assert not outbox.lines_ahead(T + 100)
    assert (outbox.last_s("a"), outbox.last_s("b")) == (T + 300, T)
    outbox.close()
    assert make_outbox().last_s("a") == T + 300


def test_others_may_not_read_it(make_outbox: Make, readings_at: Readings, tmp_path: Path) -> None:
    make_outbox().take("a", T, readings_at(T), T, "ntp")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes) >= {"outbox.db", "outbox.db-wal", "outbox.db.lock"}
    assert set(modes.values()) == {0o600}


def test_one_outbox_serves_one_process(make_outbox: Make) -> None:
    make_outbox()
    with pytest.raises(Problem, match=r"outbox\.db: outbox is in use"):
        make_outbox()
