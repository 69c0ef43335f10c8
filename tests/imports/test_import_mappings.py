"""Mappings: shipped, an operator's own, wrong ones, and what is suggested for a file never seen before."""

from pathlib import Path

import msgspec
import pytest

from cloud.imports import files, mapping
from cloud.imports.lots import Lots
from cloud.imports.reading import Terms
from cloud.imports.suggest import Utility, suggest
from contract.problems import Problem
from tests.imports.reading_files import REGIONS, TODAY, kepco, quantities, read, save, workbook


def suggested(data: str | bytes, utility: Utility | None = None) -> mapping.Mapping:
    table = files.parse(data.encode() if isinstance(data, str) else data, "file.csv")
    found = suggest(table, utility)
    mapping.check(found)
    return found


@pytest.mark.parametrize("name", mapping.names())
def test_each_shipped_mapping_can_be_saved_and_read_again(name: str, tmp_path: Path) -> None:
    _, shipped = mapping.load(name)
    path = mapping.save(tmp_path, name, shipped)
    assert mapping.read(path) == shipped
    assert mapping.read(path).digest == shipped.digest
    assert shipped.about_ko
    assert shipped.about_en


def test_an_operators_own_comes_before_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    _, shipped = mapping.load("water")
    mapping.save(tmp_path, "water", msgspec.structs.replace(shipped, months_each=2))
    assert mapping.load("water", tmp_path)[1].months_each == 2
    assert mapping.load("water")[1].months_each == 1
    assert mapping.load("heat", tmp_path)[1].utility == "heat"
    assert mapping.load(str(tmp_path / "water.toml"))[1].months_each == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source = ", "no mapping: "),
        ('nonsense = "x"', "no mapping: "),
        (b"\xff\xfe", "no mapping: "),
        ('source = "A!"\n', "source 'A!': expected 1 to 64"),
        ('unit = "furlong"\n', "unit 'furlong': no unit of electricity"),
        ('unit = "m3"\n', "unit 'm3': no unit of electricity"),
        ("[columns]\nmonth = ['m']\n", "columns must name a time"),
        ("[columns]\nmonth = ['m']\nregion = ['r']\nquantiti = ['q']\n", "no mapping: "),
    ],
)
def test_a_wrong_mapping_is_refused_in_one_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    right = {"source": '"a"', "agency_ko": '"a"', "agency_en": '"a"', "utility": '"electricity"'}
    if isinstance(text, str):
        given = {line.split(" = ")[0] for line in text.splitlines()}
        head = "".join(f"{key} = {value}\n" for key, value in right.items() if key not in given)
        columns = "" if "[columns]" in text else "[columns]\nmonth = ['m']\nregion = ['r']\nquantity = ['q']\n"
        text = head + text + columns
    path = save(tmp_path / "own.toml", text)
    with pytest.raises(Problem) as caught:
        mapping.load(str(path))
    assert f"own.toml: {says}" in caught.value.text.en
    assert "\n" not in caught.value.text.en


def test_a_mapping_that_there_is_not_is_answered_with_those_there_are() -> None:
    with pytest.raises(Problem, match="no mapping 'kepko'; there are: building-electricity, "):
        mapping.load("kepko")
    with pytest.raises(Problem, match="expected 1 to 64"):
        mapping.load("../x")


def test_what_is_suggested_for_a_plain_file_reads_it() -> None:
    data = kepco("202401,동구,주택용,1,7")
    found = suggested(data)
    assert (found.utility, found.source, found.header_at, found.wide) == ("electricity", "kepco-contract", 1, "")
    assert found.columns == {
        "month": ["년월"],
        "district": ["시군구"],
        "kind": ["계약종별"],
        "customers": ["고객호수"],
        "quantity": ["사용량"],
    }
    assert quantities(read(data, Terms(found, REGIONS, Lots({}), TODAY))) == {(2, "주택용"): 7_000}


def test_merged_headers_months_in_columns_and_hours_are_seen() -> None:
    wide = suggested("년월,시군구,전력사용량(kWh),,\n,,주택용,산업용,합계\n202401,동구,1,2,3\n")
    assert (wide.wide, wide.header_rows, wide.columns["quantity"]) == ("kind", 2, ["전력사용량"])
    months = suggested("전기 사용량\n년도,구,동,1월,2월,3월\n2024,동구,충장동,1,2,3\n,,계림1동,1,2,3\n")
    assert (months.wide, months.header_at, months.fill_down) == ("month", 2, ("year", "district"))
    hours = suggested("일자,시간,행정동,가스 사용량\n2024-01-01,24:00,충장동,1\n".replace("가스 ", ""), "gas")
    assert (hours.time_is, hours.columns["day"], hours.columns["time"]) == ("end", ["일자"], ["시간"])


def test_lots_and_workbooks_are_seen() -> None:
    names = ["useYm", "sigunguCd", "bjdongCd", "bun", "ji", "useQty"]
    found = suggested(workbook([[*names], [202401, 29110, 10100, 3, 4, 5]], "전기"))
    roles = ["month", "sigungu", "bjdong", "bun", "ji", "quantity"]
    assert found.columns == {role: [name] for role, name in zip(roles, names, strict=True)}
    assert (found.source, found.sheet, found.unit) == ("building-electricity", "전기", "kWh")


def test_a_file_that_nothing_is_known_of_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(Problem, match="cannot tell which utility"):
        suggested("a,b\n1,2\n")
    with pytest.raises(Problem, match="no header found; lacking: "):
        suggested("a,b\n1,2\n", "water")
