"""An agency's file as rows of clean text with the numbers that a person sees beside them. Raises Problem."""

import csv
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import msgspec

import cloud
from cloud.imports.cells import clean
from cloud.imports.workbook import NO_SHEET, PASSWORD, Content
from contract.problems import Problem

MAX_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 600 << 20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 500
MAX_CELL = 2000  # characters
WORKBOOK_TIMEOUT_S = 150
BROKEN = "\ufffd"  # where bytes are no character
_A_FEW, _MOSTLY_BROKEN = 20, 50  # more broken characters than a few, and than one in so many: no text
_LOCKED = "EncryptedPackage".encode("utf-16-le")  # the stream that a workbook with a password is in
_MARKUP = re.compile(rb"\s*<(?:!doctype|html|table|\?xml|meta|head)", re.IGNORECASE)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class Table:
    """`rows` are (number in the file from 1, cells); rows without any text are left out.

    `form` says what it was read as: "xlsx", "xls", or the encoding and delimiter of a text.
    """

    name: str
    digest: str
    form: str
    sheet: str
    rows: tuple[tuple[int, list[str]], ...]


def read(path: Path, sheet: str = "") -> Table:
    """The file's first sheet with cells, or the one named. Raises Problem."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Problem(f"{path}: 읽을 수 없습니다: {why}", f"{path}: cannot be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise Problem(
            f"{path}: {MAX_BYTES >> 20} MB보다 큽니다. 나누어 가져오십시오",
            f"{path}: larger than {MAX_BYTES >> 20} MB; import it in parts",
        )
    try:
        return parse(data, path.name, sheet)
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem


def parse(data: bytes, name: str, sheet: str = "") -> Table:
    """The same of a file's bytes. Raises Problem that does not name the file."""
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    if data.startswith((_ZIP, _OLE)):
        found = _workbook(data, sheet)
        form, rows = "xlsx" if data.startswith(_ZIP) else "xls", _numbered(enumerate(found.rows, 1))
        return Table(name, digest, form, found.sheet, rows)
    if _MARKUP.match(data[:200].removeprefix(b"\xef\xbb\xbf")):
        raise Problem(
            "표 파일이 아니라 웹 페이지나 XML입니다. 스프레드시트에서 열어 XLSX로 저장하십시오",
            "a web page or XML, no table; open it in a spreadsheet and save it as XLSX",
        )
    text, encoding = decode(data)
    delimiter = _delimiter(text)
    form = f"{encoding} {'tab' if delimiter == chr(9) else delimiter}"
    return Table(name, digest, form, "", _numbered(_records(text, delimiter)))


def decode(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding; single bytes that are no character become U+FFFD. Raises Problem."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    elif (nul := _nul_side(data)) is not None:
        encoding = nul
    else:
        encoding = "utf-8"
    text = data.decode(encoding, "replace")
    broken = text.count(BROKEN)
    beyond_ascii = len(text) - len(text.encode("ascii", "ignore")) - broken
    if encoding == "utf-8" and broken > beyond_ascii:  # characters of UTF-8 hardly come about by accident
        encoding = "cp949"
        text = data.decode(encoding, "replace")
        broken = text.count(BROKEN)
    broken += text.count("\0")
    if not text.strip():
        raise Problem("빈 파일입니다", "an empty file")
    if broken > _A_FEW and broken * _MOSTLY_BROKEN > len(text):
        raise Problem(
            "표가 아닙니다. CSV(UTF-8, CP949, UTF-16), XLSX 또는 XLS 파일이어야 합니다",
            "no table; expected CSV (UTF-8, CP949, UTF-16), XLSX or XLS",
        )
    return text.replace("\0", ""), encoding


def _nul_side(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of its commas, digits and line ends is 0."""
    sample = data[:4000]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 10 < len(sample) or min(even, odd) * 20 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _delimiter(text: str) -> str:
    """The one that splits the first lines most evenly: most of its lines have it, and it makes most columns."""
    sample = [line for line in text[:20_000].splitlines()[:50] if line.strip()]
    sample = [re.sub(r'"[^"]*"', "", line) for line in sample]

    def columns(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in sample]
        usual = max(set(counts), key=lambda count: (counts.count(count) * (count > 0), count)) if counts else 0
        return (counts.count(usual) if usual else 0, usual)

    return max(",\t;|", key=columns)


def _records(text: str, delimiter: str) -> Iterable[tuple[int, list[str]]]:
    """Rows with the number of the line at which each begins."""
    csv.field_size_limit(1 << 20)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    at = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Problem(f"{at}행: CSV가 아닙니다: {error}", f"row {at}: not CSV: {error}") from error
        yield at, cells
        at = reader.line_num + 1


def _numbered(rows: Iterable[tuple[int, list[str]]]) -> tuple[tuple[int, list[str]], ...]:
    kept = []
    for at, cells in rows:
        cleaned = [cell.strip() if cell.isascii() else clean(cell) for cell in cells]
        if not any(cleaned):
            continue
        while not cleaned[-1]:
            cleaned.pop()
        if len(cleaned) > MAX_COLUMNS or max(map(len, cleaned)) > MAX_CELL:
            raise Problem(
                f"{at}행: 칸이 {MAX_COLUMNS}개를 넘거나 한 칸이 {MAX_CELL}자를 넘습니다",
                f"row {at}: more than {MAX_COLUMNS} cells, or a cell of more than {MAX_CELL} characters",
            )
        kept.append((at, cleaned))
        if len(kept) > MAX_ROWS:
            raise Problem(
                f"{MAX_ROWS:,}행을 넘습니다. 나누어 가져오십시오", f"more than {MAX_ROWS:,} rows; import it in parts"
            )
    if not kept:
        raise Problem("글자가 있는 행이 없습니다", "no row with any text")
    return tuple(kept)


def _workbook(data: bytes, sheet: str) -> Content:
    locked = Problem(
        "암호가 걸린 엑셀 파일입니다. 암호를 풀어 저장하십시오", "a workbook with a password; save it without one"
    )
    if _LOCKED in data:
        raise locked
    if data.startswith(_ZIP):
        _check_zip(data)
    broken = Problem(
        "깨졌거나 너무 큰 엑셀 파일입니다. 다시 저장하거나 CSV로 보내십시오",
        "a broken or far too large workbook; save it again, or as CSV",
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cloud.imports.workbook", sheet],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WORKBOOK_TIMEOUT_S,
            check=False,
            cwd=Path(cloud.__path__[0]).parent,  # where `cloud` is found, whatever the caller's folder is
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise broken from error
    if done.returncode == PASSWORD:
        raise locked
    if done.returncode == NO_SHEET:
        which = f" '{sheet}'" if sheet else ""
        raise Problem(f"글자가 있는 시트{which}가 없습니다", f"no sheet{which} with any text")
    if done.returncode:
        raise broken
    return msgspec.msgpack.decode(done.stdout, type=Content)


def _check_zip(data: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise Problem("깨진 엑셀 파일입니다", "a broken workbook") from error
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise Problem(
            f"풀면 {MAX_UNPACKED_BYTES >> 20} MB를 넘는 엑셀 파일입니다",
            f"a workbook that unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB",
        )
    if not any(entry.filename == "xl/workbook.xml" for entry in entries):
        raise Problem(
            "압축 파일이지만 XLSX가 아닙니다", "an archive, but no XLSX; unpack it and import the files inside"
        )
