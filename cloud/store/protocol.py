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


@dataclass(frozen=True)
class Commit:
    """What becomes durable together."""

    readings: pa.Table = field(default_factory=APPEND.empty_table)
    ledger: pa.Table = field(default_factory=LEDGER.empty_table)
    quarantine: pa.Table = field(default_factory=QUARANTINE.empty_table)


class Store(Protocol):
    """One area's readings. All calls may block; `commit` and `series` come from one thread, `rows` from any."""

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        """A number for each (meter, quantity), the same for ever; new ones are durable before the call returns."""
        ...

    def commit(self, commit: Commit) -> None:
        """Return once all of `commit` is on disk. Raises StoreUnavailable when it may be tried again as it is."""
        ...

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        """ROWS with start_s <= time_s < end_s. Of several arrivals of one identity the latest wins."""
        ...

    def close(self) -> None:
        """Release the file or connections; the object is of no use afterwards."""
        ...


class StoreUnavailable(Exception):
    """The store cannot take a commit now; nothing of it was promised. The caller waits and tries again."""
