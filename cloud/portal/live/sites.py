"""sites.csv: which meter measures what, where. The registry takes its place in time."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.problems import Problem
from contract.topics import check_name

COLUMNS = ("site", "name_ko", "name_en", "kind", "meter", "utility", "role", "multiplier")
KINDS = ("industrial-complex", "apartment-block", "public-building", "household", "other")
UTILITIES = ("electricity", "gas", "water", "heat")
ROLES = ("main", "sub", "production")

HOUSEHOLD = "household"
ALL_HOUSEHOLDS = "all_households"  # no site can have this name: an underscore is not allowed in one


@dataclass(frozen=True)
class Row:
    """One row of the page: a site, or all households together (nobody's home is a row of its own)."""

    site: str
    name_ko: str
    name_en: str
    kind: str
    sites: int


@dataclass(frozen=True)
class Roster:
    """`rows` in the page's order. The arrays are parallel, one element a meter: its row, and the positions of its
    utility and role in UTILITIES and ROLES; `multiplier` turns what the meter reports into the quantity's unit.
    """

    rows: tuple[Row, ...]
    meters: pa.Array
    row: npt.NDArray[np.int64]
    utility: npt.NDArray[np.int64]
    role: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.float64]

    def expected(self, utility: str, role: str) -> npt.NDArray[np.bool_]:
        """Which meters measure `utility` in `role`."""
        mask: npt.NDArray[np.bool_] = (self.utility == UTILITIES.index(utility)) & (self.role == ROLES.index(role))
        return mask


@dataclass(frozen=True)
class _Line:
    site: str
    name_ko: str
    name_en: str
    kind: str
    meter: str
    utility: str
    role: str
    multiplier: float


def load_roster(path: Path) -> Roster:
    """Raises Problem, which names the line, for anything that is not as `COLUMNS` has it."""
    try:
        # spreadsheets write a byte order mark, and read Hangul only with it
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(_lines(path, file))
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(
            f"{path}: UTF-8 CSV 파일이 아닙니다: {error}", f"{path}: expected a CSV file in UTF-8: {error}"
        ) from error
    return _roster(lines)


def _lines(path: Path, file: Iterator[str]) -> Iterator[_Line]:
    reader = csv.DictReader(file, strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        expected = ",".join(COLUMNS)
        raise Problem(f"{path}:1: 첫 줄은 '{expected}'이어야 합니다", f"{path}:1: expected the header '{expected}'")
    meters: set[str] = set()
    sites: dict[str, tuple[str, str, str]] = {}
    for record in reader:
        place = f"{path}:{reader.line_num}"
        line = _line(place, record)
        if line.meter in meters:
            raise Problem(
                f"{place}: 계량기 '{line.meter}'이(가) 두 번 있습니다", f"{place}: meter '{line.meter}' is named twice"
            )
        meters.add(line.meter)
        about = (line.name_ko, line.name_en, line.kind)
        if sites.setdefault(line.site, about) != about:
            raise Problem(
                f"{place}: 시설 '{line.site}'의 이름이나 종류가 앞줄과 다릅니다",
                f"{place}: site '{line.site}' has another name or kind than on an earlier line",
            )
        yield line


def _line(place: str, record: dict[str, str]) -> _Line:
    for column in COLUMNS:
        if not record.get(column):
            raise Problem(f"{place}: '{column}' 값이 없습니다", f"{place}: '{column}' is empty")
    if None in record:
        raise Problem(f"{place}: 칸이 너무 많습니다", f"{place}: expected {len(COLUMNS)} fields, found more")
    for column in ("site", "meter"):
        check_name(f"{place}: {column}", record[column])
    for column, known in (("kind", KINDS), ("utility", UTILITIES), ("role", ROLES)):
        if record[column] not in known:
            names = ", ".join(known)
            raise Problem(
                f"{place}: {column} '{record[column]}': {names} 중 하나여야 합니다",
                f"{place}: {column} '{record[column]}': expected one of {names}",
            )
    multiplier = _number(record["multiplier"])
    if not (isfinite(multiplier) and multiplier > 0):
        raise Problem(
            f"{place}: multiplier '{record['multiplier']}': 0보다 큰 수여야 합니다",
            f"{place}: multiplier '{record['multiplier']}': expected a number above 0",
        )
    return _Line(**{column: record[column] for column in COLUMNS[:-1]}, multiplier=multiplier)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _roster(lines: list[_Line]) -> Roster:
    homes = len({line.site for line in lines if line.kind == HOUSEHOLD})
    rows: dict[str, Row] = {}
    for line in lines:
        if line.kind == HOUSEHOLD:
            rows.setdefault(ALL_HOUSEHOLDS, Row(ALL_HOUSEHOLDS, "", "", HOUSEHOLD, homes))
        else:
            rows.setdefault(line.site, Row(line.site, line.name_ko, line.name_en, line.kind, 1))
    ordered = sorted(rows.values(), key=lambda row: KINDS.index(row.kind))
    position = {row.site: i for i, row in enumerate(ordered)}
    return Roster(
        rows=tuple(ordered),
        meters=pa.array([line.meter for line in lines], pa.string()),
        row=_numbers([position[ALL_HOUSEHOLDS if line.kind == HOUSEHOLD else line.site] for line in lines]),
        utility=_numbers([UTILITIES.index(line.utility) for line in lines]),
        role=_numbers([ROLES.index(line.role) for line in lines]),
        multiplier=np.array([line.multiplier for line in lines], np.float64),
    )


def _numbers(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, np.int64)
