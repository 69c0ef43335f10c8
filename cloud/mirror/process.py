"""The mirror: jobs beside each other, each with its own pace, until a signal ends them."""

import logging
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType

import pyarrow as pa

from cloud.mirror.books import EVERY_S as BOOKS_EVERY_S
from cloud.mirror.books import Books
from cloud.mirror.gateways import gateway_points, line_points
from cloud.mirror.jobs import Job
from cloud.mirror.live import EVERY_S as LIVE_EVERY_S
from cloud.mirror.live import LiveCity
from cloud.mirror.metrics import Metrics
from cloud.mirror.names import names, outages
from cloud.mirror.registry import Registry
from cloud.mirror.settings import MirrorSettings
from cloud.mirror.sites import AskUsage, SiteUsage
from cloud.mirror.writing import Boards
from cloud.portal.live.sites import Rosters
from cloud.store.flight import fetch_table
from cloud.store.influx_http import InfluxConnection
from cloud.store.protocol import StoreUnavailable

LOG = logging.getLogger(__name__)

GATEWAYS_EVERY_S = 30.0
NAMES_EVERY_S = 60.0
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
        self.books = Books(settings.totals, self.registry, SiteUsage(_usage(settings.areas)), settings.history_days)
        asks = {name: partial(fetch_table, socket) for name, socket in settings.areas.items()}
        self.live = LiveCity(Rosters(settings.registry, time.time()), asks, settings.stale_after_s)
        totals = Job("totals", BOOKS_EVERY_S, lambda now_s: self.books.turn(self.boards, lambda: totals.going, now_s))
        self.jobs: Sequence[Job] = (
            totals,
            Job("live", LIVE_EVERY_S, lambda now_s: self.live.turn(self.boards, self.registry.known(), now_s)),
            Job("names", NAMES_EVERY_S, self._names),
            Job("gateways", GATEWAYS_EVERY_S, self._gateways),
        )

    def start(self) -> None:
        """Begin all jobs."""
        for job in self.jobs:
            job.start()

    def stop(self) -> None:
        """End all jobs."""
        for job in self.jobs:
            job.stop()
        for job in self.jobs:
            job.join(LAST_TURN_S)
        self._influx.close()

    def health(self) -> list[str]:
        """What is not well."""
        problems = [] if self.boards.available else ["boards' database not available"]
        problems += [problem for job in self.jobs for problem in job.problems]
        return problems + [f"area {name} silent" for name in self.live.silent]

    def _names(self, now_s: float) -> None:
        known = self.registry.known()
        self.boards.write(names(known, now_s, self._models()), int(now_s))
        for begin_s, point in outages(known, int(now_s) - self.settings.history_days * 86_400):
            self.boards.write([point], begin_s)

    def _models(self) -> Mapping[str, str]:
        """What each meter is, by its gateway's account."""
        found: dict[str, str] = {}
        for socket in self.settings.areas.values():
            table = _fetch(socket, "catalogue")
            if table is not None:
                found |= dict(zip(table["meter"].to_pylist(), table["model"].to_pylist(), strict=True))
        return found

    def _gateways(self, now_s: float) -> None:
        for area, socket in self.settings.areas.items():
            states, lines = _fetch(socket, "gateways"), _fetch(socket, "lines")
            if states is not None:
                self.boards.write(gateway_points(area, states, now_s), int(now_s))
            if lines is not None:
                self.boards.write(line_points(lines), int(now_s))


def run(settings: MirrorSettings) -> None:
    """Be the mirror until SIGTERM or SIGINT. Raises Problem for what it cannot be started with."""
    ending = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ending.set()

    mirror = Mirror(settings)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    mirror.start()
    LOG.info("mirror started boards=%s areas=%s", settings.influx.url, ",".join(settings.areas))
    ending.wait()
    mirror.stop()
    LOG.info("mirror ended")


def _fetch(socket: Path, table: str) -> pa.Table | None:
    """None where the area does not answer: what it would say is missing then."""
    try:
        return fetch_table(socket, table)
    except StoreUnavailable:
        return None


def _usage(areas: Mapping[str, Path]) -> dict[str, AskUsage]:
    def ask(socket: Path, meter: str, start_s: int, end_s: int) -> pa.Table:
        return fetch_table(socket, "usage", USAGE_TIMEOUT_S, meter=meter, start=start_s, end=end_s)

    return {name: partial(ask, socket) for name, socket in areas.items()}
