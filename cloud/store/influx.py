"""Readings in InfluxDB; series, ledger and quarantine stay in the area's DuckDB file."""

import itertools
import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.store import lines
from cloud.store.duck import DuckStore
from cloud.store.file import AreaFile
from cloud.store.influx_http import InfluxConnection, InfluxSettings, Refused
from cloud.store.influx_rows import read_rows
from cloud.store.lines import safe_name
from cloud.store.protocol import APPEND, QUARANTINE, Commit, StoreUnavailable, origins_of
from contract.quality import REASON_OF
from contract.refusals import STORE_REFUSED

log = logging.getLogger(__name__)

POST_LINES = 5000
NAMED_SERIES = 500  # more than these are not asked for by name
SEARCH_POSTS = 256  # for what InfluxDB refuses of one post; what is not found by then is refused with its neighbours


class InfluxStore:
    """A Store (`cloud.store.protocol`): an InfluxDB and, for all but the readings, the area's own file.

    InfluxDB is asked nothing before the first call; `check` says early whether it will do.
    """

    def __init__(self, settings: InfluxSettings, area: DuckStore) -> None:
        self._influx, self._area = InfluxConnection(settings), area
        self.settled, self.days = area.settled, area.days
        self._posting = ThreadPoolExecutor(settings.connections, "influx-write")
        self._committing = threading.Lock()
        self._heads = pa.array([""], pa.string())  # the beginning of each line, by the number of the series

    def check(self) -> None:
        """Raise Problem if this InfluxDB will not do, StoreUnavailable if it is away."""
        self._influx.check()

    @property
    def file(self) -> AreaFile:
        """The area's file, for who copies it."""
        return self._area.file

    def earliest_s(self) -> int | None:
        """The time of the earliest reading. Raises StoreUnavailable."""
        return earliest_s(self._influx, self._area.picked(None, None).column("quantity").unique().to_pylist())

    def load(self, readings: pa.Table) -> None:
        """Write readings (APPEND) of which the books know already: those of a backup. Raises StoreUnavailable."""
        if self._post(readings):
            raise StoreUnavailable("InfluxDB refuses readings that it once took")

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        """See Store."""
        return self._area.series(meters, quantities)

    def commit(self, commit: Commit) -> Sequence[int]:
        """See Store. The books come after the readings: what they call delivered is."""
        with self._committing:
            # whoever settles between the writing and the books finds a mark, and after both another one
            self._area.mark_late(commit.readings)
            refused = self._post(commit.readings) if commit.readings.num_rows else []
            quarantine = commit.quarantine
            if refused:
                quarantine = pa.concat_tables([quarantine, self._to_quarantine(commit, refused)])
            books = replace(commit, readings=APPEND.empty_table(), quarantine=quarantine)
            self._area.commit_books(books, commit.readings, token=commit)
            return refused

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        """See Rows."""
        picked = self._area.picked(meters, quantities)
        return read_rows(self._influx, picked, start_s, end_s, by_meter=meters is not None)

    def numbered(self, start_s: int, end_s: int, series: npt.NDArray[np.int32]) -> pa.Table:
        """See Store; of each identity only the latest arrival is left."""
        picked = self._area.picked(None, None)
        picked = picked.filter(pc.is_in(picked["series"], pa.array(series)))
        picked = picked.set_column(
            picked.schema.get_field_index("place"), "place", pa.array(range(picked.num_rows), pa.int32())
        )
        rows = read_rows(self._influx, picked, start_s, end_s, by_meter=picked.num_rows <= NAMED_SERIES)
        return rows.join(picked, ["meter", "quantity"], join_type="inner").select(APPEND.names).cast(APPEND)

    def ledger(self) -> pa.Table:
        """See Store."""
        return self._area.ledger()

    def spans(self) -> pa.Table:
        """See Store."""
        return self._area.spans()

    def quarantined(self, gateway: str | None = None, reason: str | None = None, limit: int = 1000) -> pa.Table:
        """See Store."""
        return self._area.quarantined(gateway, reason, limit)

    def quarantine_counts(self) -> pa.Table:
        """See Store."""
        return self._area.quarantine_counts()

    def close(self) -> None:
        """See Store; the area's file is closed as well."""
        self._posting.shutdown()
        self._influx.close()
        self._area.close()

    def _post(self, readings: pa.Table) -> list[int]:
        """All readings to InfluxDB, several posts at a time; the rows that it refuses, ascending."""
        last = lines.last_of_each(readings)
        if last is not None:
            readings = readings.take(pa.array(last))
        self._know_heads(int(readings.column("series").to_numpy().max()))
        posts = []
        for at in range(0, readings.num_rows, POST_LINES):
            # while this post is under way, the next one's lines are made
            text = lines.line_protocol(self._heads, readings.slice(at, POST_LINES))
            posts.append(self._posting.submit(self._refused, text, at))
        wait(posts)  # all of them: nothing of this commit may arrive after a later one
        refused = [at for post in posts for at in post.result()]
        return refused if last is None else last[refused].tolist()

    def _refused(self, text: pa.StringArray, at: int) -> list[int]:
        """Write the lines; the positions of those that InfluxDB refuses, ascending, counted from `at`."""
        refused: list[int] = []
        waiting = [(text, np.arange(at, at + len(text)))]
        for posts in itertools.count(1):
            piece, places = waiting.pop()
            found = self._count_refused(piece) if posts <= SEARCH_POSTS else len(piece)
            if found == len(piece):
                refused += places.tolist()
            elif found is None:
                waiting += _halves(piece, places, in_order=posts > 1)
            if not waiting:
                break
        if refused:
            example = text[min(refused) - at].as_py()
            log.warning("store refused lines=%d of=%d posts=%d example=%r", len(refused), len(text), posts, example)
        return sorted(refused)

    def _count_refused(self, text: pa.StringArray) -> int | None:
        """Write the lines; how many InfluxDB refuses: none, all, or None where that is to be found by halves."""
        try:
            self._influx.write(lines.body(text))
        except Refused as error:
            log.debug("store refused lines=%d answer=%r", len(text), str(error))
            return len(text) if error.dropped == len(text) or len(text) == 1 else None
        return 0

    def _know_heads(self, number: int) -> None:
        if number < len(self._heads):
            return
        new = self._area.series_from(len(self._heads))
        meters, quantities = new.column("meter").to_pylist(), new.column("quantity").to_pylist()
        heads = [lines.head(meter, quantity) for meter, quantity in zip(meters, quantities, strict=True)]
        self._heads = pa.concat_arrays([self._heads, pa.array(heads, pa.string())])

    def _to_quarantine(self, commit: Commit, refused: list[int]) -> pa.Table:
        """QUARANTINE: these rows of the readings, each so that it can be replayed."""
        readings, origins = commit.readings.take(refused), origins_of(commit, refused)
        series = self._area.series_from(0).take(pc.subtract(readings.column("series"), 1))
        rows = zip(
            readings.to_pylist(), *(series.column(name).to_pylist() for name in ("meter", "quantity")), strict=True
        )
        gateways, batches = (origins.column(name) for name in ("gateway", "batch"))
        columns = [[time.time()] * len(refused), gateways, batches, [STORE_REFUSED] * len(refused)]
        return pa.table([*columns, [_senml(*row) for row in rows]], schema=QUARANTINE)


def earliest_s(influx: InfluxConnection, quantities: Sequence[str]) -> int | None:
    """The time of the earliest reading of these. Raises StoreUnavailable, Problem."""
    # InfluxQL's bind parameters are not portable; no name passes safe_name that would end the quotes
    queries = [f'SELECT first("quality") FROM "{safe_name(name)}"' for name in quantities]  # noqa: S608  # as said above
    found = [influx.first_s(query) for query in queries]
    return min((first_s for first_s in found if first_s is not None), default=None)


def _halves(
    text: pa.StringArray, places: npt.NDArray[np.int64], *, in_order: bool
) -> list[tuple[pa.StringArray, npt.NDArray[np.int64]]]:
    """The lines in two, those of one measurement together: what is wrong with it is then found in few posts."""
    if not in_order:
        order = pc.array_sort_indices(text)
        text, places = text.take(order), places[order.to_numpy()]
    half = len(text) // 2
    return [(text[:half], places[:half]), (text[half:], places[half:])]


def _senml(row: dict[str, Any], meter: str, quantity: str) -> str:
    record = {"n": f"{meter}/{quantity}", "t": row["time_s"], "at": row["at_ms"] / 1000}
    if row["value"] is None:
        return json.dumps(record | {"vs": REASON_OF[row["quality"]]})
    return json.dumps(record | {"v": row["value"], "q": row["quality"]})
