"""The whole registry in memory, as DuckDB tables: as it `was_`, and as it would be `now_`, entity by entity.

A change is merged into it, checked as a whole, and only then written; a table `now_` has beside the entity's columns
`origin`, where the row was given: null where the change does not name it.
"""

# ruff: noqa: S608  # what is put into a statement are names of `cloud.registry.columns`, never what somebody gave

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlalchemy import Connection, select

from cloud.registry.bulk import load_table, table_of
from cloud.registry.cells import ARROW, SEOUL, Value, empty_value
from cloud.registry.columns import ENTITIES, Column, Entity
from cloud.registry.csvs import MAX_COMPLAINTS, complain
from cloud.registry.models import Act
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from contract.problems import Text

Tell = Callable[[Text], None]
FACTS = ("lives", "multipliers", "assignments", "capacities")  # what is dated about a meter
_LINES = 1 << 40
_MEMORY = "2000MB"
KEPT = "kept"
LARGE = 100_000  # rows, from which on people wait
QUIET = "SET enable_progress_bar = false"  # it would write over what the command says

ISO = f"""CREATE MACRO iso(t) AS CASE WHEN t IN ({OPEN_FROM_S}, {OPEN_TO_S}) THEN '' ELSE
    strftime(make_timestamp((t + {SEOUL.utcoffset(None).seconds}) * 1000000), '%Y-%m-%dT%H:%M:%S+09:00') END"""


@dataclass
class Book:
    """`places` are the files by number; `touched` the entities that the change names; `mark` that of the last act."""

    duck: duckdb.DuckDBPyConnection
    mark: str
    places: list[str] = field(default_factory=lambda: [""])
    touched: set[str] = field(default_factory=set)

    def origin(self, place: str) -> int:
        """What to add to a line's number, so that `place_of` finds file and line again."""
        if place not in self.places:
            self.places.append(place)
        return self.places.index(place) * _LINES

    def place_of(self, origin: int | None) -> str:
        """`file:line: `, or nothing where no file is behind the row."""
        file, line = divmod(origin or 0, _LINES)
        return (f"{self.places[file]}:{line}: " if line else f"{self.places[file]}: ") if file else ""

    def query(self, sql: str, *values: object) -> list[tuple[Value, ...]]:
        """The rows of a query."""
        return self.duck.execute(sql, list(values)).fetchall()

    def table(self, sql: str) -> pa.Table:
        """The rows of a query, in Arrow."""
        return self.duck.sql(sql).to_arrow_table()

    def run(self, sql: str, **tables: pa.Table) -> None:
        """Execute a statement in which these Arrow tables can be named."""
        for name, table in tables.items():
            self.duck.register(name, table)
        self.duck.execute(sql).fetchall()
        for name in tables:
            self.duck.unregister(name)


@contextmanager
def open_book(connection: Connection, folder: Path, tell: Tell) -> Iterator[Book]:
    """The registry as it is; what does not fit into memory goes to `folder` meanwhile."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": 2,
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / ".spill"),
        "preserve_insertion_order": False,
    }
    with duckdb.connect(config=settings) as duck:
        book = Book(duck, connection.scalar(select(Act.mark).order_by(Act.act.desc()).limit(1)) or "")
        book.run(ISO)
        book.run(QUIET)
        if not _load_kept(book, folder / KEPT / book.mark):
            for name in ENTITIES:
                _load(book, connection, name, tell)
        for name in ENTITIES:
            book.run(f"CREATE VIEW now_{name} AS SELECT *, NULL::BIGINT AS origin FROM was_{name}")
        yield book


def keep_book(book: Book, folder: Path) -> None:
    """Keep a large registry's rows where the next `open_book` finds them: a database gives them slowly.

    They are found by the mark of the last act, and of no use after any other.
    """
    kept, new = folder / KEPT / book.mark, folder / KEPT / ".new"
    rows = sum(int(str(book.query(f"SELECT count(*) FROM now_{name}")[0][0])) for name in ENTITIES)
    if not book.mark or rows < LARGE or kept.is_dir():
        return
    shutil.rmtree(folder / KEPT, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        for name in ENTITIES:
            book.run(f"COPY (SELECT * EXCLUDE (origin) FROM now_{name}) TO '{_quoted(new / name)}.parquet'")
            with (new / f"{name}.parquet").open("rb") as file:
                os.fsync(file.fileno())
        new.rename(kept)
    except (OSError, duckdb.Error):  # the change is done; the next one only takes longer
        shutil.rmtree(folder / KEPT, ignore_errors=True)


def _load_kept(book: Book, kept: Path) -> bool:
    if not book.mark or not kept.is_dir():
        return False
    try:
        for name in ENTITIES:
            book.run(f"CREATE TABLE was_{name} AS FROM '{_quoted(kept / name)}.parquet'")
    except duckdb.Error:  # damaged: the database has it all
        shutil.rmtree(kept, ignore_errors=True)
        return False
    return True


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _load(book: Book, connection: Connection, name: str, tell: Tell) -> None:
    rows = load_table(connection, table_of(name))
    if rows.num_rows > LARGE:
        tell(Text(f"{name} {rows.num_rows:,}건을 읽었습니다", f"{name}: {rows.num_rows:,} rows read"))
    book.run(f"CREATE OR REPLACE TABLE was_{name} AS FROM given", given=rows)


def merge(book: Book, name: str, given: pa.Table) -> None:
    """Rows of one entity, with all of its key and `origin`, and those columns that they state. Raises Problem.

    Null in `given` is the column's default. A column that is not there keeps what a row has.
    """
    entity = ENTITIES[name]
    keys, filled = ", ".join(column.field for column in entity.keys), given
    for column in entity.columns:
        if column.field in given.column_names:
            filled = _filled(filled, column)
        elif column.key:
            filled = filled.append_column(
                column.field, pa.repeat(pa.scalar(empty_value(column), ARROW[column.kind]), given.num_rows)
            )
    book.run("CREATE TEMP TABLE given AS FROM rows", rows=filled)
    _refuse_twice(book, entity, keys)
    columns = ", ".join(_merged(column, column.field in filled.column_names) for column in entity.columns)
    book.run(
        f"CREATE TABLE next AS SELECT {columns}, coalesce(g.origin, n.origin) AS origin "
        f"FROM (SELECT *, true AS there FROM now_{name}) n FULL JOIN given g USING ({keys})"
    )
    book.run("DROP TABLE given")
    _replace(book, name)


def remove(book: Book, name: str, keys: pa.Table) -> None:
    """Take out the rows of these keys; with a meter, all that is dated about it."""
    given = ", ".join(keys.column_names)
    for one in (name, *(FACTS if name == "meters" else ())):
        book.run(f"CREATE TABLE next AS FROM now_{one} ANTI JOIN gone USING ({given})", gone=keys)
        _replace(book, one)


def complaints_of(book: Book, rows: Sequence[tuple[Value, ...]], ko: str, en: str) -> list[Text]:
    """A text for each row: its first value is the origin, the others fill {0}, {1}, …"""
    found = []
    for origin, *values in rows:
        place = book.place_of(origin if isinstance(origin, int) else None)
        found.append(Text(place + ko.format(*values), place + en.format(*values)))
    return found


def key_sql(entity: Entity, of: str = "") -> str:
    """SQL for a row's key as people write it: its parts with '@' between."""
    return "concat_ws('@', " + ", ".join(text_sql(column, of) for column in entity.keys) + ")"


def text_sql(column: Column, of: str = "") -> str:
    """SQL for a value as text."""
    name = f"{of}{column.field}"
    return f"iso({name})" if column.kind in ("from", "to") else f"CAST({name} AS VARCHAR)"


def _filled(rows: pa.Table, column: Column) -> pa.Table:
    at = rows.column_names.index(column.field)
    kind = ARROW[column.kind]
    values = rows.column(at).cast(kind)
    default = empty_value(column)
    if default is not None:
        values = values.fill_null(pa.scalar(default, kind))
    return rows.set_column(at, pa.field(column.field, kind), values)


def _merged(column: Column, stated: bool) -> str:
    name = column.field
    if column.key:
        return name
    if stated:
        return f"CASE WHEN g.origin IS NULL THEN n.{name} ELSE g.{name} END AS {name}"
    default = empty_value(column)
    shown = "NULL" if default is None else f"'{default}'"
    return f"CASE WHEN n.there THEN n.{name} ELSE {shown} END AS {name}"


def _refuse_twice(book: Book, entity: Entity, keys: str) -> None:
    nulls = " OR ".join(f"{column.field} IS NULL" for column in entity.keys)
    needed = ", ".join(column.name for column in entity.keys)
    bare = book.query(f"SELECT origin FROM given WHERE {nulls} ORDER BY 1 LIMIT {MAX_COMPLAINTS + 1}")
    complain(complaints_of(book, bare, f"{needed}: 비울 수 없습니다", f"{needed}: expected, but empty"))
    ko = f"{entity.name} '{{0}}': 같은 것이 앞에 또 있습니다 ({{1}})"
    en = f"{entity.name} '{{0}}': given twice, before at {{1}}"
    rows = book.query(
        f"SELECT max(origin), any_value({key_sql(entity)}), min(origin) FROM "
        f"(SELECT {keys}, origin FROM given UNION ALL SELECT {keys}, origin FROM now_{entity.name} "
        f"WHERE origin IS NOT NULL) GROUP BY {keys} HAVING count(*) > 1 ORDER BY 1 LIMIT {MAX_COMPLAINTS + 1}"
    )
    named = [(last, key, book.place_of(int(first or 0)).removesuffix(": ")) for last, key, first in rows]
    complain(complaints_of(book, named, ko, en))


def _replace(book: Book, name: str) -> None:
    kind = "TABLE" if name in book.touched else "VIEW"
    book.run(f"DROP {kind} now_{name}")
    book.run(f"ALTER TABLE next RENAME TO now_{name}")
    book.touched.add(name)
