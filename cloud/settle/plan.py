"""The registry as settling needs it: arrays over registers and over meters, for any slot.

A register is a (meter, quantity) from which usage is made. Both are in the order of the store's series numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.atoms import Cells, Places, cells
from cloud.metering.breaks import Piece
from cloud.metering.codes import ROLES, SLOT_S
from cloud.metering.families import Tree, depths
from cloud.metering.frames import Limits
from cloud.metering.readings import UNKNOWN, Ints, Mask
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S

# The quantities that usage is made of, by what they are to their meter. Pulses mean what the meter's utility says.
INWARD = ("electricity_import_kwh", "gas_volume_m3", "water_volume_m3", "heat_energy_kwh", "pulses_count")
OUTWARD = ("electricity_export_kwh",)
PRODUCED = ("electricity_production_kwh",)
_PRODUCTION = ROLES.index("production")

Series = Callable[[Any, Any], npt.NDArray[np.int32]]


@dataclass(frozen=True)
class Spans:
    """Stretches of registers as arrays of one length, by series and then by time; `table` has the same rows."""

    table: pa.Table
    series: npt.NDArray[np.int32]
    from_s: Ints
    to_s: Ints
    life: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.float64]
    opening: npt.NDArray[np.float64]
    closing: npt.NDArray[np.float64]

    @cached_property
    def bounds(self) -> Ints:
        """Moments at which anything begins or ends, ascending."""
        found = np.unique(np.concatenate([self.from_s, self.to_s]))
        return found[(found > OPEN_FROM_S) & (found < OPEN_TO_S)]


def spans_of(table: pa.Table, area: str, series: Series) -> Spans:
    """The area's registers out of `snapshot.SPANS`. `series` numbers them (`Store.series`)."""
    wanted = pa.array([*INWARD, *OUTWARD, *PRODUCED])
    mine = pc.and_(pc.equal(table["area"], area), pc.is_in(table["quantity"].cast(pa.string()), wanted))
    table = table.filter(mine)
    numbers = series(table["meter"], table["quantity"])
    order = np.lexsort([table["from_s"].to_numpy(), numbers])
    table = table.take(pa.array(order)).combine_chunks()
    number = {name: _column(table, name) for name in ("multiplier", "opening", "closing")}
    return Spans(
        table,
        numbers[order],
        table["from_s"].to_numpy(),
        table["to_s"].to_numpy(),
        table["life"].to_numpy().astype(np.int64),
        number["multiplier"],
        number["opening"],
        number["closing"],
    )


def _column(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = pc.fill_null(table[name], float("nan")).to_numpy()
    return found


@dataclass(frozen=True)
class Plan:
    """What hangs there in slots from `from_s` until before `to_s`, between two moments of change.

    `row` is each register's stretch among the spans (the latest that touches the slot), `hung_s` and `left_s` the
    moments between which it hangs, `changed_s` when its device or multiplier last changed (UNKNOWN).
    """

    from_s: int
    to_s: int
    spans: Spans
    series: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    hung_s: Ints
    left_s: Ints
    changed_s: Ints
    limits: Limits
    multiplier: npt.NDArray[np.float64]
    opening: npt.NDArray[np.float64]
    closing: npt.NDArray[np.float64]

    @cached_property
    def meters(self) -> "Meters":
        """Its meters; made when first asked for."""
        return meters_of(self)

    def pieces(self, register: int, until_s: int) -> list[Piece]:
        """The stretches of a register that begin by then, one for each device and multiplier."""
        spans = self.spans
        first = int(np.searchsorted(spans.series, self.series[register], "left"))
        last = int(np.searchsorted(spans.series, self.series[register], "right"))
        found: list[Piece] = []
        for at in range(first, last):
            if spans.from_s[at] > until_s:
                break
            piece = Piece(
                int(spans.from_s[at]),
                int(spans.to_s[at]),
                int(spans.life[at]),
                float(spans.multiplier[at]),
                float(spans.opening[at]),
                float(spans.closing[at]),
            )
            if found and _same(found[-1], piece):
                piece = Piece(found[-1].from_s, piece.to_s, *_rest(piece, found[-1]))
                found.pop()
            found.append(piece)
        return found


def _same(one: Piece, other: Piece) -> bool:
    return (one.life, one.multiplier) == (other.life, other.multiplier)


def _rest(piece: Piece, before: Piece) -> tuple[int, float, float, float]:
    return piece.life, piece.multiplier, before.opening, piece.closing


@dataclass(frozen=True)
class Meters:
    """The meters of a plan, as families and cells need them, and the registers' meter."""

    tree: Tree
    cells: Cells
    of_register: npt.NDArray[np.int64]


def plan_for(spans: Spans, slot_s: int) -> Plan:
    """The plan of a slot and of those around it for which it is the same."""
    end_s = slot_s + SLOT_S
    place = int(np.searchsorted(spans.bounds, slot_s, "right"))
    before = int(spans.bounds[place - 1]) if place else OPEN_FROM_S
    after = int(spans.bounds[place]) if place < len(spans.bounds) else OPEN_TO_S
    # a slot within or at whose end something changes has a plan of its own
    from_s, to_s = (before, (after - 1) // SLOT_S * SLOT_S) if end_s < after else (slot_s, end_s)
    rows = np.flatnonzero((spans.from_s < end_s) & (spans.to_s > slot_s))
    series = spans.series[rows]
    last = np.append(series[1:] != series[:-1], True) if len(rows) else np.zeros(0, bool)
    row = rows[last]
    first_row, last_row = _runs(spans, row)
    return Plan(
        from_s=from_s,
        to_s=to_s,
        spans=spans,
        series=spans.series[row],
        row=row,
        hung_s=spans.from_s[first_row],
        left_s=spans.to_s[last_row],
        changed_s=_changed(spans, row, end_s),
        limits=_limits(spans, row),
        multiplier=spans.multiplier[row],
        opening=spans.opening[first_row],
        closing=spans.closing[last_row],
    )


def _runs(spans: Spans, row: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first and the last stretch of the unbroken run in which each of these lies."""
    joined = np.zeros(len(spans.series), bool)
    joined[1:] = (spans.series[1:] == spans.series[:-1]) & (spans.from_s[1:] == spans.to_s[:-1])
    run = np.cumsum(~joined) - 1
    starts = np.flatnonzero(~joined)
    ends = np.append(starts[1:], len(spans.series)) - 1
    return starts[run[row]], ends[run[row]]


def _changed(spans: Spans, row: npt.NDArray[np.int64], end_s: int) -> Ints:
    differs = np.zeros(len(spans.series), bool)
    differs[1:] = (spans.series[1:] == spans.series[:-1]) & (
        (spans.life[1:] != spans.life[:-1])
        | (spans.multiplier[1:] != spans.multiplier[:-1])
        | (spans.from_s[1:] != spans.to_s[:-1])
    )
    at = np.flatnonzero(differs & (spans.from_s <= end_s))
    changed = np.full(len(row), UNKNOWN, np.int64)
    where = np.searchsorted(spans.series[row], spans.series[at])
    fits = where < len(row)
    fits[fits] = spans.series[row][where[fits]] == spans.series[at][fits]
    np.maximum.at(changed, where[fits], spans.from_s[at][fits])
    return changed


def _limits(spans: Spans, row: npt.NDArray[np.int64]) -> Limits:
    digits = spans.table["digits"].to_numpy()[row].astype(np.float64)
    capacity = np.rint(10.0**digits * spans.multiplier[row] * 1000)
    most = pc.fill_null(spans.table["max_per_h"], float("inf")).to_numpy()[row] * 1000
    return Limits(np.where(digits > 0, capacity, UNKNOWN).astype(np.int64), most)


def meters_of(plan: Plan) -> Meters:
    """Its meters in the order of their first register."""
    table = plan.spans.table.take(pa.array(plan.row))
    coded = table["meter"].combine_chunks().dictionary_encode()
    of_register = coded.indices.to_numpy().astype(np.int64)
    count = len(coded.dictionary)
    first = np.zeros(count, np.int64)
    first[of_register[::-1]] = np.arange(len(of_register))[::-1]
    about = table.take(pa.array(first))
    parent = pc.index_in(about["parent"].combine_chunks(), coded.dictionary)
    parent = pc.fill_null(parent, -1).to_numpy().astype(np.int64)
    utility = about["utility"].to_numpy()
    # a parent of another utility is none
    parent = np.where((parent >= 0) & (utility[np.maximum(parent, 0)] == utility), parent, -1)
    role = about["role"].to_numpy()
    ends = {
        name: _register(table, of_register, count, quantities)
        for name, quantities in (("inward", INWARD), ("outward", OUTWARD), ("produced", PRODUCED))
    }
    produces = role == _PRODUCTION
    made = np.where(ends["produced"] >= 0, ends["produced"], ends["outward"])
    made = np.where(made >= 0, made, ends["inward"])
    tree = Tree(
        parent=parent,
        depth=depths(parent),
        role=role,
        inward=np.where(produces, -1, ends["inward"]),
        outward=np.where(produces, -1, ends["outward"]),
        produced=np.where(produces, made, -1),
    )
    places = Places(about["region"].to_numpy(), about["use"].to_numpy(), utility)
    return Meters(tree, cells(places), of_register)


def _register(
    table: pa.Table, of_register: npt.NDArray[np.int64], count: int, quantities: Sequence[str]
) -> npt.NDArray[np.int64]:
    """By meter, the register that has one of these quantities, or -1."""
    there: Mask = pc.is_in(table["quantity"].cast(pa.string()), pa.array(quantities)).to_numpy()
    found = np.full(count, -1, np.int64)
    which = np.flatnonzero(there)
    found[of_register[which]] = which
    return found
