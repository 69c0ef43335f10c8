"""Usage of single sites and of their meters: those that are shown by themselves, from what each area settled.

A site's sums are made by the rules of the totals, so that what hangs behind another meter never counts twice.
"""

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import begin_s
from cloud.metering.codes import ESTIMATED, Direction
from cloud.mirror.points import Sheet, tagged, whole
from cloud.mirror.registry import MAX_METERS, Known
from cloud.mirror.sums import ALL, MEASUREMENTS, Span, points_of
from cloud.settle.plan import Plan, Spans, plan_for, spans_of
from cloud.settle.sums import atoms_of
from cloud.store.protocol import StoreUnavailable
from cloud.store.totals_schema import SLOT_ATOMS

LOG = logging.getLogger(__name__)

ASKED_METERS = 200  # at once: some 30,000 slots
SITE, METER = ("district", "kind", "level", "region", "site", "type"), ("kind", "level", "meter", "site")

USAGE = pa.schema(
    [
        ("meter", pa.string()),
        ("quantity", pa.string()),
        ("slot_s", pa.int64()),
        ("milli", pa.int64()),
        ("grade", pa.uint8()),
    ]
)

# What single meters counted.
COUNTED = pa.schema(
    [
        ("measurement", pa.string()),
        ("meter", pa.string()),
        ("site", pa.string()),
        ("time_s", pa.int64()),
        ("milli", pa.int64()),
        ("grade", pa.uint8()),
    ]
)

# Asks an area's process for the usage of some meters (meters, start_s, end_s). Raises StoreUnavailable.
AskUsage = Callable[[Sequence[str], int, int], pa.Table]


class SiteUsage:
    """Of one area: another that is silent keeps nothing back, and what it told stays."""

    def __init__(self, area: str, ask: AskUsage) -> None:
        self._area, self._ask = area, ask
        self._told = False

    def sheets(self, known: Known, span: Span) -> Iterator[Sheet]:
        """All that there is of a local day, its sums too; nothing of a month. Raises StoreUnavailable where the area's
        process does not answer.
        """
        if span.daily:
            return
        there = pc.and_(
            pc.less(known.spans["from_s"], begin_s(span.end)), pc.greater(known.spans["to_s"], begin_s(span.first))
        )
        spans = known.spans.filter(there)
        mine = spans.filter(pc.equal(spans["area"].cast(pa.string()), self._area))
        usage = self._usage(mine, span)
        counted, atoms = _sums(mine, usage, known) if usage.num_rows else _NOTHING
        counted = counted.filter(pc.is_in(counted["meter"], self._shown(spans)))
        elsewhere, day = self._elsewhere(known), Span(span.first, span.first + 1, daily=True)
        for (utility, direction), name in MEASUREMENTS.items():
            yield span.sheet(name, ("meter",), METER, _meter_points(counted, name, known), elsewhere)
            of = atoms.filter(pc.and_(pc.equal(atoms["utility"], utility), pc.equal(atoms["direction"], direction)))
            yield span.sheet(name, ("site",), SITE, _site_points(of, known), elsewhere)
            summed = _summed(of, begin_s(span.first))
            yield day.sheet(name + day.suffix, ("site",), SITE, _site_points(summed, known), elsewhere)

    def _elsewhere(self, known: Known) -> frozenset[str]:
        """The sites of which other areas tell."""
        theirs = pc.not_equal(known.spans["area"].cast(pa.string()), self._area)
        return frozenset(pc.unique(known.spans.filter(theirs)["site"].cast(pa.string())).to_pylist())

    def _shown(self, spans: pa.Table) -> pa.Array:
        """The meters that are told apart: of all areas no more than boards are for. Sites have all of theirs."""
        meters = whole(pc.unique(spans["meter"]))
        if len(meters) > MAX_METERS and not self._told:
            LOG.warning("meters of live sites left out of the boards shown=%d of=%d", MAX_METERS, len(meters))
            self._told = True
        return meters[:MAX_METERS]

    def _usage(self, spans: pa.Table, span: Span) -> pa.Table:
        parts = [USAGE.empty_table()]
        meters = pc.unique(spans["meter"]).to_pylist()
        for at in range(0, len(meters), ASKED_METERS):
            found = self._ask(meters[at : at + ASKED_METERS], begin_s(span.first), begin_s(span.end))
            try:
                parts.append(found.select(USAGE.names).cast(USAGE))
            except (KeyError, pa.ArrowException) as error:
                raise StoreUnavailable(f"area {self._area}: its usage cannot be read: {error}") from error
        return pa.concat_tables(parts).combine_chunks()


_NOTHING = COUNTED.empty_table(), SLOT_ATOMS.empty_table()


def _sums(spans: pa.Table, usage: pa.Table, known: Known) -> tuple[pa.Table, pa.Table]:
    """What the meters counted, and SLOT_ATOMS in which `region` is the place of the site."""
    place = pc.index_in(spans["site"].cast(pa.string()), known.sites["site"].combine_chunks()).cast(pa.int32())
    table = spans.set_column(spans.schema.get_field_index("region"), "region", place)
    table = table.set_column(
        table.schema.get_field_index("use"), "use", pa.repeat(pa.scalar(0, pa.uint8()), table.num_rows)
    )
    numbers = _Numbers()
    registers = spans_of(table, str(spans["area"][0].as_py()), numbers)
    usage = usage.append_column("series", pa.array(numbers(usage["meter"], usage["quantity"])))
    usage = usage.select(["slot_s", "series", "milli", "grade"]).sort_by("slot_s").combine_chunks()
    slots, firsts = np.unique(usage["slot_s"].to_numpy(), return_index=True)
    ends = np.append(firsts[1:], usage.num_rows)
    (nothing, no_atoms), plan = _NOTHING, None
    counted, atoms = [nothing], [no_atoms]
    for slot_s, first, end in zip(slots.tolist(), firsts.tolist(), ends.tolist(), strict=True):
        plan = _plan(plan, registers, slot_s)
        its = usage.slice(first, end - first)
        atoms.append(atoms_of(plan, slot_s, its))
        counted.append(_counted(plan, its))
    return pa.concat_tables(counted), pa.concat_tables(atoms)


def _counted(plan: Plan, usage: pa.Table) -> pa.Table:
    """Of a slot, COUNTED: one register for each direction of a meter, that which the plan takes."""
    tree, column, series = plan.meters.tree, plan.spans.table.column, usage["series"].combine_chunks()
    parts = [COUNTED.empty_table()]
    ways = ((tree.inward, Direction.USE), (tree.outward, Direction.EXPORT), (tree.produced, Direction.PRODUCTION))
    for register, direction in ways:
        its = register[register >= 0]
        at = pc.index_in(pa.array(plan.series[its], series.type), series)
        row = pa.array(plan.row[its])
        utilities = column("utility").take(row).to_pylist()
        columns = {
            "measurement": pa.array([MEASUREMENTS.get((one, direction)) for one in utilities], pa.string()),
            "meter": column("meter").take(row),
            "site": column("site").take(row).cast(pa.string()),
            "time_s": usage["slot_s"].take(at),
            "milli": usage["milli"].take(at),
            "grade": usage["grade"].take(at),
        }
        there = pc.and_(pc.is_valid(at), pc.is_valid(columns["measurement"]))
        parts.append(pa.table(columns, COUNTED).filter(there))
    return pa.concat_tables(parts)


def _meter_points(counted: pa.Table, measurement: str, known: Known) -> pa.Table:
    of = counted.filter(pc.equal(counted["measurement"], measurement))
    of = of.join(known.sites.select(["site", "kind"]), "site", join_type="inner").combine_chunks()
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
