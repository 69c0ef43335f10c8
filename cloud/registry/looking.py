"""Looking into the registry: rows, the log, and files of everything."""

# ruff: noqa: S608  # what is put into a statement are names of `cloud.registry.columns`

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Connection, select

from cloud.registry.book import ISO, QUIET, text_sql
from cloud.registry.bulk import load_table, table_of
from cloud.registry.cells import Value, parse_value, show_time
from cloud.registry.change import Registry
from cloud.registry.columns import Column, Entity
from cloud.registry.database import looking
from cloud.registry.editing import entity_named, parse_key
from cloud.registry.models import Act, Change
from contract.problems import Problem


def list_rows(
    registry: Registry, name: str, where: Mapping[str, str] | None = None, limit: int = 100, offset: int = 0
) -> list[dict[str, Value]]:
    """Rows in the order of their keys, by column; times as text, "" where open. Raises Problem."""
    entity = entity_named(name)
    table = table_of(name)
    columns = {column.name: column for column in entity.columns}
    statement = select(table).order_by(*table.primary_key).limit(limit).offset(offset)
    for field, text in (where or {}).items():
        if field not in columns:
            raise Problem(f"{name}: '{field}' 항목이 없습니다", f"{name}: no field '{field}'")
        statement = statement.where(table.c[columns[field].field] == parse_value(columns[field], text))
    with looking(registry.engine) as connection:
        return [_shown(entity.columns, row) for row in connection.execute(statement).mappings()]


def get_row(registry: Registry, name: str, key: str) -> dict[str, Value] | None:
    """One row, or None. Raises Problem."""
    entity = entity_named(name)
    table = table_of(name)
    statement = select(table).where(*(table.c[field] == value for field, value in parse_key(entity, key).items()))
    with looking(registry.engine) as connection:
        row = connection.execute(statement).mappings().first()
    return None if row is None else _shown(entity.columns, row)


def list_log(registry: Registry, entity: str = "", key: str = "", limit: int = 100) -> list[dict[str, Value]]:
    """The newest changes first. `key` finds its own row and, of dated ones, all that begin with it."""
    statement = select(
        Act.at_s, Act.by, Act.reason, Act.source, Act.act, Change.entity, Change.key, Change.field, Change.before,
        Change.after,
    ).join(Act)  # fmt: skip
    if entity:
        statement = statement.where(Change.entity == entity_named(entity).name)
    if key:
        statement = statement.where((Change.key == key) | Change.key.startswith(f"{key}@", autoescape=True))
    statement = statement.order_by(Change.act.desc(), Change.change).limit(limit)
    with looking(registry.engine) as connection:
        rows = connection.execute(statement).mappings().all()
    return [{**row, "at_s": show_time(row["at_s"])} for row in rows]


def export_files(registry: Registry, folder: Path, names: Sequence[str]) -> list[Path]:
    """A CSV file for each of these entities, as `import` takes them. Raises Problem."""
    entities = [entity_named(name) for name in names]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with looking(registry.engine) as connection:
            return [_export(connection, folder, entity) for entity in entities]
    except (OSError, duckdb.IOException) as error:
        raise Problem(f"{folder}: 쓸 수 없습니다: {error}", f"{folder}: cannot be written: {error}") from error


def _export(connection: Connection, folder: Path, entity: Entity) -> Path:
    path = folder / f"{entity.name}.csv"
    keys = ", ".join(column.field for column in entity.keys)
    columns = ", ".join(f'{text_sql(column)} AS "{column.name}"' for column in entity.columns)
    with duckdb.connect() as duck:
        duck.execute(ISO).fetchall()
        duck.execute(QUIET).fetchall()
        duck.register("given", load_table(connection, table_of(entity.name)))
        quoted = str(path).replace("'", "''")
        duck.execute(
            f"COPY (SELECT {columns} FROM (FROM given ORDER BY {keys})) TO '{quoted}' (FORMAT csv, HEADER)"
        ).fetchall()
    return path


def _shown(columns: Sequence[Column], row: Mapping[Any, Any]) -> dict[str, Value]:
    return {
        column.name: show_time(row[column.field]) if column.kind in ("from", "to") else row[column.field]
        for column in columns
    }
