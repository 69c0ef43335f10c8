"""What one cell says: text, numbers, units, months, times. No I/O; errors are RowError."""

import re
import unicodedata
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from cloud.imports import reasons
from cloud.imports.reasons import RowError

OurUnit = Literal["kWh", "m3"]

# our unit, and what one of theirs is of it as a ratio. 1 cal = 4.1868 J, so that 1 Gcal is 1163 kWh exactly.
_BASE: dict[str, tuple[OurUnit, int, int]] = {
    "wh": ("kWh", 1, 1000),
    "kwh": ("kWh", 1, 1),
    "mwh": ("kWh", 1000, 1),
    "gwh": ("kWh", 1_000_000, 1),
    "kcal": ("kWh", 1163, 1_000_000),
    "mcal": ("kWh", 1163, 1000),
    "gcal": ("kWh", 1163, 1),
    "mj": ("kWh", 10, 36),
    "gj": ("kWh", 10_000, 36),
    "tj": ("kWh", 10_000_000, 36),
    "m3": ("m3", 1, 1),
    "m^3": ("m3", 1, 1),
    "세제곱미터": ("m3", 1, 1),
    "톤": ("m3", 1, 1),  # what water utilities call a cubic metre
}
_TIMES = {"천": 1000, "만": 10_000, "백만": 1_000_000, "": 1}
_ERRORS = ("#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#N/A", "#NUM!", "#NULL!")
_MINUS = "-−–△▲▽▼"
MAX_MILLI = 10**15
_USUAL = re.compile(r"(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d+))?")
_NUMBER = re.compile(r"(\d+)(?:\.(\d*))?|\.(\d+)")
_GROUPED = re.compile(r"\d{1,3}(?:([, ])\d{3})(?:\1\d{3})*(?:\.\d*)?")
_EXPONENT = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d+")
_WITH_UNIT = re.compile(r"([^A-Za-z가-힣]+?)\s*([A-Za-z가-힣][A-Za-z0-9가-힣^]*)")
_JUNK = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_YEAR_MONTH = (
    re.compile(r"(\d{4})(\d{2})"),
    re.compile(r"(\d{4})(\d{2})\d{2}"),
    re.compile(r"(\d{4})\s*[-./]\s*(\d{1,2})\.?"),
    re.compile(r"(\d{4})\s*[-./]\s*(\d{1,2})\s*[-./]\s*\d{1,2}\.?(?: .*)?"),
    re.compile(r"(\d{4})\s*년\s*(\d{1,2})\s*월(?:분|\s*\d{1,2}\s*일)?"),
)
_DAY = re.compile(r"(\d{4})(?:\s*[-./년]\s*|(?=\d{4}\b))(\d{1,2})(?:\s*[-./월]\s*|(?=\d{2}\b))(\d{1,2})\s*[.일]?")
_TIME = re.compile(r"(\d{1,2})(?:\s*(?::|시)\s*(?:(\d{1,2})\s*분?)?(?::(\d{2})(?:\.0+)?)?)?")
_SERIAL_0 = date(1899, 12, 30)  # day 0 of a spreadsheet's dates, from March 1900 on


def clean(cell: str) -> str:
    """Without outer blanks, zero-width characters, full-width forms and no-break spaces."""
    return cell.strip() if cell.isascii() else _clean(cell)


@lru_cache(65_536)
def _clean(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).translate(_JUNK).strip()


@lru_cache(4096)
def fold(name: str) -> str:
    """A header or label as it is compared: no blanks, no case."""
    return re.sub(r"\s+", "", clean(name)).lower()


@lru_cache(4096)
def unit(text: str) -> tuple[OurUnit, int, int] | None:
    """(our unit, numerator, denominator) of what it names; None where it names none that is known."""
    name = fold(text).replace("³", "3")
    for prefix, times in _TIMES.items():
        if name.startswith(prefix) and (found := _BASE.get(name.removeprefix(prefix))):
            return found[0], found[1] * times, found[2]
    return None


def usual(cell: str) -> tuple[int, int] | None:
    """As `number` of what nearly all cells hold, 1234 or 1,234.5; None for anything else."""
    found = _USUAL.fullmatch(cell)
    if found is None or len(cell) > 18:
        return None
    whole, fraction = found.groups("")
    return int(whole.replace(",", "") + fraction), 10 ** len(fraction)


def number(cell: str) -> tuple[int, int]:
    """(digits, scale) of a clean cell: the number is digits / scale. Raises RowError."""
    found = _NUMBER.fullmatch(cell)
    if found is None:
        found = _NUMBER.fullmatch(_plain(cell))
        if found is None:
            raise RowError(reasons.NOT_A_NUMBER, cell)
    whole, fraction = found[1] or "0", found[2] or found[3] or ""
    if len(whole) > 18 or len(fraction) > 30:
        raise RowError(reasons.TOO_LARGE, cell)
    return int(whole + fraction), 10 ** len(fraction)


def is_error(cell: str) -> bool:
    """Whether a formula failed there."""
    return cell.upper() in _ERRORS or (cell[:1] == "#" and cell[-1:] in "!?")


def _plain(cell: str) -> str:
    if is_error(cell):
        raise RowError(reasons.FORMULA_ERROR, cell)
    bare = cell.removeprefix("+").strip()
    if bare[:1] in _MINUS or bare[-1:] == "-" or (bare[:1] == "(" and bare[-1:] == ")"):
        if any(char.isdigit() for char in bare):
            raise RowError(reasons.NEGATIVE, cell)
        raise RowError(reasons.NOT_A_NUMBER, cell)
    if _EXPONENT.fullmatch(bare):
        raise RowError(reasons.EXPONENT, cell)
    if _GROUPED.fullmatch(bare):
        return bare.replace(",", "").replace(" ", "")
    if re.fullmatch(r"[\d,. ]*\d[\d,. ]*", bare) and ("," in bare or " " in bare):
        raise RowError(reasons.BAD_THOUSANDS, cell)
    return bare


def split_unit(cell: str) -> tuple[str, str]:
    """The number's text and the unit that stands behind it in the cell, "" where none does."""
    found = _WITH_UNIT.fullmatch(cell)
    return (found[1], found[2]) if found and not _EXPONENT.fullmatch(cell) else (cell, "")


def milli(value: tuple[int, int], numerator: int, denominator: int) -> int:
    """Thousandths of our unit, halves rounded up. Raises RowError."""
    scale = denominator * value[1]
    result = (2000 * value[0] * numerator + scale) // (2 * scale)
    if result > MAX_MILLI:
        raise RowError(reasons.TOO_LARGE)
    return result


@lru_cache(4096)
def whole(cell: str) -> int:
    """A whole number; "12.0" is one. Raises RowError."""
    digits, scale = number(cell)
    if digits % scale:
        raise RowError(reasons.NOT_A_NUMBER, cell)
    return digits // scale


@lru_cache(4096)
def month(cell: str, expected: date | None = None) -> date:
    """The first day of the month that a clean cell names. Raises RowError.

    A month that a spreadsheet may have made of October ("2024.1") is settled by `expected` alone.
    """
    text = re.sub(r"\.0+$", "", cell)
    if not text:
        raise RowError(reasons.NO_MONTH)
    if re.fullmatch(r"\d{5}", text) and 32_874 <= int(text) <= 73_050:  # a spreadsheet's day, 1990 to 2099
        return (_SERIAL_0 + timedelta(days=int(text))).replace(day=1)
    if (doubtful := re.fullmatch(r"(\d{4})\.1", text)) is not None:
        year = int(doubtful[1])
        if expected in (_first(year, 1), _first(year, 10)) and expected is not None:
            return expected
        raise RowError(reasons.AMBIGUOUS_MONTH, cell)
    for form in _YEAR_MONTH:
        if found := form.fullmatch(text):
            return _made(int(found[1]), int(found[2]), cell)
    raise RowError(reasons.BAD_MONTH, cell)


def month_of(year: str, month_number: str) -> date:
    """The month that two cells name, "2024년" and "1월". Raises RowError."""
    cell = f"{year} {month_number}".strip()
    if not year or not month_number:
        raise RowError(reasons.NO_MONTH, cell)
    try:
        return _made(whole(year.removesuffix("년").strip()), whole(month_number.removesuffix("월").strip()), cell)
    except RowError as error:
        raise RowError(reasons.BAD_MONTH, cell) from error


def month_after(month: date, count: int) -> date:
    """`count` months later, or before where it is negative."""
    number_of_months = month.year * 12 + month.month - 1 + count
    return date(number_of_months // 12, number_of_months % 12 + 1, 1)


@lru_cache(4096)
def day(cell: str) -> date:
    """The day that a clean cell names. Raises RowError."""
    text = re.sub(r"\.0+$", "", cell)
    if re.fullmatch(r"\d{5}", text):
        return _SERIAL_0 + timedelta(days=int(text))
    found = _DAY.fullmatch(text)
    try:
        if found:
            made = date(int(found[1]), int(found[2]), int(found[3]))
            _made(made.year, made.month, cell)
            return made
    except ValueError:
        pass
    raise RowError(reasons.BAD_TIME, cell)


@lru_cache(4096)
def seconds(cell: str) -> int:
    """Seconds of the day; "24:00" is 86400, a bare number an hour. Raises RowError."""
    found = _TIME.fullmatch(re.sub(r"\.0+$", "", cell))
    if found:
        hours, minutes, rest = int(found[1]), int(found[2] or 0), int(found[3] or 0)
        result = hours * 3600 + minutes * 60 + rest
        if minutes < 60 and rest < 60 and result <= 86_400:
            return result
    raise RowError(reasons.BAD_TIME, cell)


def _first(year: int, number_of_month: int) -> date | None:
    return date(year, number_of_month, 1) if 1990 <= year < 2100 else None


def _made(year: int, number_of_month: int, cell: str) -> date:
    if not (1990 <= year < 2100 and 1 <= number_of_month <= 12):
        raise RowError(reasons.BAD_MONTH, cell)
    return date(year, number_of_month, 1)
