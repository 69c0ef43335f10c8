"""The process of `bitgoeul bench query` that asks: it finds files, and opens no store."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from cloud.metering.codes import UTILITIES, Direction
from cloud.metering.figures import denominators
from cloud.store.parquet import Current, TotalsReader
from cloud.totals.query import By, Facts, Level, Question, Totals

USES, DISTRICTS, YEAR = 29, 5, 365
_ELECTRICITY = tuple((0, int(direction)) for direction in Direction)
KINDS = (*_ELECTRICITY, *((utility, int(Direction.USE)) for utility in (1, 2, 3)))
TODAY = 20_783  # 2026-11-26
_BY: tuple[By, ...] = ("none", "none", "use", "type")


def city_year_by_day(rng: np.random.Generator, dongs: int) -> Question:
    """The city, told apart by use or type of building or not; or one of its districts, whole; any kind, or all."""
    del dongs
    level: Level = "city" if rng.random() < 0.75 else "district"
    by = "none" if level == "district" else _BY[rng.integers(len(_BY))]
    regions = None if level == "city" else (1001 + int(rng.integers(DISTRICTS)),)
    return Question(level, TODAY - YEAR + 1, TODAY + 1, "day", by, regions, *_kind(rng, by))


def dong_month_by_hour(rng: np.random.Generator, dongs: int) -> Question:
    """One dong on the 31 days that end today, any kind or all."""
    region = 1 + int(rng.integers(dongs))
    return Question("dong", TODAY - 30, TODAY + 1, "hour", "none", (region,), *_kind(rng, "none"))


def ranking_today(rng: np.random.Generator, dongs: int) -> Question:
    """What a ranking of the dongs by any kind asks."""
    del dongs
    return Question("dong", TODAY, TODAY + 1, "day", "none", None, *_kind(rng, "use"))


def district_year_by_use(rng: np.random.Generator, dongs: int) -> Question:
    """The heaviest of days: one district, told apart by use of building."""
    del dongs
    regions = (1001 + int(rng.integers(DISTRICTS)),)
    return Question("district", TODAY - YEAR + 1, TODAY + 1, "day", "use", regions, *_kind(rng, "use"))


def dong_month_by_hour_and_use(rng: np.random.Generator, dongs: int) -> Question:
    """The heaviest of hours: one dong, told apart by use of building."""
    region = 1 + int(rng.integers(dongs))
    return Question("dong", TODAY - 30, TODAY + 1, "hour", "use", (region,), *_kind(rng, "use"))


def _kind(rng: np.random.Generator, by: By) -> tuple[int, int] | tuple[None, None]:
    """Any utility and direction; one time in four all, where uses are not told apart."""
    if by == "none" and rng.random() < 0.25:
        return None, None
    return KINDS[rng.integers(len(KINDS))]


Make = Callable[[np.random.Generator, int], Question]
BOUND: dict[str, Make] = {
    "city_year_by_day": city_year_by_day,
    "dong_month_by_hour": dong_month_by_hour,
    "ranking_today": ranking_today,
}
# told too, and asked a tenth as often, but within no bound
FREE: dict[str, Make] = {
    "district_year_by_use": district_year_by_use,
    "dong_month_by_hour_and_use": dong_month_by_hour_and_use,
}


def facts(dongs: int) -> dict[Level, Facts]:
    """What pages know beside the atoms: regions, types, a factor a day, and what to divide by."""
    numbers = np.arange(1, dongs + 1, dtype=np.int32)
    districts = pa.table({"dong": numbers, "region": (1001 + (numbers - 1) * DISTRICTS // dongs).astype(np.int32)})
    city = pa.table({"dong": numbers, "region": np.full(dongs, 2001, np.int32)})
    uses = np.arange(1, USES + 1, dtype=np.uint8)
    types = pa.table({"use": uses, "type": (1 + uses % 6).astype(np.uint8)})
    days = np.arange(TODAY - YEAR, TODAY + 1, dtype=np.int32)
    factor = pa.concat_tables(
        pa.table({"day": days, "utility": np.full(days.size, utility, np.uint8), "value": np.full(days.size, 0.4)})
        for utility in range(len(UTILITIES))
    )
    parts = pa.table({"region": numbers, "households": numbers * 100, "persons": numbers * 220})
    floors = pa.table(
        {"region": np.repeat(numbers, USES), "use": np.tile(uses, dongs), "floor_m2": np.full(dongs * USES, 9e3)}
    )
    levels: dict[Level, pa.Table | None] = {"dong": None, "district": districts, "city": city}
    return {
        level: Facts(
            roll_up={} if mapping is None else {level: mapping},
            types=types,
            factors={"kgco2eq": factor, "toe": factor, "won": factor},
            denominators=denominators(parts, floors, mapping),
        )
        for level, mapping in levels.items()
    }


def ask(folder: Path, dongs: int, runs: int, answer: Connection) -> None:
    """Ask each question `runs` times in mixed order, then read as often and in that order only what they need."""
    rng = np.random.default_rng(2)
    known = facts(dongs)
    first = {name: make(rng, dongs) for name, make in (BOUND | FREE).items()}
    times = dict.fromkeys(BOUND, runs) | dict.fromkeys(FREE, max(runs // 10, 1))
    asked = [(name, make(rng, dongs)) for name, make in (BOUND | FREE).items() for _ in range(times[name])]
    asked = [asked[place] for place in rng.permutation(len(asked))]
    began = time.perf_counter()
    totals = Totals([folder])
    figures = {"cold_open_ms": (time.perf_counter() - began) * 1000}
    for name, question in first.items():
        figures[f"{name}_cold_ms"] = _ms(_asking(totals, known, name, question))
    took = [(name, _ms(_asking(totals, known, name, question))) for name, question in asked]
    reader, footers = TotalsReader([folder]), dict[str, Any]()
    bare = [(name, _ms(_reading(reader, footers, known, question))) for name, question in asked]
    for name in times:
        ours, limit = ([ms for one, ms in pairs if one == name] for pairs in (took, bare))
        figures[f"{name}_p50_ms"] = float(np.percentile(ours, 50))
        figures[f"{name}_p95_ms"] = float(np.percentile(ours, 95))
        figures[f"{name}_limit_p95_ms"] = float(np.percentile(limit, 95))
        figures[f"{name}_ratio"] = figures[f"{name}_p95_ms"] / figures[f"{name}_limit_p95_ms"]
    _expect_no_store()
    answer.send(figures)


def _ms(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def _asking(totals: Totals, known: Mapping[Level, Facts], name: str, question: Question) -> Callable[[], pa.Table]:
    if name != "ranking_today":
        return lambda: totals.ask(question, known[question.level])
    day, utility, direction = question.start_day, question.utility, question.direction
    assert utility is not None
    assert direction is not None
    return lambda: totals.ranking(day, utility, direction)


def _reading(
    reader: TotalsReader, footers: dict[str, Any], known: Mapping[Level, Facts], question: Question
) -> Callable[[], None]:
    """Reads the columns and row groups that could hold what the question asks for; footers are read once."""
    find = reader.slot_files if question.resolution == "hour" else reader.day_files
    current = find(question.start_day, question.end_day)
    mapping = known[question.level].roll_up.get(question.level)
    regions = question.regions
    if regions is not None and mapping is not None:
        regions = tuple(row["dong"] for row in mapping.to_pylist() if row["region"] in regions)
    wanted = {"utility": (question.utility,), "direction": (question.direction,), "region": regions}
    parts = []
    for name in _least(question, current):
        if name not in footers:
            footer = parquet.read_metadata(name)
            footers[name] = (footer, [_bounds(footer.row_group(place)) for place in range(footer.num_row_groups)])
        footer, bounds = footers[name]
        parts.append((name, footer, [place for place, group in enumerate(bounds) if _needed(group, wanted)]))

    def read() -> None:
        for name, footer, groups in parts:
            with parquet.ParquetFile(name, metadata=footer) as file:
                file.read_row_groups(groups)

    return read


def _least(question: Question, current: Sequence[Current]) -> list[str]:
    if question.level != "city" and question.by == "none" and question.resolution == "hour":
        return [name for area in current for name in area.hours]
    every = [files for area in current for files in area.files]
    if question.level == "city":
        return [files.without_region for files in every]
    return [files.without_use if question.by == "none" else files.atoms for files in every]


def _bounds(group: Any) -> dict[str, tuple[int, int]]:
    """The least and the greatest of each column."""
    columns = [group.column(place) for place in range(group.num_columns)]
    return {column.path_in_schema: (column.statistics.min, column.statistics.max) for column in columns}


def _needed(bounds: Mapping[str, tuple[int, int]], wanted: Mapping[str, tuple[int | None, ...] | None]) -> bool:
    """Whether a row group could hold one of the values wanted of every column; None is any."""
    return all(
        values is None
        or name not in bounds
        or any(value is None or bounds[name][0] <= value <= bounds[name][1] for value in values)
        for name, values in wanted.items()
    )


def _expect_no_store() -> None:
    handles = Path("/proc/self/fd")  # where there is none, the imports must do
    opened = [str(handle.readlink()) for handle in list(handles.glob("*")) if handle.is_symlink()]
    assert not [name for name in opened if ".duckdb" in name]
    assert not {"cloud.store.duck", "cloud.store.file", "cloud.store.influx"} & set(sys.modules)
