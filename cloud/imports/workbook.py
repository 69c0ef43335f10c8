"""Reads a workbook from standard input, writes its cells as text to standard output; run as a process of its own.

A workbook of a few kilobytes can ask for hundreds of gigabytes (two cells in opposite corners do), at which the
reading library ends its process: so the process is not the one that imports, and has limits.
"""

import datetime
import io
import re
import resource
import sys
import tempfile
import zipfile
from decimal import Decimal

import msgspec
from python_calamine import CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

MEMORY_BYTES = 2 << 30
CPU_S = 120
PASSWORD, NO_SHEET = 3, 4  # exit statuses; any other than 0 says that the file is broken or too large

_ERROR_CELL = re.compile(rb'<c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]{1,3})(\d{1,7})"[^>]*>(.*?)</c>', re.DOTALL)
_SHEET = re.compile(rb"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(rb"<(?:\w+:)?Relationship\b[^>]*>")


class Content(msgspec.Struct, array_like=True):
    """`rows` begin at the sheet's row 1, and are as long as the sheet is wide."""

    sheet: str
    sheets: list[str]
    rows: list[list[str]]


def text(cell: object) -> str:
    """A cell as text: numbers without exponent and without ".0", times in ISO form."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "minutes")
    if isinstance(cell, datetime.timedelta):
        minutes = round(cell.total_seconds() / 60)
        return f"{minutes // 60:02}:{minutes % 60:02}"
    return str(cell)


def errors(data: bytes, sheet: str) -> dict[tuple[int, int], str]:
    """What formulas failed at, by (row, column) from 0: the library gives an empty cell for them."""
    if not data.startswith(b"PK"):
        return {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        path = _path_of(archive, sheet)
        xml = archive.read(path) if path in archive.namelist() else b""
    found: dict[tuple[int, int], str] = {}
    if b't="e"' not in xml:
        return found
    for column, row, inside in _ERROR_CELL.findall(xml):
        value = re.search(rb"<v>(#[^<]*)</v>", inside)
        found[int(row) - 1, _column(column)] = value[1].decode() if value else "#ERROR!"
    return found


def _path_of(archive: zipfile.ZipFile, sheet: str) -> str:
    listed = _SHEET.findall(archive.read("xl/workbook.xml"))
    for tag in listed:
        if _unescape(_attribute(tag, b"name")) == sheet:
            wanted = _attribute(tag, rb"\w+:id")
            for relation in _RELATION.findall(archive.read("xl/_rels/workbook.xml.rels")):
                if _attribute(relation, b"Id") == wanted:
                    target = _attribute(relation, b"Target")
                    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return ""


def _attribute(tag: bytes, name: bytes) -> str:
    found = re.search(rb"\s" + name + rb'="([^"]*)"', tag)
    return found[1].decode("utf-8", "replace") if found else ""


def _unescape(name: str) -> str:
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        name = name.replace(entity, char)
    return name


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _opened(data: bytes) -> CalamineWorkbook:
    """Of an XLS by its path: only then does the library tell a password from a broken file."""
    if data.startswith(b"PK"):
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    with tempfile.NamedTemporaryFile(suffix=".xls") as file:
        file.write(data)
        file.flush()
        return CalamineWorkbook.from_path(file.name)


def _chosen(book: CalamineWorkbook, wanted: str) -> CalamineSheet | None:
    """The sheet of that name, else the first visible one with cells."""
    if wanted:
        return book.get_sheet_by_name(wanted) if wanted in book.sheet_names else None
    shown = [
        meta.name
        for meta in book.sheets_metadata
        if meta.typ == SheetTypeEnum.WorkSheet and meta.visible == SheetVisibleEnum.Visible
    ]
    for name in shown:
        sheet = book.get_sheet_by_name(name)
        if sheet.start is not None:
            return sheet
    return None


def _fill_merged(rows: list[list[str]], ranges: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Cells merged downwards all say what the first says: "동구" beside each of its rows."""
    for (first, column), (last, _) in ranges:
        for row in rows[first + 1 : last + 1]:
            row[column] = row[column] or rows[first][column]


def content(data: bytes, wanted: str) -> Content | None:
    """The wanted sheet's cells, or None where there is no such sheet."""
    with _opened(data) as book:
        sheet = _chosen(book, wanted)
        if sheet is None:
            return None
        rows = [[text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
        _fill_merged(rows, sheet.merged_cell_ranges or [])
        for (row, column), error in errors(data, sheet.name).items():
            while len(rows) <= row:
                rows.append([])
            rows[row].extend([""] * (column + 1 - len(rows[row])))
            rows[row][column] = error
        return Content(sheet.name, book.sheet_names, rows)


def main() -> int:
    """Exit status 0 with the content on standard output, or one of those above."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = content(sys.stdin.buffer.read(), sys.argv[1])
    except PasswordError:
        return PASSWORD
    if found is None:
        return NO_SHEET
    sys.stdout.buffer.write(msgspec.msgpack.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
