"""What meters measured beside what agencies counted, side by side and never added up.

One rule holds here: a sum is made within one source and one level (`summed` refuses any other). Meters are one
source, each agency's count is another, and two agencies that count the same utility count the same energy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloud.imports.cells import month_after
from cloud.imports.regions import Regions
from cloud.metering.codes import UTILITIES

METERED = pa.schema(
    [
        ("region", pa.int32()),
        ("use", pa.uint8()),
        ("utility", pa.uint8()),  # place in cloud.metering.codes.UTILITIES
        ("month", pa.date32()),  # first local day
        ("total_milli", pa.int64()),  # null: nothing was counted
        ("coverage", pa.float64()),  # meter-slots counted / expected; null: not known
    ]
)
METERED_SOURCE = "metered"
METERED_UNITS = {"electricity": "kWh", "gas": "m3", "water": "m3", "heat": "kWh"}


@dataclass(frozen=True)
class Part:
    """One figure that may be summed with others of the same source, level, unit and length. `milli` null: none."""

    source: str
    level: str
    unit: str
    months: int
    milli: int | None


@dataclass(frozen=True)
class Metered:
    """`parts` of `parts_expected` regions of `level` have a figure; `coverage` is that of the worst covered one."""

    level: str
    unit: str
    total_milli: int | None
    coverage: float | None
    parts: int
    parts_expected: int


@dataclass(frozen=True)
class Imported:
    """One source's count of a region over `months` months, beside what meters measured in the same months.

    `difference_milli` is imported - metered, `ratio` imported / metered; null where either is missing or of another
    unit. `overlaps` names the sources that count the same energy: their figures are no parts of one whole.
    """

    source: str
    agency_ko: str
    agency_en: str
    level: str
    unit: str
    months: int
    quantity_milli: int | None
    missing: int
    parts: int
    parts_expected: int
    metered: Metered
    difference_milli: int | None
    ratio: float | None
    overlaps: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Of one region, utility and month. There is no total of it."""

    region: int
    utility: str
    month: date
    metered: Metered
    imported: tuple[Imported, ...]


def summed(parts: Sequence[Part]) -> int | None:
    """The sum of what is not missing; null where all is. Raises ValueError for a mixture."""
    if len({(part.source, part.level, part.unit, part.months) for part in parts}) > 1:
        raise ValueError("figures of different sources, levels, units or lengths are never added up")
    present = [part.milli for part in parts if part.milli is not None]
    return sum(present) if present else None


def compare(
    metered: pa.Table, figures: pa.Table, regions: Regions, region: int, utility: str, month: date
) -> Comparison:
    """`metered` as METERED, `figures` as cloud.imports.store.CURRENT."""
    then = figures.filter((pc.field("utility") == utility) & (pc.field("month") == pa.scalar(month)))
    rows = metered.cast(METERED).filter(pc.field("utility") == UTILITIES.index(utility))
    one = _metered(rows, regions, region, utility, [month])
    counts = [_imported(each, rows, regions, region) for each in _by_count(then)]
    found = [each for each in counts if each is not None]
    sources = {each.source for each in found}
    marked = [_marked(each, sources) for each in found]
    return Comparison(region, utility, month, one, tuple(sorted(marked, key=lambda each: (each.source, each.unit))))


def _levels(regions: Regions, region: int, month: date) -> list[tuple[str, tuple[int, ...]]]:
    """The region itself, then all that lay in it a level lower, and so on: (level, regions)."""
    found: list[tuple[str, tuple[int, ...]]] = []
    here: tuple[int, ...] = (region,)
    while here:
        found.append((regions.by_number[here[0]].level if here[0] in regions.by_number else "", here))
        here = tuple(child for each in here for child in regions.children(each, month))
    return found


def _metered(rows: pa.Table, regions: Regions, region: int, utility: str, months: Sequence[date]) -> Metered:
    """From the highest level that has figures in each of the months; null where none has."""
    unit = METERED_UNITS[utility]
    levels = _levels(regions, region, months[0])
    for level, numbers in levels:
        there = [row for row in rows.to_pylist() if row["region"] in numbers and row["month"] in months]
        if {row["month"] for row in there} == set(months):
            parts = [Part(METERED_SOURCE, level, unit, len(months), row["total_milli"]) for row in there]
            covered = [row["coverage"] for row in there]
            coverage = None if None in covered else min(covered)
            return Metered(level, unit, summed(parts), coverage, len({row["region"] for row in there}), len(numbers))
    return Metered(levels[0][0], unit, None, None, 0, 1)


def _by_count(figures: pa.Table) -> list[list[dict[str, Any]]]:
    """Figures of one source, unit and length together; sums are made within these alone."""
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for row in figures.to_pylist():
        groups.setdefault((row["source"], row["unit"], row["months"]), []).append(row)
    return list(groups.values())


def _imported(group: list[dict[str, Any]], metered: pa.Table, regions: Regions, region: int) -> Imported | None:
    """From the highest level that has figures: a district's own row, else the rows of its dongs, never both."""
    first = group[0]
    months = [month_after(first["month"], count) for count in range(first["months"])]
    for level, numbers in _levels(regions, region, first["month"]):
        there = [row for row in group if row["level"] == level and row["region"] in numbers]
        if not there:
            continue
        total = summed([Part(row["source"], level, row["unit"], row["months"], row["quantity_milli"]) for row in there])
        beside = _metered(metered, regions, region, first["utility"], months)
        both = total is not None and beside.total_milli is not None and beside.unit == first["unit"]
        return Imported(
            source=first["source"],
            agency_ko=first["agency_ko"],
            agency_en=first["agency_en"],
            level=level,
            unit=first["unit"],
            months=first["months"],
            quantity_milli=total,
            missing=sum(row["missing"] for row in there),
            parts=len({row["region"] for row in there}),
            parts_expected=len(numbers),
            metered=beside,
            difference_milli=(total or 0) - (beside.total_milli or 0) if both else None,
            ratio=(total or 0) / beside.total_milli if both and beside.total_milli else None,
            overlaps=(),
        )
    return None


def _marked(one: Imported, sources: set[str]) -> Imported:
    return replace(one, overlaps=tuple(sorted(sources - {one.source})))
