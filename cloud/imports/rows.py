"""What one row of an agency's table says. Errors are RowError."""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from cloud.imports import cells, lots, reasons
from cloud.imports.cells import OurUnit
from cloud.imports.files import BROKEN
from cloud.imports.layout import Layout, Quantity
from cloud.imports.mapping import PLACE, Role
from cloud.imports.reading import Terms
from cloud.imports.reasons import RowError

_ONE = Fraction(1)


class Place(NamedTuple):
    """`key` tells it from others; `shares` are the (level, region, share) that its quantities count in.

    The shares of one level sum up to 1.
    """

    key: tuple[object, ...]
    name: str
    shares: tuple[tuple[str, int, Fraction], ...]


class Amount(NamedTuple):
    """`milli` is null where the file has none; then `suppressed` says whether it was held back."""

    milli: int | None
    unit: OurUnit
    suppressed: bool = False


@dataclass(frozen=True)
class When:
    """`month` is the first of those that the row is about, null where only the column's header knows it."""

    month: date | None
    moment: tuple[int, int] | None = None


class RowReader:
    """Reads rows as long as the layout's header; remembers places."""

    def __init__(self, layout: Layout, terms: Terms) -> None:
        self._layout, self._terms, self._mapping = layout, terms, terms.mapping
        self._roles = layout.roles
        self._last = terms.today.replace(day=1)
        self._missing = {cells.fold(text): False for text in self._mapping.missing}
        self._missing |= {cells.fold(text): True for text in self._mapping.suppressed}
        self._place_columns = [self._roles[role] for role in PLACE if role in self._roles]
        self._lot_columns = [self._roles.get(role) for role in ("legal_dong", "sigungu", "bjdong", "bun", "ji")]
        self._lots = "legal_dong" in self._roles or "bjdong" in self._roles
        self._places: dict[tuple[date, tuple[str, ...]], Place | RowError] = {}

    def cell(self, line: list[str], role: Role) -> str:
        """Empty where the table has no such column."""
        column = self._roles.get(role)
        return "" if column is None else line[column]

    def check(self, line: list[str]) -> None:
        """Raises RowError where a cell is broken, or a formula failed, in a column that is read."""
        text = "".join(line)
        if BROKEN in text:
            raise RowError(reasons.UNREADABLE, next(cell for cell in line if BROKEN in cell))
        if "#" in text:
            for column in self._roles.values():
                if cells.is_error(line[column]):
                    raise RowError(reasons.FORMULA_ERROR, line[column])

    def when(self, line: list[str]) -> When:
        """Of the row's own cells."""
        if "day" in self._roles:
            return self._moment(line)
        if self._mapping.wide == "month":
            return When(None)
        return When(self._checked(self._month(line)))

    def month(self, line: list[str], quantity: Quantity) -> date:
        """Of a column whose header names it."""
        year = str(quantity.year) if quantity.year else self.cell(line, "year")
        return self._checked(cells.month_of(year, str(quantity.month)))

    def kind(self, line: list[str], quantity: Quantity) -> str:
        """Contract type or use, "" where nothing says it."""
        return quantity.kind or self.cell(line, "kind") or self._mapping.kind

    def amount(self, line: list[str], quantity: Quantity) -> Amount:
        """In thousandths of our unit."""
        cell = line[quantity.column]
        value, (text, named) = cells.usual(cell), (cell, "")
        if value is None:
            text, named = cells.split_unit(cell)
        unit = self._unit(named or self.cell(line, "unit") or quantity.unit or self._mapping.unit)
        if (suppressed := self._missing.get(cell.lower())) is not None:
            return Amount(None, unit[0], suppressed)
        try:
            return Amount(cells.milli(value or cells.number(text), unit[1], unit[2]), unit[0])
        except RowError as error:
            raise RowError(error.code, cell) from error

    def customers(self, line: list[str]) -> int | None:
        """A whole number, null where the file has none, or where a customer would be counted in several items."""
        if self._mapping.wide or "day" in self._roles:
            return None
        text = self.cell(line, "customers")
        if not text or text.lower() in self._missing:
            return None
        try:
            count = cells.whole(text)
        except RowError as error:
            raise RowError(reasons.BAD_CUSTOMERS, text) from error
        if count > 10**9:
            raise RowError(reasons.BAD_CUSTOMERS, text)
        return count

    def place(self, line: list[str], month: date) -> Place:
        """Where the row counts in that month."""
        columns = self._lot_columns if self._lots else self._place_columns
        key = (month, tuple("" if column is None else line[column] for column in columns))
        found = self._places.get(key)
        if found is None:
            try:
                found = self._lot(key[1], month) if self._lots else self._region(key[1], month)
            except RowError as error:
                found = error
            self._places[key] = found
        if isinstance(found, RowError):
            raise RowError(found.code, found.value)
        return found

    def _region(self, texts: tuple[str, ...], month: date) -> Place:
        given = [text for text in texts if text]
        code = given[-1].removesuffix(".0").isdigit() if given else False
        region = self._terms.regions.find(given[-1] if code else " ".join(given), month)
        return Place((region.region,), region.name_ko, ((region.level, region.region, _ONE),))

    def _lot(self, texts: tuple[str, ...], month: date) -> Place:
        legal_dong, sigungu, bjdong, bun, ji = texts
        code = legal_dong or sigungu.removesuffix(".0").zfill(5) + bjdong.removesuffix(".0").zfill(5)
        lot = lots.lot_of(code, bun, ji)
        shares: list[tuple[str, int, Fraction]] = []
        whole_district = self._mapping.lots_without_dong == "district"
        try:
            for share in self._terms.lots.of(lot):
                region = self._terms.regions.find(share.dong, month)
                shares.append((region.level, region.region, share.weight))
        except RowError:
            if not whole_district:
                raise
            shares = []
        if whole_district:
            district = self._terms.regions.find(lot[0][:5], month)
            shares.append((district.level, district.region, _ONE))
        return Place(lot, lots.name(lot), tuple(shares))

    def _unit(self, named: str) -> tuple[OurUnit, int, int]:
        if not named:
            raise RowError(reasons.NO_UNIT)
        found = cells.unit(named)
        if found is None:
            raise RowError(reasons.UNKNOWN_UNIT, named)
        if found[0] not in self._mapping.units:
            raise RowError(reasons.WRONG_UNIT, named)
        return found

    def _month(self, line: list[str]) -> date:
        if "month" in self._roles:
            expected = self._terms.expected
            return cells.month(self.cell(line, "month"), expected[0] if expected else None)
        return cells.month_of(self.cell(line, "year"), self.cell(line, "month_number"))

    def _moment(self, line: list[str]) -> When:
        """A row of a daily or hourly file: "24:00" is 00:00 of the next day."""
        day_text, _, time_text = self.cell(line, "day").rpartition(" ")
        if "time" in self._roles or ":" not in time_text:
            day_text, time_text = self.cell(line, "day"), self.cell(line, "time")
        day = cells.day(day_text.removesuffix(" 00:00"))
        second = cells.seconds(time_text) if time_text else 0
        day, second = (day + timedelta(days=1), 0) if second == 86_400 else (day, second)
        ended = bool(time_text) and self._mapping.time_is == "end" and second == 0
        about = day - timedelta(days=1) if ended else day
        return When(self._checked(about.replace(day=1)), (day.toordinal(), second))

    def _checked(self, named: date) -> date:
        """The first month that a row is about which names this one."""
        mapping, expected = self._mapping, self._terms.expected
        if expected is not None and not expected[0] <= named <= expected[1]:
            raise RowError(reasons.OTHER_MONTH, f"{named:%Y-%m}")
        if named > self._last:
            raise RowError(reasons.FUTURE_MONTH, f"{named:%Y-%m}")
        return cells.month_after(named, 1 - mapping.months_each) if mapping.month_is == "last" else named
