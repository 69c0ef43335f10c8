"""A table, by its mapping, as figures; what cannot be taken is refused by row, with the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from cloud.imports import lots, reasons
from cloud.imports.cells import OurUnit, fold
from cloud.imports.files import Table
from cloud.imports.layout import Layout, resolve
from cloud.imports.reading import Figure, First, Reading, Terms
from cloud.imports.reasons import Refused, RowError
from cloud.imports.rows import Amount, Place, RowReader, When
from cloud.imports.totals import Amounts, Totals, is_total
from contract.problems import Problem

SHOWN = 10
MAX_SUM_MILLI = 10**18
PROGRESS_ROWS = 20_000
_NOTES = ("※", "주)", "주:", "주 :", "자료:", "자료 :", "출처", "* ", "(단위", "[단위")


class Item(NamedTuple):
    """One quantity of one row."""

    row: int
    column: str
    month: date
    place: Place
    kind: str
    identity: tuple[object, ...]  # time of day, and the customer
    amount: Amount
    customers: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """Two items with the same are about the same."""
        return (self.month, self.place.key, self.kind, self.amount.unit, self.identity)


def parse(table: Table, terms: Terms, progress: Callable[[int], None] | None = None) -> Reading:
    """Raises Problem where the table as a whole cannot be read; `progress` hears of rows done."""
    layout = resolve(table, terms.mapping)
    reader = _Parser(layout, terms)
    for done, (row, line) in enumerate(table.rows[layout.first :], 1):
        reader.take(row, line)
        if progress and done % PROGRESS_ROWS == 0:
            progress(done)
    return reader.finish()


class _Parser:
    """What has been read so far."""

    def __init__(self, layout: Layout, terms: Terms) -> None:
        self._layout, self._mapping = layout, terms.mapping
        self._read = RowReader(layout, terms)
        self._words = frozenset(fold(word) for word in terms.mapping.totals)
        self._totals = Totals(layout, self._words)
        self._fill = [layout.roles[role] for role in terms.mapping.fill_down if role in layout.roles]
        self._counted = [at for at, each in enumerate(layout.quantities) if not is_total(each.kind, self._words)]
        self._above: dict[int, str] = {}
        self._items: dict[tuple[object, ...], Item] = {}
        self._repeats: dict[tuple[object, ...], list[Item]] = {}
        self._refused: list[Refused] = []
        self._rows = self._skipped = 0

    def take(self, row: int, line: list[str]) -> None:
        """The next row of the table."""
        if line == self._layout.repeated or (len(line) == 1 and line[0].startswith(_NOTES)):
            self._skipped += 1
            return
        if len(line) > len(self._layout.names):
            self._rows += 1
            self._refuse(row, "", RowError(reasons.EXTRA_CELLS, line[-1]))
            return
        line = line + [""] * (len(self._layout.names) - len(line))
        bare = self._totals.labels(line)
        for column in self._fill:
            line[column] = self._above[column] = line[column] or self._above.get(column, "")
        if self._totals.is_stated(line):
            self._totals.state(row, self._totals.labels(line), bare, _known(self._amounts(line)))
            return
        self._rows += 1
        amounts = self._amounts(line)
        self._totals.count(row, self._totals.labels(line), _known(amounts))
        try:
            self._read.check(line)
            when, customers = self._read.when(line), self._read.customers(line)
        except RowError as error:
            self._refuse(row, "", error)
            return
        for at in self._counted:
            try:
                self._add(self._item((row, at), line, amounts[at], when, customers))
            except RowError as error:
                self._refuse(row, self._layout.quantities[at].name, error)

    def _amounts(self, line: list[str]) -> list[Amount | RowError]:
        """Of the row's quantities, in the layout's order."""
        found: list[Amount | RowError] = []
        for quantity in self._layout.quantities:
            try:
                found.append(self._read.amount(line, quantity))
            except RowError as error:
                found.append(error)
        return found

    def _item(
        self, at: tuple[int, int], line: list[str], amount: Amount | RowError, when: When, customers: int | None
    ) -> Item:
        if isinstance(amount, RowError):
            raise amount
        quantity = self._layout.quantities[at[1]]
        month = when.month or self._read.month(line, quantity)
        identity = (when.moment, self._read.cell(line, "id"))
        place, kind = self._read.place(line, month), self._read.kind(line, quantity)
        return Item(at[0], quantity.name, month, place, kind, identity, amount, customers)

    def _add(self, item: Item) -> None:
        if self._items.setdefault(item.key, item) is not item:
            self._repeats.setdefault(item.key, []).append(item)

    def _refuse(self, row: int, column: str, error: RowError) -> None:
        self._refused.append(Refused(row, column, error.code, error.value[:80]))

    def _settle_repeats(self) -> list[int]:
        """Refuses items that differ from others about the same; returns the rows that only repeat one."""
        same: list[int] = []
        for key, others in self._repeats.items():
            first = self._items[key]
            if all((each.amount, each.customers) == (first.amount, first.customers) for each in others):
                same += [each.row for each in others]
                continue
            del self._items[key]
            what = f"{first.month:%Y-%m} {first.place.name} {first.kind}".strip()
            for each in (first, *others):
                self._refuse(each.row, each.column, RowError(reasons.DUPLICATE_DIFFERS, what))
        return same

    def finish(self) -> Reading:
        """All that was read."""
        same = self._settle_repeats()
        items = list(self._items.values())
        none = [item.amount.suppressed for item in items if item.amount.milli is None]
        self._refused.sort(key=lambda refused: refused.row)
        return Reading(
            figures=_figures(items, self._mapping.months_each),
            refused=tuple(self._refused),
            totals=tuple(self._totals.checks()),
            first=tuple(_first(item) for item in items[:SHOWN]),
            rows=self._rows,
            items=len(items),
            repeated=tuple(sorted(same)),
            missing=none.count(False),
            suppressed=none.count(True),
            skipped=self._skipped,
        )


def _known(amounts: list[Amount | RowError]) -> Amounts:
    return {
        at: (amount.milli, amount.unit)
        for at, amount in enumerate(amounts)
        if isinstance(amount, Amount) and amount.milli is not None
    }


def _first(item: Item) -> First:
    amount = item.amount
    return First(item.row, item.month, item.place.name, item.kind, amount.milli, amount.unit, item.customers)


@dataclass(slots=True)
class _Sum:
    milli: int | None = None
    customers: int | None = None
    rows: int = 0
    missing: int = 0

    def add(self, milli: int | None, customers: int | None) -> None:
        self.rows += 1
        if milli is None:
            self.missing += 1
        else:
            self.milli = milli + (self.milli or 0)
        if customers is not None:
            self.customers = customers + (self.customers or 0)


def _figures(items: list[Item], months: int) -> tuple[Figure, ...]:
    """Items of the same month, region and kind added up; each level by itself."""
    sums: dict[tuple[date, str, int, str, OurUnit], _Sum] = {}
    for item in items:
        for level in {share[0]: None for share in item.place.shares}:
            shares = [share for share in item.place.shares if share[0] == level]
            weights = tuple(share[2] for share in shares)
            amounts = _split(item.amount.milli, weights)
            customers = _split(item.customers, weights)
            for share, milli, count in zip(shares, amounts, customers, strict=True):
                key = (item.month, level, share[1], item.kind, item.amount.unit)
                sums.setdefault(key, _Sum()).add(milli, count)
    if any((made.milli or 0) > MAX_SUM_MILLI for made in sums.values()):
        raise Problem(
            "합이 있을 수 없이 큽니다. 매핑의 단위를 확인하십시오",
            "sums too large to be true; see to the mapping's unit",
        )
    return tuple(
        Figure(month, months, level, region, kind, unit, made.milli, made.customers, made.rows, made.missing)
        for (month, level, region, kind, unit), made in sorted(sums.items())
    )


def _split(value: int | None, weights: tuple[Fraction, ...]) -> list[int] | list[None]:
    if value is None:
        return [None] * len(weights)
    return [value] if len(weights) == 1 else lots.split(value, weights)
