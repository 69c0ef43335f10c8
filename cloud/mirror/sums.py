"""Totals as sheets of points: what the city, its districts and its dongs used in each slot and on each day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering import factors
from cloud.metering.calendar import begin_s
from cloud.metering.codes import UTILITIES, Direction
from cloud.mirror.points import MISSING, Sheet, tagged, whole
from cloud.registry import facts, regions
from cloud.registry.facts import shipped_factors
from cloud.totals.query import By, Facts, Level, Question, Totals

LEVELS: tuple[Level, ...] = ("city", "district", "dong")
ALL = "all"  # of types, and of utilities

# The measurement of each utility (its place in UTILITIES) and direction.
MEASUREMENTS: Mapping[tuple[int, int], str] = {
    (0, Direction.USE): "usage_electricity_kwh",
    (1, Direction.USE): "usage_gas_m3",
    (2, Direction.USE): "usage_water_m3",
    (3, Direction.USE): "usage_heat_kwh",
    (0, Direction.PRODUCTION): "production_electricity_kwh",
    (0, Direction.EXPORT): "export_electricity_kwh",
    (0, Direction.IMPORT): "import_electricity_kwh",
}
EMISSION = "emission_co2_kg"
# What is emitted elsewhere for the city: of electricity what came in, since what its own roofs made emits nothing.
EMITTING = ((0, Direction.IMPORT), (1, Direction.USE), (2, Direction.USE), (3, Direction.USE))
QUALITY_SLOT = "quality_slot"
DAILY = "_daily"
TYPED = ("level", "region", "type")


@dataclass(frozen=True)
class Span:
    """Local days [first, end); `daily`: one point a day, else one a slot."""

    first: int
    end: int
    daily: bool

    @property
    def suffix(self) -> str:
        """Of measurements."""
        return DAILY if self.daily else ""

    def sheet(
        self,
        name: str,
        levels: tuple[str, ...],
        tags: tuple[str, ...],
        rows: pa.Table,
        elsewhere: frozenset[str] = frozenset(),
    ) -> Sheet:
        """Of this span."""
        return Sheet(name, levels, tags, begin_s(self.first), begin_s(self.end), rows, elsewhere)


def sheets(totals: Totals, known: pa.Table, span: Span) -> Iterator[Sheet]:
    """All that totals say of these days. `known` is snapshot.REGIONS. Raises Problem when files cannot be read."""
    rows = answers(totals, known, span)
    for (utility, direction), name in MEASUREMENTS.items():
        yield span.sheet(name + span.suffix, LEVELS, TYPED, _sums(_of(rows, utility, direction)))
    tags = ("level", "region", "type", "utility")
    yield span.sheet(EMISSION + span.suffix, LEVELS, tags, _emissions(rows))
    if not span.daily:
        yield span.sheet(QUALITY_SLOT, LEVELS, ("level", "region", "utility"), _coverage(rows))


def city_number(known: pa.Table) -> str:
    """The city's own number among REGIONS, as text."""
    found = known.filter(pc.equal(known["level"], "city"))["region"].to_pylist()
    return str(found[0] if found else 0)


def answers(
    totals: Totals, known: pa.Table, span: Span, levels: Sequence[Level] = LEVELS, ways: Sequence[By] = ("none", "type")
) -> pa.Table:
    """What totals answer at these levels, for all types or for each, with time_s, level, region and type as text, and
    co2, what each amount emits. Types are told apart in dongs by the day alone.
    """
    days = np.arange(span.first, span.end, dtype=np.int64)
    co2 = factors.by_day(shipped_factors(), "co2", days)
    uses = facts.uses().select(["use", "type"])
    roll_up: dict[Level, pa.Table] = {
        "city": regions.ROLL_UP.empty_table(),  # all under one number, what lies nowhere too
        "district": regions.roll_up(known, regions.MEMBERSHIPS.empty_table(), "district", span.end - 1),
    }
    about = Facts(roll_up, uses, {"co2": co2})
    parts = []
    for level in levels:
        for by in ways:
            if by == "type" and level == "dong" and not span.daily:
                continue  # five in six of all points, for curves that nobody looks at
            question = Question(level, span.first, span.end, "day" if span.daily else "slot", by)
            parts.append(_worded(totals.ask(question, about), level, city_number(known), span))
    return pa.concat_tables(parts).combine_chunks()


def _worded(rows: pa.Table, level: Level, city: str, span: Span) -> pa.Table:
    size = rows.num_rows
    ids = pa.array(facts.types()["id"].to_pylist(), pa.string())
    types = whole(rows["type"]) if "type" in rows.column_names else None
    time_s = pa.array((rows["day"].to_numpy().astype(np.int64) * 86_400) + begin_s(0)) if span.daily else rows["slot_s"]
    columns = {
        "time_s": whole(time_s),
        "level": pa.repeat(pa.scalar(level), size),
        "region": pa.repeat(pa.scalar(city), size) if level == "city" else whole(rows["region"]).cast(pa.string()),
        "type": pa.repeat(pa.scalar(ALL), size) if types is None else ids.take(types),
    }
    names = ("utility", "direction", "total_milli", "estimated_milli", "counted", "expected", "estimated_count", "co2")
    return pa.table(columns | {name: whole(rows[name]) for name in names})


def _of(rows: pa.Table, utility: int, direction: int) -> pa.Table:
    return rows.filter(pc.and_(pc.equal(rows["utility"], utility), pc.equal(rows["direction"], direction)))


def _sums(rows: pa.Table) -> pa.Table:
    tags = tagged(rows.num_rows, {name: whole(rows[name]) for name in TYPED})
    return points_of(tags, rows)


def points_of(tags: pa.Array, rows: pa.Table, value: pa.Array | None = None) -> pa.Table:
    """The points of rows that have time_s and the sums of cloud.metering.figures; `value` in place of the total."""
    kept = units(rows["total_milli"]) if value is None else value
    estimated = units(rows["estimated_milli"]) if value is None else pa.nulls(rows.num_rows, pa.float64())
    return pa.table(
        {
            "tags": tags,
            "time_s": whole(rows["time_s"]),
            "value": kept,
            "estimated": estimated,
            "counted": whole(rows["counted"]),
            "expected": whole(rows["expected"]),
            "quality": quality(kept, rows["estimated_count"]),
        }
    )


def units(milli: pa.ChunkedArray) -> pa.Array:
    """Thousandths as kWh or m3."""
    return pc.divide(whole(milli).cast(pa.float64()), 1000.0)


def quality(value: pa.Array, estimated_count: pa.ChunkedArray) -> pa.Array:
    """0 measured, 1 with estimates in it, MISSING without a value."""
    estimated = pc.cast(pc.greater(whole(estimated_count), 0), pa.int64())
    return pc.if_else(pc.is_valid(value), estimated, MISSING)


def _emissions(rows: pa.Table) -> pa.Table:
    """By utility, and the sum of those that are known; `counted` and `expected` say how much that is of all."""
    parts = []
    for utility, direction in EMITTING:
        of = _of(rows, utility, direction)
        if of["co2"].null_count < of.num_rows:
            parts.append(of.append_column("of", pa.repeat(pa.scalar(UTILITIES[utility]), of.num_rows)))
    if not parts:
        return points_of(pa.array([], pa.string()), rows.slice(0, 0), pa.array([], pa.float64()))
    each = pa.concat_tables(parts)
    keys = ["time_s", *TYPED]
    sums = ("co2", "counted", "expected", "estimated_count")
    together = each.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in sums])
    together = together.rename_columns([*keys, *sums])
    together = together.append_column("of", pa.repeat(pa.scalar(ALL), together.num_rows))
    both = pa.concat_tables([each.select([*keys, *sums, "of"]), together.select([*keys, *sums, "of"])])
    tags = {name: whole(both[name]) for name in TYPED} | {"utility": whole(both["of"])}
    return points_of(tagged(both.num_rows, tags), both, whole(both["co2"]))


def _coverage(rows: pa.Table) -> pa.Table:
    """How much of what was expected counted, and how much of that is estimated."""
    rows = rows.filter(pc.and_(pc.equal(rows["type"], ALL), pc.equal(rows["direction"], int(Direction.USE))))
    names = pa.array(UTILITIES, pa.string())
    tags = {
        "level": whole(rows["level"]),
        "region": whole(rows["region"]),
        "utility": names.take(whole(rows["utility"])),
    }
    counted, expected = (whole(rows[name]).cast(pa.float64()) for name in ("counted", "expected"))
    estimated = whole(rows["estimated_count"]).cast(pa.float64())
    coverage = _ratio(counted, expected)
    return pa.table(
        {
            "tags": tagged(rows.num_rows, tags),
            "time_s": whole(rows["time_s"]),
            "counted": whole(rows["counted"]),
            "expected": whole(rows["expected"]),
            "estimated_count": whole(rows["estimated_count"]),
            "coverage_ratio": coverage,
            "estimated_ratio": _ratio(estimated, counted),
            "quality": quality(coverage, rows["estimated_count"]),
        }
    )


def _ratio(over: pa.Array, under: pa.Array) -> pa.Array:
    """Null where there is nothing to divide by."""
    return pc.divide(over, pc.if_else(pc.greater(under, 0), under, None))
