"""The process that owns an area: it takes readings from the broker into the store, and answers other processes."""

import gc
import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

import pyarrow as pa

from cloud.ingest.committer import Committer
from cloud.ingest.figures import Disk, Settling
from cloud.ingest.gaps import Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.housekeeping import Housekeeping, KnownSpans
from cloud.ingest.intake import Books
from cloud.ingest.ledger import Ledger
from cloud.ingest.link import Link
from cloud.ingest.live import Live
from cloud.ingest.metrics import Metrics, bind, start
from cloud.ingest.replay import replay
from cloud.ingest.settings import AreaSettings, influx_settings, link_settings
from cloud.ingest.worker import Worker
from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer, Tables
from cloud.store.influx import InfluxStore
from cloud.store.protocol import Store, StoreUnavailable
from contract.problems import Problem

LOG = logging.getLogger(__name__)

STUCK_S = 30.0
LAST_LOOK_S = 10.0
LAST_WORK_S = 60.0  # a slot that is being settled is better finished than begun again


class Beside(Protocol):
    """What else lives in the process that owns the area, in threads of its own: settling."""

    def start(self) -> None:
        """Begin."""
        ...

    def stop(self, timeout_s: float) -> None:
        """End, so that the store can be closed."""
        ...

    def problems(self) -> list[str]:
        """What is not well."""
        ...

    def tables(self) -> Tables:
        """What other processes may fetch by name."""
        ...


AreaStore = DuckStore | InfluxStore
Company = Callable[[AreaStore], Sequence[Beside]]


class Area:
    """All parts of an area, put together and started but for the loop of ingest, which is `run`.

    The store stays the caller's. Raises Problem for settings that are no good, and StoreUnavailable.
    """

    def __init__(self, settings: AreaSettings, store: Store, beside: Sequence[Beside] = ()) -> None:
        self.settings, self.beside = settings, beside
        how_to_link = link_settings(settings)
        self.metrics, self.live, self.gateways = Metrics(), Live(time.time()), Gateways()
        self.known = KnownSpans(settings, store, self.live, self.metrics)
        ledger = restored(store)
        # what may be refused comes before the threads
        self._http = bind(self.metrics, self.health, settings.metrics_host, settings.metrics_port)
        self.metrics_port = self._http.server_port
        tables = self._tables(store)
        try:
            self._door = AreaServer(settings.socket, store, tables)
        except Problem:
            self._http.server_close()
            raise
        self.link = Link(how_to_link, settings.filters)
        books = Books(ledger, self.gateways, Gaps(ledger, self.gateways, settings.gap_timeout_s), self.metrics)
        self.committer = Committer(store, self.live, self.metrics, self.link.wake)
        self.worker = Worker(settings.name, self.link, self.committer, books, lambda: self.known.known, settings.pace)
        self.housekeeping = Housekeeping(self.known, self.live, store, self.metrics)
        self.metrics.registry.register(Disk(settings.data))
        if "settle" in tables:
            self.metrics.registry.register(Settling(tables["settle"]))
        for one in beside:
            one.start()
        start(self._http)

    def run(self) -> None:
        """Until `stop`. Raises what the store raised when it was no passing state."""
        try:
            self.worker.run()
        finally:
            self._http.shutdown()
            self._http.server_close()
            self._door.close()
            self.housekeeping.stop(LAST_LOOK_S)
            for one in self.beside:
                one.stop(LAST_WORK_S)

    def stop(self) -> None:
        """From any thread or a signal handler."""
        self.worker.stop()

    def health(self) -> list[str]:
        """What is not well."""
        problems = [] if self.link.connected else ["broker not connected"]
        problems += [] if self.committer.available else ["store unavailable"]
        problems += self._nearly_full()
        problems += [] if self.housekeeping.alive else ["housekeeping ended"]
        problems += ["this machine's clock is behind those of its gateways"] if self.worker.clock_doubtful else []
        problems += ["ingest stands still"] if time.monotonic() - self.worker.turned_s > STUCK_S else []
        return problems + [problem for one in self.beside for problem in one.problems()]

    def _nearly_full(self) -> list[str]:
        free_mb, least_mb = shutil.disk_usage(self.settings.data).free / 1e6, self.settings.min_free_mb
        return [f"disk nearly full: {free_mb:.0f} MB free, {least_mb} needed"] if free_mb < least_mb else []

    def _tables(self, store: Store) -> Tables:
        """What other processes may fetch by name. Fetching "replay" tries quarantine again, whole."""
        replaying = threading.Lock()

        def replay_alone() -> pa.Table:
            # two at once would store the same rows twice
            with replaying:
                return replay(store, self.live, self.known.known, self.settings.keep_days)

        return {
            "live": lambda: self.live.table(time.time()),
            "gateways": lambda: self.gateways.table(self.known.known.gateways_at(time.time())),
            "lines": lambda: self.gateways.lines(self.known.known.gateways),
            "catalogue": lambda: self.gateways.catalogue(self.known.known.gateways),
            "quarantine": store.quarantined,
            "quarantine-counts": store.quarantine_counts,
            "replay": replay_alone,
            **{name: table for one in self.beside for name, table in one.tables().items()},
        }


def run(settings: AreaSettings, company: Company = lambda _store: ()) -> None:
    """Be the area's process until SIGTERM or SIGINT, in the company of what else needs the store. Raises Problem for
    what it cannot be started with.
    """
    # all that this process writes is for its owner alone
    before = os.umask(0o077)
    try:
        _run(settings, company)
    finally:
        os.umask(before)
    LOG.info("area ended name=%s", settings.name)


def _run(settings: AreaSettings, company: Company) -> None:
    # a name or an address that is refused leaves no file behind
    link_settings(settings)
    store = open_store(settings)
    try:
        area = _area(settings, store, company(store))
        _on_signals(area)
        _start_message(area)
        # what lives as long as the process need not be looked through at each collection
        gc.collect()
        gc.freeze()
        area.run()
    finally:
        gc.unfreeze()
        store.close()


def _area(settings: AreaSettings, store: Store, beside: Sequence[Beside]) -> Area:
    try:
        return Area(settings, store, beside)
    except StoreUnavailable as unavailable:
        # nothing is taken in yet: whoever started it is told, and starts it again once there is room
        raise Problem(
            f"구역 {settings.name}: 저장소를 쓸 수 없어 시작하지 못합니다 (디스크가 찼습니까?): {unavailable}",
            f"area {settings.name}: cannot start, its store takes nothing (is its disk full?): {unavailable}",
        ) from unavailable


def open_store(settings: AreaSettings) -> AreaStore:
    """The store that the settings name. Raises Problem."""
    influx = influx_settings(settings) if settings.store == "influx" else None
    try:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"데이터 폴더 {settings.data}: 만들 수 없습니다: {error.strerror}",
            f"data folder {settings.data}: cannot be made: {error.strerror}",
        ) from error
    shares = (settings.quarantine_rows, settings.quarantine_mb * 1_000_000)
    file = DuckStore(settings.file, *shares, settings.min_free_mb * 1_000_000)
    if influx is None:
        return file
    store = InfluxStore(influx, file)
    try:
        store.check()
    except StoreUnavailable as unavailable:
        # its gateways wait, and so does the area
        LOG.warning('store unavailable why="%s"', unavailable)
    return store


def restored(store: Store) -> Ledger:
    """The ledger as the store has it."""
    ledger = Ledger()
    spans, batches = (
        zip(*(table.column(n).to_pylist() for n in range(4)), strict=True) for table in (store.spans(), store.ledger())
    )
    ledger.restore(spans, batches)
    return ledger


def _on_signals(area: Area) -> None:
    def end(_signal: int, _frame: FrameType | None) -> None:
        area.stop()

    def look(_signal: int, _frame: FrameType | None) -> None:
        area.housekeeping.look_again()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, look)


def _start_message(area: Area) -> None:
    settings, known = area.settings, area.known.known
    LOG.info(
        "area started name=%s brokers=%s store=%s file=%s gateways=%d spans=%d live=%d metrics=http://%s:%d/metrics",
        settings.name,
        ",".join(settings.brokers),
        settings.store,
        settings.file,
        len(list(known.gateways)),
        len(known),
        area.live.watched.num_rows,
        settings.metrics_host,
        area.metrics_port,
    )
