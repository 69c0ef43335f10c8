"""What one cell says: numbers, units, months, times of day."""

from datetime import date

import pytest

from cloud.imports import cells, reasons
from cloud.imports.reasons import RowError


def code_of(error: pytest.ExceptionInfo[RowError]) -> str:
    return error.value.code


@pytest.mark.parametrize(
    ("cell", "milli"),
    [
        ("1234", 1_234_000),
        ("1,234,567.8", 1_234_567_800),
        ("1 234 567", 1_234_567_000),
        ("1\u00a0234", 1_234_000),  # a no-break space
        ("１，２３４．５", 1_234_500),  # full-width
        ("\u200b12\ufeff", 12_000),  # zero-width characters around it
        ("1234.0", 1_234_000),
        (".5", 500),
        ("+7", 7_000),
        ("0.0005", 1),  # halves up
        ("0.0004999", 0),
        ("0", 0),
    ],
)
def test_a_number_is_read_to_the_thousandth(cell: str, milli: int) -> None:
    assert cells.milli(cells.number(cells.clean(cell)), 1, 1) == milli


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("-1", reasons.NEGATIVE),
        ("−1,234", reasons.NEGATIVE),
        ("(1,234)", reasons.NEGATIVE),
        ("△12", reasons.NEGATIVE),  # how Korean accounts mark a minus
        ("12-", reasons.NEGATIVE),
        ("1,23", reasons.BAD_THOUSANDS),
        ("12,34,567", reasons.BAD_THOUSANDS),
        ("1.234,5", reasons.BAD_THOUSANDS),
        ("1 23", reasons.BAD_THOUSANDS),
        ("1.23E+05", reasons.EXPONENT),
        ("#REF!", reasons.FORMULA_ERROR),
        ("#DIV/0!", reasons.FORMULA_ERROR),
        ("#N/A", reasons.FORMULA_ERROR),
        ("많음", reasons.NOT_A_NUMBER),
        ("1.2.3", reasons.NOT_A_NUMBER),
        ("()", reasons.NOT_A_NUMBER),
        ("nan", reasons.NOT_A_NUMBER),
        ("9" * 40, reasons.TOO_LARGE),
        ("0." + "1" * 50, reasons.TOO_LARGE),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(cell: str, code: str) -> None:
    with pytest.raises(RowError) as error:
        cells.number(cells.clean(cell))
    assert code_of(error) == code


@pytest.mark.parametrize(
    ("name", "ours", "one_of_theirs_milli"),
    [
        ("kWh", "kWh", 1_000),
        ("㎾h", "kWh", 1_000),  # one character of the compatibility block
        ("MWh", "kWh", 1_000_000),
        ("천kWh", "kWh", 1_000_000),
        ("GWh", "kWh", 1_000_000_000),
        ("Gcal", "kWh", 1_163_000),  # 1 cal = 4.1868 J: 4.1868 GJ / 3.6
        ("Mcal", "kWh", 1_163),
        ("MJ", "kWh", 278),  # 1/3.6 = 0.27777…
        ("GJ", "kWh", 277_778),
        ("TJ", "kWh", 277_777_778),
        ("m3", "m3", 1_000),
        ("㎥", "m3", 1_000),
        ("m³", "m3", 1_000),
        ("천 m3", "m3", 1_000_000),
        ("천㎥", "m3", 1_000_000),
    ],
)
def test_units_become_ours(name: str, ours: str, one_of_theirs_milli: int) -> None:
    found = cells.unit(name)
    assert found is not None
    assert (found[0], cells.milli((1, 1), found[1], found[2])) == (ours, one_of_theirs_milli)


def test_36_megajoules_are_exactly_ten_kilowatt_hours() -> None:
    found = cells.unit("MJ")
    assert found is not None
    assert cells.milli((36, 1), found[1], found[2]) == 10_000


@pytest.mark.parametrize("name", ["", "원", "Nm3", "kVA", "kW", "호"])
def test_another_unit_is_none(name: str) -> None:
    assert cells.unit(name) is None


def test_a_number_may_carry_its_unit() -> None:
    assert cells.split_unit("1,234 kWh") == ("1,234", "kWh")
    assert cells.split_unit("12.5천m3") == ("12.5", "천m3")
    assert cells.split_unit("1.5E+03") == ("1.5E+03", "")
    assert cells.split_unit("77") == ("77", "")


@pytest.mark.parametrize(
    "cell",
    ["202401", "202401.0", "2024-01", "2024-1", "2024.01", "2024/1", "2024년 1월", "2024년01월분", "2024. 1.",
     "2024-01-31", "2024-01-01 00:00", "20240131", "2024. 1. 31.", "45292", "45322.0"],
)  # fmt: skip
def test_a_month_may_be_written_in_many_ways(cell: str) -> None:
    assert cells.month(cells.clean(cell)) == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", reasons.NO_MONTH),
        ("24-01", reasons.BAD_MONTH),
        ("202413", reasons.BAD_MONTH),
        ("202400", reasons.BAD_MONTH),
        ("Jan-24", reasons.BAD_MONTH),
        ("188001", reasons.BAD_MONTH),
        ("1월", reasons.BAD_MONTH),
        ("2024.1", reasons.AMBIGUOUS_MONTH),
    ],
)
def test_what_is_no_month_is_refused(cell: str, code: str) -> None:
    with pytest.raises(RowError) as error:
        cells.month(cell)
    assert code_of(error) == code


def test_what_a_spreadsheet_made_of_october_is_settled_by_the_expected_month_alone() -> None:
    assert cells.month("2024.1", date(2024, 10, 1)) == date(2024, 10, 1)
    assert cells.month("2024.1", date(2024, 1, 1)) == date(2024, 1, 1)
    assert cells.month("2024.2") == date(2024, 2, 1)
    with pytest.raises(RowError):
        cells.month("2024.1", date(2024, 3, 1))


def test_year_and_month_may_stand_apart() -> None:
    assert cells.month_of("2024년", "12월") == date(2024, 12, 1)
    assert cells.month_of("2024", "1.0") == date(2024, 1, 1)
    with pytest.raises(RowError):
        cells.month_of("2024", "13")


def test_a_day_and_a_time_of_day() -> None:
    assert cells.day("20240229") == cells.day("2024-02-29") == cells.day("2024년 2월 29일") == date(2024, 2, 29)
    assert cells.day("45351") == date(2024, 2, 29)
    assert [cells.seconds(text) for text in ("0", "00:15", "24:00", "24", "13시", "23:59:59")] == [
        0, 900, 86_400, 86_400, 46_800, 86_399,
    ]  # fmt: skip
    for text in ("24:01", "25", "12:60", "noon"):
        with pytest.raises(RowError):
            cells.seconds(text)
    with pytest.raises(RowError):
        cells.day("20230229")
