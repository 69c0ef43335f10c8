"""The totals that a file states of its own rows, and whether they agree."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from cloud.imports.cells import OurUnit, fold
from cloud.imports.layout import Layout
from cloud.imports.reading import Total

_SUBTOTALS = ("소계", "subtotal")
_ENDINGS = ("소계", "합계", "총계", "subtotal")
_VALUES = ("quantity", "customers", "unit", "time", "bun", "ji")
Amounts = Dict[int, tuple[int, OurUnit]]  # by place in the layout's quantities


class _Line(NamedTuple):
    row: int
    labels: tuple[str, ...]
    amounts: Amounts


@dataclass
class _Sum:
    milli: dict[tuple[int, OurUnit], int] = field(default_factory=dict)
    rows: int = 0

    def add(self, amounts: Amounts) -> None:
        self.rows += 1
        for at, (milli, unit) in amounts.items():
            self.milli[at, unit] = self.milli.get((at, unit), 0) + milli


def is_total(label: str, words: frozenset[str]) -> bool:
    """Whether it is one of the words, or ends in one as "동구 소계" does."""
    folded = fold(label)
    return folded in words or (
        folded.endswith(_ENDINGS) and any(folded.endswith(word) for word in words if len(word) > 1)
    )


def _picker(columns: Sequence[int]) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """The cells of these columns, as fast as can be."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda line: tuple(line[column] for column in columns)


class Totals:
    """Collects rows and total rows; `checks` compares them. Rows refused for other reasons count here too."""

    def __init__(self, layout: Layout, words: frozenset[str]) -> None:
        self._words, self._quantities = words, layout.quantities
        values = {quantity.column for quantity in layout.quantities}
        known = values | set(layout.roles.values())
        self._others = [column for column in range(len(layout.names)) if column not in known]
        self._across = [at for at, quantity in enumerate(layout.quantities) if is_total(quantity.kind, words)]
        self._pick = _picker([column for role, column in layout.roles.items() if role not in _VALUES])
        self._is_total = lru_cache(65_536)(lambda label: not label.isdigit() and is_total(label, words))
        self._rows: list[_Line] = []
        self._stated: list[tuple[int, _Line, tuple[str, ...]]] = []

    def labels(self, line: Sequence[str]) -> tuple[str, ...]:
        """The cells that say what a row is about."""
        return self._pick(line)

    def is_stated(self, line: Sequence[str]) -> bool:
        """Whether the row is a total; a column that is not read counts where one that is read is empty."""
        labels = self._pick(line)
        if any(map(self._is_total, labels)):
            return True
        return not all(labels) and any(self._is_total(line[column]) for column in self._others)

    def state(self, row: int, filled: tuple[str, ...], bare: tuple[str, ...], amounts: Amounts) -> None:
        """A total row, its labels with and without those of the cells above."""
        self._stated.append((len(self._rows), _Line(row, filled, amounts), bare))

    def count(self, row: int, labels: tuple[str, ...], amounts: Amounts) -> None:
        """Any other row."""
        self._rows.append(_Line(row, labels, amounts))

    def checks(self) -> list[Total]:
        """One for each quantity of each total row, and one for each row's own total over its columns."""
        found, since = [], 0
        groups: dict[tuple[int, ...], dict[tuple[str, ...], _Sum]] = {}
        for place, line, bare in self._stated:
            named = [self._group(groups, labels) for labels in dict.fromkeys((bare, line.labels))]
            subtotal = any(fold(label).endswith(_SUBTOTALS) for label in bare)
            sums = [each for each in named if each.rows]
            sums.insert(0 if subtotal and not self._given(bare) else len(sums), self._between(since, place))
            since = place if subtotal else since
            found += self._compared(line, sums)
        return found + [check for line in self._rows for check in self._row_totals(line)]

    def _given(self, labels: Sequence[str]) -> tuple[int, ...]:
        return tuple(i for i, label in enumerate(labels) if label and not is_total(label, self._words))

    def _group(self, groups: dict[tuple[int, ...], dict[tuple[str, ...], _Sum]], labels: tuple[str, ...]) -> _Sum:
        """The sum of the rows that share what the total row's labels name."""
        mask = self._given(labels)
        if mask not in groups:
            made: dict[tuple[str, ...], _Sum] = {}
            for line in self._rows:
                made.setdefault(tuple(line.labels[i] for i in mask), _Sum()).add(line.amounts)
            groups[mask] = made
        return groups[mask].get(tuple(labels[i] for i in mask), _Sum())

    def _between(self, first: int, last: int) -> _Sum:
        made = _Sum()
        for line in self._rows[first:last]:
            made.add(line.amounts)
        return made

    def _compared(self, line: _Line, sums: Sequence[_Sum]) -> list[Total]:
        """Against the first sum that agrees, or else the first of all: a blank label may be meant either way."""
        found = []
        for at, (milli, unit) in line.amounts.items():
            name = self._quantities[at].name
            ways = [Total(line.row, name, milli, each.milli.get((at, unit), 0), unit, each.rows) for each in sums]
            found.append(next((way for way in ways if way.agrees), ways[0]))
        return found

    def _row_totals(self, line: _Line) -> list[Total]:
        found = []
        for at in self._across:
            if at not in line.amounts:
                continue
            milli, unit = line.amounts[at]
            parts = [part for i, part in line.amounts.items() if i not in self._across and part[1] == unit]
            summed = sum(part[0] for part in parts)
            found.append(Total(line.row, self._quantities[at].name, milli, summed, unit, len(parts)))
        return found
