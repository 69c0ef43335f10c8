"""What another registry changes of what is settled already: marks for the stretches that differ."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import SLOT_S
from cloud.settle.again import SUMS_ONLY
from cloud.settle.engine import Facts
from cloud.settle.inputs import outages_of
from cloud.settle.plan import Spans, plan_for
from cloud.store.settled import MARKS

# What decides a register's usage, and what only where it is summed.
_USAGE = ("series", "from_s", "to_s", "life", "digits", "multiplier", "max_per_h", "opening", "closing")
_SUMS = ("series", "from_s", "to_s", "region", "use", "utility", "role", "parent")


def marks_between(old: Facts, new: Facts, first_s: int, settled_s: int) -> pa.Table:
    """MARKS of what settling from `first_s` until before `settled_s` would now come to otherwise."""
    marks = [_of_rows(_differing(old.spans, new.spans, _USAGE), first_s, settled_s)]
    sums = _of_rows(_differing(old.spans, new.spans, _SUMS), first_s, settled_s)
    only = sums.set_column(0, MARKS.field(0), pa.array(np.full(sums.num_rows, SUMS_ONLY, np.int32)))
    marks += [pa.table(only.group_by(MARKS.names).aggregate([])).select(MARKS.names).cast(MARKS)]
    marks += [_of_outages(old, new, first_s, settled_s)]
    return pa.concat_tables(marks)


def _differing(old: Spans, new: Spans, names: tuple[str, ...]) -> pa.Table:
    """Rows that only one of the two has."""
    tables = [_keyed(spans, names) for spans in (old, new)]
    counted = pa.concat_tables(tables).group_by(list(names)).aggregate([([], "count_all"), ("which", "min")])
    return counted.filter(pc.equal(counted["count_all"], 1))


def _keyed(spans: Spans, names: tuple[str, ...]) -> pa.Table:
    columns = {name: spans.table[name] for name in names if name != "series"}
    columns = {name: column.cast(pa.string()) if name == "parent" else column for name, column in columns.items()}
    table = pa.table({"series": spans.series, **columns})
    return table.append_column("which", pa.array(np.zeros(table.num_rows, np.int8)))


def _of_rows(rows: pa.Table, first_s: int, settled_s: int) -> pa.Table:
    """Of each row its time, as slots; a stretch that ends within a slot changes that slot, too."""
    from_s = np.maximum(rows["from_s"].to_numpy() // SLOT_S * SLOT_S, first_s)
    to_s = np.minimum(-(-rows["to_s"].to_numpy() // SLOT_S) * SLOT_S, settled_s)
    fits = from_s < to_s
    return pa.table([rows["series"].to_numpy()[fits], from_s[fits], to_s[fits]], schema=MARKS)


def _of_outages(old: Facts, new: Facts, first_s: int, settled_s: int) -> pa.Table:
    """The registers in the scope of each outage that one of the two does not know."""
    found = [MARKS.empty_table()]
    for outage in _outages_of_one(old.outages, new.outages):
        start_s, end_s = max(outage["from_s"] // SLOT_S * SLOT_S, first_s), min(outage["to_s"], settled_s)
        if start_s >= end_s:
            continue
        series = _touched(new, pa.Table.from_pylist([outage], new.outages.schema), start_s)
        spans = [np.full(len(series), start_s), np.full(len(series), -(-end_s // SLOT_S) * SLOT_S)]
        found.append(pa.table([series, *spans], schema=MARKS))
    return pa.concat_tables(found)


def _outages_of_one(old: pa.Table, new: pa.Table) -> list[dict[str, Any]]:
    one, other = ({tuple(row.items()) for row in table.to_pylist()} for table in (old, new))
    return [dict(row) for row in sorted(one ^ other, key=repr)]


def _touched(facts: Facts, outage: pa.Table, slot_s: int) -> npt.NDArray[np.int32]:
    plan = plan_for(facts.spans, slot_s)
    (known, *_) = [*outages_of(plan, outage), None]
    return plan.series[known.registers] if known is not None else np.zeros(0, np.int32)
