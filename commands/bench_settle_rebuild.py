"""`rebuild_equal` of `bench settle`: a city late, edited, changed and cut off, and one made from nothing."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import SEOUL_S, SLOT_S
from cloud.registry import snapshot
from cloud.registry.facts import holiday_days
from cloud.settle.again import settle_marked
from cloud.settle.changes import marks_between
from cloud.settle.engine import Engine, Facts
from cloud.settle.plan import spans_of
from cloud.settle.sums import sum_stale
from cloud.store.duck import DuckStore
from cloud.store.parquet import TotalsWriter
from cloud.store.protocol import Commit
from cloud.store.settled import EDGES, EDITS, USAGE, Batch
from commands.stretch import AREA
from simulators.city import City
from simulators.city_build import build
from simulators.city_faults import draw
from simulators.city_history import readings
from simulators.city_registry import snapshot_tables

Figures = dict[str, float | bool]

METERS = 20_000
SLOTS = 96
TICK_S = 300
START_S = 1_796_050_800 // 86_400 * 86_400 - SEOUL_S
EVERY = 8  # slots between disturbances


def compare(folder: Path, meters: int) -> Figures:
    """A day of a smaller city, with everything that can change afterwards changed; then from nothing."""
    own = folder / "rebuild"
    own.mkdir(exist_ok=True)
    city = build(min(meters, METERS))
    store = DuckStore(own / "area.duckdb")
    tables = snapshot_tables(city, AREA)
    store.settled.begin(START_S, "")
    life = _Life(store, tables, TotalsWriter(own / "totals"))
    began_s = time.perf_counter()
    _live(life, city)
    lived_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    store.settled.forget_all()
    _Life(store, life.tables, TotalsWriter(own / "again")).settle(START_S + SLOTS * SLOT_S)
    rebuilt_s = time.perf_counter() - began_s
    equal = _names(own / "totals") == _names(own / "again")
    store.close()
    return {
        "rebuild_equal": equal,
        "rebuild_meters": min(meters, METERS),
        "rebuild_changes": life.changes,
        "lived_s": lived_s,
        "rebuilt_s": rebuilt_s,
    }


def _live(life: "_Life", city: City) -> None:
    """A day as it comes, its faults and late readings too; and every few slots something of the past changes."""
    chance = np.random.default_rng(7)
    numbers = life.store.series(*city.series_names())
    end_s = START_S + SLOTS * SLOT_S
    faults = draw(city, START_S, end_s, TICK_S)
    settled_s = START_S
    for table in readings(city, numbers, START_S, end_s + 1, TICK_S, faults):
        life.store.commit(Commit(readings=table))
        now_s = int(pc.max(table["time_s"]).as_py())
        if settled_s + SLOT_S <= now_s:
            settled_s = now_s // SLOT_S * SLOT_S
            life.settle(settled_s)
            place = (settled_s - START_S) // SLOT_S
            if place % EVERY == 0:
                print(f"  {place} / {SLOTS}", flush=True)
                life.disturb(chance, settled_s, numbers)
    life.settle(end_s)


class _Life:
    """An engine with its registry, which changes."""

    def __init__(self, store: DuckStore, tables: Mapping[str, pa.Table], totals: TotalsWriter) -> None:
        self.store, self.tables, self.totals, self.changes = store, dict(tables), totals, 0
        self.engine = Engine(store, store.settled, self._facts())

    def _facts(self) -> Facts:
        spans = spans_of(self.tables["spans"], AREA, self.store.series)
        outages = self.tables.get("outages", snapshot.OUTAGES.empty_table())
        return Facts("", spans, outages, holiday_days())

    def settle(self, until_s: int) -> None:
        """What is marked, all slots until then, and the sums."""
        self.engine.refresh()
        assert settle_marked(self.engine, lambda: True, lambda _done, _left: None)
        settled_s = self.store.settled.progress().settled_s
        assert settled_s is not None
        for slot_s in range(settled_s, until_s, SLOT_S):
            self.store.settled.close_until(slot_s + SLOT_S)
            self.engine.settle(slot_s)
        assert sum_stale(self.engine, self.totals, lambda: True, lambda _done, _of: None)

    def disturb(self, chance: np.random.Generator, now_s: int, numbers: npt.NDArray[np.int32]) -> None:
        """Edits, other multipliers and places, and an outage, somewhere in what is settled."""
        some = chance.choice(len(numbers), 20, replace=False)
        slots = START_S + chance.integers(0, (now_s - START_S) // SLOT_S, len(some)) * SLOT_S
        rows = [
            {"id": 0, "series": numbers[at], "slot_s": slot, "milli": int(at) % 5000, "reason": "-", "who": "bench"}
            | {"at_s": now_s}
            for at, slot in zip(some.tolist(), slots.tolist(), strict=True)
        ]
        self.store.settled.edit(pa.Table.from_pylist(rows, EDITS))
        before = self.engine.facts
        self.tables["spans"] = _changed(self.tables["spans"], chance, now_s)
        self.tables["outages"] = _cut_off(self.tables, chance, now_s)
        after = self._facts()
        marks = marks_between(before, after, START_S, now_s)
        self.store.settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), marks=marks))
        self.engine.refresh(after)
        self.changes += len(rows) + marks.num_rows


def _changed(spans: pa.Table, chance: np.random.Generator, now_s: int) -> pa.Table:
    """Ten meters got another multiplier at some moment, five hang in another dong from ever."""
    rows = chance.choice(spans.num_rows, 15, replace=False)
    others = spans.take(pa.array(rows)).to_pylist()
    kept = spans.take(pa.array(np.setdiff1d(np.arange(spans.num_rows), rows)))
    new = []
    for place, row in enumerate(others):
        at_s = int(START_S + chance.integers(0, now_s - START_S))
        if place >= 10:
            new.append(row | {"region": 101 + int(chance.integers(0, 5))})
        elif row["from_s"] < at_s < row["to_s"]:
            new += [row | {"to_s": at_s}, row | {"from_s": at_s, "multiplier": row["multiplier"] * 2}]
        else:
            new.append(row)
    return pa.concat_tables([kept, pa.Table.from_pylist(new, snapshot.SPANS)]).unify_dictionaries()


def _cut_off(tables: Mapping[str, pa.Table], chance: np.random.Generator, now_s: int) -> pa.Table:
    """One more gateway was without supply for up to three hours."""
    gateways = tables["spans"]["gateway"].unique().to_pylist()
    start_s = int(START_S + chance.integers(0, now_s - START_S))
    row = {"from_s": start_s, "to_s": start_s + int(chance.integers(60, 10_800)), "region": 0, "reason": "bench"}
    row["gateway"] = gateways[int(chance.integers(0, len(gateways)))]
    before = tables.get("outages", snapshot.OUTAGES.empty_table())
    return pa.concat_tables([before, pa.Table.from_pylist([row], snapshot.OUTAGES)])


def _names(folder: Path) -> str:
    """The manifest: it names files by the hash of their content."""
    return (folder / "manifest.json").read_text("utf-8")
