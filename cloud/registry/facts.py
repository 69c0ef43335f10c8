"""The facts that are shipped as CSV files beside this module, and a city's own factors. Reads files, no database.

No price is shipped, since none is known: a city gives its own (`won`) in a file for `load_factors`.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from pyarrow import compute

from cloud.metering import factors
from cloud.metering.arrays import Ints
from cloud.metering.codes import DAY_S, SEOUL_S
from cloud.metering.factors import Factor
from cloud.registry.regions import MEMBERSHIPS
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S, PREDECESSORS, REGIONS
from contract.problems import Problem

FOLDER = Path(__file__).parent / "data"

# The building register's 29 uses, and 0 for not known. `code` is null where sources disagree.
USES = pa.schema(
    [
        ("use", pa.uint8()),
        ("code", pa.string()),
        ("name_ko", pa.string()),
        ("name_en", pa.string()),
        ("type", pa.uint8()),
        ("source", pa.string()),
    ]
)

# What citizens are shown in place of the 29 uses; 0: not known.
TYPES = pa.schema([("type", pa.uint8()), ("id", pa.string()), ("name_ko", pa.string()), ("name_en", pa.string())])

_MOST_TOLD = 5
_BOUNDS = (("valid_from", OPEN_FROM_S), ("valid_to", OPEN_TO_S))


def shipped_regions() -> pa.Table:
    """snapshot.REGIONS of the city, by number."""
    return _dated("regions.csv", REGIONS)


def shipped_memberships() -> pa.Table:
    """regions.MEMBERSHIPS of the city."""
    return _dated("memberships.csv", MEMBERSHIPS)


def shipped_predecessors() -> pa.Table:
    """snapshot.PREDECESSORS of the city."""
    return _table("predecessors.csv", PREDECESSORS)


def uses() -> pa.Table:
    """USES, by number."""
    return _table("uses.csv", USES)


def types() -> pa.Table:
    """TYPES, by number."""
    return _table("types.csv", TYPES)


def holidays() -> set[date]:
    """Public holidays with their substitutes and elections, 2020 to 2027; of other years none is known."""
    return set(_table("holidays.csv", pa.schema([("day", pa.date32())]))["day"].to_pylist())


def holiday_days() -> Ints:
    """The same as `cloud.metering.calendar` takes them: days since 1970-01-01, ascending."""
    return np.array(sorted((day - factors.EPOCH).days for day in holidays()), np.int64)


@cache
def shipped_factors() -> tuple[Factor, ...]:
    """The factors that come with the program."""
    return load_factors(FOLDER / "factors.csv")


def city_factors(own: Path | None) -> tuple[Factor, ...]:
    """Those shipped, and a city's own that add to them or replace them. Raises Problem."""
    return factors.merged(shipped_factors(), load_factors(own)) if own else shipped_factors()


def load_factors(path: Path) -> tuple[Factor, ...]:
    """The factors of a CSV file with the columns factors.NEEDED and any of OPTIONAL. Raises Problem by line."""
    rows = _rows(path)
    header = rows[0][1] if rows else []
    _refuse_header(path, header)
    found: list[Factor] = []
    bad: list[tuple[int, Problem]] = []
    for line, cells in rows[1:]:
        try:
            found.append(_factor(header, cells))
        except Problem as problem:
            bad.append((line, problem))
    if bad:
        told = bad[:_MOST_TOLD]
        raise Problem(
            f"{path}: 잘못된 줄 {len(bad)}개: " + "; ".join(f"{line}번째 줄 {at.text.ko}" for line, at in told),
            f"{path}: {len(bad)} bad lines: " + "; ".join(f"line {line}: {at.text.en}" for line, at in told),
        )
    both = factors.overlap(found)
    if both:
        first, second = (rows[1 + place][0] for place in both)
        raise Problem(
            f"{path}: {first}번째와 {second}번째 줄이 같은 날에 유효합니다. 'valid_to'나 'default'를 고치십시오",
            f"{path}: lines {first} and {second} are in force on the same day; mend 'valid_to' or 'default'",
        )
    return tuple(found)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    try:
        reader = csv.reader(io.StringIO(_text(path.read_bytes()), newline=""), strict=True)
        return [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(
            f"{path}: UTF-8이나 CP949로 된 CSV 파일이어야 합니다: {error}",
            f"{path}: must be a CSV file in UTF-8 or CP949: {error}",
        ) from error


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp949")  # as Korean spreadsheets save


def _refuse_header(path: Path, header: Sequence[str]) -> None:
    lacking = [name for name in factors.NEEDED if name not in header]
    unknown = [name for name in header if name not in factors.NEEDED + factors.OPTIONAL]
    if lacking or unknown or len(set(header)) != len(header):
        needed, optional = ", ".join(factors.NEEDED), ", ".join(factors.OPTIONAL)
        raise Problem(
            f"{path}: 첫 줄에 {needed} 열이 한 번씩 있어야 하고, {optional} 열도 됩니다: '{','.join(header)}'",
            f"{path}: its first line must name {needed} once each, and may name {optional}: '{','.join(header)}'",
        )


def _factor(header: Sequence[str], cells: Sequence[str]) -> Factor:
    if len(cells) != len(header):
        raise Problem(
            f"칸이 {len(header)}개여야 합니다: {len(cells)}개", f"must have {len(header)} cells: {len(cells)}"
        )
    return factors.factor_of(dict(zip(header, cells, strict=True)))


def _table(name: str, schema: pa.Schema) -> pa.Table:
    convert = pyarrow.csv.ConvertOptions(column_types=schema, include_columns=schema.names, strings_can_be_null=True)
    return pyarrow.csv.read_csv(FOLDER / name, convert_options=convert)


def _dated(name: str, schema: pa.Schema) -> pa.Table:
    """Its days become the moments at which they begin."""
    columns = [pa.field(field.name.removesuffix("_s"), _read_as(field)) for field in schema]
    table = _table(name, pa.schema(columns))
    for column, open_s in _BOUNDS:
        days = table[column].cast(pa.int32()).cast(pa.int64())
        moments = compute.subtract(compute.multiply(days, DAY_S), SEOUL_S).fill_null(open_s)
        table = table.set_column(table.schema.get_field_index(column), f"{column}_s", moments)
    return table.cast(schema)


def _read_as(field: pa.Field) -> pa.DataType:
    return pa.date32() if field.name.startswith("valid_") else field.type
