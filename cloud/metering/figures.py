"""Figures that people read, worked out beside integer sums of atoms. Arrow tables in and out.

Here `rows` is a table with the columns day (days since 1970-01-01, local) or slot_s, region, utility, direction and
the sums below; where it is told apart by use, also `use`. A figure whose sum or factor or denominator is not known is
null. Division and factors come after all summing of integers, in float64, and in the order of the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from cloud.metering.codes import DAY_S, SEOUL_S

SUMS = ("total_milli", "estimated_milli", "counted", "expected", "estimated_count")
UNITS = ("kWh", "m3", "m3", "kWh")  # of `value`, by the place in codes.UTILITIES


def with_shares(rows: pa.Table) -> pa.Table:
    """Add `value` (kWh or m3), `coverage` (of the meter-slots expected, what share counted) and `estimated_share`
    (of those counted, what share rests on an estimate).
    """
    counted = _floats(rows["counted"])
    return (
        rows.append_column("value", _column(_floats(rows["total_milli"]) / 1000))
        .append_column("coverage", _column(_divided(counted, _floats(rows["expected"]))))
        .append_column("estimated_share", _column(_divided(_floats(rows["estimated_count"]), counted)))
    )


def with_factors(rows: pa.Table, factors: Mapping[str, pa.Table]) -> pa.Table:
    """Add a column for each factor, such as `kgco2eq`: the amount times the factor of its local day.

    A factor is a table (day, utility, value), value per kWh or m3; a day and utility that are not in it give null.
    """
    amounts = _floats(rows["total_milli"]) / 1000
    keys = (_days(rows) << 8) | _ints(rows["utility"])
    for name, factor in factors.items():
        known = (_ints(factor["day"]) << 8) | _ints(factor["utility"])
        rows = rows.append_column(name, _column(amounts * _looked_up(keys, known, _floats(factor["value"]))))
    return rows


@dataclass(frozen=True)
class Denominators:
    """What figures are divided by, for the regions of one level; NaN: not known."""

    regions: npt.NDArray[np.int64]  # ascending
    households: npt.NDArray[np.float64]
    persons: npt.NDArray[np.float64]
    floor_m2: npt.NDArray[np.float64]  # one row a region, one column a use (0..255)


def denominators(parts: pa.Table, floors: pa.Table, roll_up: pa.Table | None) -> Denominators:
    """Those of the regions that `roll_up` (dong, region) makes of dongs: unknown as soon as one dong's is.

    `parts` has region, households and persons of each dong, `floors` region, use and floor_m2. A dong of the mapping
    that is not in `parts` is unknown; one that has no row in `floors` has unknown floors, and one that has some has
    none (0 m2) of the uses that are not named. Without `roll_up` the regions are the dongs; with it, it should map the
    dongs of one day alone, since one that was merged and its successor would count the same people twice.
    """
    dongs = _ints(parts["region"] if roll_up is None else roll_up["dong"])
    above = dongs if roll_up is None else _ints(roll_up["region"])
    regions, places = np.unique(above, return_inverse=True)
    known, floored = _ints(parts["region"]), _ints(floors["region"])
    floor = np.where(np.isin(dongs, floored)[:, None], np.zeros(256), np.nan)
    ours = np.isin(floored, dongs)
    order = np.argsort(dongs)
    spots = order[np.searchsorted(dongs, floored[ours], sorter=order)]
    np.add.at(floor, (spots, _ints(floors["use"])[ours]), _floats(floors["floor_m2"])[ours])

    def summed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        sums = np.zeros((regions.size, *values.shape[1:]))
        np.add.at(sums, places, values)
        return sums

    by_dong = [_looked_up(dongs, known, _floats(parts[name])) for name in ("households", "persons")]
    return Denominators(regions, summed(by_dong[0]), summed(by_dong[1]), summed(floor))


def with_denominators(rows: pa.Table, known: Denominators, types: pa.Table | None = None) -> pa.Table:
    """Add `per_household`, `per_person` and `per_m2`: `value` by what is known of the row's region.

    The floor is that of the row's use, or of the uses of its type by `types` (use, type), or of all.
    """
    floor = known.floor_m2
    regions = _ints(rows["region"])
    group = np.zeros(regions.size, np.int64)
    if "use" in rows.column_names:
        group = _ints(rows["use"])
    elif "type" in rows.column_names and types is not None:
        group = _ints(rows["type"])
        of = np.zeros(256, np.int64)
        of[_ints(types["use"])] = _ints(types["type"])
        by_type = np.zeros((256, known.regions.size))
        np.add.at(by_type, of, floor.T)
        floor = by_type.T
    else:
        floor = floor.sum(axis=1, keepdims=True)
    values = _floats(rows["value"])
    for name, column in (("per_household", known.households), ("per_person", known.persons)):
        by = _looked_up(regions, known.regions, column)
        rows = rows.append_column(name, _column(_divided(values, by)))
    places = _looked_up(regions, known.regions, np.arange(known.regions.size, dtype=np.float64))
    found = ~np.isnan(places)
    by = np.full(regions.size, np.nan)
    by[found] = floor[places[found].astype(np.int64), group[found]]
    return rows.append_column("per_m2", _column(_divided(values, by)))


def by_month(rows: pa.Table) -> pa.Table:
    """Rows of days summed over each local month, whose first day is then their `day`; ordered by what is no sum.

    Sums of integers are exact. A factor's column is null when it is null for any day that has an amount.
    """
    firsts = rows["day"].to_numpy().astype("datetime64[D]").astype("datetime64[M]").astype("datetime64[D]")
    days = pa.array(firsts.astype(np.int64)).cast(pa.int32())
    rows = rows.set_column(rows.schema.get_field_index("day"), "day", days)
    floats = [name for name in rows.column_names if rows[name].type == pa.float64()]
    nothing = compute.is_null(rows["total_milli"])
    for name in floats:
        filled = compute.if_else(nothing, 0.0, rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), name, filled)
    keys = [name for name in rows.column_names if name not in SUMS and name not in floats]
    every = compute.ScalarAggregateOptions(skip_nulls=False)
    sums = [(name, "sum") for name in SUMS] + [(name, "sum", every) for name in floats]
    months = rows.group_by(keys, use_threads=False).aggregate(sums).rename_columns([*keys, *SUMS, *floats])
    nothing = compute.is_null(months["total_milli"])
    for name in floats:
        cleared = compute.if_else(nothing, pa.scalar(None, pa.float64()), months[name])
        months = months.set_column(months.schema.get_field_index(name), name, cleared)
    return months.select(rows.column_names).sort_by([(name, "ascending") for name in keys])


def _days(rows: pa.Table) -> npt.NDArray[np.int64]:
    if "day" in rows.column_names:
        return _ints(rows["day"])
    return (_ints(rows["slot_s"]) + SEOUL_S) // DAY_S


def _looked_up(
    keys: npt.NDArray[np.int64], known: npt.NDArray[np.int64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The value of each key, NaN for one that is not known."""
    if not known.size:
        return np.full(keys.size, np.nan)
    order = np.argsort(known, kind="stable")
    places = order[np.minimum(np.searchsorted(known[order], keys), known.size - 1)]
    return np.where(known[places] == keys, values[places], np.nan)


def _divided(over: npt.NDArray[np.float64], under: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """NaN where there is nothing to divide by."""
    quotients = np.full(over.size, np.nan)
    np.divide(over, under, out=quotients, where=under > 0)
    return quotients


def _ints(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(column.to_numpy(), np.int64)


def _floats(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """NaN for null."""
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _column(values: npt.NDArray[np.float64]) -> pa.Array:
    """Null for NaN."""
    return pa.array(values, pa.float64(), from_pandas=True)
