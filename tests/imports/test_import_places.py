"""Regions by code and name in their month, and lots by the operator's table."""

from datetime import date
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.imports import lots, reasons, regions
from cloud.imports.reasons import RowError
from cloud.imports.regions import Regions
from cloud.registry import snapshot
from cloud.registry.snapshot import OPEN_TO_S
from contract.problems import Problem
from tests.imports.reading_files import JANUARY, REGIONS, read, refusals, save, terms

HEADER = "bjdong_code,bun,ji,dong_code,weight\n"
BUILDING = "useYm,sigunguCd,bjdongCd,bun,ji,useQty\n"


@pytest.mark.parametrize(
    ("text", "month", "number"),
    [
        ("29110", JANUARY, 2),
        ("2911000000", JANUARY, 2),
        ("29110.0", JANUARY, 2),
        ("29", JANUARY, 1),
        ("29110525", JANUARY, 101),
        ("2911052500", JANUARY, 101),
        ("동구", JANUARY, 2),
        ("광주광역시 동구", JANUARY, 2),
        ("광주 동구", JANUARY, 2),
        ("광주시동구", JANUARY, 2),
        ("전남광주통합특별시 동구", date(2026, 8, 1), 2),
        ("광주광역시 동구 충장동", JANUARY, 101),
        ("동구 충장동", JANUARY, 101),
        ("충장동", JANUARY, 101),
        ("계림제1동", JANUARY, 103),
        ("광주광역시", JANUARY, 1),
        ("중흥2동", date(2023, 12, 1), 151),
        ("중흥동", JANUARY, 178),
        ("효덕동", date(2021, 7, 1), 146),  # split on 26 July: as it was when the month began
        ("진월동", date(2021, 7, 1), 145),  # which began in that month
        ("2915571000", date(2021, 8, 1), 147),
    ],
)
def test_a_region_is_found_by_code_or_name_as_of_its_month(text: str, month: date, number: int) -> None:
    assert REGIONS.find(text, month).region == number


@pytest.mark.parametrize("text", ["중흥2동", "해운대구", "291", "2911", "29110525001", "서울 동구", "부산광역시", "동"])
def test_what_was_no_region_then_is_unknown(text: str) -> None:
    with pytest.raises(RowError) as error:
        REGIONS.find(text, JANUARY)
    assert error.value.code == reasons.UNKNOWN_REGION


def test_a_name_of_two_regions_needs_its_district() -> None:
    assert REGIONS.find("북구 우산동", JANUARY).parent == 5
    assert REGIONS.find("광산구 우산동", JANUARY).parent == 6
    with pytest.raises(RowError) as error:
        REGIONS.find("우산동", JANUARY)
    assert error.value.code == reasons.AMBIGUOUS_REGION


def test_each_shipped_region_is_found_by_its_code_and_by_its_name_with_its_districts() -> None:
    dongs = [each for each in REGIONS.by_number.values() if each.level == "dong" and each.to_s == OPEN_TO_S]
    assert len(dongs) == 96
    for each in dongs:
        name = f"{REGIONS.by_number[each.parent].name_ko} {each.name_ko}"
        assert REGIONS.find(name, JANUARY) == each
        assert not each.code or REGIONS.find(each.code, JANUARY) == each


def test_a_file_that_holds_no_regions_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "regions.csv", "a,b\n1,2\n")
    with pytest.raises(Problem, match=r"regions\.csv: cannot be read as regions"):
        regions.from_csv(path)


def table(tmp_path: Path, text: str) -> lots.Lots:
    return lots.load(save(tmp_path / "lots.csv", text))


def test_a_lot_counts_in_the_dong_that_its_own_row_names_else_its_buns_else_its_legal_dongs(tmp_path: Path) -> None:
    known = table(
        tmp_path,
        HEADER + "2911010100,1,2,2911052500,\n2911010100,1,,2911054500,1\n2911010100,,,동구 계림1동,1\n",
    )
    reading = read(
        BUILDING
        + "202401,29110,10100,1,2,10\n202401,29110,10100,0001,0003,20\n202401,29110,10100,7,0,40.5\n"
        + "202401,29110,10200,7,0,80\n202401,29110,1x,7,0,1\n202401,29110,10100,12345,0,1\n",
        terms("building-electricity", known),
    )
    assert [(figure.level, figure.region, figure.quantity_milli) for figure in reading.figures] == [
        ("dong", 101, 10_000),
        ("dong", 102, 20_000),
        ("dong", 103, 40_500),
    ]
    assert refusals(reading) == [(5, reasons.LOT_WITHOUT_DONG), (6, reasons.BAD_LOT), (7, reasons.BAD_LOT)]


def test_lots_without_a_dong_count_at_the_district_where_the_mapping_says_so_and_no_level_mixes(tmp_path: Path) -> None:
    known = table(tmp_path, HEADER + "2911010100,,,2911052500,1\n")
    rows = BUILDING + "202401,29110,10100,1,2,10\n202401,29110,10200,1,2,5\n202401,26110,10200,1,2,5\n"
    reading = read(rows, terms("building-electricity", known, lots_without_dong="district"))
    assert [(figure.level, figure.region, figure.quantity_milli, figure.rows) for figure in reading.figures] == [
        ("district", 2, 15_000, 2),  # all of the district, so that the level is whole by itself
        ("dong", 101, 10_000, 1),
    ]
    assert refusals(reading) == [(4, reasons.UNKNOWN_REGION)]
    assert reading.sums == {(JANUARY, "district", "kWh"): 15_000, (JANUARY, "dong", "kWh"): 10_000}


def test_a_lot_in_two_dongs_is_split_and_nothing_gets_lost(tmp_path: Path) -> None:
    known = table(tmp_path, HEADER + "2911010100,1,0,2911052500,0.333\n2911010100,1,0,2911054500,0.667\n")
    reading = read(BUILDING + "202401,29110,10100,1,,0.010\n", terms("building-electricity", known))
    assert [(figure.region, figure.quantity_milli) for figure in reading.figures] == [(101, 3), (102, 7)]


@given(st.integers(0, 10**15), st.lists(st.integers(1, 1000), min_size=1, max_size=8))
def test_parts_of_a_split_always_sum_up_to_the_whole(milli: int, weights: list[int]) -> None:
    shares = tuple(Fraction(weight, sum(weights)) for weight in weights)
    parts = lots.split(milli, shares)
    assert sum(parts) == milli
    assert min(parts) >= 0
    assert all(abs(part - milli * share) <= 1 for part, share in zip(parts, shares, strict=True))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "expected the columns bjdong_code, bun, ji, weight and dong_code"),
        (HEADER + "29110101,1,2,2911052500,1\n", "row 2: expected 10 digits"),
        (HEADER + "2911010100,1,2,,1\n", "row 2: expected 10 digits"),
        (HEADER + "2911010100,1,2,2911052500,2\n", "row 2: expected 10 digits"),
        (HEADER + "2911010100,1,2,2911052500,half\n", "row 2: expected 10 digits"),
        (HEADER + "2911010100,1,2,2911052500,0.5\n", "2911010100 1-2: the weights must sum up to 1 but give 0.500"),
        (HEADER + "2911010100,1,2,2911052500\n" * 2, "2911010100 1-2: the weights must sum up to 1 but give 2.000"),
    ],
)
def test_a_wrong_table_of_lots_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Problem) as caught:
        table(tmp_path, text)
    assert f"lots.csv: {says}" in caught.value.text.en
    assert "\n" not in caught.value.text.en


def test_regions_come_out_of_a_snapshots_table_as_out_of_the_file() -> None:
    rows = [
        {
            "region": each.region,
            "level": each.level,
            "parent": each.parent,
            "code": each.code,
            "name_ko": each.name_ko,
            "valid_from_s": each.from_s,
            "valid_to_s": each.to_s,
        }
        for each in REGIONS.by_number.values()
    ]
    again: Regions = regions.from_table(pa.Table.from_pylist(rows, snapshot.REGIONS))
    assert again.by_number == REGIONS.by_number
    assert again.digest == REGIONS.digest


def test_a_lot_on_a_hill_is_another_than_the_lot_of_the_same_number(tmp_path: Path) -> None:
    known = table(tmp_path, HEADER + "2911010100,,,2911052500,\n")
    data = "useYm,sigunguCd,bjdongCd,platGbCd,bun,ji,useQty\n" + "".join(
        f"202401,29110,10100,{hill},1,0,{quantity}\n" for hill, quantity in (("0", 10), ("1", 5))
    )
    (figure,) = read(data, terms("building-electricity", known)).figures
    assert (figure.quantity_milli, figure.rows) == (15_000, 2)
