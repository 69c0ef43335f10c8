"""An hour without a cloud: what it costs the broker, the gateway's memory, and afterwards the readings."""

from collections.abc import Callable

import psutil

from contract.messages import to_ranges
from contract.reading import Reading
from contract.topics import BatchId
from edge.flow import LOOKAHEAD, WINDOW, Flow
from edge.outbox import Outbox

T = 1_795_392_000
HOUR_S = 3600


def test_an_hour_without_ingest_fills_neither_broker_nor_memory(
    make_outbox: Callable[..., Outbox], readings_at: Callable[..., list[Reading]]
) -> None:
    outbox, flow = make_outbox(), Flow(lambda: 0.5)
    flow.reset(0.0)
    published: list[BatchId] = []

    def send(now_s: float) -> list[BatchId]:
        messages = [outbox.message(batch) for batch in flow.pick(now_s, outbox.waiting(LOOKAHEAD))]
        return [message.batch for message in messages if message is not None]

    rss_bytes: list[int] = []
    for second in range(HOUR_S):
        flow.offer(outbox.take("a", T + second, readings_at(T + second, meters=20), T + second, "system"))
        published += send(float(second))
        assert len(flow.sent) <= WINDOW
        if second in (600, HOUR_S - 1):
            rss_bytes.append(psutil.Process().memory_info().rss)
    assert len(published) < 2 * WINDOW
    assert rss_bytes[1] - rss_bytes[0] < 3_000_000

    now_s, delivered = float(HOUR_S), set(published)
    while outbox.waiting(1):
        now_s += 0.25
        # the cloud works off what the broker kept for it, and then what comes
        done = [*published, *send(now_s)]
        delivered |= set(done)
        flow.receipted(outbox.done(to_ranges(done)), now_s)
        published = []
    assert len(delivered) == HOUR_S
    assert now_s < HOUR_S + 300
