"""From a slot's usage to the atoms of totals, and these into the files that everybody reads."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.atoms import slot_atoms
from cloud.metering.calendar import day_of
from cloud.metering.codes import ESTIMATED
from cloud.metering.families import shares
from cloud.metering.readings import UNKNOWN
from cloud.settle.engine import Engine
from cloud.settle.inputs import columns, local
from cloud.settle.plan import Plan
from cloud.store.parquet import TotalsWriter
from cloud.store.totals_schema import SLOT_ATOMS

_ESTIMATED = [int(grade) for grade in ESTIMATED]


def atoms_of(plan: Plan, slot_s: int, usage: pa.Table) -> pa.Table:
    """SLOT_ATOMS of one slot, from its USAGE."""
    column = columns(usage)
    at = local(column["series"], plan.series)
    there = at >= 0
    milli = np.full(len(plan.series), UNKNOWN, np.int64)
    milli[at[there]] = column["milli"][there]
    estimated = np.zeros(len(plan.series), bool)
    estimated[at[there]] = np.isin(column["grade"][there], _ESTIMATED)
    meters = plan.meters
    found = slot_atoms(
        meters.cells,
        meters.tree,
        shares(meters.tree, milli, estimated),
        np.ones(len(meters.tree.parent), bool),
    )
    rows = {"slot_s": np.full(len(found["region"]), slot_s, np.int64), **found}
    return pa.table({name: rows[name] for name in SLOT_ATOMS.names}).cast(SLOT_ATOMS)


def sum_stale(
    engine: Engine, totals: TotalsWriter, keep_going: Callable[[], bool], said: Callable[[int, int], None]
) -> bool:
    """Make the sums of all stale slots again, a day at a time; `said` is told how many are done, of how many."""
    waiting = engine.settled.stale()
    days = day_of(np.array(waiting, np.int64))
    done = 0
    for day in np.unique(days).tolist():
        slots = [slot for slot, its in zip(waiting, days.tolist(), strict=True) if its == day]
        made = []
        for slot_s in slots:
            if not keep_going():
                return False
            usage = engine.settled.usage(slot_s, slot_s + 1)
            if usage.num_rows:
                made.append(atoms_of(engine.plan(slot_s), slot_s, usage))
            done += 1
            said(done, len(waiting))
        before = totals.read_day(day)
        kept = before.filter(pc.invert(pc.is_in(before["slot_s"], pa.array(slots, pa.int64()))))
        totals.write_days({day: pa.concat_tables([kept, *made])})
        engine.settled.summed(slots)
    return True
