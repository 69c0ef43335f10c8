"""Which column of a table is what, found by the names in its header. Raises Problem."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cloud.imports import cells
from cloud.imports.files import Table
from cloud.imports.mapping import LOT, PLACE, Mapping, Role
from cloud.imports.reasons import RowError
from contract.problems import Problem

_IDENTIFYING: tuple[Role, ...] = ("bun", "ji", "time")
SEARCHED = 40  # rows in which a header may begin
_BRACKET = re.compile(r"\s*[(\[]\s*(?:단위\s*:?\s*)?([^()\[\]]*)[)\]]\s*$")
_STATED = re.compile(r"단위\s*:\s*([^()\[\]]+)")
_MONTH = re.compile(r"(\d{1,2})월")
_YEAR = re.compile(r"(\d{4})년?(?:도)?")


@dataclass(frozen=True)
class Quantity:
    """A column of quantities. `kind`, `month`, `year` are what its header says where the table is wide.

    `year` and `month` are 0 where the header does not name them; `unit` is "" where the mapping's holds.
    """

    column: int
    name: str
    unit: str
    kind: str = ""
    year: int = 0
    month: int = 0


@dataclass(frozen=True)
class Layout:
    """`first` is the place of the first row below the header in the table's rows, `header` the header's own row.

    `repeated` is the header's last row as it stands, which some files print again on each page.
    """

    header: int
    first: int
    names: tuple[str, ...]
    repeated: list[str]
    roles: dict[Role, int]
    quantities: tuple[Quantity, ...]


@dataclass(frozen=True)
class _Head:
    """One column's header: its texts from the top, without units."""

    column: int
    parts: tuple[str, ...]
    unit: str

    @property
    def name(self) -> str:
        return " ".join(self.parts)

    def known_as(self, wanted: str) -> bool:
        folded = cells.fold(wanted)
        return folded in {cells.fold(part) for part in self.parts} or folded == cells.fold("".join(self.parts))


def resolve(table: Table, mapping: Mapping) -> Layout:
    """The layout, with the header at the mapping's row or at the first that has all that is needed."""
    last = len(table.rows) - mapping.header_rows
    starts = [i for i, (at, _) in enumerate(table.rows[:SEARCHED]) if mapping.header_at in (0, at) and i <= last]
    if mapping.header_at and not starts:
        raise Problem(
            f"{mapping.header_at}행에 제목줄이 없습니다 (매핑의 header_at)",
            f"no header at row {mapping.header_at} (`header_at` of the mapping)",
        )
    best: tuple[int, list[str], list[_Head]] = (99, [], [])
    for start in starts:
        heads = header([row for _, row in table.rows[start : start + mapping.header_rows]])
        lacking = _lacking(heads, mapping)
        if not lacking:
            return _layout(table, mapping, start, heads)
        if len(lacking) < best[0]:
            best = (len(lacking), lacking, heads)
    missing, seen = ", ".join(best[1]), ", ".join(head.name for head in best[2] if head.name)[:300]
    raise Problem(
        f"제목줄을 찾지 못했습니다. 없는 것: {missing}. 읽은 제목: {seen}."
        " 매핑의 columns를 고치거나 'mapping suggest'를 쓰십시오",
        f"no header found; lacking: {missing}; the nearest row reads: {seen}; mend the mapping's columns, or see"
        " 'mapping suggest'",
    )


def header(rows: Sequence[Sequence[str]]) -> list[_Head]:
    """Columns of a header of one or more rows; in all but the last, an empty cell continues the one at its left."""
    wide = max((len(row) for row in rows), default=0)
    filled = []
    for row in rows[:-1]:
        line, last = [], ""
        for column in range(wide):
            last = (row[column] if column < len(row) else "") or last
            line.append(last)
        filled.append(line)
    if rows:
        filled.append([rows[-1][column] if column < len(rows[-1]) else "" for column in range(wide)])
    return [_head(column, [line[column] for line in filled]) for column in range(wide)]


def _head(column: int, texts: Sequence[str]) -> _Head:
    stated = ""
    parts: list[str] = []
    for whole in texts:
        found = _BRACKET.search(whole)
        bare = whole
        if found and found.start() > 0:
            stated, bare = found[1].strip(), whole[: found.start()]
        text = re.sub(r"\s+", " ", bare)
        if text and (not parts or parts[-1] != text):
            parts.append(text)
    return _Head(column, tuple(parts), stated)


def _find(heads: Sequence[_Head], wanted: Sequence[str]) -> list[_Head]:
    """Those known by one of the names, those of the earlier names first."""
    found = [head for name in wanted for head in heads if head.known_as(name)]
    return list({head.column: head for head in found}.values())


def _roles(heads: Sequence[_Head], mapping: Mapping) -> dict[Role, int]:
    taken: set[int] = set()
    roles: dict[Role, int] = {}
    for role, names in mapping.columns.items():
        if role == "quantity":
            continue
        free = [head for head in _find(heads, names) if head.column not in taken]
        if free:
            roles[role] = free[0].column
            taken.add(free[0].column)
    return roles


def _quantities(heads: Sequence[_Head], mapping: Mapping, roles: dict[Role, int]) -> list[Quantity]:
    names = mapping.columns.get("quantity", [])
    free = [head for head in (_find(heads, names) if names else heads) if head.column not in roles.values()]
    free.sort(key=lambda head: head.column if mapping.wide else 0)
    if mapping.wide == "month":
        dated = [(head, _month(head.parts)) for head in free]
        return [Quantity(head.column, head.name, head.unit, "", *when) for head, when in dated if when[1]]
    if mapping.wide == "kind":
        return [Quantity(head.column, head.name, head.unit, head.parts[-1]) for head in free]
    return [Quantity(head.column, head.name, head.unit) for head in free[:1]]


def _month(parts: Sequence[str]) -> tuple[int, int]:
    """(year, month) that a header names, 0 for what it does not."""
    for part in reversed(parts):
        try:
            month: date = cells.month(part)
        except RowError:
            continue
        return month.year, month.month
    joined = cells.fold("".join(parts))
    months = _MONTH.findall(joined)
    if len(months) != 1 or not 1 <= int(months[0]) <= 12:
        return 0, 0
    year = _YEAR.search(joined)
    return int(year[1]) if year else 0, int(months[0])


def _lacking(heads: Sequence[_Head], mapping: Mapping) -> list[str]:
    """What is needed and not in this header, by the names of roles."""
    roles = _roles(heads, mapping)
    quantities = _quantities(heads, mapping, roles)
    lacking = []
    dated = bool(quantities) and all(quantity.year for quantity in quantities)
    if mapping.wide == "month":
        timed = dated or "year" in roles
    else:
        timed = "month" in roles or "day" in roles or {"year", "month_number"} <= set(roles)
    if not timed:
        lacking.append("month" if mapping.wide != "month" else "year")
    if not (set(PLACE) & set(roles) or "legal_dong" in roles or {"sigungu", "bjdong"} <= set(roles)):
        lacking.append("|".join(role for role in (*PLACE, *LOT) if role in mapping.columns))
    if not quantities:
        lacking.append("quantity")
    # a lot without its number, or an hour without its time, would be another thing; a kind may be left out
    lacking += [role for role in _IDENTIFYING if role in mapping.columns and role not in roles]
    return lacking


def _layout(table: Table, mapping: Mapping, start: int, heads: list[_Head]) -> Layout:
    above = _stated_above([row for _, row in table.rows[:start]])
    roles = _roles(heads, mapping)
    quantities = tuple(
        Quantity(each.column, each.name, each.unit or above, each.kind, each.year, each.month)
        for each in _quantities(heads, mapping, roles)
    )
    for quantity in quantities:
        if quantity.unit and cells.unit(quantity.unit) is None:
            raise Problem(
                f"'{quantity.name}' 열의 단위 '{quantity.unit}'을(를) 모릅니다. kWh, Gcal, m3, 천m3 등이어야 합니다",
                f"column '{quantity.name}': unknown unit '{quantity.unit}'; expected kWh, Gcal, MJ, m3 or the like",
            )
    last = start + mapping.header_rows
    names = tuple(head.name for head in heads)
    return Layout(table.rows[start][0], last, names, table.rows[last - 1][1], roles, quantities)


def _stated_above(rows: Sequence[Sequence[str]]) -> str:
    """The unit of a line such as "(단위: MWh, 호)" over the header."""
    for row in rows:
        if found := _STATED.search(",".join(row)):  # without quotes, its comma makes two cells of it
            named = [part.strip() for part in re.split(r"[,/]", found[1]) if part.strip()]
            return next((part for part in named if cells.unit(part)), ", ".join(named))
    return ""
