"""A mapping for a file never seen before, from what its header says. Raises Problem where too little is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from cloud.imports import cells
from cloud.imports.files import Table
from cloud.imports.layout import Layout, resolve
from cloud.imports.mapping import LOT, ROLES, Mapping, Role, load, names
from contract.problems import Problem

Utility = Literal["electricity", "gas", "water", "heat"]
# what shipped mappings do not need, since their files have none
_MORE: dict[Role, list[str]] = {
    "region": ["지역", "지역명", "행정구역", "행정구역코드", "지역코드", "행정동코드"],
    "day": ["일자", "날짜", "사용일", "사용일자", "일시", "검침일시", "day"],
    "time": ["시간", "시각", "시간대"],
    "unit": ["단위", "unit"],
}
_WORDS: dict[Utility, tuple[str, ...]] = {
    "heat": ("난방", "열사용", "열판매", "열량", "gcal", "mcal", "집단에너지"),
    "gas": ("가스", "gas"),
    "water": ("수도", "급수", "상수", "수용가", "조정량", "water"),
    "electricity": ("전력", "전기", "계약종", "kwh", "mwh", "electr", "elcty"),
}
_UNITS: dict[Utility, str] = {"electricity": "kWh", "gas": "m3", "water": "m3", "heat": "Gcal"}
_SAMPLE = 200
_SHAPES: tuple[tuple[Literal["", "kind", "month"], Literal[1, 2]], ...] = (
    ("", 1),
    ("month", 1),
    ("kind", 2),
    ("month", 2),
    ("", 2),
)


def suggest(table: Table, utility: Utility | None = None, own: Path | None = None) -> Mapping:
    """The mapping that finds most in the file; its names of columns are the file's own."""
    which = utility or _utility(table)
    known = _vocabulary(own)
    best: tuple[int, Mapping, Layout] | None = None
    problem: Problem | None = None
    for wide, header_rows in _SHAPES:
        columns = known if wide != "month" else {**known, "quantity": []}
        mapping = Mapping(
            source=f"my-{which}",
            agency_ko="공급 기관",
            agency_en="agency",
            utility=which,
            columns=columns,
            unit=_UNITS[which],
            wide=wide,
            header_rows=header_rows,
        )
        try:
            layout = _resolved(table, mapping)
        except Problem as error:
            problem = problem or error
            continue
        found = len(layout.roles) + len(layout.quantities) * (2 if wide else 1)
        if (not wide or len(layout.quantities) > 1) and (best is None or found > best[0]):
            best = (found, mapping, layout)
    if best is None:
        assert problem is not None
        raise problem
    return _named(table, best[1], best[2], own)


def _resolved(table: Table, mapping: Mapping) -> Layout:
    """With a lot's or an hour's columns asked for only where the file has them."""
    seen = {cells.fold(cell) for _, row in table.rows[:40] for cell in row}
    optional: tuple[Role, ...] = ("bun", "ji", "time", "day", *LOT)
    columns = {
        role: heads
        for role, heads in mapping.columns.items()
        if role not in optional or any(cells.fold(head) in seen for head in heads)
    }
    return resolve(table, msgspec.structs.replace(mapping, columns=columns))


def _utility(table: Table) -> Utility:
    text = cells.fold(" ".join([table.name, table.sheet, *(cell for _, row in table.rows[:10] for cell in row)]))
    for utility, words in _WORDS.items():
        if any(word in text for word in words):
            return utility
    raise Problem(
        "어느 에너지원인지 알 수 없습니다. --utility electricity|gas|water|heat를 주십시오",
        "cannot tell which utility it is of; give --utility electricity|gas|water|heat",
    )


def _vocabulary(own: Path | None) -> dict[Role, list[str]]:
    """Every name by which some mapping knows a role."""
    found: dict[Role, list[str]] = {}
    for name in names(own):
        for role, heads in load(name, own)[1].columns.items():
            found[role] = list(dict.fromkeys([*found.get(role, []), *heads]))
    for role, heads in _MORE.items():
        found[role] = list(dict.fromkeys([*found.get(role, []), *heads]))
    return found


def _named(table: Table, mapping: Mapping, layout: Layout, own: Path | None) -> Mapping:
    """With the file's own names, and those settings that its rows call for."""
    columns: dict[Role, list[str]] = {
        role: [layout.names[layout.roles[role]]] for role in ROLES if role in layout.roles
    }
    tops = list(dict.fromkeys(quantity.name for quantity in layout.quantities))
    if mapping.wide != "month":
        columns["quantity"] = [tops[0].removesuffix(layout.quantities[0].kind).strip() or tops[0]]
    sample = [row for _, row in table.rows[layout.first : layout.first + _SAMPLE]]
    made = msgspec.structs.replace(
        mapping,
        columns=columns,
        sheet=table.sheet,
        header_at=layout.header,
        fill_down=_filled(sample, layout),
        time_is="end" if _ends_at_24(sample, layout) else "start",
    )
    return _with_source(made, own)


def _filled(sample: Sequence[Sequence[str]], layout: Layout) -> tuple[Role, ...]:
    """Roles of places and times that rows leave empty: cells that were merged."""
    may: tuple[Role, ...] = ("month", "year", "region", "city", "district", "dong")
    return tuple(
        role
        for role in may
        if role in layout.roles and any(len(row) > layout.roles[role] and not row[layout.roles[role]] for row in sample)
    )


def _ends_at_24(sample: Sequence[Sequence[str]], layout: Layout) -> bool:
    column = layout.roles.get("time", layout.roles.get("day"))
    return column is not None and any(len(row) > column and "24:00" in row[column] for row in sample)


def _with_source(mapping: Mapping, own: Path | None) -> Mapping:
    """The agency of a known mapping of the same utility and the same sort of place, which most likely it is."""
    lot = bool(set(LOT) & set(mapping.columns))
    for name in names(own):
        other = load(name, own)[1]
        if other.utility == mapping.utility and bool(set(LOT) & set(other.columns)) == lot:
            return msgspec.structs.replace(
                mapping, source=other.source, agency_ko=other.agency_ko, agency_en=other.agency_en, unit=other.unit
            )
    return mapping
