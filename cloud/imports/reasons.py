"""Why a row of an agency's file was refused: the code in reports, and what it means."""

from dataclasses import dataclass

from contract.problems import Text

UNREADABLE = "unreadable"
EXTRA_CELLS = "extra-cells"
NO_MONTH = "no-month"
BAD_MONTH = "bad-month"
AMBIGUOUS_MONTH = "ambiguous-month"
OTHER_MONTH = "other-month"
FUTURE_MONTH = "future-month"
BAD_TIME = "bad-time"
NO_REGION = "no-region"
UNKNOWN_REGION = "unknown-region"
AMBIGUOUS_REGION = "ambiguous-region"
BAD_LOT = "bad-lot"
LOT_WITHOUT_DONG = "lot-without-dong"
NOT_A_NUMBER = "not-a-number"
BAD_THOUSANDS = "bad-thousands"
NEGATIVE = "negative"
EXPONENT = "exponent"
FORMULA_ERROR = "formula-error"
TOO_LARGE = "too-large"
UNKNOWN_UNIT = "unknown-unit"
WRONG_UNIT = "wrong-unit"
NO_UNIT = "no-unit"
BAD_CUSTOMERS = "bad-customers"
DUPLICATE_DIFFERS = "duplicate-differs"

REASONS: dict[str, Text] = {
    UNREADABLE: Text(
        "글자를 읽을 수 없습니다 (깨진 인코딩)", "characters cannot be decoded; save the file as UTF-8 again"
    ),
    EXTRA_CELLS: Text(
        "제목줄보다 칸이 많습니다 (따옴표 없는 1,234?)", "more cells than the header has (an unquoted 1,234?)"
    ),
    NO_MONTH: Text("월이 비어 있습니다", "the month is empty"),
    BAD_MONTH: Text(
        "월을 읽을 수 없습니다. 202401, 2024-01, 2024년 1월처럼 적으십시오",
        "not a month; expected 202401, 2024-01 or the like",
    ),
    AMBIGUOUS_MONTH: Text(
        "1월인지 10월인지 알 수 없습니다. 2024-01 또는 2024-10으로 적으십시오",
        "January or October? expected 2024-01 or 2024-10 (or give --month)",
    ),
    OTHER_MONTH: Text("가져오려는 월이 아닙니다", "another month than the file was imported for"),
    FUTURE_MONTH: Text("아직 오지 않은 월입니다", "the month lies in the future"),
    BAD_TIME: Text("시각을 읽을 수 없습니다. 00:00~24:00", "not a time of day; expected 00:00 to 24:00"),
    NO_REGION: Text("지역이 비어 있습니다", "the region is empty"),
    UNKNOWN_REGION: Text("그 달에 그런 지역이 없습니다", "no such region in that month"),
    AMBIGUOUS_REGION: Text(
        "같은 이름의 지역이 둘 이상입니다. 구를 함께 적거나 코드를 쓰십시오",
        "more than one region of that name; name its district too, or use its code",
    ),
    BAD_LOT: Text(
        "지번을 읽을 수 없습니다. 시군구 5자리와 법정동 5자리, 번·지는 4자리까지의 숫자",
        "not a lot; expected 5 + 5 digits of the legal dong, and up to 4 digits for bun and ji",
    ),
    LOT_WITHOUT_DONG: Text(
        "지번표(lots.csv)에 그 지번의 행정동이 없습니다", "the table of lots (lots.csv) has no dong for this lot"
    ),
    NOT_A_NUMBER: Text("수가 아닙니다", "not a number"),
    BAD_THOUSANDS: Text(
        "천 단위 구분이 맞지 않습니다. 1,234,567처럼 적으십시오", "misplaced thousands separators; expected 1,234,567"
    ),
    NEGATIVE: Text("음수입니다", "a negative number"),
    EXPONENT: Text(
        "지수 표기라 자릿수를 잃었습니다. 칸을 숫자 서식으로 저장하십시오",
        "in exponent form, which has lost digits; save the cell as a plain number",
    ),
    FORMULA_ERROR: Text("수식 오류입니다", "a formula's error"),
    TOO_LARGE: Text("있을 수 없이 큰 수입니다", "too large to be true"),
    UNKNOWN_UNIT: Text("모르는 단위입니다", "an unknown unit"),
    WRONG_UNIT: Text("이 에너지원의 단위가 아닙니다", "not a unit of this utility"),
    NO_UNIT: Text(
        "단위가 없습니다. 매핑의 unit에 적으십시오", "no unit in cell, column or header; state `unit` in the mapping"
    ),
    BAD_CUSTOMERS: Text("호수(고객 수)가 0 이상의 정수가 아닙니다", "the number of customers is no whole number >= 0"),
    DUPLICATE_DIFFERS: Text(
        "같은 항목이 다른 값으로 두 번 이상 있습니다", "the same item stands in the file again with another value"
    ),
}


@dataclass(frozen=True)
class Refused:
    """`row` as a person counts it in the file, from 1; `column` as its header names it, "" for the whole row."""

    row: int
    column: str
    code: str
    value: str

    @property
    def text(self) -> Text:
        """One line in both languages."""
        ko, en = f"{self.row}행", f"row {self.row}"
        if self.column:
            ko, en = f"{ko}, {self.column}", f"{en}, {self.column}"
        if self.value:
            ko, en = f"{ko} '{self.value}'", f"{en} '{self.value}'"
        return Text(f"{ko}: {REASONS[self.code].ko}", f"{en}: {REASONS[self.code].en}")


class RowError(Exception):
    """Raised where a cell is read; becomes a Refused where row and column are known."""

    def __init__(self, code: str, value: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.value = value
