"""Changing the registry: read whole, changed in memory, checked whole, written with its log, and published."""

# ruff: noqa: S608  # what is put into a statement are names of `cloud.registry.columns`

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select

from cloud.registry import snapshot
from cloud.registry.book import FACTS, LARGE, Book, Tell, keep_book, key_sql, open_book, text_sql
from cloud.registry.bulk import delete_rows, insert_rows, schema_of, table_of, update_rows
from cloud.registry.checks import check_areas, check_book
from cloud.registry.columns import ENTITIES, Entity
from cloud.registry.database import looking, writing
from cloud.registry.models import Act
from cloud.registry.spans import build_stretches, snapshot_tables
from contract.problems import Problem, Text

SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Registry:
    """An open registry. `folder` is where its snapshot lies."""

    engine: Engine
    folder: Path

    @property
    def snapshot(self) -> Path:
        """The folder of the snapshot."""
        return self.folder / SNAPSHOT


@dataclass(frozen=True)
class Author:
    """Who changes something, why, and by what: a command, a file, a page."""

    by: str
    reason: str = ""
    source: str = ""


@dataclass(frozen=True)
class Outcome:
    """Rows by entity. `act` is the number in the log, 0 where nothing was new; `version` that of the snapshot."""

    act: int = 0
    version: str = ""
    added: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)


def quiet(_: Text) -> None:
    """Tell nobody."""


def change(registry: Registry, author: Author, edit: Callable[[Book], None], tell: Tell = quiet) -> Outcome:
    """Let `edit` merge rows into the book or remove some; all of it is done, or nothing. Raises Problem."""
    if not author.by.strip():
        raise Problem("--by: 누가 바꾸는지 적어야 합니다", "--by: expected who makes the change")
    with _alone(registry.folder), ExitStack() as stack:
        with writing(registry.engine) as connection:
            book = stack.enter_context(open_book(connection, registry.folder, tell))
            edit(book)
            tell(Text("모순이 없는지 살핍니다", "looking for contradictions"))
            check_book(book)
            build_stretches(book)
            check_areas(book)
            outcome = _write(connection, book, author, tell)
        version = snapshot.version(registry.snapshot)
        if outcome.act or not version:
            version = _publish(registry, book, tell)
    return Outcome(outcome.act, version, outcome.added, outcome.changed, outcome.removed)


def publish(registry: Registry, tell: Tell = quiet) -> str:
    """Write the snapshot of what is registered now; its version. Raises Problem."""
    with _alone(registry.folder), ExitStack() as stack:
        with looking(registry.engine) as connection:
            book = stack.enter_context(open_book(connection, registry.folder, tell))
        build_stretches(book)
        return _publish(registry, book, tell)


def _publish(registry: Registry, book: Book, tell: Tell) -> str:
    tell(Text("사본을 씁니다", "writing the snapshot"))
    version = snapshot.write(registry.snapshot, snapshot_tables(book))
    keep_book(book, registry.folder)
    return version


def _write(connection: Connection, book: Book, author: Author, tell: Tell) -> Outcome:
    names = [name for name in ENTITIES if name in book.touched]
    for name in names:
        _find(book, ENTITIES[name])
    counts = {
        kind: {name: n for name in names if (n := int(str(book.query(f"SELECT count(*) FROM {kind}_{name}")[0][0])))}
        for kind in ("added", "changed", "removed")
    }
    if not any(counts.values()):
        return Outcome()
    act = int(connection.scalar(select(func.coalesce(func.max(Act.act), 0))) or 0) + 1
    book.mark = secrets.token_hex(8)
    connection.execute(
        insert(Act).values(
            act=act,
            at_s=int(time.time()),
            by=author.by,
            reason=author.reason or None,
            source=author.source,
            mark=book.mark,
        )
    )
    for name in names:
        rows = sum(count.get(name, 0) for count in counts.values())
        if rows > LARGE:
            tell(Text(f"{name} {rows:,}건을 씁니다", f"{name}: writing {rows:,} rows"))
        _write_entity(connection, book, ENTITIES[name])
    tell(Text("변경 기록을 씁니다", "writing the log"))
    _write_log(connection, book, names, act)
    for name in names:
        for kind in counts:
            book.run(f"DROP TABLE {kind}_{name}")
    return Outcome(act, "", counts["added"], counts["changed"], counts["removed"])


def _find(book: Book, entity: Entity) -> None:
    """What is new, other, and gone in an entity, as tables."""
    name, keys = entity.name, ", ".join(column.field for column in entity.keys)
    every = ", ".join(column.field for column in entity.columns)
    book.run(
        f"CREATE TABLE added_{name} AS SELECT {every} FROM now_{name} ANTI JOIN was_{name} USING ({keys}) "
        f"WHERE origin IS NOT NULL ORDER BY {keys}"
    )
    differs = " OR ".join(f"n.{column.field} IS DISTINCT FROM w.{column.field}" for column in entity.values)
    shown = ", ".join(f"n.{column.field}" for column in entity.columns)
    book.run(
        f"CREATE TABLE changed_{name} AS SELECT {shown} FROM now_{name} n JOIN was_{name} w USING ({keys}) "
        f"WHERE n.origin IS NOT NULL AND ({differs}) ORDER BY {keys}"
    )
    book.run(
        f"CREATE TABLE removed_{name} AS SELECT * FROM was_{name} ANTI JOIN now_{name} USING ({keys}) ORDER BY ALL"
    )


def _write_entity(connection: Connection, book: Book, entity: Entity) -> None:
    table = table_of(entity.name)
    schema = schema_of(table)
    for kind, write in (("removed", delete_rows), ("changed", update_rows), ("added", insert_rows)):
        write(connection, table, book.table(f"SELECT * FROM {kind}_{entity.name}").select(schema.names).cast(schema))


def _write_log(connection: Connection, book: Book, names: list[str], act: int) -> None:
    """The log's rows, made where the rows are. What came together with a new meter stands in that meter's row."""
    with_meter = "added_meters" if "meters" in names else None
    parts = []
    for name in names:
        entity = ENTITIES[name]
        skip = f" ANTI JOIN {with_meter} USING (meter)" if with_meter and name in FACTS else ""
        parts.append(_log_sql(entity, f"added_{name}{skip}", "NULL", _fields_sql(entity)))
        parts.append(_log_sql(entity, f"removed_{name}", _fields_sql(entity), "NULL"))
        keys = ", ".join(column.field for column in entity.keys)
        parts += [
            f"SELECT '{name}', {key_sql(entity, 'n.')}, '{column.name}', {text_sql(column, 'w.')}, "
            f"{text_sql(column, 'n.')} FROM changed_{name} n JOIN was_{name} w USING ({keys}) "
            f"WHERE n.{column.field} IS DISTINCT FROM w.{column.field}"
            for column in entity.values
        ]
    rows = book.table(
        f"SELECT {act}::BIGINT AS act, row_number() OVER (ORDER BY entity, key, field, before) AS change, * FROM "
        f"({' UNION ALL '.join(parts)}) AS log(entity, key, field, before, after) ORDER BY change"
    )
    insert_rows(connection, table_of("changes"), rows)


def _log_sql(entity: Entity, rows: str, before: str, after: str) -> str:
    return f"SELECT '{entity.name}', {key_sql(entity)}, '', {before}, {after} FROM {rows}"


def _fields_sql(entity: Entity) -> str:
    fields = (f"'{column.name}=' || {text_sql(column)}" for column in entity.values)
    return f"concat_ws(' ', {', '.join(fields)})"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One change or publication at a time, so that no older snapshot is written over a newer one."""
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Problem(
            f"{folder}: 쓸 수 없습니다: {error.strerror}", f"{folder}: cannot be written: {error.strerror}"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
