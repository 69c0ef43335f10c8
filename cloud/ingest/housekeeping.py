"""What goes on beside ingest: the registry's snapshot read again when it changes, live values rebuilt."""

import logging
import math
import threading
import time

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.ingest.known import Known, read_spans
from cloud.ingest.live import WATCHED, Live
from cloud.ingest.metrics import Metrics
from cloud.ingest.rebuild import rebuild
from cloud.ingest.settings import AreaSettings
from cloud.registry import snapshot
from cloud.store.protocol import Store, StoreUnavailable
from contract.problems import Problem

LOG = logging.getLogger(__name__)

LOOK_S = 0.5
RETRY_S = 5.0
COUNT_S = 10.0
SHOWN_GATEWAYS = 20


class KnownSpans:
    """`known` is always the latest that could be read whole; another thread may read the attribute at any time."""

    def __init__(self, settings: AreaSettings, store: Store, live: Live, metrics: Metrics) -> None:
        """Raises Problem when the registry's snapshot is no good, and StoreUnavailable."""
        self._folder, self._area = settings.registry, settings.name
        self._store, self._live, self._metrics = store, live, metrics
        self._seen = snapshot.version(self._folder)
        self._wrong = ""  # why the latest look could not take it
        self.known, _ = self._load()

    def look(self, *, anyway: bool = False) -> bool:
        """Read the snapshot again if it has changed or could not be read, or anyway. What is wrong with it is logged,
        and the earlier one stays. Whether live values are shown now that were not before.
        """
        seen = snapshot.version(self._folder)
        if seen == self._seen and not self._wrong and not anyway:
            return False
        more = False
        try:
            before = self.known
            self.known, more = self._load()
            self._seen, self._wrong = seen, ""
            dropped = sorted(set(before.gateways) - set(self.known.gateways))
            LOG.info("known read again rows=%d gateways_dropped=%d", len(self.known), len(dropped))
            if dropped:
                LOG.warning("known no longer names gateways=%s", ",".join(dropped[:SHOWN_GATEWAYS]))
        except Problem as problem:
            self._metrics.known_good.set(0)
            if problem.text.en != self._wrong:
                LOG.error('known unreadable, the earlier one stays why="%s"', problem.text.en)  # noqa: TRY400  # no trace: it says all
            self._wrong = problem.text.en
        except StoreUnavailable as unavailable:
            LOG.warning('known not taken yet why="%s"', unavailable)
        return more

    def _load(self) -> tuple[Known, bool]:
        spans = read_spans(self._folder, self._area)
        series = self._store.series(spans["meter"], spans["quantity"])
        known = Known(spans, series)
        more = self._live.watch(_watched(spans, series, time.time()))
        # of a city, what was needed only to read its spans is several hundred MB
        pa.default_memory_pool().release_unused()
        self._metrics.known_good.set(1)
        return known, more


def _watched(spans: pa.Table, series: npt.NDArray[np.int32], now_s: float) -> pa.Table:
    """WATCHED of what the live page shows and has not ended."""
    shown = np.flatnonzero(spans["live"].to_numpy() & (spans["to_s"].to_numpy() > now_s))
    first = np.sort(shown[np.unique(series[shown], return_index=True)[1]])
    names = spans.select(["meter", "quantity"]).take(first)
    return names.append_column("series", pa.array(series[first])).cast(WATCHED)


class Housekeeping:
    """A thread. It ends with the process."""

    def __init__(self, known: KnownSpans, live: Live, store: Store, metrics: Metrics) -> None:
        self._known, self._live, self._store, self._metrics = known, live, store, metrics
        # by gateway, rows that quarantine had no room for; None before the first count, which tells of earlier runs
        self._dropped: dict[str, int] | None = None
        self._overflowing: set[str] = set()  # the gateways of which more was dropped at the last count
        self._counted_s = 0.0
        self._again = threading.Event()
        self._stopping = threading.Event()
        self._rebuild_s = 0.0  # when it is tried next
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def look_again(self) -> None:
        """Read the registry's snapshot now, changed or not."""
        self._again.set()

    @property
    def alive(self) -> bool:
        """False when a mistake has ended it; ingest goes on without."""
        return self._thread.is_alive()

    def stop(self, timeout_s: float) -> None:
        """Wait for what it is about, so that the store can be closed."""
        self._stopping.set()
        self._again.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        asked = False
        while not self._stopping.is_set():
            try:
                self._turn(asked)
            except Exception as error:  # noqa: BLE001  # whatever it was, the next snapshot must be read
                self._say_once(repr(error))
            asked = self._again.wait(LOOK_S)
            self._again.clear()

    def _turn(self, asked: bool) -> None:
        if self._rebuild_s <= time.monotonic():
            # should it fail in a way of its own, it is tried no oftener
            self._rebuild_s = time.monotonic() + RETRY_S
            if self._rebuild():
                self._rebuild_s = math.inf
        if self._known.look(anyway=asked):
            self._rebuild_s = 0.0
        if self._counted_s + COUNT_S <= time.monotonic():
            self._counted_s = time.monotonic()
            self._count_quarantine()

    def _count_quarantine(self) -> None:
        """What is dropped there exists nowhere else: its gateway was told that the cloud has it."""
        try:
            counts = self._store.quarantine_counts().to_pylist()
        except StoreUnavailable:
            return
        now = {row["gateway"]: row["dropped"] for row in counts}
        before = now if self._dropped is None else self._dropped
        overflowing = {gateway for gateway, dropped in now.items() if dropped > before.get(gateway, 0)}
        for row in counts:
            gateway, dropped = row["gateway"], row["dropped"]
            self._metrics.quarantine_held.labels(gateway).set(row["held"])
            self._metrics.quarantine_dropped.labels(gateway).set(dropped)
            if gateway in overflowing - self._overflowing:
                LOG.warning("quarantine full, its oldest rows are dropped gateway=%s dropped=%d", gateway, dropped)
        self._overflowing, self._dropped = overflowing, now

    def _say_once(self, why: str) -> None:
        if why != self._said:
            self._said = why
            LOG.error("housekeeping failed, and goes on why=%r", why)

    def _rebuild(self) -> bool:
        """Whether that is done."""
        began_s = time.monotonic()
        try:
            rebuild(self._live, self._store, int(time.time()))
        except StoreUnavailable as unavailable:
            LOG.warning('live values not rebuilt yet why="%s"', unavailable)
            return False
        except (Problem, ValueError) as error:
            # wrong settings, or an answer that is none: the pages go without old values
            self._say_once(f"live values not rebuilt: {error}")
            return False
        LOG.info("live values rebuilt seconds=%.1f", time.monotonic() - began_s)
        return True
