"""What settling keeps in the area's file: usage, what is carried over each slot's end, marks, edits and seals.

Nothing here judges. All writing goes through the area's one writer; rows of a slot that was begun and not finished
are dropped when it is begun again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.store.books import run
from cloud.store.days import forget_judged, mark_changed
from cloud.store.file import AreaFile
from contract.quantities import QUANTITIES

# `milli` is null where the grade says that there is no value.
USAGE = pa.schema(
    [
        ("slot_s", pa.int64()),
        ("series", pa.int32()),
        ("milli", pa.int64()),
        ("grade", pa.uint8()),
        ("flags", pa.uint32()),
    ]
)

# What a register carries over the end of a slot where it is not a reading at that very moment.
EDGES = pa.schema(
    [
        ("slot_s", pa.int64()),
        ("series", pa.int32()),
        ("time_s", pa.int64()),
        ("value", pa.float64()),
        ("part_milli", pa.int64()),
    ]
)  # part_milli is null where it is not known

# Slots from_s <= slot_s < to_s of a series are to be settled again; series 0: only what is summed of them.
MARKS = pa.schema([("series", pa.int32()), ("from_s", pa.int64()), ("to_s", pa.int64())])

EDITS = pa.schema(
    [
        ("id", pa.int64()),
        ("series", pa.int32()),
        ("slot_s", pa.int64()),
        ("milli", pa.int64()),
        ("reason", pa.string()),
        ("who", pa.string()),
        ("at_s", pa.int64()),
    ]
)

_REGISTERS = [name for name, quantity in QUANTITIES.items() if quantity.kind == "register"]
# a reading at a bound ends one slot and begins the next
_MARK_LATE = """
    INSERT INTO dirty
    SELECT (SELECT marks + 1 FROM settling), series, (time_s - 1) // 900 * 900 AS from_s,
        from_s + 900 + 900 * max((time_s % 900 = 0)::INTEGER)
    FROM given SEMI JOIN (SELECT series FROM series WHERE quantity IN (SELECT unnest(?))) USING (series)
    WHERE time_s <= (SELECT closed_s FROM settling) GROUP BY series, from_s"""


Work = Callable[[duckdb.DuckDBPyConnection], object]


def is_late(readings: pa.Table, closed_s: int | None) -> bool:
    """Whether any of these readings (APPEND) lies in a slot that is closed."""
    return closed_s is not None and readings.num_rows > 0 and pc.min(readings["time_s"]).as_py() <= closed_s


def mark_late(connection: duckdb.DuckDBPyConnection, readings: pa.Table) -> None:
    """Within a transaction: mark what of these readings (APPEND) lies in slots that are closed."""
    ((closed_s,),) = connection.execute("SELECT closed_s FROM settling").fetchall()
    if not is_late(readings, closed_s):
        return
    connection.register("given", readings)
    connection.execute(_MARK_LATE, [_REGISTERS])
    connection.execute("UPDATE settling SET marks = marks + 1")
    connection.unregister("given")


@dataclass(frozen=True)
class Progress:
    """Slots before `settled_s` are settled, readings until `closed_s` mark what they change; None before the first."""

    first_s: int | None
    closed_s: int | None
    settled_s: int | None
    registry: str


@dataclass(frozen=True)
class Batch:
    """What one settling makes durable together. `usage` and `edges` replace all rows of theirs that have the same slot
    and series; an edge with a null time only removes. `removed`: series that have nothing in that slot any more.
    `marks_done`: marks up to that number are dealt with.
    """

    usage: pa.Table
    edges: pa.Table
    stale: Sequence[int] = ()
    removed: tuple[int, npt.NDArray[np.int32]] | None = None
    marks_done: int = 0
    settled_s: int | None = None
    marks: pa.Table | None = None
    registry: str | None = None


class Settled:
    """Any thread of the owning process may call. Raises StoreUnavailable."""

    def __init__(self, file: AreaFile) -> None:
        self._file = file

    def progress(self) -> Progress:
        """How far settling is."""
        with self._file.reading() as connection:
            ((first_s, closed_s, settled_s, registry),) = connection.execute(
                "SELECT first_s, closed_s, settled_s, registry FROM settling"
            ).fetchall()
        return Progress(first_s, closed_s, settled_s, registry)

    def begin(self, first_s: int, registry: str) -> None:
        """Settle from this slot on; only before anything was settled."""
        statement = """UPDATE settling SET first_s = $first, closed_s = $first, settled_s = $first, registry = $registry
            WHERE first_s IS NULL"""
        self._write(lambda writer: writer.execute(statement, {"first": first_s, "registry": registry}))

    def close_until(self, end_s: int) -> None:
        """From now on, readings until `end_s` mark what they change; and drop what of a later slot was begun."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            writer.execute("UPDATE settling SET closed_s = greatest(closed_s, ?)", [end_s])
            for table in ("usage", "edges"):
                writer.execute(f"DELETE FROM {table} WHERE slot_s >= (SELECT settled_s FROM settling)")  # noqa: S608  # our own names

        self._write(work)

    def append(self, usage: pa.Table, edges: pa.Table) -> None:
        """Rows of the slot that is being settled; they count once `finish` has moved past it."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            _insert(writer, "usage", usage)
            _insert(writer, "edges", edges)

        self._write(work)

    def finish(self, batch: Batch) -> None:
        """All of `batch`, in one transaction."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            _write_rows(writer, batch)
            mark_changed(writer, _changed(batch), settled_before=batch.settled_s is None)
            if batch.marks_done:
                writer.execute("DELETE FROM dirty WHERE id <= ?", [batch.marks_done])
            if batch.marks is not None:
                _mark(writer, batch.marks)
            if batch.settled_s is not None:
                writer.execute("UPDATE settling SET settled_s = ?", [batch.settled_s])
            if batch.registry is not None:
                writer.execute("UPDATE settling SET registry = ?", [batch.registry])

        self._write(work)

    def marks(self) -> tuple[pa.Table, int]:
        """MARKS, each once, and the number up to which that is all of them."""
        with self._file.reading() as connection:
            ((last,),) = connection.execute("SELECT coalesce(max(id), 0) FROM dirty").fetchall()
            query = "SELECT DISTINCT series, from_s, to_s FROM dirty WHERE id <= $last"
            found = connection.sql(query, params={"last": last}).to_arrow_table().cast(MARKS)
        return found, last

    def usage(self, start_s: int, end_s: int, series: npt.NDArray[np.int32] | None = None) -> pa.Table:
        """USAGE of the slots start_s <= slot_s < end_s; of `series` or of all."""
        return self._rows("usage", USAGE, "slot_s >= $start AND slot_s < $end", (start_s, end_s), series)

    def usage_at(self, slots: Sequence[int], series: npt.NDArray[np.int32]) -> pa.Table:
        """USAGE of these slots and series."""
        if not slots:
            return USAGE.empty_table()
        inside = ", ".join(str(int(slot)) for slot in slots)
        return self._rows("usage", USAGE, f"slot_s >= $start AND slot_s <= $end AND slot_s IN ({inside})",
                          (min(slots), max(slots)), series)  # fmt: skip

    def edges(self, slot_s: int, series: npt.NDArray[np.int32] | None = None) -> pa.Table:
        """EDGES at the end of that slot."""
        return self._rows("edges", EDGES, "slot_s = $start AND slot_s < $end", (slot_s, slot_s + 1), series)

    def open_slots(self, start_s: int, end_s: int, series: npt.NDArray[np.int32]) -> pa.Table:
        """slot_s and series of the slots start_s <= slot_s < end_s at whose end these had no reading."""
        return self._rows("edges", EDGES, "slot_s >= $start AND slot_s < $end", (start_s, end_s), series).select(
            ["slot_s", "series"]
        )

    def earliest_s(self) -> int | None:
        """When the first reading in this file was; None where there is none."""
        with self._file.reading() as connection:
            ((found,),) = connection.execute("SELECT min(time_s) FROM readings").fetchall()
        return None if found is None else int(found)

    def stale(self) -> list[int]:
        """Slots whose sums are to be made again."""
        with self._file.reading() as connection:
            found = connection.execute("SELECT DISTINCT slot_s FROM stale ORDER BY slot_s").fetchall()
        return [slot for (slot,) in found]

    def summed(self, slots: Sequence[int]) -> None:
        """The sums of these slots are on disk."""
        given = pa.table({"slot_s": pa.array(slots, pa.int64())})
        statement = "DELETE FROM stale USING given WHERE stale.slot_s = given.slot_s"
        self._write(lambda writer: run(writer, statement, given))

    def edit(self, edits: pa.Table) -> None:
        """Keep these (EDITS; ids are given here) and mark their slots."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            statement = """INSERT INTO edits SELECT (SELECT edits FROM settling) + row_number() OVER (),
                series, slot_s, milli, reason, who, at_s FROM given"""
            run(writer, statement, edits)
            writer.execute("UPDATE settling SET edits = edits + ?", [edits.num_rows])
            slots = edits.column("slot_s")
            ends = pc.add(slots, 900)
            _mark(writer, pa.table([edits.column("series"), slots, ends], schema=MARKS))

        self._write(work)

    def edits(self) -> pa.Table:
        """EDITS, oldest first; the latest of one series and slot is the one that counts."""
        with self._file.reading() as connection:
            return connection.sql("FROM edits ORDER BY id").to_arrow_table().cast(EDITS)

    def seal(self, day: int, rows: int, digest: str, end_s: int) -> None:
        """Nothing before `end_s`, where that local day ends, changes any more."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            writer.execute("INSERT INTO seals VALUES (?, ?, ?, ?)", [day, rows, digest, int(time.time())])
            writer.execute("UPDATE settling SET first_s = ?", [end_s])

        self._write(work)

    def seals(self) -> pa.Table:
        """day, rows, hash and at_s of each sealed day."""
        with self._file.reading() as connection:
            return connection.sql("FROM seals ORDER BY day").to_arrow_table()

    def forget_all(self) -> None:
        """Drop all that can be settled again from what is kept: all but what is sealed."""

        def work(writer: duckdb.DuckDBPyConnection) -> None:
            for table in ("usage", "edges"):
                writer.execute(f"DELETE FROM {table} WHERE slot_s >= (SELECT first_s FROM settling)")  # noqa: S608  # our own names
            writer.execute("DELETE FROM dirty")
            forget_judged(writer)
            writer.execute("UPDATE settling SET closed_s = first_s, settled_s = first_s")

        self._write(work)

    def _write(self, work: Work) -> None:
        def in_transaction(writer: duckdb.DuckDBPyConnection, _number: int) -> None:
            work(writer)

        self._file.write(None, in_transaction)

    def _rows(
        self, table: str, schema: pa.Schema, where: str, span: tuple[int, int], series: npt.NDArray[np.int32] | None
    ) -> pa.Table:
        query = f"SELECT {', '.join(schema.names)} FROM {table} WHERE {where}"  # noqa: S608  # our own names and numbers
        with self._file.reading() as connection:
            if series is not None:
                connection.register("asked", pa.table({"series": series}))
                query += f" AND series BETWEEN {int(series.min(initial=0))} AND {int(series.max(initial=0))}"
                query += " AND series IN (SELECT series FROM asked)"
            return connection.sql(query, params={"start": span[0], "end": span[1]}).to_arrow_table().cast(schema)


def _insert(writer: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    if rows.num_rows:
        run(writer, f"INSERT INTO {table} FROM given", rows)


def _replace(writer: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Rows of the same slot and series go; of the new ones those stay away whose time is null."""
    if not rows.num_rows:
        return
    low, high = pc.min(rows["slot_s"]).as_py(), pc.max(rows["slot_s"]).as_py()
    bounds = f"t.slot_s BETWEEN {low} AND {high}"
    statement = (
        f"DELETE FROM {table} t USING given WHERE {bounds} AND t.slot_s = given.slot_s AND t.series = given.series"  # noqa: S608  # our own names
    )
    run(writer, statement, rows)
    _insert(writer, table, rows if table == "usage" else rows.filter(pc.is_valid(rows["time_s"])))


def _write_rows(writer: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    for table, rows in (("usage", batch.usage), ("edges", batch.edges)):
        _replace(writer, table, rows)
    if batch.removed is not None and len(batch.removed[1]):
        _remove(writer, *batch.removed)
    if len(batch.stale):
        _insert(writer, "stale", pa.table({"slot_s": pa.array(sorted(set(batch.stale)), pa.int64())}))


def _changed(batch: Batch) -> pa.Table:
    """slot_s and series of what is no longer as it was."""
    changed = batch.usage.select(["slot_s", "series"])
    if batch.removed is None:
        return changed
    slot_s, series = batch.removed
    return pa.concat_tables([changed, pa.table([np.full(len(series), slot_s, np.int64), series], changed.schema)])


def _remove(writer: duckdb.DuckDBPyConnection, slot_s: int, series: npt.NDArray[np.int32]) -> None:
    given = pa.table({"series": series})
    for table in ("usage", "edges"):
        statement = f"DELETE FROM {table} WHERE slot_s = {int(slot_s)} AND series IN (SELECT series FROM given)"  # noqa: S608  # our own names and numbers
        run(writer, statement, given)


def _mark(writer: duckdb.DuckDBPyConnection, marks: pa.Table) -> None:
    if marks.num_rows:
        statement = "INSERT INTO dirty SELECT (SELECT marks + 1 FROM settling), series, from_s, to_s FROM given"
        run(writer, statement, marks)
        writer.execute("UPDATE settling SET marks = marks + 1")
