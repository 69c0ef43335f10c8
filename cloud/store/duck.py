"""Readings in the area's own DuckDB file: the default store, with nothing to install and nothing to run."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store import books
from cloud.store.days import Days
from cloud.store.file import AreaFile
from cloud.store.protocol import APPEND, ROWS, Commit
from cloud.store.settled import Settled, is_late, mark_late
from contract.quantities import QUANTITIES

_REGISTERS = [name for name, quantity in QUANTITIES.items() if quantity.kind == "register"]

# sums differ from counts where an identity came with another value, quality or moment than before
_COUNTS = """
    SELECT coalesce(sum(n), 0)::BIGINT, count(*), count(*) FILTER (WHERE different > 1) FROM (
        SELECT count(*) AS n, count(DISTINCT (value, quality)) AS different
        FROM readings WHERE time_s >= ? AND time_s < ? GROUP BY series, time_s)"""
# What a slot was settled from stays where its registers at both bounds would not give the same again: where it was
# not measured plainly, or does not begin or end with a reading.
_FORGET_TICKS = """
    WITH needed AS (
        SELECT series, slot_s FROM usage
            WHERE slot_s >= $from_s - 900 AND slot_s < $to_s AND (grade != 0 OR flags != 0)
        UNION SELECT series, slot_s FROM edges WHERE slot_s >= $from_s - 900 AND slot_s < $to_s
        UNION SELECT series, slot_s + 900 FROM edges WHERE slot_s >= $from_s - 1800 AND slot_s < $to_s)
    DELETE FROM readings WHERE time_s >= $from_s AND time_s < $to_s
        AND NOT (time_s % 900 = 0
            AND series IN (SELECT series FROM series WHERE quantity IN (SELECT unnest($registers))))
        AND (series, (time_s - 1) // 900 * 900) NOT IN (SELECT (series, slot_s) FROM needed)"""
# in the order of insertion, which is that of arrival
_NUMBERED = """
    SELECT series, time_s, value, quality, at_ms FROM readings
    WHERE time_s >= $start_s AND time_s < $end_s AND series BETWEEN $first AND $last"""
DENSE = 4  # where more than one in so many numbers is asked for, a range is cheaper than a list
_ROWS = """
    SELECT place, time_s, value, quality, at_ms FROM readings JOIN picked USING (series)
    WHERE time_s >= $start_s AND time_s < $end_s ORDER BY place, time_s, arrival, readings.rowid"""


class Counts(NamedTuple):
    """What the table of readings holds: rows, identities, and identities that came with differing values."""

    rows: int
    identities: int
    conflicts: int


class DuckStore:
    """A Store (`cloud.store.protocol`) whose readings are in the area's file.

    `quarantine_rows` and `quarantine_bytes` are each gateway's share of the quarantine. For `min_free_bytes` see
    AreaFile.
    """

    def __init__(
        self,
        path: Path,
        quarantine_rows: int = 10_000,
        quarantine_bytes: int = 64_000_000,
        min_free_bytes: int = 0,
    ) -> None:
        self._file = AreaFile(path, min_free_bytes)
        self._share = (quarantine_rows, quarantine_bytes)
        self.settled = Settled(self._file)
        self.days = Days(self._file)

    @property
    def file(self) -> AreaFile:
        """The area's file, for who copies it."""
        return self._file

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        """See Store."""
        while True:
            with self._file.reading() as connection:
                found = books.find_series(connection, meters, quantities)
            if found is not None:
                return found
            self._file.write(None, lambda writer, _: books.add_series(writer, meters, quantities))

    def commit(self, commit: Commit) -> Sequence[int]:
        """See Store. This one takes every reading."""
        self._file.write(commit, lambda writer, number: self._write(writer, number, commit))
        return ()

    def commit_books(self, commit: Commit, late: pa.Table, token: object) -> None:
        """Everything but the readings, for a store that has these elsewhere; a retry gives the same `token`. Of `late`
        (APPEND) is marked what it changes.
        """

        def work(writer: duckdb.DuckDBPyConnection, _: int) -> None:
            mark_late(writer, late)
            books.write_books(writer, commit, self._share)

        self._file.write(token, work)

    def mark_late(self, readings: pa.Table) -> None:
        """Mark what these readings (APPEND), which are about to be written elsewhere, change."""
        if is_late(readings, self.settled.progress().closed_s):
            self._file.write(None, lambda writer, _: mark_late(writer, readings))

    def _write(self, writer: duckdb.DuckDBPyConnection, number: int, commit: Commit) -> None:
        if commit.readings.num_rows:
            statement = "INSERT INTO readings SELECT series, time_s, ?, value, quality, at_ms FROM given"
            books.run(writer, statement, commit.readings, number)
            mark_late(writer, commit.readings)
        books.write_books(writer, commit, self._share)

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        """See Rows."""
        with self._file.reading() as connection:
            picked = books.pick_series(connection, meters, quantities)
            connection.register("picked", picked)
            found = connection.sql(_ROWS, params={"start_s": start_s, "end_s": end_s}).to_arrow_table()
        return _last_of_each(found, picked)

    def numbered(self, start_s: int, end_s: int, series: npt.NDArray[np.int32]) -> pa.Table:
        """See Store."""
        if not len(series):
            return APPEND.empty_table()
        bounds = {"start_s": start_s, "end_s": end_s, "first": int(series.min()), "last": int(series.max())}
        query = _NUMBERED
        with self._file.reading() as connection:
            if len(series) * DENSE < bounds["last"] - bounds["first"] + 1:
                connection.register("asked", pa.table({"series": series}))
                query += " AND series IN (SELECT series FROM asked)"
            return connection.sql(query, params=bounds).to_arrow_table().cast(APPEND)

    def picked(self, meters: Sequence[str] | None, quantities: Sequence[str] | None) -> pa.Table:
        """The series asked for: series, meter, quantity, place; ordered by meter and quantity, as `place` counts."""
        with self._file.reading() as connection:
            return books.pick_series(connection, meters, quantities)

    def series_from(self, number: int) -> pa.Table:
        """All series from that number on, by number: series, meter, quantity."""
        with self._file.reading() as connection:
            return books.series_from(connection, number)

    def counts(self, start_s: int, end_s: int) -> Counts:
        """How many rows, identities and conflicts there are with start_s <= time_s < end_s."""
        with self._file.reading() as connection:
            ((rows, identities, conflicts),) = connection.execute(_COUNTS, [start_s, end_s]).fetchall()
        return Counts(rows, identities, conflicts)

    def forget_ticks(self, from_s: int, to_s: int) -> None:
        """Delete readings with from_s <= time_s < to_s that no slot needs any more: but registers at slot bounds, and
        what an estimate or a warning rests on.
        """
        limits = {"from_s": from_s, "to_s": to_s, "registers": _REGISTERS}
        self._file.write(None, lambda writer, _: _run(writer, _FORGET_TICKS, limits))

    def forget_before(self, time_s: int) -> None:
        """Delete all readings from before that time."""
        limits: dict[str, object] = {"time_s": time_s}
        statement = "DELETE FROM readings WHERE time_s < $time_s"
        self._file.write(None, lambda writer, _: _run(writer, statement, limits))

    def ledger(self) -> pa.Table:
        """See Store."""
        with self._file.reading() as connection:
            return books.ledger(connection)

    def spans(self) -> pa.Table:
        """See Store."""
        with self._file.reading() as connection:
            return books.spans(connection)

    def quarantined(self, gateway: str | None = None, reason: str | None = None, limit: int = 1000) -> pa.Table:
        """See Store."""
        with self._file.reading() as connection:
            return books.quarantined(connection, gateway, reason, limit)

    def quarantine_counts(self) -> pa.Table:
        """See Store."""
        with self._file.reading() as connection:
            return books.quarantine_counts(connection)

    def close(self) -> None:
        """See Store."""
        self._file.close()


def _run(connection: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, object]) -> None:
    connection.execute(statement, parameters)


def _last_of_each(found: pa.Table, picked: pa.Table) -> pa.Table:
    """ROWS from rows sorted by place, time and arrival: the last of each (place, time)."""
    place, time_s = found.column("place").to_numpy(), found.column("time_s").to_numpy()
    last = np.ones(len(place), bool)
    last[:-1] = (place[1:] != place[:-1]) | (time_s[1:] != time_s[:-1])
    if not last.all():
        found = found.filter(pa.array(last))
    at = found.column("place")
    columns = [picked.column("meter").take(at), picked.column("quantity").take(at)]
    columns += [found.column(name) for name in ("time_s", "value", "quality", "at_ms")]
    return pa.table(columns, ROWS.names).cast(ROWS)
