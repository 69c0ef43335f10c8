"""Small files as agencies send them, read under a shipped mapping."""

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import xlsxwriter  # type: ignore[import-untyped]  # it ships none

from cloud.imports import files, mapping, parse, regions
from cloud.imports.lots import Lots
from cloud.imports.reading import Reading, Terms

TODAY = date(2026, 11, 27)
JANUARY = date(2024, 1, 1)
DONG_GU, SEO_GU = 2, 3  # their numbers in regions.csv
HEADER = "년월,시군구,계약종별,고객호수,사용량(kWh)"
REGIONS = regions.shipped()


def terms(
    name: str = "kepco-contract", lots: Lots | None = None, expected: tuple[date, date] | None = None, **changes: object
) -> Terms:
    """Of a shipped mapping, with some of its settings changed."""
    chosen = msgspec.structs.replace(mapping.load(name)[1], **changes)
    mapping.check(chosen)
    return Terms(chosen, REGIONS, lots or Lots({}), TODAY, expected)


def read(data: str | bytes, under: Terms | None = None, sheet: str = "") -> Reading:
    """The file's bytes, or a text as UTF-8."""
    under = under or terms()
    raw = data.encode() if isinstance(data, str) else data
    return parse.parse(files.parse(raw, "file", sheet or under.mapping.sheet), under)


def kepco(*rows: str) -> str:
    """A file of KEPCO's with these rows; the first of them is the file's row 2."""
    return "\n".join([HEADER, *rows]) + "\n"


def refusals(reading: Reading) -> list[tuple[int, str]]:
    """(row in the file, code)."""
    return [(each.row, each.code) for each in reading.refused]


def quantities(reading: Reading) -> dict[tuple[int, str], int | None]:
    """By region and kind."""
    return {(figure.region, figure.kind): figure.quantity_milli for figure in reading.figures}


def workbook(rows: list[list[object]], name: str = "자료") -> bytes:
    """An XLSX of one sheet."""

    def write(book: Any) -> None:
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)

    return written(write)


def written(write: Callable[[Any], None]) -> bytes:
    """An XLSX as `write` fills it."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True})
    write(book)
    book.close()
    return target.getvalue()


def save(path: Path, data: str | bytes) -> Path:
    """As a file."""
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path
