"""The process that owns an area: it takes readings from the broker into the store, and answers other processes."""

import gc
import logging
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from cloud.ingest.committer import Committer
from cloud.ingest.gaps import Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.housekeeping import Housekeeping, KnownFile
from cloud.ingest.intake import Books
from cloud.ingest.ledger import Ledger
from cloud.ingest.link import Link
from cloud.ingest.live import Live
from cloud.ingest.metrics import Metrics, serve
from cloud.ingest.settings import AreaSettings, link_settings
from cloud.ingest.worker import Worker
from cloud.store.duck import DuckStore
from cloud.store.protocol import Store

LOG = logging.getLogger(__name__)

STUCK_S = 30.0


def run(settings: AreaSettings) -> None:
    """Until SIGTERM or SIGINT. Raises Problem for what it cannot be started with."""
    how_to_link = link_settings(settings)
    with ExitStack() as stack:
        store = stack.enter_context(_store(settings))
        run_with(settings, store, Link(how_to_link, settings.filters))


def run_with(settings: AreaSettings, store: Store, link: Link) -> None:
    """As `run`, with a store that the caller closes, and a link that is closed here."""
    metrics, live, gateways = Metrics(), Live(time.time()), Gateways()
    known = KnownFile(settings.known, store, live, metrics)
    ledger = _restored(store)
    books = Books(ledger, gateways, Gaps(ledger, gateways, settings.gap_timeout_s), metrics)
    committer = Committer(store, live, metrics, link.wake)
    worker = Worker(settings.name, link, committer, books, lambda: known.known, settings.pace)
    housekeeping = Housekeeping(known, live, store)

    def health() -> list[str]:
        problems = [] if link.connected else ["broker not connected"]
        problems += [] if metrics.store_up._value.get() else ["store unavailable"]
        problems += ["ingest stands still"] if time.monotonic() - worker.turned_s > STUCK_S else []
        return problems

    http = serve(metrics, health, settings.metrics_port)
    _on_signals(worker, housekeeping)
    _start_message(settings, known, http.server_port)
    # what lives for as long as the process need not be looked through at each collection
    gc.collect()
    gc.freeze()
    try:
        worker.run()
    finally:
        http.shutdown()
        housekeeping.stop(10.0)
        LOG.info("area ended name=%s", settings.name)


@contextmanager
def _store(settings: AreaSettings) -> Iterator[Store]:
    settings.data.mkdir(parents=True, exist_ok=True)
    store = DuckStore(settings.file, settings.quarantine_rows, settings.quarantine_mb * 1_000_000)
    try:
        yield store
    finally:
        store.close()


def _restored(store: Store) -> Ledger:
    ledger = Ledger()
    columns = [[table.column(n).to_pylist() for n in range(4)] for table in (store.spans(), store.ledger())]
    ledger.restore(*(zip(*column, strict=True) for column in columns))
    return ledger


def _on_signals(worker: Worker, housekeeping: Housekeeping) -> None:
    def end(_signal: int, _frame: FrameType | None) -> None:
        worker.stop()

    def look(_signal: int, _frame: FrameType | None) -> None:
        housekeeping.look_again()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGHUP, look)


def _start_message(settings: AreaSettings, known: KnownFile, port: int) -> None:
    LOG.info(
        "area started name=%s brokers=%s store=%s file=%s gateways=%d series=%d metrics=http://127.0.0.1:%d/metrics",
        settings.name,
        ",".join(settings.brokers),
        settings.store,
        settings.file,
        len(list(known.known.gateways)),
        known.watched().num_rows,
        port,
    )
