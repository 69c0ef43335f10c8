"""CSV files as text columns with line numbers: UTF-8, with or without BOM, or CP949."""

import codecs
import functools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from cloud.registry.columns import ENTITIES, Column, Entity
from contract.problems import Problem, Text

BLOCK = 1 << 24
MAX_COMPLAINTS = 20


def entity_of(path: Path) -> Entity:
    """What a file holds, by its name. Raises Problem."""
    stem = path.stem.lower()
    for name, entity in ENTITIES.items():
        if stem == name or stem.startswith((f"{name}-", f"{name}_", f"{name}.")):
            return entity
    known = ", ".join(f"{name}.csv" for name in ENTITIES)
    raise Problem(
        f"{path}: 파일 이름은 다음 중 하나이거나 그 뒤에 '-이름'을 붙인 것이어야 합니다: {known}",
        f"{path}: expected a file named one of {known}, or so with '-anything' before .csv",
    )


def read_text(path: Path, entity: Entity) -> pa.Table:
    """All cells as text, null where empty, and `line`; lines without any text fall away. Raises Problem."""
    try:
        with path.open("rb") as file:
            source = _as_utf8(file.read())
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem(f"{path}: 읽을 수 없습니다: {reason}", f"{path}: cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise Problem(
            f"{path}: UTF-8도 CP949도 아닙니다 ({error.start + 1}번째 바이트)",
            f"{path}: expected UTF-8 or CP949 (byte {error.start + 1})",
        ) from error
    table = _parse(path, source, entity)
    lines = pa.array(np.arange(2, table.num_rows + 2))
    written = functools.reduce(pc.or_, (pc.is_valid(column) for column in table.columns))
    return table.append_column("line", lines).filter(written)


def columns_of(entity: Entity) -> dict[str, Column]:
    """Every column that the entity's file may have, by name."""
    return {column.name: column for column in (*entity.columns, *entity.wide)}


def complain(complaints: list[Text], kind: type[Problem] = Problem) -> None:
    """Raise a Problem, one line for all of them; none, and nothing happens."""
    if complaints:
        shown, more = complaints[:MAX_COMPLAINTS], len(complaints) - MAX_COMPLAINTS
        ko, en = "; ".join(text.ko for text in shown), "; ".join(text.en for text in shown)
        raise kind(ko + "; 그 밖에 더 있음" * (more > 0), en + "; and more" * (more > 0))


def _as_utf8(content: bytes) -> bytes:
    """The same text in UTF-8. Raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(content)
    try:
        for start in range(0, len(content), BLOCK):
            decoder.decode(view[start : start + BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return content.decode("cp949").encode()
    return content


def _parse(path: Path, source: bytes, entity: Entity) -> pa.Table:
    complaints: list[Text] = []

    def other_width(row: csv.InvalidRow) -> str:
        where, found, expected = f"{path}:{row.number}", row.actual_columns, row.expected_columns
        if len(complaints) <= MAX_COMPLAINTS:
            complaints.append(
                Text(
                    f"{where}: 열이 {expected}개여야 하는데 {found}개입니다",
                    f"{where}: expected {expected} columns, found {found}",
                )
            )
        return "skip"

    text = pa.string()
    try:
        table = csv.read_csv(
            pa.BufferReader(source),
            csv.ReadOptions(use_threads=False, block_size=BLOCK),  # with threads no row knows its number
            csv.ParseOptions(ignore_empty_lines=False, invalid_row_handler=other_width),
            csv.ConvertOptions(
                column_types=dict.fromkeys(columns_of(entity), text),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise Problem(f"{path}: CSV가 아닙니다: {error}", f"{path}: expected CSV: {error}") from error
    _check_header(path, table.column_names, entity)
    complain(complaints)
    return table


def _check_header(path: Path, names: list[str], entity: Entity) -> None:
    known = columns_of(entity)
    for name in names:
        if name not in known or names.count(name) > 1:
            expected = ", ".join(known)
            raise Problem(
                f"{path}:1: '{name}' 열은 없거나 두 번 있습니다. {entity.name}.csv의 열: {expected}",
                f"{path}:1: column '{name}' is unknown or stands there twice; {entity.name}.csv has {expected}",
            )
    for column in entity.keys:
        # a time that may be empty may as well be left out
        if column.name not in names and column.kind != "from":
            raise Problem(f"{path}:1: '{column.name}' 열이 필요합니다", f"{path}:1: column '{column.name}' is needed")
