"""What lies in quarantine, tried again: once a meter is registered, its refused readings are stored after all."""

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from cloud.ingest.check import Bounds, Checked, Message, check
from cloud.ingest.known import Known
from cloud.ingest.live import Live
from cloud.store.protocol import ORIGINS, QUARANTINE, Commit, Store

ROWS_AT_ONCE = 2000

# How many readings were stored, and how many rows have left quarantine and stay there.
REPLAYED = pa.schema([("readings", pa.int64()), ("released", pa.int64()), ("left", pa.int64())])


def replay(store: Store, live: Live, known: Known, keep_days: int) -> pa.Table:
    """Try again all that is held; REPLAYED, one row. Raises StoreUnavailable.

    What is stored leaves quarantine in the same commit. May run in any thread, beside ingest.
    """
    bounds = Bounds.at(time.time(), keep_days)
    readings = released = left = 0
    for rows in _pieces(store):
        judged = [check([message], known, bounds) for message in _messages(rows)]
        taken = [n for n, checked in enumerate(judged) if checked.readings.num_rows]
        left += rows.num_rows - len(taken)
        if taken:
            commit = _commit(rows, judged, taken)
            refused = store.commit(commit)
            kept = np.ones(commit.readings.num_rows, bool)
            kept[list(refused)] = False
            live.update(commit.readings.filter(pa.array(kept)), time.time())
            readings, released = readings + int(kept.sum()), released + len(taken)
            left += commit.quarantine.num_rows + len(refused)
    return pa.Table.from_pylist([{"readings": readings, "released": released, "left": left}], REPLAYED)


def _pieces(store: Store) -> Iterator[pa.Table]:
    """All of quarantine as it was at the beginning, gateway by gateway."""
    counts = store.quarantine_counts()
    for gateway, held in zip(counts["gateway"].to_pylist(), counts["held"].to_pylist(), strict=True):
        found = store.quarantined(gateway, limit=held)
        for start in range(0, found.num_rows, ROWS_AT_ONCE):
            yield found.slice(start, ROWS_AT_ONCE)


def _messages(rows: pa.Table) -> Iterator[Message]:
    """A whole message stands in quarantine as it came, a single record without the array around it."""
    for gateway, record in zip(rows["gateway"].to_pylist(), rows["record"].to_pylist(), strict=True):
        text = record if record.lstrip().startswith("[") else f"[{record}]"
        yield Message(gateway, text.encode())


def _commit(rows: pa.Table, judged: list[Checked], taken: list[int]) -> Commit:
    """What of the rows `taken` is right now, and back into quarantine what still is not."""
    again = [
        {**rows.slice(n, 1).to_pylist()[0], "reason": refusal.reason, "record": refusal.record}
        for n in taken
        for refusal in judged[n].refusals
    ]
    return Commit(
        readings=pa.concat_tables([judged[n].readings for n in taken]).combine_chunks(),
        origins=pa.table(
            [[judged[n].readings.num_rows for n in taken], *(rows[name].take(taken) for name in ("gateway", "batch"))],
            schema=ORIGINS,
        ),
        quarantine=pa.Table.from_pylist(again, QUARANTINE),
        released=rows["id"].take(taken).to_pylist(),
    )
