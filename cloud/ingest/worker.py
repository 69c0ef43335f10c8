"""The loop of ingest: take from the broker, prepare, commit, receipt, acknowledge. One thread, and the committer's.

Decoding and the network share the thread on purpose: two threads of Python would spend their time handing the
interpreter's lock to and fro, while a commit runs beside them without it.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from cloud.ingest.check import Bounds
from cloud.ingest.committer import Committer
from cloud.ingest.doubt import Opinions
from cloud.ingest.intake import Books, Prepared, prepare
from cloud.ingest.known import Known
from cloud.ingest.link import Arrived, Link
from contract.messages import Receipt, encode
from contract.topics import topic

LOG = logging.getLogger(__name__)

FLUSH_BYTES = 1_300_000  # some 20,000 readings
MESSAGE_BYTES = 500  # what a message costs beside its payload: an empty one is not free
IDLE_S = 0.25
TAKE_LEAVE_S = 2.0


@dataclass(frozen=True)
class Pace:
    """A commit is made from FLUSH_BYTES of messages on, or `flush_s` after the first of them came; when the store
    was busy meanwhile it is larger. From `queue_bytes` of unacknowledged messages on, nothing more is taken from
    the broker.
    """

    flush_s: float = 0.1
    queue_bytes: int = 64_000_000
    keep_days: int = 400

    @property
    def commit_bytes(self) -> int:
        """The most for one commit: one is made and one waits, while as much again arrives."""
        return self.queue_bytes // 3


class Worker:
    """Everything but `stop` belongs to the thread that calls `run`. `known` answers with the latest."""

    def __init__(
        self, area: str, link: Link, committer: Committer, books: Books, known: Callable[[], Known], pace: Pace
    ) -> None:
        self._area, self._link, self._committer, self._books = area, link, committer, books
        self._known, self._pace = known, pace
        self._inbox: list[Arrived] = []
        self._inbox_bytes = 0
        self._unacknowledged_bytes = 0
        self._unacknowledged = 0
        self._looked_s = 0.0
        self._stopping = False
        self._opinions = Opinions()
        self.clock_doubtful = False
        self.turned_s = time.monotonic()

    def run(self) -> None:
        """Until `stop`. Raises what the store raised when it was no passing state."""
        while not self._stopping:
            self._turn()
        self._committer.stop(TAKE_LEAVE_S)
        self._finish()
        self._link.close(TAKE_LEAVE_S)

    def stop(self) -> None:
        """End after what is being committed. For signal handlers and other threads."""
        self._stopping = True
        self._link.wake()

    def _turn(self) -> None:
        room = self._unacknowledged_bytes < self._pace.queue_bytes
        for arrived in self._link.step(self._patience_s(), reading=room):
            self._inbox.append(arrived)
            self._inbox_bytes += _cost_bytes(arrived)
            self._unacknowledged_bytes += _cost_bytes(arrived)
            self._unacknowledged += 1
        self._finish()
        if self._committer.has_room and self._ripe() and not self._in_doubt():
            bounds = Bounds.at(time.time(), self._pace.keep_days)
            self._committer.put(prepare(self._take_pile(), self._area, self._known(), self._books, bounds))
        self.turned_s = time.monotonic()
        if self.turned_s - self._looked_s >= 1.0:
            self._looked_s = self.turned_s
            self._look()

    def _in_doubt(self) -> bool:
        doubtful = self._opinions.doubt(self._inbox, time.time(), time.monotonic())
        if doubtful and not self.clock_doubtful:
            LOG.error("this machine's clock is behind those of its gateways: nothing is judged until it is set")
        elif self.clock_doubtful and not doubtful:
            LOG.warning("this machine's clock agrees with its gateways again")
        self.clock_doubtful = doubtful
        return doubtful

    def _take_pile(self) -> list[Arrived]:
        """The oldest messages, as many as one commit takes."""
        sizes = list(accumulate(map(_cost_bytes, self._inbox)))
        count = max(1, bisect_right(sizes, self._pace.commit_bytes))
        pile, self._inbox = self._inbox[:count], self._inbox[count:]
        self._inbox_bytes -= sizes[count - 1]
        return pile

    def _ripe(self) -> bool:
        if not self._inbox:
            return False
        return self._inbox_bytes >= FLUSH_BYTES or self._age_s() >= self._pace.flush_s

    def _age_s(self) -> float:
        # a clock that was stepped back makes no message wait
        return abs(time.time() - self._inbox[0].arrived_s)

    def _patience_s(self) -> float:
        if not self._inbox or not self._committer.has_room or self.clock_doubtful:
            return IDLE_S
        return max(0.0, self._pace.flush_s - self._age_s())

    def _finish(self) -> None:
        """Receipt what is on disk, then acknowledge it."""
        for prepared in self._committer.finished():
            self._receipt(prepared)
            for arrived in prepared.arrived:
                self._unacknowledged_bytes -= _cost_bytes(arrived)
                if not self._link.ack(arrived):
                    self._books.metrics.stale_acks.inc()
            self._unacknowledged -= len(prepared.arrived)

    def _receipt(self, prepared: Prepared) -> None:
        for gateway, receipt in prepared.receipts.items():
            self._publish(gateway, receipt)

    def _publish(self, gateway: str, receipt: Receipt) -> None:
        if self._link.publish(topic(self._area, gateway, "receipts"), encode(receipt)):
            self._books.metrics.receipts.inc()

    def _look(self) -> None:
        """Once a second: ask for what is missing, and say how things stand."""
        metrics = self._books.metrics
        metrics.queue.set(self._unacknowledged)
        metrics.connected.set(self._link.connected)
        try:
            self._ask(time.time())
        except Exception:
            # what a gateway says of itself must not end what all of them need
            LOG.exception("asking again failed")

    def _ask(self, now_s: float) -> None:
        for gateway, question in self._books.gaps.look(now_s).items():
            batches = sum(last - first + 1 for spans in question.values() for first, last in spans)
            LOG.info("asking again gateway=%s batches=%d", gateway, batches)
            self._books.metrics.asked.inc(batches)
            self._publish(gateway, Receipt(int(now_s), resend=question))


def _cost_bytes(arrived: Arrived) -> int:
    return len(arrived.payload) + MESSAGE_BYTES
