"""Single changes, as a person makes them: one field, from a date on where it is dated; a row removed; an outage."""

# ruff: noqa: S608  # what is put into a statement are names of `cloud.registry.columns`

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from cloud.registry.book import Book, merge, remove
from cloud.registry.cells import ARROW, Value, parse_value
from cloud.registry.change import Author, Outcome, Registry, change
from cloud.registry.columns import ENTITIES, Column, Entity
from cloud.registry.snapshot import OPEN_FROM_S
from contract.problems import Problem

# A field of a meter that is dated stands in a table of its own.
DATED = {"multiplier": "multipliers", "max_per_h": "capacities", "gateway": "assignments"}


class UnknownRow(Problem):
    """There is no such entity, row or column."""


@dataclass(frozen=True)
class Setting:
    """One field's new value, as text; `since` is from when on, "" from the row's own beginning."""

    entity: str
    key: str
    field: str
    value: str
    since: str = ""


def entity_named(name: str) -> Entity:
    """Raises UnknownRow."""
    if name not in ENTITIES:
        known = ", ".join(ENTITIES)
        raise UnknownRow(f"'{name}': 없는 종류입니다 ({known})", f"'{name}': unknown entity; expected one of {known}")
    return ENTITIES[name]


def parse_key(entity: Entity, text: str) -> dict[str, Value]:
    """The key's fields; its parts stand with '@' between, a time that is left out is open. Raises Problem."""
    parts = text.split("@", len(entity.keys) - 1)
    parts += [""] * (len(entity.keys) - len(parts))
    key = {column.field: parse_value(column, part) for column, part in zip(entity.keys, parts, strict=True)}
    if None in key.values():
        expected = "@".join(column.name for column in entity.keys)
        raise Problem(f"'{text}': {expected} 꼴이어야 합니다", f"'{text}': expected {expected}")
    return key


def set_field(registry: Registry, setting: Setting, author: Author) -> Outcome:
    """Change one field of one row. Raises Problem, UnknownRow where the row is not there."""
    entity = entity_named(setting.entity)
    if entity.name == "meters" and setting.field in DATED:
        return change(registry, author, lambda book: _set_fact(book, setting))
    column = _column(entity, setting.field)
    value = parse_value(column, setting.value)
    key = parse_key(entity, setting.key)

    def edit(book: Book) -> None:
        if setting.since:
            _split(book, entity, key, {column.field: value}, setting.since)
        else:
            _row(book, entity, key)
            merge(book, entity.name, _table(entity, [{**key, column.field: value}]))

    return change(registry, author, edit)


def add_row(registry: Registry, name: str, cells: Mapping[str, str], author: Author) -> Outcome:
    """A new row, or other values of one that is there. Raises Problem."""
    entity = entity_named(name)
    row = {(column := _column(entity, field)).field: parse_value(column, text) for field, text in cells.items()}
    return change(registry, author, lambda book: merge(book, name, _table(entity, [row])))


def add_outage(registry: Registry, cells: Mapping[str, str], author: Author) -> Outcome:
    """An outage; one without a name is called after the moment at which it is told. Raises Problem."""
    named = {**cells, "outage": cells.get("outage") or f"o-{time.time_ns() // 1_000_000}"}
    return add_row(registry, "outages", named, author)


def remove_row(registry: Registry, name: str, key: str, author: Author) -> Outcome:
    """Take out one row; with a meter, all that is dated about it. Raises Problem."""
    entity = entity_named(name)
    fields = parse_key(entity, key)

    def edit(book: Book) -> None:
        _row(book, entity, fields)
        keys = {column.field: pa.array([fields[column.field]], ARROW[column.kind]) for column in entity.keys}
        remove(book, name, pa.table(keys))

    return change(registry, author, edit)


def _set_fact(book: Book, setting: Setting) -> None:
    entity = ENTITIES[DATED[setting.field]]
    column = _column(entity, setting.field)
    meters = ENTITIES["meters"]
    key = parse_key(meters, setting.key)
    _row(book, meters, key)
    value = parse_value(column, setting.value)
    if entity.name == "assignments" and setting.since:
        _split(book, entity, key, {column.field: value}, setting.since)
        return
    since = parse_value(entity.keys[1], setting.since)
    merge(book, entity.name, _table(entity, [{**key, "from_s": since, column.field: value}]))


def _split(book: Book, entity: Entity, key: Mapping[str, Value], values: Mapping[str, Value], since: str) -> None:
    """End the stretch in which `since` lies, and begin another there, the same but for `values`."""
    start = next((column for column in entity.keys if column.kind == "from"), None)
    if start is None or "to_s" not in {column.field for column in entity.columns}:
        raise Problem(
            f"{entity.name}: 날짜가 없는 종류라 --from을 쓸 수 없습니다",
            f"{entity.name}: has no dates; --from is for buildings, and for a meter's multiplier, max_per_h, gateway",
        )
    from_s = parse_value(start, since)
    others = {name: value for name, value in key.items() if name != "from_s"}
    same = " AND ".join(f"{name} = ?" for name in others)
    found = book.query(
        f"SELECT {', '.join(column.field for column in entity.columns)} FROM now_{entity.name} "
        f"WHERE {same} AND from_s <= ? AND to_s > ?",
        *others.values(),
        from_s,
        from_s,
    )
    if not found:
        name = "@".join(str(value) for value in others.values())
        raise UnknownRow(
            f"{entity.name} '{name}': {since}에 해당하는 기간이 없습니다",
            f"{entity.name} '{name}': no stretch of time at {since or 'the beginning'}",
        )
    old = dict(zip((column.field for column in entity.columns), found[0], strict=True))
    rows = [{**old, **values, "from_s": from_s}]
    if old["from_s"] != from_s:
        rows.append({**old, "to_s": from_s})
    merge(book, entity.name, _table(entity, rows))


def _row(book: Book, entity: Entity, key: Mapping[str, Value]) -> None:
    same = " AND ".join(f"{name} = ?" for name in key)
    if not book.query(f"SELECT 1 FROM now_{entity.name} WHERE {same}", *key.values()):
        name = "@".join("" if value == OPEN_FROM_S else str(value) for value in key.values())
        raise UnknownRow(
            f"{entity.name} '{name}': 등록부에 없습니다", f"{entity.name} '{name}': there is none in the registry"
        )


def _column(entity: Entity, name: str) -> Column:
    for column in entity.columns:
        if column.name == name:
            return column
    expected = ", ".join(column.name for column in entity.columns)
    raise UnknownRow(
        f"{entity.name}: '{name}' 항목이 없습니다 ({expected})",
        f"{entity.name}: no field '{name}'; expected one of {expected}",
    )


def _table(entity: Entity, rows: list[dict[str, Value]]) -> pa.Table:
    """Rows as `book.merge` takes them, with no place in a file."""
    columns = [column for column in entity.columns if column.field in rows[0]]
    fields = [(column.field, ARROW[column.kind]) for column in columns]
    return pa.Table.from_pylist([row | {"origin": 0} for row in rows], pa.schema([*fields, ("origin", pa.int64())]))
