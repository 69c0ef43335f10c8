"""The thread that commits: in order, each commit tried until the store has it on disk."""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from cloud.ingest.intake import Prepared, without
from cloud.ingest.live import Live
from cloud.ingest.metrics import Metrics
from cloud.store.protocol import Store, StoreUnavailable
from contract.refusals import STORE_REFUSED

LOG = logging.getLogger(__name__)

RETRY_S = 0.5
MAX_RETRY_S = 5.0
# One being made and one waiting: the next is prepared while the store writes, and no more lies in memory.
MAX_PENDING = 2


class Committer:
    """`put` hands a commit over and `finished` hands back what is on disk; `wake` is called for each."""

    def __init__(self, store: Store, live: Live, metrics: Metrics, wake: Callable[[], None]) -> None:
        self._store, self._live, self._metrics, self._wake = store, live, metrics, wake
        self._waiting: queue.SimpleQueue[Prepared | None] = queue.SimpleQueue()
        self._finished: deque[Prepared] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self.pending = 0
        self.available = True  # whether the store took the latest commit
        self.failure: BaseException | None = None
        self._thread.start()

    @property
    def has_room(self) -> bool:
        """Whether `put` may be called."""
        return self.pending < MAX_PENDING

    def put(self, prepared: Prepared) -> None:
        """Commit this after all that was put before. Called, as is `finished`, from one thread only."""
        self.pending += 1
        self._waiting.put(prepared)

    def finished(self) -> list[Prepared]:
        """What is on disk since the last call, in order. Raises what the store raised when it was no passing state:
        what was put is then lost with the process, and comes again from the broker.
        """
        if self.failure is not None:
            raise self.failure
        done = []
        while self._finished:
            done.append(self._finished.popleft())
        self.pending -= len(done)
        return done

    def stop(self, timeout_s: float) -> None:
        """Give what is pending that much time. What the store has not taken by then was promised to nobody."""
        self._waiting.put(None)
        self._thread.join(timeout_s)
        self._stopping.set()
        self._thread.join(MAX_RETRY_S)

    def _run(self) -> None:
        try:
            while (prepared := self._waiting.get()) is not None and (done := self._commit(prepared)) is not None:
                self._finished.append(done)
                self._wake()
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits, which raises it
            self.failure = error
            self._wake()

    def _commit(self, prepared: Prepared) -> Prepared | None:
        """What is to be receipted once it is on disk; None when the process ends before."""
        commit = prepared.commit
        if not any((commit.readings, commit.ledger, commit.quarantine, commit.spans)):
            return prepared
        pause_s = RETRY_S
        while True:
            began_s = time.perf_counter()
            try:
                refused = self._store.commit(commit)
            except StoreUnavailable as problem:
                self._metrics.unavailable.inc()
                self._up(available=False)
                LOG.warning('store unavailable why="%s"', problem)
                if self._stopping.wait(max(pause_s, problem.retry_after_s)):
                    return None
                pause_s = min(2 * pause_s, MAX_RETRY_S)
                continue
            self._metrics.commit_s.observe(time.perf_counter() - began_s)
            self._up(available=True)
            if refused:
                self._metrics.quarantined.labels(STORE_REFUSED).inc(len(refused))
                prepared = without(prepared, refused)
            self._live.update(prepared.commit.readings, time.time())
            return prepared

    def _up(self, *, available: bool) -> None:
        self.available = available
        self._metrics.store_up.set(available)
