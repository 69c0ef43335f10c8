"""The jobs of the fleet, of the platform and of quality: each asks, and writes what it was told."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import urllib3
from prometheus_client import generate_latest

from cloud.mirror import platform
from cloud.mirror.broker import BrokerState
from cloud.mirror.gateways import gateway_points, line_points, online
from cloud.mirror.jobs import each_of
from cloud.mirror.metrics import Metrics
from cloud.mirror.quality import EVERY_S as QUALITY_EVERY_S
from cloud.mirror.quality import finding_points, grade_points, is_judged
from cloud.mirror.scraping import Answer, Change, Samples, ask, parse
from cloud.mirror.writing import Boards
from cloud.store.flight import fetch_table
from cloud.store.protocol import StoreUnavailable

OWN = "mirror"


def fetch(socket: Path, table: str) -> pa.Table | None:
    """None where the area does not answer: what it would say is missing then."""
    try:
        return fetch_table(socket, table)
    except StoreUnavailable:
        return None


def watch_gateways(boards: Boards, areas: Mapping[str, Path], now_s: float) -> None:
    """Of all areas."""
    for area, socket in areas.items():
        states, lines = fetch(socket, "gateways"), fetch(socket, "lines")
        if states is not None:
            boards.write(gateway_points(area, states, now_s), int(now_s))
        if states is not None and lines is not None:
            boards.write(line_points(lines, online(states, now_s)), int(now_s))


class Quality:
    """Asks every area now and then; soon again until its last day is settled and the day before judged."""

    def __init__(self) -> None:
        self._due_s: dict[str, float] = {}

    def turn(self, boards: Boards, areas: Mapping[str, Path], now_s: float) -> None:
        """Of all areas. Raises StoreUnavailable where one does not answer, so that it is asked again soon."""
        due = [area for area in areas if now_s >= self._due_s.get(area, 0.0)]
        each_of(due, lambda area: self._ask(boards, area, areas[area], now_s))

    def _ask(self, boards: Boards, area: str, socket: Path, now_s: float) -> None:
        grades = list(grade_points(area, socket, now_s))
        boards.write(grades, int(now_s))
        for day_s, point in finding_points(area, socket, now_s):
            boards.write([point], day_s)
        if grades and is_judged(socket, now_s):
            self._due_s[area] = now_s + QUALITY_EVERY_S


class Platform:
    """Remembers what each service said last, so that there is something to compare with."""

    def __init__(self, scrape: Mapping[str, str], disks: Mapping[str, Path], metrics: Metrics) -> None:
        self._scrape, self._disks, self._metrics = scrape, disks, metrics
        self._pool = urllib3.PoolManager(num_pools=len(scrape) + 1)
        self._before: dict[str, Samples] = {}

    def turn(
        self,
        boards: Boards,
        areas: Mapping[str, Path],
        own: Callable[[], tuple[list[str], int | None, BrokerState | None]],
        now_s: float,
    ) -> None:
        """`own` gives what is not well with the mirror itself, its newest slot's end, and the broker."""
        problems, newest_s, broker = own()
        points = list(platform.disk_points(self._disks))
        for service, url in self._scrape.items():
            answer = ask(self._pool, url, time.time())
            points.append(platform.service_point(service, answer, now_s))
            if answer.samples.totals:
                points += platform.figures(service, self._change(service, answer.samples))
        for area, socket in areas.items():
            table = fetch(socket, "settle")
            if table is not None:
                points.append(platform.settle_point(area, table, now_s))
        samples = parse(generate_latest(self._metrics.registry).decode(), time.time())
        points.append(platform.mirror_point(self._change(OWN, samples), newest_s, now_s))
        points.append(platform.service_point(OWN, Answer(True, not problems, "; ".join(problems), samples), now_s))
        said = broker.point() if broker is not None else None
        boards.write([*points, said] if said is not None else points, int(now_s))

    def _change(self, service: str, samples: Samples) -> Change:
        before = self._before.get(service)
        self._before[service] = samples
        return Change(before, samples)
