"""Which batches are done with: (gateway, run, n, hash), as a low-water mark with the exceptions above it. Pure.

A batch is noted when it is judged, before its commit: commits are made in the same order and each is tried until
it holds, so that a second copy, judged a duplicate, is never receipted before the first is on disk.
"""

import hashlib
import logging
from array import array
from collections.abc import Iterable, Mapping
from enum import Enum

from cloud.ingest.spans import Spans
from contract.topics import BatchId

LOG = logging.getLogger(__name__)

# Hashes are kept for this many batch numbers of a run: twice what a gateway may have in flight.
HASH_WINDOW = 64
FOLD_AFTER = 192  # batches of a run with a row of their own on disk, before most are folded into spans
# Only a gateway gone wrong exceeds these; what is forgotten is stored twice if it is sent twice, never lost.
MAX_RUNS = 1000
MAX_SPANS = 1000

Row = tuple[str, str, int, int]  # gateway, run, and first and last, or n and hash


class Verdict(Enum):
    """What is to be done with a batch: store it; only receipt it; store it, and sound the alarm."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


def content_hash(payload: bytes) -> int:
    """The first 8 bytes of the payload's BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(payload, digest_size=8).digest(), "big")


class _Run:
    """One run's batches. A hash is remembered in the slot that its number picks, until another takes it."""

    __slots__ = ("conflicts", "done", "hashes", "numbers", "seen_s", "turn", "unfolded")

    def __init__(self) -> None:
        self.done = Spans()
        self.numbers = array("q")
        self.hashes = array("Q")
        self.seen_s = 0.0
        self.turn = 0  # counts up: the run with the lowest has been silent for longest
        self.unfolded = 0
        self.conflicts = 0  # rows on disk of numbers that have one already

    def note(self, n: int, hashed: int) -> None:
        self.done.add(n)
        self.unfolded += 1
        if not self.numbers:
            self.numbers = array("q", [0]) * HASH_WINDOW
            self.hashes = array("Q", [0]) * HASH_WINDOW
        slot = n % HASH_WINDOW
        self.numbers[slot], self.hashes[slot] = n, hashed

    def differs(self, n: int, hashed: int) -> bool:
        """Whether another content is known for n."""
        slot = n % HASH_WINDOW
        return bool(self.numbers) and self.numbers[slot] == n and self.hashes[slot] != hashed


class Ledger:
    """Not shared between threads."""

    def __init__(self) -> None:
        self._gateways: dict[str, dict[str, _Run]] = {}
        self._due: set[tuple[str, str]] = set()
        self._forgotten: list[tuple[str, str]] = []
        self._turn = 0

    def judge(self, gateway: str, batch: BatchId, hashed: int, now_s: float, *, empty: bool = False) -> Verdict:
        """Note the batch, and say whether it is new. An empty one says that the gateway no longer holds it."""
        run = self._run(gateway, batch.run)
        run.seen_s = now_s
        if batch.n in run.done:
            if empty or not run.differs(batch.n, hashed):
                return Verdict.DUPLICATE
            run.note(batch.n, hashed)
            run.conflicts += 1
            if run.conflicts >= FOLD_AFTER:
                self._due.add((gateway, batch.run))
            return Verdict.CONFLICT
        run.note(batch.n, hashed)
        if run.unfolded >= FOLD_AFTER:
            self._due.add((gateway, batch.run))
        if len(run.done) > MAX_SPANS:
            forgotten = run.done.thin(MAX_SPANS // 2)
            LOG.warning("ledger thinned gateway=%s run=%s spans=%d", gateway, batch.run, forgotten)
        return Verdict.NEW

    def restore(self, spans: Iterable[Row], batches: Iterable[Row]) -> None:
        """Take over what the store has on disk: spans as (…, first, last), and batches as (…, n, hash), in the order
        in which they were written.
        """
        spans, batches = list(spans), list(batches)
        # a run's latest batch always has a row of its own, which tells whether the run is alive
        latest = {(row[0], row[1]): at for at, row in enumerate(batches)}
        for gateway, name in sorted({row[:2] for row in spans} | latest.keys(), key=lambda run: latest.get(run, -1)):
            self._run(gateway, name)
        forgotten = set(self._forgotten)
        for gateway, name, first, last in spans:
            if (gateway, name) not in forgotten:
                self._run(gateway, name).done.add(first, last)
        for gateway, name, n, hashed in batches:
            if (gateway, name) in forgotten:
                continue
            run = self._run(gateway, name)
            run.note(n, hashed)
            if run.unfolded >= FOLD_AFTER:
                self._due.add((gateway, name))

    def fold(self) -> list[Row]:
        """All spans of the runs that have too many rows of their own on disk, but for their latest batches."""
        rows: list[Row] = []
        for gateway, name in self._due:
            run = self._gateways.get(gateway, {}).get(name)
            if run is None:
                continue
            # where each number comes with ever new contents, the latest ones' rows are what there is too much of
            until = run.done.highest - (0 if run.conflicts >= FOLD_AFTER else HASH_WINDOW)
            rows += [(gateway, name, first, min(last, until)) for first, last in run.done if first <= until]
            run.unfolded, run.conflicts = HASH_WINDOW, 0
        self._due.clear()
        return rows

    def forgotten(self) -> list[tuple[str, str]]:
        """(gateway, run) of all that were forgotten since the last call, to be forgotten on disk too."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def runs(self, gateway: str) -> Mapping[str, Spans]:
        """By run, the batches of a gateway that are done with."""
        return {name: run.done for name, run in self._gateways.get(gateway, {}).items()}

    def seen_s(self, gateway: str, name: str) -> float:
        """When a batch of the run came last; 0 when none came since the start."""
        run = self._gateways.get(gateway, {}).get(name)
        return run.seen_s if run else 0.0

    def _run(self, gateway: str, name: str) -> _Run:
        runs = self._gateways.setdefault(gateway, {})
        run = runs.get(name)
        if run is None:
            if len(runs) >= MAX_RUNS:
                oldest = min(runs, key=lambda other: runs[other].turn)
                LOG.warning("ledger forgot gateway=%s run=%s", gateway, oldest)
                del runs[oldest]
                self._forgotten.append((gateway, oldest))
            run = runs[name] = _Run()
        self._turn += 1
        run.turn = self._turn
        return run
