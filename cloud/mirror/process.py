"""The mirror: jobs beside each other, each with its own pace, until a signal ends them."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import pyarrow as pa

from cloud.ingest.metrics import bind
from cloud.ingest.metrics import start as start_http
from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S
from cloud.mirror.books import EVERY_S as BOOKS_EVERY_S
from cloud.mirror.books import Books
from cloud.mirror.broker import BrokerState
from cloud.mirror.jobs import Job, each_of
from cloud.mirror.live import EVERY_S as LIVE_EVERY_S
from cloud.mirror.live import LiveCity
from cloud.mirror.metrics import Metrics
from cloud.mirror.names import names, outages
from cloud.mirror.newest import Newest
from cloud.mirror.points import Sheet
from cloud.mirror.registry import Registry
from cloud.mirror.retention import forget_live
from cloud.mirror.settings import MirrorSettings
from cloud.mirror.sites import AskUsage, SiteUsage
from cloud.mirror.sums import Span, sheets
from cloud.mirror.watching import Platform, Quality, fetch, watch_gateways
from cloud.mirror.writing import Boards
from cloud.portal.live.sites import Rosters
from cloud.store.flight import fetch_table
from cloud.store.influx_http import InfluxConnection
from cloud.store.protocol import StoreUnavailable
from cloud.totals.query import Totals

LOG = logging.getLogger(__name__)

GATEWAYS_EVERY_S = 30.0
NAMES_EVERY_S = 60.0
PLATFORM_EVERY_S = 10.0
QUALITY_EVERY_S = 60.0  # that is how often it looks whether an area is due
LAST_TURN_S = 10.0
USAGE_TIMEOUT_S = 30.0


class Mirror:
    """All jobs, put together. Raises Problem for a registry or an InfluxDB that will not do."""

    def __init__(self, settings: MirrorSettings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self._influx = InfluxConnection(settings.influx)
        try:
            self._influx.check()
        except StoreUnavailable as unavailable:
            LOG.warning("boards unavailable why=%r", str(unavailable))
        self.boards = Boards(self._influx, self.metrics)
        self.registry = Registry(settings.registry)
        folders, days = settings.totals, settings.history_days
        self._totals = Totals(folders)
        self.books = Books(
            "totals", folders, days, lambda span: sheets(self._totals, self.registry.known().regions, span)
        )
        self.sites = [
            Books(f"sites-{area}", folders, days, partial(self._site_sheets, SiteUsage(area, ask)))
            for area, ask in _usage(settings.areas).items()
        ]
        self._told = (0, "", 0)  # the day, the version of totals, and the database's outages, that were told last
        self.newest_s: int | None = None  # the end of the newest slot mirrored
        asks = {name: partial(fetch_table, socket) for name, socket in settings.areas.items()}
        self.live = LiveCity(Rosters(settings.registry, time.time()), asks, settings.stale_after_s)
        self.platform = Platform(settings.scrape, settings.disks, self.metrics)
        self.quality = Quality()
        self.broker = BrokerState(settings.broker) if settings.broker else None
        areas = settings.areas
        sites = Job("sites", BOOKS_EVERY_S, lambda now_s: self._mirror_sites(lambda: sites.going, now_s))
        totals = Job("totals", BOOKS_EVERY_S, lambda now_s: self.books.turn(self.boards, lambda: totals.going, now_s))
        self.jobs: Sequence[Job] = (
            Job("newest", BOOKS_EVERY_S, self._mirror_newest),
            totals,
            sites,
            Job("live", LIVE_EVERY_S, lambda now_s: self.live.turn(self.boards, self.registry.known(), now_s)),
            Job("names", NAMES_EVERY_S, self._names),
            Job("gateways", GATEWAYS_EVERY_S, lambda now_s: watch_gateways(self.boards, areas, now_s)),
            Job("quality", QUALITY_EVERY_S, lambda now_s: self.quality.turn(self.boards, areas, now_s)),
            Job("platform", PLATFORM_EVERY_S, lambda now_s: self.platform.turn(self.boards, areas, self._own, now_s)),
            Job("retention", DAY_S, self._forget),
        )
        self.metrics_port = 0  # known once it is started

    def start(self) -> None:
        """Begin all jobs. Raises Problem where the port for metrics cannot be had."""
        self._http = bind(self.metrics, self.health, self.settings.metrics_host, self.settings.metrics_port)
        self.metrics_port = self._http.server_port
        start_http(self._http)
        if self.broker is not None:
            self.broker.start()
        for job in self.jobs:
            job.start()

    def stop(self) -> None:
        """End all jobs."""
        for job in self.jobs:
            job.stop()
        for job in self.jobs:
            job.join(LAST_TURN_S)
        if self.broker is not None:
            self.broker.stop()
        self._http.shutdown()
        self._http.server_close()
        self._influx.close()

    def health(self) -> list[str]:
        """What is not well."""
        problems = [] if self.boards.available else ["boards' database not available"]
        problems += [f"boards' database refused points of {measurement}" for measurement in self.boards.refused]
        problems += [problem for job in self.jobs for problem in job.problems]
        return problems + [f"area {name} silent" for name in self.live.silent]

    def _mirror_newest(self, now_s: float) -> None:
        """Whenever a slot was settled, and once a day has begun."""
        today = int(now_s + SEOUL_S) // DAY_S
        version = today, self._totals.version(), self.boards.outages
        if version == self._told:
            return
        newest = Newest(self._totals, self.registry.known(), today)
        if newest.end_s is not None:
            self.boards.write(newest.places(), newest.end_s - SLOT_S)
            self.boards.write(newest.comparison(), newest.end_s)
            self.newest_s = newest.end_s
            self.metrics.newest_s.set(newest.end_s)
        for sheet in newest.shifted():
            self.boards.make_equal(sheet)
        if newest.problems:
            raise newest.problems[0]
        self._told = version

    def _mirror_sites(self, going: Callable[[], bool], now_s: float) -> None:
        each_of(self.sites, lambda books: books.turn(self.boards, going, now_s))

    def _site_sheets(self, usage: SiteUsage, span: Span) -> Iterator[Sheet]:
        return usage.sheets(self.registry.known(), span)

    def _names(self, now_s: float) -> None:
        known = self.registry.known()
        self.live.models = self._models()
        self.boards.write(names(known, now_s, self.live.models), int(now_s))
        for begin_s, point in outages(known, int(now_s) - self.settings.history_days * 86_400):
            self.boards.write([point], begin_s)

    def _forget(self, now_s: float) -> None:
        if self.settings.live_days:
            forget_live(self.boards, self.settings.live_days, now_s)

    def _models(self) -> Mapping[str, str]:
        """What each meter is, by its gateway's account."""
        found: dict[str, str] = {}
        for socket in self.settings.areas.values():
            table = fetch(socket, "catalogue")
            if table is not None:
                found |= dict(zip(table["meter"].to_pylist(), table["model"].to_pylist(), strict=True))
        return found

    def _own(self) -> tuple[list[str], int | None, BrokerState | None]:
        return self.health(), self.newest_s, self.broker


def run(settings: MirrorSettings) -> None:
    """Be the mirror until SIGTERM or SIGINT. Raises Problem for what it cannot be started with."""
    ending = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()

    mirror = Mirror(settings)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    mirror.start()
    where = (settings.influx.url, ",".join(settings.areas), settings.metrics_host, mirror.metrics_port)
    LOG.info("mirror started boards=%s areas=%s metrics=http://%s:%d/metrics", *where)
    ending.wait()
    mirror.stop()
    LOG.info("mirror ended")


def _usage(areas: Mapping[str, Path]) -> dict[str, AskUsage]:
    def ask(socket: Path, meters: Sequence[str], start_s: int, end_s: int) -> pa.Table:
        names = " ".join(meters)
        return fetch_table(socket, "usages", USAGE_TIMEOUT_S, meters=names, start=start_s, end=end_s)

    return {name: partial(ask, socket) for name, socket in areas.items()}
