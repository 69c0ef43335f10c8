"""The registry's database: opening it, and its tables in bulk as Arrow, in and out. SQLite, or what a URL names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Engine,
    Insert,
    Integer,
    Table,
    Update,
    bindparam,
    cast,
    create_engine,
    delete,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import SQLCompiler

from cloud.registry.models import Base
from contract.problems import Problem

FILE = "registry.sqlite"
CHUNK = 100_000
_KEY = "key_"  # before the name of a parameter by which a row is found
_TYPES = {int: pa.int64(), str: pa.string(), float: pa.float64(), bool: pa.bool_()}


def url_of(folder: Path) -> str:
    """The database in a registry's folder."""
    return f"sqlite:///{folder / FILE}"


def init_database(url: str) -> Engine:
    """Create the database, or bring it to this program's version. Raises Problem."""
    engine = _engine(url)
    with _reached(url), engine.begin() as connection:
        _refuse_newer(url, connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


def open_database(url: str) -> Engine:
    """A database of exactly this program's version. Raises Problem."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        raise _uninitialised(path)
    engine = _engine(url)
    with _reached(url), engine.connect() as connection:
        found = _refuse_newer(url, connection)
        if found != ScriptDirectory.from_config(_config()).get_current_head():
            raise _uninitialised(url)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that alone writes, from its first look on. Raises Problem."""
    connecting = engine.connect().execution_options(registry_writes=True)
    with _reached(str(engine.url)), connecting as connection, connection.begin():
        yield connection


def table_of(name: str) -> Table:
    """The table by its name."""
    return Base.metadata.tables[name]


def schema_of(table: Table) -> pa.Schema:
    """The table's columns in Arrow."""
    return pa.schema([(column.name, _TYPES[column.type.python_type]) for column in table.columns])


def load_table(connection: Connection, table: Table) -> pa.Table:
    """The whole table, in bulk."""
    columns = [cast(c, Integer).label(c.name) if c.type.python_type is bool else c for c in table.columns]
    statement = str(select(*columns).compile(connection.engine))
    cursor: Any = connection.exec_driver_sql(statement).cursor
    schema = schema_of(table)
    batches = []
    while rows := cursor.fetchmany(CHUNK):
        arrays = [_array(values, field) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
        batches.append(pa.record_batch(arrays, schema=schema))
    cursor.close()
    return pa.Table.from_batches(batches, schema)


def insert_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Add rows, which have all columns of the table."""
    _run(connection, insert(table), rows)


def update_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Give the rows of these keys new values; they have all columns of the table."""
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in table.columns if not column.primary_key}
    _run(connection, update(table).where(*_same_key(table)).values(values), rows)


def delete_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Remove the rows of these keys."""
    _run(connection, delete(table).where(*_same_key(table)), rows)


def _same_key(table: Table) -> list[ColumnElement[bool]]:
    return [column == bindparam(f"{_KEY}{column.name}") for column in table.primary_key]


def _run(connection: Connection, statement: Insert | Update | Delete, rows: pa.Table) -> None:
    """The statement for each row. The driver is given plain rows: millions of dictionaries would cost minutes."""
    compiled = statement.compile(connection.engine)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or list(compiled.params)
    for batch in rows.select([name.removeprefix(_KEY) for name in names]).to_batches(CHUNK):
        tuples = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        parameters = tuples if compiled.positional else [dict(zip(names, row, strict=True)) for row in tuples]
        connection.exec_driver_sql(str(compiled), parameters)


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    return pa.array(values, pa.int8()).cast(pa.bool_()) if field.type == pa.bool_() else pa.array(values, field.type)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


def _refuse_newer(url: str, connection: Connection) -> str | None:
    """The revision that the database has; refused where this program does not know it."""
    found = MigrationContext.configure(connection).get_current_revision()
    try:
        ScriptDirectory.from_config(_config()).get_revision(found or "base")
    except CommandError as error:
        raise Problem(
            f"{_name(url)}: 이 등록부는 더 새로운 프로그램(판 {found})의 것입니다. 프로그램을 올리십시오",
            f"{_name(url)}: made by a newer program (revision {found}); upgrade this program",
        ) from error
    return found


def _uninitialised(url: str) -> Problem:
    name = _name(url)
    return Problem(
        f"{name}: 등록부가 없거나 옛 판입니다. 먼저 'bitgoeul cloud registry init'을 하십시오",
        f"{name}: no registry of this version; run 'bitgoeul cloud registry init' first",
    )


def _name(url: str) -> str:
    return url.removeprefix("sqlite:///").rpartition("@")[2]  # no password is shown


def _engine(url: str) -> Engine:
    try:
        engine = create_engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise Problem(
            f"--database '{_name(url)}': 쓸 수 있는 데이터베이스 주소가 아닙니다 ({error})",
            f"--database '{_name(url)}': expected a database URL such as sqlite:////folder/file ({error})",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(raw: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    raw.isolation_level = None  # we begin transactions ourselves: the driver would let a reader become a writer late
    cursor = raw.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "cache_size=-200000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("registry_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _reached(url: str) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise Problem(
            f"{_name(url)}: 등록부 데이터베이스를 쓸 수 없습니다: {error.orig}",
            f"{_name(url)}: the registry's database cannot be used: {error.orig}",
        ) from error
