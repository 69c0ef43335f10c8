"""PURE: the live table as arrays, one element a meter of the roster."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import ROLES, UTILITIES
from cloud.portal.live.sites import Roster
from contract.quality import FIRST_MISSING

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# (utility, role) → the register that usage is made from, and the value of the moment. Sub-meters measure again
# what their main has measured, so they have no part in any sum.
_REGISTERS = {
    ("electricity", "main"): "electricity_import_kwh",
    ("electricity", "production"): "electricity_production_kwh",
    ("gas", "main"): "gas_volume_m3",
    ("water", "main"): "water_volume_m3",
    ("heat", "main"): "heat_energy_kwh",
}
_INSTANTS = {
    ("electricity", "main"): "electricity_power_kw",
    ("electricity", "production"): "electricity_production_power_kw",
    ("gas", "main"): "gas_flow_m3_per_h",
    ("water", "main"): "water_flow_m3_per_h",
    ("heat", "main"): "heat_power_kw",
}
_EXPORT = "electricity_export_kwh"
_PULSES = "pulses_count"
_QUANTITIES = [*_REGISTERS.values(), *_INSTANTS.values(), _EXPORT, _PULSES]
_QUANTITY_SET = pa.array(_QUANTITIES, pa.string())
_NOT_READ = -2  # of a meter whose utility and role have no such quantity; differs from "not found", -1

# why a meter is not counted, by its position here; the missing ones of contract.quality keep their order
REASONS = (
    "",
    "no-answer",
    "garbled",
    "exception",
    "not-available",
    "backed-off",
    "line-down",
    "overload",
    "never-heard",
    "stale",
    "warming-up",
    "no-midnight-register",
    "register-fell",
)


@dataclass(frozen=True)
class Column:
    """One quantity of each meter, as the live table has it. Missing numbers are NaN, missing times 0.

    `listed`: the table has the quantity for that meter; `heard`: it was read at least once.
    """

    listed: Bools
    heard: Bools
    value: Floats
    quality: Ints
    time_s: Ints
    last_value: Floats
    last_time_s: Ints
    day_value: Floats
    day_time_s: Ints

    def missing(self) -> Ints:
        """Position in REASONS for the latest reading: 0 where it has a value."""
        reason = np.where(np.isnan(self.value), np.maximum(self.quality - FIRST_MISSING, 0) + 1, 0)
        return np.where(self.heard, reason, REASONS.index("never-heard"))


@dataclass(frozen=True)
class Meters:
    """What each meter of the roster says: the value of the moment, its register, and its export register."""

    instant: Column
    register: Column
    export: Column


def gather(live: pa.Table, roster: Roster) -> Meters:
    """`live` as `cloud.ingest.live` makes it; meters that the roster does not know are passed over."""
    meter = _positions(live["meter"], roster.meters)
    quantity = _positions(live["quantity"], _QUANTITY_SET)
    known = (meter >= 0) & (quantity >= 0)
    fields = _fields(live)
    size = len(roster.meters)

    def column(*rows: Bools) -> Column:
        return _column(size, meter, fields, rows)

    pulses = known & (quantity == _QUANTITIES.index(_PULSES))
    return Meters(
        instant=column(known & (quantity == _wanted(roster, _INSTANTS)[meter])),
        # a meter's own register, where it has one, is better than the pulses counted beside it
        register=column(pulses, known & (quantity == _wanted(roster, _REGISTERS)[meter])),
        export=column(known & (quantity == _QUANTITIES.index(_EXPORT))),
    )


def unlisted(live: pa.Table, roster: Roster) -> int:
    """How many series of `live` that were read belong to no meter of the roster."""
    heard = live["time_s"].is_valid().to_numpy()
    return int((heard & (_positions(live["meter"], roster.meters) < 0)).sum())


def _positions(values: pa.ChunkedArray, known: pa.Array) -> Ints:
    found = pc.fill_null(pc.index_in(values, value_set=known), -1)
    return np.asarray(found.to_numpy(), np.int64)


def _wanted(roster: Roster, names: dict[tuple[str, str], str]) -> Ints:
    table = np.full((len(UTILITIES), len(ROLES)), _NOT_READ, np.int64)
    for (utility, role), name in names.items():
        table[UTILITIES.index(utility), ROLES.index(role)] = _QUANTITIES.index(name)
    wanted: Ints = table[roster.utility, roster.role]
    # a position of -1 (meter not found) must find something here
    return wanted if len(wanted) else np.array([_NOT_READ], np.int64)


def _fields(live: pa.Table) -> dict[str, Floats | Ints]:
    fields: dict[str, Floats | Ints] = {}
    for name in ("value", "last_value", "day_value"):
        fields[name] = live[name].cast(pa.float64()).fill_null(float("nan")).to_numpy()
    for name in ("quality", "time_s", "last_time_s", "day_time_s"):
        fields[name] = live[name].cast(pa.int64()).fill_null(0).to_numpy()
    return fields


def _column(size: int, meter: Ints, fields: dict[str, Floats | Ints], rows: tuple[Bools, ...]) -> Column:
    listed = np.zeros(size, np.bool_)
    arrays: dict[str, Floats | Ints] = {
        name: np.full(size, np.nan) if values.dtype == np.float64 else np.zeros(size, np.int64)
        for name, values in fields.items()
    }
    for mask in rows:
        chosen = np.flatnonzero(mask)
        at = meter[chosen]
        listed[at] = True
        for name, values in fields.items():
            arrays[name][at] = values[chosen]
    return Column(listed=listed, heard=arrays["time_s"] > 0, **arrays)  # type: ignore[arg-type]  # the names decide which are floats
