"""What ingest, settling and pages know of a store of readings. Arrow in, Arrow out; rows, never aggregates."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# What `Commit.readings` holds: one row a reading, in the order of arrival. `series` is from `Store.series`.
# `value` is null exactly where `quality` says that it is missing (contract.quality).
APPEND = pa.schema(
    [
        ("series", pa.int32()),
        ("time_s", pa.int64()),
        ("value", pa.float64()),
        ("quality", pa.uint8()),
        ("at_ms", pa.int32()),
    ]
)

# What `Store.rows` answers, ordered by meter, quantity and time; each identity (meter, quantity, time) once.
ROWS = pa.schema(
    [
        ("meter", pa.string()),
        ("quantity", pa.string()),
        ("time_s", pa.int64()),
        ("value", pa.float64()),
        ("quality", pa.uint8()),
        ("at_ms", pa.int32()),
    ]
)

# Whose the rows of `Commit.readings` are: the first `readings` rows are of the first batch, and so on. `batch` is
# "{run}-{n}" or "".
ORIGINS = pa.schema([("readings", pa.int64()), ("gateway", pa.string()), ("batch", pa.string())])

# Batches that the commit makes delivered. `hash` is the first 8 bytes of the payload's BLAKE2b.
LEDGER = pa.schema([("gateway", pa.string()), ("run", pa.string()), ("n", pa.int64()), ("hash", pa.uint64())])

# Refused readings or whole messages. `batch` is "{run}-{n}" or "", `record` the record or payload as it came.
QUARANTINE = pa.schema(
    [
        ("arrived_s", pa.float64()),
        ("gateway", pa.string()),
        ("batch", pa.string()),
        ("reason", pa.string()),
        ("record", pa.string()),
    ]
)

# Batches first..last of a run, both included, that are known to be delivered and whose hashes were dropped.
SPANS = pa.schema([("gateway", pa.string()), ("run", pa.string()), ("first", pa.int64()), ("last", pa.int64())])

# Runs of which nothing need be known any longer.
RUNS = pa.schema([("gateway", pa.string()), ("run", pa.string())])

# What `Store.quarantined` answers. `id` is never used again, and is what `Commit.released` names.
QUARANTINED = pa.schema([("id", pa.int64()), *QUARANTINE])

# What `Store.quarantine_counts` answers: rows held, and rows dropped because a gateway's share was full.
QUARANTINE_COUNTS = pa.schema([("gateway", pa.string()), ("held", pa.int64()), ("dropped", pa.int64())])


@dataclass(frozen=True)
class Commit:
    """What becomes durable together.

    `origins` tells whose the readings are, should the database refuse some for ever. `spans` replaces all spans
    of the runs that it names, and drops the ledger's rows within them: this is how the ledger is kept short.
    `forgotten` drops runs from both, before anything is added. `released` takes rows out of quarantine, by id, once
    they are among `readings`.
    """

    readings: pa.Table = field(default_factory=APPEND.empty_table)
    origins: pa.Table = field(default_factory=ORIGINS.empty_table)
    ledger: pa.Table = field(default_factory=LEDGER.empty_table)
    quarantine: pa.Table = field(default_factory=QUARANTINE.empty_table)
    spans: pa.Table = field(default_factory=SPANS.empty_table)
    forgotten: pa.Table = field(default_factory=RUNS.empty_table)
    released: Sequence[int] = ()


def origins_of(commit: Commit, rows: Sequence[int]) -> pa.Table:
    """The gateway and batch of each of these rows of its readings, "" where `origins` does not tell."""
    ends = np.cumsum(commit.origins.column("readings").to_numpy())
    nobody = pa.table([[0], [""], [""]], schema=ORIGINS)
    known = pa.concat_tables([commit.origins, nobody]).select(["gateway", "batch"])
    return known.take(pa.array(np.searchsorted(ends, np.asarray(rows, np.int64), "right")))


class Rows(Protocol):
    """What other processes may ask for."""

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        """ROWS with start_s <= time_s < end_s; None takes all meters or quantities.

        Of several arrivals of one identity the latest wins, whole. Raises StoreUnavailable.
        """
        ...


class Store(Rows, Protocol):
    """One area's readings, and the books kept beside them. All calls may block, and may come from any thread."""

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        """A number for each (meter, quantity), the same for ever; new ones are durable before the call returns.

        Both may be Arrow arrays of text, plain or encoded. New numbers ascend in the order given: neighbours
        compress best.
        """
        ...

    def commit(self, commit: Commit) -> Sequence[int]:
        """Return once all of `commit` is on disk: which of its readings the database refuses for ever, as row
        numbers that ascend. These are then in quarantine, under the gateway and batch that `origins` names.

        Raises StoreUnavailable when it may be tried again, with the very same object: what an earlier attempt
        has stored already is then not stored twice.
        """
        ...

    def numbered(self, start_s: int, end_s: int, series: npt.NDArray[np.int32]) -> pa.Table:
        """APPEND with start_s <= time_s < end_s of these series, and perhaps of others; the arrivals of one identity in
        their order.
        """
        ...

    def ledger(self) -> pa.Table:
        """LEDGER: every delivered batch that lies in no span, in the order in which they were committed."""
        ...

    def spans(self) -> pa.Table:
        """SPANS: all that `Commit.spans` left."""
        ...

    def quarantined(self, gateway: str | None = None, reason: str | None = None, limit: int = 1000) -> pa.Table:
        """QUARANTINED, oldest first; each gateway's oldest rows are dropped when its share is full."""
        ...

    def quarantine_counts(self) -> pa.Table:
        """QUARANTINE_COUNTS, by gateway."""
        ...

    def close(self) -> None:
        """Release the file or connections; the object is of no use afterwards."""
        ...


class StoreUnavailable(Exception):
    """The store cannot do it now; nothing was promised. The caller waits, at least `retry_after_s`, and tries again."""

    def __init__(self, why: str, retry_after_s: float = 0.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s
