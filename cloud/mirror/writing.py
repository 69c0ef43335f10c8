"""Points into InfluxDB, and what InfluxDB has: it is asked what is there, so that nothing need be remembered."""

import io
import logging
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv

from cloud.mirror.metrics import Metrics
from cloud.mirror.points import Point, Sheet, different, emptied, few, many, outside
from cloud.store.influx_http import InfluxConnection, Refused
from cloud.store.lines import any_of, body
from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem

LOG = logging.getLogger(__name__)

POST_LINES = 10_000
READ_TYPES = {"tags": pa.string(), "time": pa.int64()}


class Boards:
    """The boards' database. Any thread may call. All but `check` raise StoreUnavailable, whatever kept them."""

    def __init__(self, influx: InfluxConnection, metrics: Metrics) -> None:
        self._influx, self.metrics = influx, metrics
        self._lock = threading.Lock()
        self._refused: set[str] = set()  # measurements of which lines were refused, each said once
        self.available = True
        self.outages = 0  # after each, what was there may be gone

    @property
    def refused(self) -> list[str]:
        """The measurements of which lines were refused: they lack points, until the mirror is started again."""
        with self._lock:
            return sorted(self._refused)

    def write(self, points: Iterable[Point], time_s: int) -> None:
        """A handful, of one moment."""
        lines = few(points, time_s)
        if lines:
            self._post(lines, lines.count(b"\n"))

    def write_rows(self, measurement: str, rows: pa.Table) -> None:
        """As many as there are."""
        for at in range(0, rows.num_rows, POST_LINES):
            lines = many(measurement, rows.slice(at, POST_LINES))
            if len(lines):
                self._post(body(lines), len(lines))

    def make_equal(self, sheet: Sheet) -> int:
        """Write what is not there as it should be, and take the value from what should not be there; how many."""
        changed, gone = different(sheet.rows, self._there(sheet))
        gone = outside(gone, sheet.elsewhere)
        self.write_rows(sheet.measurement, changed)
        if gone.num_rows:
            self.write_rows(sheet.measurement, emptied(gone))
        return len(changed) + len(gone)

    def carry_out(self, statement: str) -> None:
        """InfluxQL that changes something."""
        with self._told():
            self._influx.carry_out(statement)

    def _there(self, sheet: Sheet) -> pa.Table:
        """What is there of the sheet, by its columns."""
        fields = [field for field in sheet.rows.schema if field.name not in ("tags", "time_s")]
        names = ", ".join(f'"{field.name}"' for field in fields)
        tags = ", ".join(f'"{name}"' for name in sheet.tags)
        # InfluxQL's bind parameters are not portable; all words in here are our own
        query = (
            f'SELECT {names} FROM "{sheet.measurement}" WHERE time >= {sheet.start_s}s AND time < {sheet.end_s}s'  # noqa: S608
            f" AND {any_of('level', sheet.levels)} GROUP BY {tags}"
        )
        csv = self._ask(query)
        if not csv:
            return sheet.rows.slice(0, 0)
        types = READ_TYPES | {field.name: field.type for field in fields}
        options = pyarrow.csv.ConvertOptions(include_columns=list(types), column_types=types, strings_can_be_null=False)
        try:
            found = pyarrow.csv.read_csv(io.BytesIO(csv), convert_options=options)
        except (pa.ArrowInvalid, KeyError) as error:
            # somebody else wrote there: all is written again, and what will not do is refused by name
            LOG.warning("boards unreadable measurement=%s why=%r", sheet.measurement, str(error))
            return sheet.rows.slice(0, 0)
        return found.rename_columns(["tags", "time_s", *(field.name for field in fields)])

    def _ask(self, query: str) -> bytes:
        with self._told():
            return self._influx.csv(query)

    def _post(self, lines: bytes | memoryview, count: int) -> None:
        began_s = time.monotonic()
        try:
            with self._told():
                self._influx.write(lines)
        except Refused as refused:
            self._tell(lines, refused)
            return
        if not self.available:
            LOG.info("boards available")
        self.available = True
        self.metrics.write_s.observe(time.monotonic() - began_s)
        self.metrics.points.inc(count)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raises StoreUnavailable for whatever kept InfluxDB."""
        try:
            yield
        except Problem as problem:  # settings that were good once: a password or a database that is gone
            raise self._away(StoreUnavailable(problem.text.en)) from problem
        except StoreUnavailable as unavailable:
            raise self._away(unavailable) from unavailable

    def _away(self, unavailable: StoreUnavailable) -> StoreUnavailable:
        if self.available:
            LOG.warning("boards unavailable why=%r", str(unavailable))
            self.outages += 1
        self.available = False
        self.metrics.errors.inc()
        return unavailable

    def _tell(self, lines: bytes | memoryview, refused: Refused) -> None:
        """InfluxDB took the other lines of the post; those refused would be refused again."""
        self.metrics.errors.inc()
        named = re.search(r'on measurement \\*"([^"\\]+)', str(refused))
        measurement = named[1] if named else bytes(lines[:200]).partition(b",")[0].decode("utf-8", "replace")
        with self._lock:
            new = measurement not in self._refused
            self._refused.add(measurement)
        if new:
            LOG.error("boards refused measurement=%s dropped=%s why=%r", measurement, refused.dropped, str(refused))
