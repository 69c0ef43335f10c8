"""A file as rows of text: encodings, delimiters, workbooks whole, broken, locked and hostile."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cloud.imports import files
from cloud.imports.files import Table
from contract.problems import Problem
from tests.imports.compound import compound, xls
from tests.imports.reading_files import save, workbook, written

TEXT = '년월,시군구,사용량\r\n202401,동구,"1,234"\r\n\r\n202401,서구,7\r\n'
ROWS = ((1, ["년월", "시군구", "사용량"]), (2, ["202401", "동구", "1,234"]), (4, ["202401", "서구", "7"]))


def problem_of(data: bytes, sheet: str = "") -> str:
    with pytest.raises(Problem) as caught:
        files.parse(data, "file", sheet)
    text = caught.value.text
    assert text.ko != text.en
    assert "\n" not in text.ko + text.en
    return text.en


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "euc-kr", "utf-16", "utf-16-le", "utf-16-be"])
def test_each_encoding_gives_the_same_rows(encoding: str) -> None:
    assert files.parse(TEXT.encode(encoding), "file").rows == ROWS


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_gives_the_same_rows(delimiter: str) -> None:
    lines = [["년월", "시군구", "사용량"], ["202401", "동구", '"1,234"'], [], ["202401", "서구", "7"]]
    text = "\n".join(delimiter.join(line) for line in lines)
    assert files.parse(text.encode(), "file").rows == ROWS


def test_rows_have_the_number_of_the_line_they_begin_in() -> None:
    table = files.parse(b'title\n\na,b\n"x\ny",1\nz,2\n', "file")
    assert [number for number, _ in table.rows] == [1, 3, 4, 6]


def test_a_broken_character_stays_one_and_much_of_it_is_no_table() -> None:
    row = "202401,동구,100\n".encode() * 40
    table = files.parse(row + b"202401,\xff\xfe,100\n", "file")
    assert files.BROKEN in table.rows[-1][1][1]
    cut = "202401,동구,주택용".encode()[:-1]  # in the middle of its last character
    assert files.parse(row + cut, "file").rows[-1][1] == ["202401", "동구", f"주택{files.BROKEN}"]
    korean = "년월,시군구\n".encode("cp949") + b"202401,29110\n" * 1000
    assert files.parse(korean, "file").rows[0][1] == ["년월", "시군구"]
    assert problem_of(bytes(range(128, 256)) * 40).startswith("no table; expected CSV")


@pytest.mark.parametrize("data", [b"", b"\n\n , ,\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_nothing_is_said_to_be_nothing(data: bytes) -> None:
    assert problem_of(data) in ("an empty file", "no row with any text")


def test_a_web_page_named_xls_is_called_one() -> None:
    assert problem_of(b"<html><table><tr><td>1</td></tr></table></html>").startswith("a web page or XML")


def test_an_xlsx_gives_numbers_dates_and_errors_as_text_with_its_own_row_numbers() -> None:
    def write(book: Any) -> None:
        book.add_worksheet("빈 시트")
        hidden = book.add_worksheet("숨김")
        hidden.write(0, 0, "no")
        hidden.hide()
        sheet = book.add_worksheet("자료 & <1>")
        sheet.write_row(2, 1, ["년월", "양"])
        sheet.write_number(3, 1, 45292, book.add_format({"num_format": "yyyy-mm"}))
        sheet.write_number(3, 2, 1234567.0)
        sheet.write_number(4, 1, 202401.0)
        sheet.write_number(4, 2, 0.1)
        sheet.write_formula(5, 2, "=A0+1", None, "#REF!")
        sheet.write_number(6, 2, 1.0, book.add_format({"num_format": "[h]:mm"}))

    data = written(write)
    table = files.parse(data, "file")
    assert (table.form, table.sheet) == ("xlsx", "자료 & <1>")
    assert table.rows == (
        (3, ["", "년월", "양"]),
        (4, ["", "2024-01-01", "1234567"]),
        (5, ["", "202401", "0.1"]),
        (6, ["", "", "#REF!"]),
        (7, ["", "", "24:00"]),
    )
    assert files.parse(data, "file", "숨김").rows == ((1, ["no"]),)
    assert problem_of(data, "없음") == "no sheet '없음' with any text"


def test_an_old_xls_is_read_too() -> None:
    table = files.parse(xls("자료", [["년월", "사용량"], [202401.0, 5.5]]), "file")
    assert (table.form, table.sheet, table.rows) == ("xls", "자료", ((1, ["년월", "사용량"]), (2, ["202401", "5.5"])))


def test_a_workbook_with_a_password_is_called_one() -> None:
    locked = compound({"EncryptedPackage": b"x", "EncryptionInfo": b"y"})
    for data in (locked, xls("자료", [["a"]], password=True)):
        assert problem_of(data) == "a workbook with a password; save it without one"


def test_broken_workbooks_are_said_to_be_broken() -> None:
    whole = workbook([["년월", "양"], ["202401", 1]])
    for data in (
        whole[:300],
        whole[:-40],
        b"PK\x03\x04" + bytes(100),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    ):
        assert problem_of(data).startswith("a broken")


def test_an_archive_of_something_else_is_no_workbook() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("data.csv", TEXT)
    assert problem_of(target.getvalue()).startswith("an archive, but no XLSX")


def test_two_cells_in_opposite_corners_do_not_end_the_program() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "a")
        sheet.write(1_048_575, 16_383, "b")

    assert problem_of(written(write)).startswith("a broken or far too large workbook")


def test_an_archive_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked() -> None:
    packed = bytearray(workbook([["a"]]))
    at = packed.rindex(b"PK\x01\x02")  # the last entry of the directory, whose size unpacked stands 24 bytes on
    packed[at + 24 : at + 28] = struct.pack("<I", 4_000_000_000)
    assert problem_of(bytes(packed)) == "a workbook that unpacks to more than 600 MB"


def test_size_rows_cells_and_columns_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ROWS", 3)
    assert problem_of(b"a\n" * 4) == "more than 3 rows; import it in parts"
    assert problem_of(b"x\n" + b"a," * 600 + b"a\n").startswith("row 2: more than 500 cells")
    assert problem_of(b"x\n" + b"a" * 3000).startswith("row 2: more than 500 cells, or a cell of more than 2000")
    assert problem_of(b'a\n"' + b"b" * (1 << 21)).startswith("row 2: not CSV")
    monkeypatch.setattr(files, "MAX_BYTES", 1 << 20)
    with pytest.raises(Problem, match="larger than 1 MB"):
        files.read(save(tmp_path / "large.csv", b"a" * (1 << 21)))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(Problem) as caught:
            files.read(path)
        assert caught.value.text.en.startswith(f"{path}: cannot be read: ")


def test_the_same_bytes_have_the_same_digest_whatever_their_name() -> None:
    tables: list[Table] = [files.parse(TEXT.encode(), name) for name in ("a", "b")]
    assert tables[0].digest == tables[1].digest != files.parse(TEXT.encode("cp949"), "a").digest
