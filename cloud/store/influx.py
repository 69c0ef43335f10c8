"""Readings in InfluxDB; series, ledger and quarantine stay in the area's DuckDB file."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store import lines
from cloud.store.duck import DuckStore
from cloud.store.influx_http import InfluxConnection, InfluxSettings, Refused
from cloud.store.influx_rows import read_rows
from cloud.store.protocol import APPEND, QUARANTINE, Commit
from contract.quality import REASON_OF
from contract.refusals import STORE_REFUSED

log = logging.getLogger(__name__)

POST_LINES = 5000


class InfluxStore:
    """A Store (`cloud.store.protocol`): an InfluxDB and, for all but the readings, the area's own file.

    InfluxDB is asked nothing before the first call; `check` says early whether it will do.
    """

    def __init__(self, settings: InfluxSettings, area: DuckStore) -> None:
        self._influx, self._area = InfluxConnection(settings), area
        self._posting = ThreadPoolExecutor(settings.connections, "influx-write")
        self._committing = threading.Lock()
        self._heads = pa.array([""], pa.string())  # the beginning of each line, by the number of the series

    def check(self) -> None:
        """Raise Problem if this InfluxDB will not do, StoreUnavailable if it is away."""
        self._influx.check()

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        """See Store."""
        return self._area.series(meters, quantities)

    def commit(self, commit: Commit) -> None:
        """See Store. The books come after the readings: what they call delivered is."""
        with self._committing:
            refused = self._post(lines.last_of_each(commit.readings)) if commit.readings.num_rows else []
            quarantine = commit.quarantine
            if refused:
                quarantine = pa.concat_tables([quarantine, pa.Table.from_pylist(refused, QUARANTINE)])
            books = Commit(APPEND.empty_table(), commit.ledger, quarantine, commit.spans, commit.released)
            self._area.commit_books(books, token=commit)

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

    def _post(self, readings: pa.Table) -> list[dict[str, object]]:
        """All readings to InfluxDB, several posts at a time; those that it refuses, as rows of QUARANTINE."""
        self._know_heads(int(readings.column("series").to_numpy().max()))
        posts = []
        for at in range(0, readings.num_rows, POST_LINES):
            # while this post is under way, the next one's lines are made
            text = lines.line_protocol(self._heads, readings.slice(at, POST_LINES))
            posts.append(self._posting.submit(self._refused, text, at))
        wait(posts)  # all of them: nothing of this commit may arrive after a later one
        refused = [at for post in posts for at in post.result()]
        return self._to_quarantine(readings.take(refused)) if refused else []

    def _refused(self, text: pa.StringArray, at: int) -> list[int]:
        """Write the lines; the positions of those that InfluxDB refuses, found by halves, counted from `at`."""
        try:
            self._influx.write(lines.body(text))
        except Refused as error:
            if len(text) == 1:
                log.warning("store refused line=%r answer=%r", text[0].as_py(), str(error))
                return [at]
            half = len(text) // 2
            return self._refused(text[:half], at) + self._refused(text[half:], at + half)
        return []

    def _know_heads(self, number: int) -> None:
        if number < len(self._heads):
            return
        new = self._area.series_from(len(self._heads))
        meters, quantities = new.column("meter").to_pylist(), new.column("quantity").to_pylist()
        heads = [lines.head(meter, quantity) for meter, quantity in zip(meters, quantities, strict=True)]
        self._heads = pa.concat_arrays([self._heads, pa.array(heads, pa.string())])

    def _to_quarantine(self, readings: pa.Table) -> list[dict[str, object]]:
        names = self._area.series_from(0)
        now_s = time.time()
        return [
            {
                "arrived_s": now_s,
                "gateway": "",
                "batch": "",
                "reason": STORE_REFUSED,
                "record": json.dumps(_senml(names.slice(row["series"] - 1, 1).to_pylist()[0], row)),
            }
            for row in readings.to_pylist()
        ]


def _senml(series: dict[str, str], row: dict[str, Any]) -> dict[str, object]:
    record = {"n": f"{series['meter']}/{series['quantity']}", "t": row["time_s"], "at": row["at_ms"] / 1000}
    if row["value"] is None:
        return record | {"vs": REASON_OF[row["quality"]]}
    return record | {"v": row["value"], "q": row["quality"]}
