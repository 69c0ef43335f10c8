"""The thread that settles an area: facts, marks, slots that are over, sums, and once a day what the day calls for."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import begin_s, day_of
from cloud.metering.codes import DAY_S, SLOT_S
from cloud.registry import snapshot
from cloud.registry.facts import holiday_days
from cloud.settle.again import settle_marked
from cloud.settle.changes import marks_between
from cloud.settle.days import judge_day, pending_days
from cloud.settle.engine import Engine, Facts
from cloud.settle.plan import spans_of
from cloud.settle.retention import seal_until
from cloud.settle.sums import sum_stale
from cloud.settle.tables import quality_tables
from cloud.store.duck import DuckStore
from cloud.store.influx import InfluxStore
from cloud.store.parquet import TotalsWriter
from cloud.store.protocol import StoreUnavailable
from cloud.store.settled import EDGES, MARKS, USAGE, Batch
from contract.problems import Problem

LOG = logging.getLogger(__name__)

LOOK_S = 1.0
MARKS_S = 15.0  # late readings come in crowds
RETRY_S = 10.0
SLOW_S = 5.0  # what takes longer says how far it is
CLEAN_S = 6 * 3600.0
CLEAN_DAYS = 3  # looked through each time: more than the process is ever down
CLEAN_STEP_S = 3600  # ingest waits for a deletion

# One row: how far settling is, and what it is about.
STATUS = pa.schema(
    [
        ("first_s", pa.int64()),
        ("settled_s", pa.int64()),
        ("registry", pa.string()),
        ("marks", pa.int64()),
        ("stale", pa.int64()),
        ("doing", pa.string()),
        ("done", pa.int64()),
        ("waiting", pa.int64()),
        ("slot_took_s", pa.float64()),
        ("sums_took_s", pa.float64()),
        ("trouble", pa.string()),
    ]
)


@dataclass(frozen=True)
class SettleSettings:
    """`delay_s` after a slot's end it is settled; readings that come later settle it again. `tick_days` and
    `register_days` say how long readings are kept, `slot_days` how long sums by slot: those by day and hour stay.
    """

    area: str
    registry: Path
    totals: Path
    applied: Path  # a copy of the registry's snapshot as it was last settled with
    delay_s: float = 90.0
    tick_days: int = 14
    register_days: int = 400
    slot_days: int = 1100


@dataclass
class _State:
    doing: str = ""
    done: int = 0
    waiting: int = 0
    slot_took_s: float | None = None
    sums_took_s: float | None = None
    trouble: str = ""
    said_s: float = field(default_factory=time.monotonic)


class Settler:
    """Owns its thread between `start` and `stop`. Other threads may call `table`, `mark` and `rebuild`."""

    def __init__(self, store: DuckStore | InfluxStore, settings: SettleSettings) -> None:
        self._store, self._settled, self._settings = store, store.settled, settings
        self._state = _State()
        self._stopping = threading.Event()
        self._rebuild = threading.Event()
        self._engine: Engine | None = None
        self._totals: TotalsWriter | None = None
        self._marked_s = self._cleaned_s = -1e9
        self._thread = threading.Thread(target=self._run, name="settle", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End after what can be ended in that time; what is half done is done again at the next start."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def problems(self) -> list[str]:
        """What is not well."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return ["settling ended"]
        return [f"settling: {self._state.trouble}"] if self._state.trouble else []

    def tables(self) -> Mapping[str, Callable[..., pa.Table]]:
        """What other processes may fetch by name."""
        return {
            "settle": self.table,
            "settle-mark": self.mark,
            "settle-rebuild": self.rebuild,
            "seals": self._settled.seals,
            **quality_tables(self._settled, self._store.days),
        }

    def table(self) -> pa.Table:
        """STATUS."""
        progress, state = self._settled.progress(), self._state
        row = {
            "first_s": progress.first_s,
            "settled_s": progress.settled_s,
            "registry": progress.registry,
            "marks": self._settled.marks()[0].num_rows,
            "stale": len(self._settled.stale()),
        }
        return pa.Table.from_pylist([row | {name: getattr(state, name) for name in STATUS.names[5:]}], STATUS)

    def mark(self, from_s: int, to_s: int, meter: str | None = None) -> pa.Table:
        """Have slots from_s <= slot_s < to_s settled again, of one meter or of all; how many registers: one row."""
        engine = self._engine
        if engine is None:
            raise StoreUnavailable("settling has not begun yet")
        spans = engine.facts.spans
        series = np.unique(spans.series if meter is None else spans.series[pc.equal(spans.table["meter"], meter)])
        marks = pa.table([series, np.full(len(series), from_s), np.full(len(series), to_s)], schema=MARKS)
        self._settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), marks=marks))
        return pa.table({"registers": [len(series)]})

    def rebuild(self) -> pa.Table:
        """Drop all that is not sealed, and settle it anew from what is kept."""
        self._rebuild.set()
        return self.table()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                self._turn()
                self._state.trouble = ""
                continue
            except StoreUnavailable as unavailable:
                self._complain(str(unavailable))
            except Problem as problem:
                self._complain(problem.text.en)
            except Exception as error:
                # whatever it was, ingest goes on, and the next slot is tried
                if repr(error) != self._state.trouble:
                    LOG.exception("settling failed, and is tried again")
                self._state.trouble = repr(error)
            self._stopping.wait(RETRY_S)

    def _complain(self, why: str) -> None:
        if why != self._state.trouble:
            LOG.error("settling waits why=%r", why)
        self._state.trouble = why

    def _turn(self) -> None:
        engine = self._look_at_registry()
        if not self._begun(engine.facts.version):
            return
        if self._rebuild.is_set():
            self._forget()
        self._settle_due(engine)
        self._sum(engine)
        for day in pending_days(self._store.days, self._settled.progress()):
            if not judge_day(engine, self._store.days, day, self._going, self._doing("days")):
                return
        if time.monotonic() - self._cleaned_s >= CLEAN_S:
            self._cleaned_s = time.monotonic()
            self._clean()
        self._state.doing = ""

    def _forget(self) -> None:
        """All that is made again: what is not sealed."""
        sealed = self._settled.seals()["day"]
        dropped, left = self._open_totals().forget_damaged(pc.max(sealed).as_py() + 1 if len(sealed) else 0)
        if dropped:
            LOG.warning("totals were damaged, and are made again of=%s", ",".join(dropped))
        if left:
            LOG.error("totals are damaged and sealed, and can only come from a back-up of=%s", ",".join(left))
        self._settled.forget_all()
        self._rebuild.clear()

    def _settle_due(self, engine: Engine) -> None:
        """Marks first, since a slot looks back at what they change; then the slots that are over."""
        due = self._due_slots()
        if due or time.monotonic() - self._marked_s >= MARKS_S:
            self._marked_s = time.monotonic()
            engine.refresh()
            settle_marked(engine, self._going, self._doing("marks"))
        for done, slot_s in enumerate(due):
            if not self._going():
                return
            self._doing("slots")(done, len(due))
            self._settle(engine, slot_s)

    def _sum(self, engine: Engine) -> None:
        if not self._settled.stale():
            return
        began_s = time.monotonic()
        sum_stale(engine, self._open_totals(), self._going, self._doing("sums"))
        self._state.sums_took_s = time.monotonic() - began_s

    def _settle(self, engine: Engine, slot_s: int) -> None:
        began_s = time.monotonic()
        self._settled.close_until(slot_s + SLOT_S)
        stale = engine.settle(slot_s)
        self._state.slot_took_s = took_s = time.monotonic() - began_s
        registers = len(engine.plan(slot_s).row)
        LOG.info("slot settled slot_s=%d registers=%d stale=%d settle_s=%.2f", slot_s, registers, len(stale), took_s)

    def _going(self) -> bool:
        return not self._stopping.is_set()

    def _doing(self, what: str) -> Callable[[int, int], None]:
        def said(done: int, waiting: int) -> None:
            state = self._state
            state.doing, state.done, state.waiting = what, done, waiting
            if time.monotonic() - state.said_s >= SLOW_S:
                state.said_s = time.monotonic()
                LOG.info("settling %s done=%d waiting=%d", what, done, waiting)

        return said

    def _due_slots(self) -> list[int]:
        settled_s = self._settled.progress().settled_s
        assert settled_s is not None
        last_s = int(time.time() - self._settings.delay_s) // SLOT_S * SLOT_S
        return list(range(settled_s, last_s, SLOT_S))

    def _begun(self, version: str) -> bool:
        """Whether there is anything to settle; notes where it begins."""
        if self._settled.progress().first_s is None:
            # where readings lie elsewhere, what was there before is not looked for
            earliest_s = self._settled.earliest_s() if isinstance(self._store, DuckStore) else int(time.time())
            if earliest_s is None:
                return False
            self._settled.begin(earliest_s // SLOT_S * SLOT_S, version)
        return True

    def _open_totals(self) -> TotalsWriter:
        if self._totals is None:
            self._totals = TotalsWriter(self._settings.totals)
        return self._totals

    def _look_at_registry(self) -> Engine:
        """The engine with the registry of now; what another one changes is marked first."""
        version = snapshot.version(self._settings.registry)
        if self._engine is None:
            applied = self._settings.applied
            first = applied if snapshot.version(applied) else self._settings.registry
            self._engine = Engine(self._store, self._settled, self._facts(first))
            if first != applied:
                self._keep_applied()
        if version not in ("", self._engine.facts.version):
            new = self._facts(self._settings.registry)
            progress = self._settled.progress()
            if progress.first_s is not None and progress.settled_s is not None:
                marks = marks_between(self._engine.facts, new, progress.first_s, progress.settled_s)
                LOG.info("registry changed version=%s marks=%d", new.version, marks.num_rows)
                self._settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), marks=marks, registry=new.version))
            self._engine.refresh(new)
            self._keep_applied()
            self._marked_s = -1e9
        return self._engine

    def _facts(self, folder: Path) -> Facts:
        found = snapshot.load(folder)
        spans = spans_of(found.spans, self._settings.area, self._store.series)
        return Facts(found.version, spans, found.outages, holiday_days())

    def _keep_applied(self) -> None:
        """A copy of what was settled with, so that the next start can tell what has changed since."""
        assert self._engine is not None
        found = snapshot.load(self._settings.registry)
        if found.version == self._engine.facts.version:
            tables = {name: getattr(found, name) for name in snapshot.SCHEMAS}
            snapshot.write(self._settings.applied, tables)

    def _clean(self) -> None:
        """Seal what is old, and drop readings that nothing needs any more."""
        now_s = int(time.time())
        today_s = begin_s(int(day_of(np.array([now_s]))[0]))
        slot_days = max(self._settings.slot_days, self._settings.register_days + 1)
        if dropped := self._open_totals().forget_slots(int(day_of(np.array([now_s]))[0]) - slot_days):
            LOG.info("slots of totals dropped days=%d", dropped)
        sealed_s = seal_until(self._settled, now_s - self._settings.register_days * DAY_S, self._going)
        file = self._store if isinstance(self._store, DuckStore) else None
        if file is None or not self._going():
            return
        if sealed_s:
            file.forget_before(sealed_s)
            file.days.forget_before(int(day_of(np.array([sealed_s]))[0]))
        settled_s = self._settled.progress().settled_s or 0
        until_s = min(today_s - self._settings.tick_days * DAY_S, settled_s)
        for from_s in range(until_s - CLEAN_DAYS * DAY_S, until_s, CLEAN_STEP_S):
            if self._going():
                file.forget_ticks(from_s, min(from_s + CLEAN_STEP_S, until_s))
