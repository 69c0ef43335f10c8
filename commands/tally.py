"""What a stretch took and what its area's file has, counted without holding it all: a demo may have run for days."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa

from commands import judge

BATCHES_AT_ONCE = 2000
IDENTITY = pa.schema([("meter", pa.string()), ("quantity", pa.string()), ("time_s", pa.int64())])


class Tally(NamedTuple):
    """In readings: taken by the outboxes, of these not in the store, and rows, identities and meters in the store."""

    taken: int
    lost: int
    rows: int
    stored: int
    meters: int


def tally(area: Path, outboxes: list[Path], after_s: int = 0) -> Tally:
    """Of an area's file that no process has open: readings after that moment. A meter counts once it has given a
    value.
    """
    with duckdb.connect(area, read_only=True) as db:
        counts = "SELECT count(*), count(DISTINCT (series, time_s)) FROM readings WHERE time_s > ?"
        ((rows, stored),) = db.execute(counts, [after_s]).fetchall()
        meters = """SELECT count(DISTINCT meter) FROM readings JOIN series USING (series)
            WHERE value IS NOT NULL AND time_s > ?"""
        ((heard,),) = db.execute(meters, [after_s]).fetchall()
        taken = lost = 0
        for outbox in outboxes:
            for identities in _identities(outbox):
                taken += identities.num_rows
                lost += _missing(db, identities)
    return Tally(taken, lost, rows, stored, heard)


def moments(area: Path, from_s: float, to_s: float) -> dict[int, list[float]]:
    """The moments of reading (UTC epoch) of each tick in between."""
    found: dict[int, list[float]] = {}
    with duckdb.connect(area, read_only=True) as db:
        query = "SELECT time_s, at_ms FROM readings WHERE time_s BETWEEN ? AND ?"
        for time_s, at_ms in db.execute(query, [from_s, to_s]).fetchall():
            found.setdefault(time_s, []).append(time_s + at_ms / 1000)
    return found


def _identities(outbox: Path) -> Iterator[pa.Table]:
    batches = judge.read_batches(str(outbox))
    while piece := [identity for _, rows in islice(batches, BATCHES_AT_ONCE) for identity in rows]:
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*piece, strict=True), IDENTITY, strict=True)
        ]
        yield pa.Table.from_arrays(columns, schema=IDENTITY)


def _missing(db: duckdb.DuckDBPyConnection, identities: pa.Table) -> int:
    db.register("taken", identities)
    query = """
        SELECT count(*) FROM taken ANTI JOIN (
            SELECT meter, quantity, time_s FROM readings JOIN series USING (series)
            WHERE time_s BETWEEN (SELECT min(time_s) FROM taken) AND (SELECT max(time_s) FROM taken)
        ) USING (meter, quantity, time_s)"""
    ((missing,),) = db.execute(query).fetchall()
    return int(missing)
