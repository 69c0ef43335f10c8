"""What the cloud says of batches, noted in the open transaction: stored, refused, or wanted once more."""

import sqlite3
from collections.abc import Mapping
from itertools import islice

from contract.messages import Ranges
from contract.topics import BatchId
from edge.flow import LARGEST_N
from edge.outbox_file import DONE, REFUSED, WHOLE

SPANS_AT_ONCE = 10_000


def note_stored(db: sqlite3.Connection, stored: Ranges) -> list[int]:
    """The ids of those that still waited."""
    return [
        batch_id
        for run, spans in stored.items()
        for first, last in islice(spans, SPANS_AT_ONCE)
        for (batch_id,) in db.execute(
            "UPDATE batch SET state = ? WHERE run = (SELECT id FROM run WHERE name = ?) "
            "AND n BETWEEN ? AND ? AND state < ? RETURNING id",
            (DONE, run, *_within(first, last), DONE),
        )
    ]


def note_refused(db: sqlite3.Connection, counts: Mapping[BatchId, int]) -> list[int]:
    """So many readings of each batch; the ids of those that still waited."""
    return [
        batch_id
        for (run, n), count in counts.items()
        for (batch_id,) in db.execute(
            "UPDATE batch SET state = CASE WHEN readings <= ? THEN ? ELSE ? END "
            "WHERE run = (SELECT id FROM run WHERE name = ?) AND n = ? AND state < ? RETURNING id",
            (min(count, LARGEST_N), REFUSED, DONE, run, n, DONE),
        )
    ]


def reopen(db: sqlite3.Connection, run: str, first: int, last: int, limit: int) -> list[int]:
    """Let the first `limit` batches of these numbers wait again, but for those refused whole; their numbers."""
    rows = db.execute(
        "SELECT id, n FROM batch WHERE run = (SELECT id FROM run WHERE name = ?) "
        "AND n BETWEEN ? AND ? AND state <= ? ORDER BY n LIMIT ?",
        (run, *_within(first, last), DONE, limit),
    ).fetchall()
    ids = [(WHOLE, batch_id, DONE) for batch_id, _ in rows]
    db.executemany("UPDATE batch SET state = ? WHERE id = ? AND state = ?", ids)
    return [n for _, n in rows]


def _within(first: int, last: int) -> tuple[int, int]:
    """The same span, as far as batches have such numbers: SQLite takes no larger ones than 64 bits."""
    return min(max(first, 1), LARGEST_N + 1), max(min(last, LARGEST_N), 0)
