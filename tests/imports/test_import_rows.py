"""Each bad input in a small file: it works, or it is refused by row with its reason, and the rest still counts."""

from datetime import date
from typing import Any

import pytest

from cloud.imports import reasons
from cloud.imports.reading import Figure
from cloud.imports.reasons import REASONS
from contract.problems import Problem
from tests.imports.reading_files import (
    DONG_GU,
    JANUARY,
    SEO_GU,
    kepco,
    quantities,
    read,
    refusals,
    terms,
    workbook,
    written,
)


def test_a_plain_file_gives_its_figures() -> None:
    reading = read(kepco("202401,동구,주택용,1200,1234.5", '2024-02,광주 서구,산업용,"1,000","2,000,000"'))
    assert reading.figures == (
        Figure(JANUARY, 1, "district", DONG_GU, "주택용", "kWh", 1_234_500, 1200, 1, 0),
        Figure(date(2024, 2, 1), 1, "district", SEO_GU, "산업용", "kWh", 2_000_000_000, 1000, 1, 0),
    )
    assert (reading.rows, reading.items, reading.refused, reading.totals) == (2, 2, (), ())
    assert reading.sums == {
        (JANUARY, "district", "kWh"): 1_234_500,
        (date(2024, 2, 1), "district", "kWh"): 2_000_000_000,
    }


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("202401,동구,주택용,1,(100)", reasons.NEGATIVE),
        ("202401,동구,주택용,1,-100", reasons.NEGATIVE),
        ('202401,동구,주택용,1,"1,23"', reasons.BAD_THOUSANDS),
        ("202401,동구,주택용,1,1,234", reasons.EXTRA_CELLS),
        ("202401,동구,주택용,1,1.2E+05", reasons.EXPONENT),
        ("202401,동구,주택용,1,#REF!", reasons.FORMULA_ERROR),
        ("202401,#N/A,주택용,1,5", reasons.FORMULA_ERROR),
        ("202401,동구,주택용,1,오", reasons.NOT_A_NUMBER),
        ("202401,동구,주택용,1,5 kcals", reasons.UNKNOWN_UNIT),
        ("202401,동구,주택용,1,5 m3", reasons.WRONG_UNIT),
        ("202401,동구,주택용,1,9999999999999999", reasons.TOO_LARGE),
        ("202401,동구,주택용,-1,5", reasons.BAD_CUSTOMERS),
        ("202401,동구,주택용,1.5,5", reasons.BAD_CUSTOMERS),
        (",동구,주택용,1,5", reasons.NO_MONTH),
        ("2401,동구,주택용,1,5", reasons.BAD_MONTH),
        ("2024.1,동구,주택용,1,5", reasons.AMBIGUOUS_MONTH),
        ("202612,동구,주택용,1,5", reasons.FUTURE_MONTH),
        ("202401,,주택용,1,5", reasons.NO_REGION),
        ("202401,해운대구,주택용,1,5", reasons.UNKNOWN_REGION),
        ("202401,26350,주택용,1,5", reasons.UNKNOWN_REGION),
    ],
)
def test_one_bad_row_is_refused_and_its_neighbours_are_taken(row: str, code: str) -> None:
    data = kepco("202401,북구,주택용,1,7", row, "202401,서구,주택용,1,9")
    reading = read(data)
    assert refusals(reading) == [(3, code)]
    assert quantities(reading) == {(5, "주택용"): 7_000, (SEO_GU, "주택용"): 9_000}
    (refused,) = reading.refused
    assert refused.text.ko.startswith("3행")
    assert refused.text.en.startswith("row 3")
    assert refused.text.en.endswith(REASONS[code].en)


def test_broken_characters_refuse_their_row_alone() -> None:
    reading = read(kepco("202401,동구,주택용,1,7").encode("cp949") + b"202401,\xff\xb1,x,1,5\n")
    assert refusals(reading) == [(3, reasons.UNREADABLE)]
    assert quantities(reading) == {(DONG_GU, "주택용"): 7_000}


def test_what_is_missing_or_suppressed_is_counted_and_never_zero() -> None:
    rows = [f"202401,동구,k{n},1,{cell}" for n, cell in enumerate(("-", "", "*", "X", "0"))]
    reading = read(kepco(*rows))
    assert (reading.missing, reading.suppressed, reading.refused) == (2, 2, ())
    values = quantities(reading)
    assert [values[DONG_GU, f"k{n}"] for n in range(5)] == [None, None, None, None, 0]
    assert [figure.missing for figure in reading.figures] == [1, 1, 1, 1, 0]
    assert reading.sums == {(JANUARY, "district", "kWh"): 0}


def test_rows_that_say_the_same_again_count_once_and_rows_that_differ_are_both_refused() -> None:
    reading = read(
        kepco(
            "202401,동구,주택용,1,7",
            "2024-01,광주광역시 동구,주택용,1,7.0",
            "202401,서구,주택용,1,8",
            "202401,서구,주택용,1,8",
            "202401,서구,주택용,1,9",
            "202401,북구,주택용,1,5",
            "202401,북구,주택용,2,5",
        )
    )
    assert quantities(reading) == {(DONG_GU, "주택용"): 7_000}
    assert reading.repeated == (3,)
    assert refusals(reading) == [(number, reasons.DUPLICATE_DIFFERS) for number in (4, 5, 6, 7, 8)]
    assert reading.refused[0].value == "2024-01 서구 주택용"


def test_totals_are_recognised_checked_and_never_taken_for_figures() -> None:
    reading = read(
        kepco(
            "202401,동구,주택용,1,7",
            ",,일반용,1,3",
            ",,소계,2,10",  # of 동구
            "202401,서구,주택용,1,8",
            "202401,서구,산업용,1,-",
            "202401,서구,계,2,9",  # off by one
            "합계,,,4,18",
            "총 계,,,,18",
            "Total,,,,19",
        ),
        terms(fill_down=("month", "district")),
    )
    assert len(reading.figures) == 4
    assert [(total.row, total.stated_milli, total.summed_milli, total.agrees) for total in reading.totals] == [
        (4, 10_000, 10_000, True),
        (7, 9_000, 8_000, False),
        (8, 18_000, 18_000, True),
        (9, 18_000, 18_000, True),
        (10, 19_000, 18_000, False),
    ]
    assert reading.rows == 4


def test_a_total_counts_the_rows_that_were_refused_too() -> None:
    reading = read(kepco("202401,동구,주택용,1,7", "202401,없는구,주택용,1,5", "202401,합계,,,12"))
    assert [(total.summed_milli, total.agrees) for total in reading.totals] == [(12_000, True)]
    assert refusals(reading) == [(3, reasons.UNKNOWN_REGION)]


def test_another_month_than_the_expected_one_is_refused_by_row() -> None:
    rows = ["202401,동구,주택용,1,7", "202402,동구,주택용,1,8", "2024.1,서구,주택용,1,9"]
    reading = read(kepco(*rows), terms(expected=(JANUARY, JANUARY)))
    assert refusals(reading) == [(3, reasons.OTHER_MONTH)]
    assert quantities(reading) == {(DONG_GU, "주택용"): 7_000, (SEO_GU, "주택용"): 9_000}


def test_titles_units_over_the_header_repeated_headers_and_footnotes_are_no_rows() -> None:
    reading = read(
        "2024년 전력 사용량\n(단위: 호, MWh)\n년월,시군구,계약종별,사용량\n202401,동구,주택용,1.5\n"
        "년월,시군구,계약종별,사용량\n202401,서구,주택용,2\n※ 자료: 한국전력공사\n"
    )
    assert quantities(reading) == {(DONG_GU, "주택용"): 1_500_000, (SEO_GU, "주택용"): 2_000_000}
    assert (reading.rows, reading.skipped, reading.refused) == (2, 2, ())
    assert reading.first[1].row == 6


def test_the_cells_own_unit_comes_before_the_columns_and_that_before_the_headers() -> None:
    data = "년월,시군구,계약종별,사용량(MWh),단위\n202401,동구,a,1 kWh,GWh\n202401,동구,b,1,GWh\n202401,동구,c,1,\n"
    values = quantities(read(data))
    assert [values[DONG_GU, kind] for kind in "abc"] == [1_000, 1_000_000_000, 1_000_000]


def test_a_file_without_any_unit_is_refused_where_the_mapping_names_none() -> None:
    data = "년월,시군구,계약종별,사용량\n202401,동구,주택용,7\n"
    assert refusals(read(data, terms(unit=""))) == [(2, reasons.NO_UNIT)]
    with pytest.raises(Problem, match="column '사용량': unknown unit '천원'"):
        read(data.replace("사용량", "사용량(천원)"))


def test_a_header_that_lacks_something_is_named() -> None:
    with pytest.raises(Problem) as caught:
        read("년월,구역,종별,양\n202401,동구,주택용,7\n")
    assert caught.value.text.en.startswith(
        "no header found; lacking: city|district, quantity; the nearest row reads: 년월"
    )


def test_two_header_rows_with_merged_cells_give_a_kind_for_each_column() -> None:
    def write(book: Any) -> None:
        sheet = book.add_worksheet()
        centre = book.add_format({"align": "center"})
        sheet.merge_range("A2:A3", "년월", centre)
        sheet.merge_range("B2:B3", "시군구", centre)
        sheet.merge_range("C2:E2", "사용량(MWh)", centre)
        sheet.write_row("C3", ["주택용", "산업용", "합계"])
        sheet.merge_range("A4:A5", "2024년 1월", centre)
        sheet.write_row("B4", ["동구", 1.5, 2, 3.5])
        sheet.write_row("B5", ["서구", 4, "-", 5])  # its total does not agree
        sheet.write_row("A6", ["합계", "", 5.5, 2, 8.5])

    reading = read(written(write), terms("kepco-contract-wide"))
    assert quantities(reading) == {
        (DONG_GU, "주택용"): 1_500_000,
        (DONG_GU, "산업용"): 2_000_000,
        (SEO_GU, "주택용"): 4_000_000,
        (SEO_GU, "산업용"): None,
    }
    wrong = [(total.row, total.stated_milli, total.summed_milli) for total in reading.totals if not total.agrees]
    assert wrong == [(5, 5_000_000, 4_000_000)]
    assert len(reading.totals) == 5  # three of the last row, and one of each other row


def test_months_may_be_columns() -> None:
    columns = {"year": ["년도"], "district": ["시군구"], "kind": ["계약종별"]}
    data = "년도,시군구,계약종별,1월,2월,비고,12월\n2023,동구,주택용,1,2,,12\n2023,서구,주택용,4,-5,x,-\n"
    reading = read(data, terms(wide="month", columns=columns))
    got = {(figure.month.month, figure.region): figure.quantity_milli for figure in reading.figures}
    assert got == {
        (1, DONG_GU): 1_000,
        (2, DONG_GU): 2_000,
        (12, DONG_GU): 12_000,
        (1, SEO_GU): 4_000,
        (12, SEO_GU): None,
    }
    assert [(each.row, each.column, each.code) for each in reading.refused] == [(3, "2월", reasons.NEGATIVE)]


def test_a_spreadsheets_dates_and_numbers_are_read_as_such() -> None:
    rows: list[list[object]] = [["년월", "시군구", "계약종별", "사용량"], [45292, 29110, "주택용", 1234.0]]
    assert quantities(read(workbook(rows))) == {(DONG_GU, "주택용"): 1_234_000}


@pytest.mark.parametrize(("time_is", "month"), [("end", 1), ("start", 2)])
def test_the_hour_24_is_the_next_days_first_moment(time_is: str, month: int) -> None:
    columns = {"day": ["일자"], "time": ["시간"], "district": ["시군구"], "quantity": ["사용량"]}
    under = terms(columns=columns, time_is=time_is)
    reading = read("일자,시간,시군구,사용량\n2024-01-31,23:00,동구,5\n2024-01-31,24:00,동구,7\n", under)
    months = {figure.month.month: figure.quantity_milli for figure in reading.figures}
    assert months == ({1: 12_000} if month == 1 else {1: 5_000, 2: 7_000})
    again = read("일자,시간,시군구,사용량\n2024-01-31,24:00,동구,7\n2024-02-01,00:00,동구,7\n", under)
    assert again.repeated == (3,)
    assert refusals(read("일자,시간,시군구,사용량\n2024-01-31,24:30,동구,7\n", under)) == [(2, reasons.BAD_TIME)]


def test_figures_of_two_months_begin_with_the_first_of_them() -> None:
    under = terms("water", months_each=2, month_is="last")
    reading = read(
        "고지년월,구,동,업종,사용량(㎥)\n202403,동구,충장동,가정용,10\n202401,동구,충장동,가정용,11\n", under
    )
    assert [(figure.month, figure.months, figure.quantity_milli) for figure in reading.figures] == [
        (date(2023, 12, 1), 2, 11_000),
        (date(2024, 2, 1), 2, 10_000),
    ]


def test_heat_in_calories_and_gas_in_joules_are_kept_in_kilowatt_hours() -> None:
    heat = read("년월,구,동,용도,사용량(Gcal)\n202401,동구,충장동,주거,2\n", terms("heat"))
    assert [figure.quantity_milli for figure in heat.figures] == [2_326_000]
    gas = read(
        "년월,구,동,용도,사용량,단위\n202401,동구,충장동,취사,36,MJ\n202401,동구,충장동,취사,4,천m3\n",
        terms("city-gas"),
    )
    assert [(figure.unit, figure.quantity_milli) for figure in gas.figures] == [("kWh", 10_000), ("m3", 4_000_000)]


def test_customers_rows_of_one_dong_become_one_figure() -> None:
    data = (
        "수용가번호,고지년월,구,행정동,업종,사용량(㎥)\n"
        "1,202401,동구,충장동,가정용,10\n2,202401,동구,충장동,가정용,*\n3,202401,동구,충장동,가정용,5.5\n"
        "3,202401,동구,충장동,가정용,5.5\n"
    )
    reading = read(data, terms("water"))
    assert reading.figures == (Figure(JANUARY, 1, "dong", 101, "가정용", "m3", 15_500, None, 3, 1),)
    assert reading.repeated == (5,)


def test_an_empty_place_means_the_one_above_only_where_cells_were_merged_or_the_mapping_says_so() -> None:
    data = kepco("202401,동구,주택용,1,7", ",,산업용,1,8")
    assert refusals(read(data)) == [(3, reasons.NO_MONTH)]
    filled = read(data, terms(fill_down=("month", "district")))
    assert quantities(filled) == {(DONG_GU, "주택용"): 7_000, (DONG_GU, "산업용"): 8_000}


def test_a_number_that_the_agency_writes_for_missing_is_missing() -> None:
    reading = read(kepco("202401,동구,주택용,1,99999"), terms(missing=("99999",)))
    assert (quantities(reading), reading.missing) == ({(DONG_GU, "주택용"): None}, 1)


@pytest.mark.parametrize("moment", ["2024-01-31 24:00", "2024. 1. 31. 24:00", "20240131 24:00", "2024-02-01 00:00"])
def test_day_and_time_may_stand_in_one_cell(moment: str) -> None:
    columns = {"day": ["일시"], "district": ["시군구"], "quantity": ["사용량"]}
    (figure,) = read(f"일시,시군구,사용량\n{moment},동구,5\n", terms(columns=columns, time_is="end")).figures
    assert figure.month == JANUARY


def test_sums_that_no_database_could_hold_are_a_problem() -> None:
    rows = "".join(f"{number},202401,동구,충장동,가정용,999999999999\n" for number in range(1100))
    with pytest.raises(Problem, match="sums too large to be true"):
        read("수용가번호,고지년월,구,행정동,업종,사용량(㎥)\n" + rows, terms("water"))
