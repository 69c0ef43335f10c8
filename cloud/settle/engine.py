"""One slot settled: of all registers once it is over, of some of them again when something about it has changed.

What a slot comes to is a function of the readings, the registry, edits and outages that are known for the time until
its end. Whoever changes one of these marks slots; all that can follow from a change is found here, slot by slot in
the order of time, so that settling again ends where a rebuild from nothing ends.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.metering import slot as metering
from cloud.metering.breaks import count_on
from cloud.metering.codes import SLOT_S, Grade
from cloud.metering.frames import Limits
from cloud.metering.gaps import Usage
from cloud.metering.readings import NEVER_S, UNKNOWN, Ints, in_order, thousandths
from cloud.metering.slot import STUCK_SLOTS, Carried, Context, Outcome, Registers
from cloud.settle.inputs import (
    Numbers,
    Outage,
    Some,
    carried_over,
    columns,
    earlier_usage,
    like_days,
    outage_of,
    outages_of,
    raw_readings,
    taken_off,
)
from cloud.settle.plan import Plan, Spans, plan_for
from cloud.store.protocol import Store
from cloud.store.settled import EDGES, USAGE, Batch, Settled

CHUNK = 300_000  # registers at a time: bounds what lies in memory
THREADS = 2


@dataclass(frozen=True)
class Facts:
    """What settling knows beside readings: an Arrow snapshot, never a database."""

    version: str
    spans: Spans
    outages: pa.Table
    holidays: Ints


class Engine:
    """Settles slots of one area. One thread calls it."""

    def __init__(self, store: Store, settled: Settled, facts: Facts) -> None:
        self.store, self.settled, self.facts = store, settled, facts
        self._plan: Plan | None = None
        self._outages: list[Outage] = []
        self._edits = _Edits(self.settled.edits())

    def refresh(self, facts: Facts | None = None) -> None:
        """Take other facts, and the latest edits."""
        if facts is not None:
            self.facts, self._plan = facts, None
        self._edits = _Edits(self.settled.edits())

    def plan(self, slot_s: int) -> Plan:
        """What hangs there in that slot."""
        if self._plan is None or not self._plan.from_s <= slot_s < self._plan.to_s:
            self._plan = plan_for(self.facts.spans, slot_s)
            self._outages = outages_of(self._plan, self.facts.outages)
        return self._plan

    def settle(self, slot_s: int) -> Ints:
        """Settle the next slot, whole; the slots whose sums have changed. It is closed already."""
        plan = self.plan(slot_s)
        chunks = [Some(plan, np.arange(at, min(at + CHUNK, len(plan.row)))) for at in range(0, len(plan.row), CHUNK)]
        closed = [USAGE.empty_table()]
        for some, outcome in self._outcomes(slot_s, chunks):
            self.settled.append(
                usage_table(some, outcome.usage), edges_table(slot_s, some, outcome.carried, removing=False)
            )
            closed.append(usage_table(some, outcome.closed))
        gaps = pa.concat_tables(closed).combine_chunks()
        stale = np.unique(np.append(gaps["slot_s"].to_numpy(), slot_s))
        self.settled.finish(
            Batch(usage=gaps, edges=EDGES.empty_table(), stale=stale.tolist(), settled_s=slot_s + SLOT_S)
        )
        return stale

    def settle_some(self, slot_s: int, series: npt.NDArray[np.int32]) -> tuple[Some, Outcome]:
        """The slot of these series (ascending) as it is now to be; nothing is written."""
        plan = self.plan(slot_s)
        some = Some(plan, np.flatnonzero(np.isin(plan.series, series)))
        return some, self._one(slot_s, some)

    def _outcomes(self, slot_s: int, chunks: list[Some]) -> Iterator[tuple[Some, Outcome]]:
        """Each chunk's, two at a time; no more than that wait in memory."""
        with ThreadPoolExecutor(THREADS, "settle") as pool:
            waiting = [pool.submit(self._one, slot_s, some) for some in chunks[:THREADS]]
            for at, some in enumerate(chunks):
                outcome = waiting[at].result()
                if at + THREADS < len(chunks):
                    waiting.append(pool.submit(self._one, slot_s, chunks[at + THREADS]))
                yield some, outcome

    def _one(self, slot_s: int, some: Some) -> Outcome:
        end_s, series = slot_s + SLOT_S, some.series
        begins, after = raw_readings(self.store.numbered(slot_s, end_s + 1, series), some, slot_s)
        after = taken_off(some, slot_s, after)
        carried = carried_over(slot_s, some, begins, self.settled.edges(slot_s - SLOT_S, series))
        readings, flags = in_order(after, slot_s, len(series))
        plan, which = some.plan, some.which
        registers = Registers(
            plan.multiplier[which],
            _limits(plan, which),
            np.maximum(plan.hung_s[which], slot_s),
            np.minimum(plan.left_s[which], end_s),
        )
        usage = self.settled.usage(slot_s - (STUCK_SLOTS - 1) * SLOT_S, slot_s, series)
        context = Context(
            earlier_usage(slot_s, some, usage),
            like_days(some, self.settled.usage_at, self.facts.holidays),
            outage_of(some, self._outages),
            thousandths(readings.value, registers.multiplier[readings.register]),
            metering.carried_milli(carried, registers.multiplier),
            np.zeros(len(readings.register), np.int32),
        )
        changed = plan.changed_s[which]
        broken = np.flatnonzero((changed != UNKNOWN) & (carried.time_s < changed) & (changed <= end_s))
        pieces = {int(at): plan.pieces(int(which[at]), end_s) for at in broken}
        results = context.milli, context.carried_milli, context.frame
        count_on(readings, (carried.time_s, carried.value), pieces, results, flags)
        outcome = metering.settle(slot_s, readings, registers, carried, context, flags)
        return Outcome(self._edits.apply(some, outcome.usage), self._edits.apply(some, outcome.closed), outcome.carried)


def _limits(plan: Plan, which: Numbers) -> Limits:
    return Limits(plan.limits.capacity_milli[which], plan.limits.max_milli_per_h[which])


class _Edits:
    """What staff has said of single slots; the latest counts. A missing value takes the slot's value away."""

    def __init__(self, table: pa.Table) -> None:
        column = columns(table)
        self._latest = {
            (int(series), int(slot_s)): int(milli)
            for series, slot_s, milli in zip(column["series"], column["slot_s"], column["milli"], strict=True)
        }
        self._slots = np.unique(column["slot_s"])

    def apply(self, some: Some, usage: Usage) -> Usage:
        for at in np.flatnonzero(np.isin(usage.slot_s, self._slots)).tolist():
            key = int(some.series[usage.register[at]]), int(usage.slot_s[at])
            if key in self._latest:
                milli = self._latest[key]
                usage.milli[at] = milli
                usage.grade[at] = Grade.X if milli == UNKNOWN else Grade.M
        return usage


def usage_table(some: Some, usage: Usage) -> pa.Table:
    """USAGE."""
    milli = pa.array(usage.milli, mask=usage.milli == UNKNOWN)
    columns_ = [usage.slot_s, some.series[usage.register], milli, usage.grade, usage.flags.astype(np.uint32)]
    return pa.table(columns_, schema=USAGE)


def edges_table(slot_s: int, some: Some, carried: Carried, *, removing: bool) -> pa.Table:
    """EDGES of what does not stand at the slot's very end; with `removing` all others too, with a null time."""
    edge = (carried.time_s > NEVER_S) & (carried.time_s != slot_s + SLOT_S)
    rows = np.arange(len(edge)) if removing else np.flatnonzero(edge)
    part = carried.part_milli[rows]
    kept = edge[rows]
    columns_ = [
        np.full(len(rows), slot_s, np.int64),
        some.series[rows],
        pa.array(carried.time_s[rows], mask=~kept),
        pa.array(carried.value[rows], mask=~kept),
        pa.array(part, mask=~kept | (part == UNKNOWN)),
    ]
    return pa.Table.from_arrays([pa.array(column) for column in columns_], schema=_nullable(EDGES))


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])
