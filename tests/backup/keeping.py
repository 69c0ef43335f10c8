"""Gateways that keep what they sent and send again what they are asked for, and what an area holds in the end."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from cloud.store.duck import DuckStore
from cloud.store.flight import fetch_table
from cloud.store.parquet import TotalsReader
from cloud.store.protocol import StoreUnavailable
from contract.messages import State
from simulators.servers import Server
from tests.cloud.ingest_area import Gateway, batch

RUN = "r"
SLOT_S = 900


class Keeper:
    """A gateway with an outbox: batches count from 1, a minute apart from `start_s` on."""

    def __init__(self, name: str, broker: Server, start_s: int) -> None:
        self._gateway, self._start_s = Gateway(name, broker), start_s
        self.sent = 0
        self._answered: set[int] = set()

    def send(self, count: int) -> None:
        """So many more."""
        for _ in range(count):
            self.sent += 1
            self._publish(self.sent)

    def _publish(self, n: int) -> None:
        self._gateway.send(n, batch(self._gateway.name, self._start_s + 60 * n, 100.0 + n), RUN)

    def say_held(self) -> None:
        """As at each connection: that its outbox still has all."""
        state = State(status="online", time_s=int(time.time()), held={RUN: [(1, self.sent)]})
        self._gateway.state(state)

    def forget(self) -> None:
        """Receipts and questions of before."""
        self._gateway.receipts.clear()
        self._answered = set()

    def answer(self) -> set[int]:
        """Send what was asked for again, once; all that was."""
        asked = self._gateway.asked(RUN)
        for n in sorted(asked - self._answered):
            self._publish(n)
        self._answered = asked
        return asked

    def stored(self) -> set[int]:
        """What was receipted."""
        return self._gateway.stored(RUN)

    def __enter__(self) -> Self:
        self._gateway.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gateway.__exit__(kind, error, trace)


def settled(socket: Path, until_s: int) -> bool:
    """Whether all that ended by then is settled and summed, and nothing is marked."""
    try:
        (row,) = fetch_table(socket, "settle").to_pylist()
    except StoreUnavailable:
        return False
    return row["settled_s"] is not None and row["settled_s"] >= until_s and not row["marks"] and not row["stale"]


def usage(file: Path, start_s: int, end_s: int) -> pa.Table:
    """Of an area's file that no process has open: usage by meter and quantity."""
    store = DuckStore(file)
    try:
        found = store.settled.usage(start_s, end_s)
        names = store.picked(None, None).select(["series", "meter", "quantity"])
    finally:
        store.close()
    columns = ["slot_s", "meter", "quantity", "milli", "grade", "flags"]
    return found.join(names, "series").select(columns).sort_by([(name, "ascending") for name in columns[:3]])


def totals(folder: Path, start_s: int, end_s: int) -> pa.Table:
    """The atoms of these slots."""
    days = range((start_s + 32_400) // 86_400, (end_s + 32_400) // 86_400 + 1)
    files = [one.atoms for found in TotalsReader([folder]).slot_files(days[0], days[-1] + 1) for one in found.files]
    table = pa.concat_tables([pa.parquet.read_table(path) for path in files])
    chosen = table.filter(pc.and_(pc.greater_equal(table["slot_s"], start_s), pc.less(table["slot_s"], end_s)))
    return chosen.sort_by([(name, "ascending") for name in chosen.column_names])
