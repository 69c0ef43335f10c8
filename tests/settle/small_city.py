"""A few meters in a real area's file, with everything that settling needs around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from cloud.registry import snapshot
from cloud.settle.again import settle_marked
from cloud.settle.changes import marks_between
from cloud.settle.engine import Engine, Facts
from cloud.settle.plan import spans_of
from cloud.settle.sums import sum_stale
from cloud.store.duck import DuckStore
from cloud.store.parquet import TotalsWriter
from cloud.store.protocol import APPEND, Commit
from cloud.store.settled import EDGES, EDITS, USAGE, Batch

START = 1_767_193_200  # 2026-01-01 00:00 in Seoul
AREA = "main"

Reading = tuple[str, str, int, float | None]  # meter, quantity, seconds after START, value


def span(meter: str, quantity: str, **more: object) -> dict[str, object]:
    """A row of SPANS; whatever is not given is plain."""
    plain: dict[str, object] = {
        "meter": meter,
        "quantity": quantity,
        "from_s": snapshot.OPEN_FROM_S,
        "to_s": snapshot.OPEN_TO_S,
        "area": AREA,
        "gateway": "gw",
        "site": "site",
        "region": 101,
        "use": 2,
        "utility": 0,
        "role": 0,
        "parent": None,
        "life": 0,
        "digits": 6,
        "multiplier": 1.0,
        "max_per_h": None,
        "opening": None,
        "closing": None,
        "live": True,
    }
    return plain | more


def outage(from_s: int, to_s: int, **scope: object) -> dict[str, object]:
    """A row of OUTAGES, seconds after START."""
    plain: dict[str, object] = {"meter": None, "gateway": None, "site": None, "region": 0, "utility": None}
    return plain | {"from_s": START + from_s, "to_s": START + to_s, "reason": "works"} | scope


@dataclass
class City:
    """An area's file, its totals, and an engine. `slots` counts what is settled."""

    folder: Path
    spans: Sequence[Mapping[str, object]]
    outages: Sequence[Mapping[str, object]] = ()
    store: DuckStore = field(init=False)
    engine: Engine = field(init=False)
    totals: TotalsWriter = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.store = DuckStore(self.folder / "area.duckdb")
        self.engine = Engine(self.store, self.store.settled, self._facts())
        self.totals = TotalsWriter(self.folder / "totals")
        self.store.settled.begin(START, "")

    def _facts(self) -> Facts:
        table = pa.Table.from_pylist([dict(row) for row in self.spans], snapshot.SPANS)
        outages = pa.Table.from_pylist([dict(row) for row in self.outages], snapshot.OUTAGES)
        return Facts("", spans_of(table, AREA, self.store.series), outages, np.zeros(0, np.int64))

    def read(self, *readings: Reading) -> None:
        """Commit readings."""
        series = self.store.series([row[0] for row in readings], [row[1] for row in readings])
        columns = [
            series,
            [START + row[2] for row in readings],
            [row[3] for row in readings],
            [0 if row[3] is not None else 16 for row in readings],
            [0] * len(readings),
        ]
        self.store.commit(Commit(readings=pa.table(columns, schema=APPEND)))

    def settle(self, until_s: int) -> None:
        """All slots that end by then (seconds after START), after all that is marked; then the sums."""
        self.settle_marked()
        settled = self.store.settled
        slot_s = settled.progress().settled_s
        assert slot_s is not None
        while slot_s + 900 <= START + until_s:
            settled.close_until(slot_s + 900)
            self.engine.settle(slot_s)
            slot_s += 900
        self.sum()

    def settle_marked(self) -> None:
        """What is marked."""
        self.engine.refresh()
        assert settle_marked(self.engine, lambda: True, lambda _done, _left: None)

    def sum(self) -> None:
        """The sums of what has changed."""
        assert sum_stale(self.engine, self.totals, lambda: True, lambda _done, _left: None)

    def change(
        self, spans: Sequence[Mapping[str, object]] | None = None, outages: Sequence[Mapping[str, object]] | None = None
    ) -> None:
        """Another registry."""
        self.spans = self.spans if spans is None else spans
        self.outages = self.outages if outages is None else outages
        old, new = self.engine.facts, self._facts()
        progress = self.store.settled.progress()
        assert progress.first_s is not None
        assert progress.settled_s is not None
        marks = marks_between(old, new, progress.first_s, progress.settled_s)
        self.store.settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), marks=marks))
        self.engine.refresh(new)

    def edit(self, meter: str, quantity: str, slot: int, milli: int | None) -> None:
        """By hand."""
        (series,) = self.store.series([meter], [quantity])
        row = {"id": 0, "series": series, "slot_s": START + slot * 900, "milli": milli}
        row |= {"reason": "seen on site", "who": "kim", "at_s": START}
        self.store.settled.edit(pa.Table.from_pylist([row], EDITS))

    def rebuild(self) -> None:
        """Drop all that can be made again, and make it."""
        until_s = self.store.settled.progress().settled_s
        assert until_s is not None
        self.store.settled.forget_all()
        self.totals = TotalsWriter(self.folder / "rebuilt")
        self.engine.refresh(replace(self.engine.facts))
        self.settle(until_s - START)

    def usage(self, meter: str, quantity: str) -> list[tuple[int | None, str]]:
        """Of each settled slot: thousandths and the letter of the grade."""
        (series,) = self.store.series([meter], [quantity])
        table = self.store.settled.usage(0, 2**40, np.array([series], np.int32)).sort_by("slot_s")
        letters = "AVQLPRMNDFX"
        return [(row["milli"], letters[row["grade"]]) for row in table.to_pylist()]

    def everything(self) -> tuple[pa.Table, pa.Table, list[pa.Table]]:
        """Usage, edges, and the atoms of all days, in an order of their own."""
        usage = self.store.settled.usage(0, 2**40).sort_by([("slot_s", "ascending"), ("series", "ascending")])
        with self.store._file.reading() as connection:  # no other way to see all of them
            edges = connection.sql("FROM edges ORDER BY slot_s, series").to_arrow_table()
        first = (START + 9 * 3600) // 86_400
        return usage, edges, [self.totals.read_day(day) for day in range(first, first + 40)]

    def total(self, **key: int) -> dict[str, int]:
        """Sums of the atoms that have this region, use, utility or direction."""
        atoms = pa.concat_tables(self.everything()[2])
        rows = [row for row in atoms.to_pylist() if all(row[name] == value for name, value in key.items())]
        names = ("total", "estimated", "counted", "estimated_count", "expected")
        return {name: sum(row[name] for row in rows) for name in names}
