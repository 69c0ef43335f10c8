"""Usage of single sites and of their meters: those that are shown by themselves, from what each area settled.

A site's sums are made by the rules of the totals, so that what hangs behind another meter never counts twice.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import begin_s
from cloud.metering.codes import ESTIMATED, ROLES, UTILITIES, Direction
from cloud.mirror.points import Sheet, tagged, whole
from cloud.mirror.registry import MAX_METERS, Known
from cloud.mirror.sums import ALL, MEASUREMENTS, Span, points_of
from cloud.settle.plan import INWARD, OUTWARD, PRODUCED, Plan, Spans, plan_for, spans_of
from cloud.settle.sums import atoms_of
from cloud.store.totals_schema import SLOT_ATOMS

LOG = logging.getLogger(__name__)

ASKED_METERS = 200  # at once: some 30,000 slots
SITE, METER = ("district", "kind", "level", "region", "site", "type"), ("kind", "level", "meter", "site")
PRODUCTION = ROLES.index("production")

USAGE = pa.schema(
    [
        ("meter", pa.string()),
        ("quantity", pa.string()),
        ("slot_s", pa.int64()),
        ("milli", pa.int64()),
        ("grade", pa.uint8()),
    ]
)

# Asks an area's process for the usage of some meters (meters, start_s, end_s). Raises StoreUnavailable.
AskUsage = Callable[[Sequence[str], int, int], pa.Table]


@dataclass(frozen=True)
class _Day:
    """The usage of a local day, and the SPANS that it is of."""

    span: Span
    spans: pa.Table
    usage: pa.Table


class SiteUsage:
    """Of areas by name."""

    def __init__(self, asks: Mapping[str, AskUsage]) -> None:
        self._asks = asks
        self._told = False

    def sheets(self, known: Known, span: Span) -> Iterator[Sheet]:
        """All that there is of a local day, its sums too; nothing of a month. Raises StoreUnavailable where an area's
        process does not answer.
        """
        if span.daily:
            return
        day = span.first
        spans = self._chosen(known, span)
        parts = [_Day(span, mine, self._usage(area, mine, span)) for area, mine in _by_area(spans, self._asks)]
        meters = pa.concat_tables([_meter_rows(part, known) for part in parts] or [_NO_METERS])
        atoms = pa.concat_tables([_atoms(part, known) for part in parts] or [SLOT_ATOMS.empty_table()])
        for (utility, direction), name in MEASUREMENTS.items():
            yield span.sheet(name, ("meter",), METER, _meter_points(meters, name))
            of = atoms.filter(pc.and_(pc.equal(atoms["utility"], utility), pc.equal(atoms["direction"], direction)))
            yield span.sheet(name, ("site",), SITE, _site_points(of, known))
            daily = Span(day, day + 1, daily=True)
            yield daily.sheet(name + daily.suffix, ("site",), SITE, _site_points(_summed(of, begin_s(day)), known))

    def _chosen(self, known: Known, span: Span) -> pa.Table:
        """The SPANS of the day, of no more meters than boards are for."""
        there = pc.and_(
            pc.less(known.spans["from_s"], begin_s(span.end)), pc.greater(known.spans["to_s"], begin_s(span.first))
        )
        spans = known.spans.filter(there)
        meters = pc.unique(spans["meter"])
        if len(meters) <= MAX_METERS:
            return spans
        if not self._told:
            LOG.warning("meters of live sites left out of the boards shown=%d of=%d", MAX_METERS, len(meters))
        self._told = True
        return spans.filter(pc.is_in(spans["meter"], meters[:MAX_METERS]))

    def _usage(self, area: str, spans: pa.Table, span: Span) -> pa.Table:
        parts = [USAGE.empty_table()]
        meters = pc.unique(spans["meter"]).to_pylist()
        for at in range(0, len(meters), ASKED_METERS):
            found = self._asks[area](meters[at : at + ASKED_METERS], begin_s(span.first), begin_s(span.end))
            parts.append(found.select(USAGE.names).cast(USAGE))
        return pa.concat_tables(parts).combine_chunks()


def _by_area(spans: pa.Table, asks: Mapping[str, AskUsage]) -> Iterator[tuple[str, pa.Table]]:
    area = spans["area"].cast(pa.string())
    for name in asks:
        mine = spans.filter(pc.equal(area, name))
        if mine.num_rows:
            yield name, mine


_NO_METERS = pa.table(
    {
        "measurement": pa.array([], pa.string()),
        "kind": pa.array([], pa.string()),
        "meter": pa.array([], pa.string()),
        "site": pa.array([], pa.string()),
        "time_s": pa.array([], pa.int64()),
        "milli": pa.array([], pa.int64()),
        "grade": pa.array([], pa.uint8()),
    }
)


def _meter_rows(day: _Day, known: Known) -> pa.Table:
    """What each register counted, under the measurement that it is of."""
    usage = day.usage
    if not usage.num_rows:
        return _NO_METERS
    about = day.spans.select(["meter", "quantity", "site", "utility", "role"])
    about = about.set_column(1, "quantity", about["quantity"].cast(pa.string()))
    about = about.set_column(2, "site", about["site"].cast(pa.string()))
    about = about.group_by(["meter", "quantity"], use_threads=False).aggregate(
        [("site", "first"), ("utility", "first"), ("role", "first")]
    )
    about = about.rename_columns(["meter", "quantity", "site", "utility", "role"])
    words = pa.array([_measurement(row) for row in about.to_pylist()], pa.string())
    about = about.append_column("measurement", words).filter(pc.is_valid(words))
    rows = usage.rename_columns(["meter", "quantity", "time_s", "milli", "grade"])
    rows = rows.join(about, ["meter", "quantity"], join_type="inner")
    rows = rows.join(known.sites.select(["site", "kind"]), "site", join_type="inner")
    return rows.select(_NO_METERS.column_names).cast(_NO_METERS.schema)


def _measurement(row: Mapping[str, object]) -> str | None:
    """What a register's rise is called: of one meter, what came in is what it used."""
    quantity, utility = row["quantity"], row["utility"]
    assert isinstance(utility, int)
    if quantity in PRODUCED or (row["role"] == PRODUCTION and quantity in (*INWARD, *OUTWARD)):
        return "production_electricity_kwh" if UTILITIES[utility] == "electricity" else None
    if quantity in OUTWARD:
        return "export_electricity_kwh"
    return MEASUREMENTS[utility, Direction.USE] if quantity in INWARD else None


def _meter_points(rows: pa.Table, measurement: str) -> pa.Table:
    of = rows.filter(pc.equal(rows["measurement"], measurement))
    estimated = pc.is_in(of["grade"], pa.array([int(grade) for grade in ESTIMATED], pa.uint8()))
    guessed = pc.if_else(estimated, whole(of["milli"]), pc.if_else(pc.is_valid(of["milli"]), 0, None))
    sums = {
        "time_s": of["time_s"],
        "total_milli": of["milli"],
        "estimated_milli": guessed,
        "counted": pc.cast(pc.is_valid(of["milli"]), pa.int64()),
        "expected": pa.repeat(pa.scalar(1, pa.int64()), of.num_rows),
        "estimated_count": pc.cast(estimated, pa.int64()),
    }
    names = {name: whole(of[name]) for name in ("kind", "meter", "site")}
    return points_of(tagged(of.num_rows, names | {"level": "meter"}), pa.table(sums))


def _atoms(day: _Day, known: Known) -> pa.Table:
    """SLOT_ATOMS in which `region` is the place of the site."""
    if not day.usage.num_rows:
        return SLOT_ATOMS.empty_table()
    place = pc.index_in(day.spans["site"].cast(pa.string()), known.sites["site"].combine_chunks()).cast(pa.int32())
    table = day.spans.set_column(day.spans.schema.get_field_index("region"), "region", place)
    table = table.set_column(
        table.schema.get_field_index("use"), "use", pa.repeat(pa.scalar(0, pa.uint8()), table.num_rows)
    )
    numbers = _Numbers()
    spans = spans_of(table, str(day.spans["area"][0].as_py()), numbers)
    usage = day.usage.append_column("series", pa.array(numbers(day.usage["meter"], day.usage["quantity"])))
    usage = usage.select(["slot_s", "series", "milli", "grade"]).sort_by("slot_s").combine_chunks()
    slots, firsts = np.unique(usage["slot_s"].to_numpy(), return_index=True)
    ends = np.append(firsts[1:], usage.num_rows)
    made, plan = [SLOT_ATOMS.empty_table()], None
    for slot_s, first, end in zip(slots.tolist(), firsts.tolist(), ends.tolist(), strict=True):
        plan = _plan(plan, spans, slot_s)
        made.append(atoms_of(plan, slot_s, usage.slice(first, end - first)))
    return pa.concat_tables(made)


def _plan(plan: Plan | None, spans: Spans, slot_s: int) -> Plan:
    if plan is not None and plan.from_s <= slot_s < plan.to_s:
        return plan
    return plan_for(spans, slot_s)


class _Numbers:
    """Numbers registers as a store would."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    def __call__(self, meters: pa.ChunkedArray, quantities: pa.ChunkedArray) -> npt.NDArray[np.int32]:
        pairs: Sequence[tuple[str, str]] = list(zip(meters.to_pylist(), quantities.to_pylist(), strict=True))
        return np.array([self._known.setdefault(pair, len(self._known)) for pair in pairs], np.int32)


def _summed(atoms: pa.Table, time_s: int) -> pa.Table:
    """Over the day."""
    names = ("total", "estimated", "counted", "estimated_count", "expected")
    sums = atoms.group_by("region", use_threads=False).aggregate([(name, "sum") for name in names])
    sums = sums.rename_columns(["region", *names])
    return sums.append_column("slot_s", pa.repeat(pa.scalar(time_s, pa.int64()), sums.num_rows))


def _site_points(atoms: pa.Table, known: Known) -> pa.Table:
    place = whole(atoms["region"])
    tags: dict[str, str | pa.Array] = {
        name: whole(known.sites[name]).take(place) for name in ("district", "kind", "region", "site")
    }
    there = pc.greater(whole(atoms["counted"]), 0)
    sums = {
        "time_s": atoms["slot_s"],
        "total_milli": pc.if_else(there, whole(atoms["total"]), None),
        "estimated_milli": pc.if_else(there, whole(atoms["estimated"]), None),
        **{name: whole(atoms[name]).cast(pa.int64()) for name in ("counted", "expected", "estimated_count")},
    }
    return points_of(tagged(atoms.num_rows, tags | {"level": "site", "type": ALL}), pa.table(sums))
