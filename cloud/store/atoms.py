"""Atoms in their one order, and what is summed from them before they are written. Arrays in, arrays out."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S
from cloud.store.totals_schema import DAY_ATOMS, SLOT_ATOMS

HOUR_S = 3600
FIGURES = ("total", "estimated", "counted", "estimated_count", "expected")

# Outermost first. Nearly every question names one utility and direction, so these begin the order; the time ends it,
# so that a series lies together and packs well. Bits: together 63, so that one int64 orders a row.
_BITS = {"utility": 8, "direction": 8, "region": 24, "use": 8, "time": 15}
_ORDER = tuple(_BITS)
_REGION_FIRST = ("region", "utility", "direction", "time")


def _lacking(schema: pa.Schema, name: str) -> pa.Schema:
    return schema.remove(schema.get_field_index(name))


# SLOT_ATOMS summed over all uses and over an hour; `slot_s` is that of the hour's first slot.
HOUR_ATOMS = _lacking(SLOT_ATOMS, "use")


def ordered(atoms: pa.Table) -> pa.Table:
    """These atoms (SLOT_ATOMS or DAY_ATOMS) in their one order, in one chunk. Raises ValueError on a key met twice."""
    atoms = atoms.combine_chunks()
    keys = _keys(atoms)
    if not bool(np.all(keys[1:] > keys[:-1])):
        order = np.argsort(keys, kind="stable")
        atoms, keys = atoms.take(pa.array(order)).combine_chunks(), keys[order]
        if bool(np.any(keys[1:] == keys[:-1])):
            raise ValueError("two atoms of one region, use, utility, direction and time")
    return atoms


def day_atoms(day: int, slot_atoms: pa.Table) -> pa.Table:
    """DAY_ATOMS of one day: the sums of its slots, in order. Raises ValueError when a slot is of another day."""
    slots = slot_atoms["slot_s"].to_numpy()
    start_s = day * DAY_S - SEOUL_S
    if slots.size and not start_s <= slots.min() <= slots.max() < start_s + DAY_S:
        raise ValueError(f"atoms of another day among those of day {day}")
    whole = slot_atoms.drop_columns("slot_s").add_column(
        0, DAY_ATOMS.field("day"), pa.array(np.full(slot_atoms.num_rows, day, np.int32))
    )
    return _summed(whole, DAY_ATOMS)


def hour_atoms(slot_atoms: pa.Table) -> pa.Table:
    """HOUR_ATOMS of SLOT_ATOMS or of HOUR_ATOMS, the same hours made one; a region's rows lie together, by time."""
    slots = slot_atoms["slot_s"].to_numpy()
    whole = slot_atoms.set_column(0, HOUR_ATOMS.field("slot_s"), pa.array(slots - slots % HOUR_S))
    return _summed(whole, HOUR_ATOMS, _REGION_FIRST)


def of_other_days(rows: pa.Table, days: Iterable[int]) -> pa.Table:
    """Those of HOUR_ATOMS or DAY_ATOMS that are not of these local days."""
    time = rows.column(0).to_numpy()
    return rows.filter(
        pa.array(~np.isin(time if rows.column_names[0] == "day" else (time + SEOUL_S) // DAY_S, [*days]))
    )


def without_use(atoms: pa.Table) -> pa.Table:
    """The same summed over all uses; in order, but a region's rows lie together, since a question names one region."""
    return _summed(atoms, _lacking(atoms.schema, "use"), _REGION_FIRST)


def without_region(atoms: pa.Table) -> pa.Table:
    """The same summed over all regions, in order."""
    return _summed(atoms, _lacking(atoms.schema, "region"))


def _summed(rows: pa.Table, schema: pa.Schema, outermost_first: Sequence[str] = _ORDER) -> pa.Table:
    """`rows` with the columns of the schema, equal keys made one. Raises ArrowInvalid where a sum overflows."""
    rows = rows.select(schema.names).combine_chunks()
    keys = _keys(rows, outermost_first)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    firsts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1)) if keys.size else order
    columns = []
    for field in schema:
        values = rows[field.name].to_numpy()[order]
        if field.name not in FIGURES:
            values = values[firsts]
        elif firsts.size:
            values = np.add.reduceat(values.astype(np.int64), firsts)
        columns.append(pa.array(values, pa.int64()).cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _keys(rows: pa.Table, outermost_first: Sequence[str] = _ORDER) -> npt.NDArray[np.int64]:
    """A number for each row, by which they are ordered. Raises ValueError for a number out of bounds."""
    if SLOT_ATOMS.names[0] in rows.column_names:
        slots = rows["slot_s"].to_numpy()
        times = (slots - slots.min()) // SLOT_S if slots.size else slots
    else:
        days = rows["day"].to_numpy().astype(np.int64)
        times = days - days.min() if days.size else days
    keys = np.zeros(rows.num_rows, np.int64)
    for name in outermost_first:
        bits = _BITS[name]
        if name == "time" or name in rows.column_names:
            values = times if name == "time" else rows[name].to_numpy().astype(np.int64)
            if values.size and not 0 <= values.min() <= values.max() < 1 << bits:
                raise ValueError(f"{name} must be 0 to {(1 << bits) - 1}")
            keys = (keys << bits) | values
    return keys
