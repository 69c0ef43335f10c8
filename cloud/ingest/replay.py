"""What lies in quarantine, tried again: once a meter is registered, its refused readings are stored after all."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from cloud.ingest.check import Bounds, Message, check
from cloud.ingest.known import Known
from cloud.ingest.live import Live
from cloud.store.protocol import QUARANTINE, Commit, Store

ROWS_AT_ONCE = 2000


class Replayed(NamedTuple):
    """How many readings were stored, and how many rows have left quarantine and stay there."""

    readings: int
    released: int
    left: int


def replay(
    store: Store, live: Live, known: Known, keep_days: int, gateway: str | None = None, reason: str | None = None
) -> Replayed:
    """Try again what is held of a gateway (None: of all), for a reason (None: for any). Raises StoreUnavailable.

    What is stored leaves quarantine in the same commit. May run in any thread, beside ingest.
    """
    counts = store.quarantine_counts()
    held = zip(counts["gateway"].to_pylist(), counts["held"].to_pylist(), strict=True)
    bounds = Bounds.at(time.time(), keep_days)
    total = Replayed(0, 0, 0)
    for name, rows in held:
        if rows and gateway in (None, name):
            found = store.quarantined(name, reason, rows)
            for start in range(0, found.num_rows, ROWS_AT_ONCE):
                piece = found.slice(start, ROWS_AT_ONCE)
                done = _replay(store, live, piece, name, known, bounds)
                total = Replayed(*(a + b for a, b in zip(total, done, strict=True)))
    return total


def _replay(store: Store, live: Live, rows: pa.Table, gateway: str, known: Known, bounds: Bounds) -> Replayed:
    messages = [Message(gateway, _payload(record)) for record in rows["record"].to_pylist()]
    # each by itself: a row leaves quarantine when anything of it was taken, and what is refused again goes back
    judged = [check([message], known, bounds) for message in messages]
    taken = [n for n, checked in enumerate(judged) if checked.readings.num_rows]
    if not taken:
        return Replayed(0, 0, rows.num_rows)
    again = [(n, refusal) for n in taken for refusal in judged[n].refusals]
    commit = Commit(
        readings=pa.concat_tables([judged[n].readings for n in taken]).combine_chunks(),
        quarantine=pa.Table.from_pylist(
            [
                {
                    "arrived_s": rows["arrived_s"][n].as_py(),
                    "gateway": gateway,
                    "batch": rows["batch"][n].as_py(),
                    "reason": refusal.reason,
                    "record": refusal.record,
                }
                for n, refusal in again
            ],
            QUARANTINE,
        ),
        released=_ids(rows, taken),
    )
    store.commit(commit)
    live.update(commit.readings, time.time())
    return Replayed(commit.readings.num_rows, len(taken), rows.num_rows - len(taken) + len(again))


def _payload(record: str) -> bytes:
    """A whole message stands as it came, a single record without the array around it."""
    text = record if record.startswith("[") else f"[{record}]"
    return text.encode()


def _ids(rows: pa.Table, taken: Sequence[int]) -> list[int]:
    ids: list[int] = rows["id"].take(list(taken)).to_pylist()
    return ids
