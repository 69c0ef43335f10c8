"""What totals are asked, and answered from the atoms in Parquet files, without any store.

Every figure is a sum of integers made when it is asked for; what is not known is null, and beside each figure stands
how much of what was expected it rests on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
from pyarrow import compute

from cloud.metering.codes import DAY_S, SEOUL_S
from cloud.metering.figures import SUMS, Denominators, by_month, with_denominators, with_factors, with_shares
from cloud.store.parquet import Current, TotalsReader

Level = Literal["city", "district", "dong"]
By = Literal["none", "use", "type"]
Resolution = Literal["slot", "hour", "day", "month"]

_LENGTH_S = {"slot": 900, "hour": 3600}


@dataclass(frozen=True)
class Question:
    """Sums over the local days [start_day, end_day), days since 1970-01-01; None asks for all, each on its own row."""

    level: Level
    start_day: int
    end_day: int
    resolution: Resolution = "day"
    by: By = "none"
    regions: tuple[int, ...] | None = None  # of the level
    utility: int | None = None  # place in cloud.metering.codes.UTILITIES
    direction: int | None = None  # cloud.metering.codes.Direction


@dataclass(frozen=True)
class Facts:
    """What is known beside the atoms; whatever is left out, the answer lacks.

    `roll_up` gives each level but dong its mapping (dong, region), each dong once; a dong that is not in it, and a use
    that is not in `types` (use, type), is counted under 0. `factors` are tables (day, utility, value), the value per
    kWh or m3, named as the column that they make. `denominators` are those of the level asked.
    """

    roll_up: Mapping[Level, pa.Table] = field(default_factory=dict)
    types: pa.Table | None = None
    factors: Mapping[str, pa.Table] = field(default_factory=dict)
    denominators: Denominators | None = None


class Totals:
    """The totals of several areas. Any number of threads may ask."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._reader = TotalsReader(folders)
        # without DuckDB's cache of footers: it never lets go of a file, and each settling brings new ones
        self._connection = duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        )

    def ask(self, question: Question, facts: Facts = Facts()) -> pa.Table:
        """The answer, in the order of its first columns. Raises Problem when the files cannot be read.

        Columns: slot_s (UTC seconds, of a slot or an hour) or day (of a month: its first), region, use or type,
        utility, direction; total_milli (thousandths of kWh or m3), estimated_milli (both null where nothing counted),
        counted, expected, estimated_count (meter-slots); then those of cloud.metering.figures.
        """
        rows = self._reader.read(lambda reader: self._sums(reader, question, facts))
        rows = with_factors(rows, facts.factors)
        if question.resolution == "month":
            rows = by_month(rows)
        rows = with_shares(rows)
        return rows if facts.denominators is None else with_denominators(rows, facts.denominators, facts.types)

    def ranking(self, day: int, utility: int, direction: int, facts: Facts = Facts()) -> pa.Table:
        """The dongs on a local day, the greatest total first, those without one last; columns as of `ask`."""
        rows = self.ask(Question("dong", day, day + 1, utility=utility, direction=direction), facts)
        return rows.sort_by([("total_milli", "descending"), ("region", "ascending")])

    def version(self) -> str:
        """Of all atoms: equal versions give equal answers."""
        return self._reader.version()

    def _sums(self, reader: TotalsReader, question: Question, facts: Facts) -> pa.Table:
        find = reader.slot_files if question.resolution in _LENGTH_S else reader.day_files
        current = find(question.start_day, question.end_day) if question.start_day < question.end_day else []
        if not current:
            return _shape(question).empty_table()
        mapping = None if question.level == "dong" else facts.roll_up[question.level]
        source = _source(current, mapping, question)
        with self._connection.cursor() as cursor:
            if source.mapping is not None:
                cursor.register("roll_up", source.mapping)
            if question.by == "type":
                assert facts.types is not None
                cursor.register("types", facts.types)
            sql, parameters = _sql(question, source)
            try:
                found = cursor.sql(sql, params=parameters).to_arrow_table()
            except (duckdb.IOException, duckdb.InvalidInputException) as error:  # a file that is gone, or damaged
                raise OSError(str(error)) from error
        return found.cast(_shape(question))


@dataclass(frozen=True)
class _Source:
    """From what to sum: the least that has what is asked. With a mapping, regions are still those of dongs."""

    sql: str
    parameters: list[object]
    mapping: pa.Table | None


def _source(current: list[Current], mapping: pa.Table | None, question: Question) -> _Source:
    if mapping is not None:
        above = dict(zip(mapping["dong"].to_pylist(), mapping["region"].to_pylist(), strict=True))
        regions = [{above.get(dong, 0) for dong in area.regions} for area in current]
        if all(len(region) == 1 for region in regions):  # each area lies in one region, so its own sums will do
            sql = " UNION ALL ".join(["SELECT ?::INTEGER AS region, * FROM read_parquet(?)"] * len(current))
            parts = [
                (region.pop(), [files.without_region for files in area.files])
                for region, area in zip(regions, current, strict=True)
            ]
            return _Source(sql, [value for part in parts for value in part], None)
    if question.by != "none":
        files = [files.atoms for area in current for files in area.files]
    elif question.resolution == "hour":
        files = [hours for area in current for hours in area.hours]
    else:
        files = [files.without_use for area in current for files in area.files]
    return _Source("SELECT * FROM read_parquet(?)", [files], mapping)


def _shape(question: Question) -> pa.Schema:
    time = ("slot_s", pa.int64()) if question.resolution in _LENGTH_S else ("day", pa.int32())
    group = [] if question.by == "none" else [(question.by, pa.uint8())]
    keys = [time, ("region", pa.int32()), *group, ("utility", pa.uint8()), ("direction", pa.uint8())]
    return pa.schema([*keys, *((name, pa.int64()) for name in SUMS)])


def _sql(question: Question, source: _Source) -> tuple[str, list[object]]:
    """The statement and its parameters; no value of the question stands in the statement."""
    length_s = _LENGTH_S.get(question.resolution)
    time = "day" if length_s is None else f"slot_s - slot_s % {length_s}"
    region = "atoms.region" if source.mapping is None else "coalesce(roll_up.region, 0)"
    group = {"none": [], "use": ["use"], "type": ["coalesce(types.type, 0)"]}[question.by]
    keys = ", ".join([time, region, *group, "utility", "direction"])
    joins = ("" if source.mapping is None else " LEFT JOIN roll_up ON atoms.region = roll_up.dong") + (
        " LEFT JOIN types USING (use)" if question.by == "type" else ""
    )
    parameters = list(source.parameters)
    where = []
    for name, value in (("utility", question.utility), ("direction", question.direction)):
        if value is not None:
            where.append(f"{name} = ?")
            parameters.append(value)
    first, end = question.start_day, question.end_day
    where.append(f"{_shape(question).names[0]} BETWEEN ? AND ?")
    parameters += [first, end - 1] if length_s is None else [first * DAY_S - SEOUL_S, end * DAY_S - SEOUL_S - 1]
    for name, regions in _wanted(question, source.mapping, region):
        where.append(f"{name} IN ({', '.join('?' * len(regions))})" if regions else "false")
        parameters += regions
    # a sum is null where nothing counted: what is missing is not 0
    sums = (
        "CASE WHEN sum(counted) > 0 THEN sum(total) END, CASE WHEN sum(counted) > 0 THEN sum(estimated) END, "
        "sum(counted), sum(expected), sum(estimated_count)"
    )
    names = ", ".join(f'"{name}"' for name in _shape(question).names)
    sql = (
        f"SELECT * FROM (SELECT {keys}, {sums} FROM ({source.sql}) AS atoms{joins} "  # noqa: S608  # our own words
        f"{'WHERE ' + ' AND '.join(where) if where else ''} GROUP BY ALL) AS answer({names}) ORDER BY ALL"
    )
    return sql, parameters


def _wanted(question: Question, mapping: pa.Table | None, region: str) -> list[tuple[str, list[int]]]:
    """Which columns must be among which regions."""
    if question.regions is None:
        return []
    regions = list(question.regions)
    if mapping is None or 0 in regions:
        return [(region, regions)]
    # by the dongs, since that is what the files can be read by
    dongs = mapping.filter(compute.is_in(mapping["region"], pa.array(regions, mapping["region"].type)))["dong"]
    return [("atoms.region", dongs.to_pylist())]
