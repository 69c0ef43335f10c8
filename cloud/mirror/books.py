"""Totals into the boards' database: whatever changed in the files is made equal there, the newest day first.

Nothing is remembered over a restart: what InfluxDB has is compared with what there should be.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from cloud.metering.codes import DAY_S, SEOUL_S
from cloud.metering.factors import EPOCH
from cloud.mirror.points import Sheet
from cloud.mirror.settings import SLOT_DAYS
from cloud.mirror.sums import Span
from cloud.mirror.writing import Boards
from cloud.store.parquet import Files, day_name, read_manifest
from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem

LOG = logging.getLogger(__name__)

EVERY_S = 5.0
AWAY = 3  # spans that were not answered: there is no use in asking for all the others

Version = tuple[str, ...]  # names of files: other names are other content
Spans = dict[Span, Version]


@dataclass
class Books:
    """`turn` mirrors what changed since the last one; at first, all that is not there yet. `sheets` makes what there
    should be of a span, and `name` says in the log what it is.
    """

    name: str
    folders: Sequence[Path]
    history_days: int
    sheets: Callable[[Span], Iterable[Sheet]]
    _seen: Spans = field(default_factory=dict)
    _outages: int = 0

    def turn(self, boards: Boards, going: Callable[[], bool], now_s: float) -> None:
        """Raises StoreUnavailable or Problem, the first of several; the next turn goes on from there. A span that
        cannot be told keeps back no other.
        """
        due = self._due(boards, int(now_s + SEOUL_S) // DAY_S)
        failures: list[StoreUnavailable | Problem] = []
        for done, (span, version) in enumerate(due):
            if not going():
                return
            try:
                self._tell(span, boards, len(due) - done - 1)
            except Problem as problem:
                failures.append(problem)
            except StoreUnavailable as unavailable:
                failures.append(unavailable)
                if not boards.available or sum(isinstance(one, StoreUnavailable) for one in failures) >= AWAY:
                    break
            else:
                self._seen[span] = version
        if failures:
            raise failures[0]

    def _due(self, boards: Boards, today: int) -> list[tuple[Span, Version]]:
        if boards.outages != self._outages:  # it may have come back empty
            self._outages, self._seen = boards.outages, {}
        there = self._there(today)
        due = [(span, version) for span, version in there.items() if self._seen.get(span) != version]
        return sorted(due, key=lambda one: (one[0].daily, -one[0].first))

    def _tell(self, span: Span, boards: Boards, left: int) -> None:
        began_s = time.monotonic()
        written = sum(boards.make_equal(sheet) for sheet in self.sheets(span))
        if written:
            about = (self.name, day_name(span.first), span.daily, written, time.monotonic() - began_s, left)
            LOG.info("mirrored what=%s from=%s daily=%s points=%d took_s=%.2f left=%d", *about)

    def _there(self, today: int) -> Spans:
        """What there is: the slots and the sums of each of the last days, and of the months before them. A day that
        was there and is gone has no file.
        """
        try:
            manifests = {folder.name: read_manifest(folder) for folder in self.folders}
        except OSError as error:
            raise StoreUnavailable(f"totals: {error}") from error
        recent, oldest = today - SLOT_DAYS + 1, today - self.history_days + 1
        slots = _versions({area: manifest.slots for area, manifest in manifests.items()}, _day)
        months = _versions({area: manifest.days for area, manifest in manifests.items()}, _month)
        there = {span: version for span, version in slots.items() if span.first >= recent}
        there |= {replace(span, daily=True): version for span, version in there.items()}
        there |= {
            # older than the database keeps would be refused by it
            replace(span, first=max(span.first, oldest), end=min(span.end, recent)): version
            for span, version in months.items()
            if max(span.first, oldest) < min(span.end, recent)
        }
        return dict.fromkeys((span for span in self._seen if span.first >= recent), ()) | there


def _versions(periods: Mapping[str, Mapping[str, Files]], span_of: Callable[[str], Span]) -> Spans:
    found: Spans = {}
    for area, files in periods.items():
        for period, names in files.items():
            span = span_of(period)
            found[span] = (*found.get(span, ()), f"{area}/{names.atoms}")
    return found


def _day(period: str) -> Span:
    first = (date.fromisoformat(period) - EPOCH).days
    return Span(first, first + 1, daily=False)


def _month(period: str) -> Span:
    first = date.fromisoformat(f"{period}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Span((first - EPOCH).days, (following - EPOCH).days, daily=True)
