"""The database of imported figures: its tables, and opening it. SQLite, or what a URL names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from contract.problems import Problem

FILE = "imports.sqlite"
VERSION = 1
BUSY_S = 30
metadata = MetaData()

SCHEMA = Table("agency_schema", metadata, Column("version", Integer, nullable=False))

# One row an import; none is ever removed. `recipe` is of all that decided how the file was read.
IMPORTS = Table(
    "agency_imports",
    metadata,
    Column("import_id", Integer, primary_key=True),
    Column("source", String, nullable=False),
    Column("agency_ko", String, nullable=False),
    Column("agency_en", String, nullable=False),
    Column("utility", String, nullable=False),
    Column("mapping", String, nullable=False),
    Column("part", String, nullable=False),
    Column("file_name", String, nullable=False),
    Column("file_digest", String, nullable=False),
    Column("recipe", String, nullable=False),
    Column("who", String, nullable=False),
    Column("at_s", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("undone_at_s", BigInteger),
    Column("undone_by", String),
)

# The months that an import speaks of. Of each source, part and month, the latest import that is not undone stands.
MONTHS = Table(
    "agency_months",
    metadata,
    Column("import_id", ForeignKey(IMPORTS.c.import_id), primary_key=True),
    Column("month", Date, primary_key=True),
    Column("source", String, nullable=False),
    Column("part", String, nullable=False),
    Index("agency_months_by_source", "source", "part", "month"),
)

# `quantity` is int64 thousandths of `unit`, null where the agency gave none; `missing` of its `rows` had none.
FIGURES = Table(
    "agency_figures",
    metadata,
    Column("import_id", ForeignKey(IMPORTS.c.import_id), primary_key=True),
    Column("month", Date, primary_key=True),  # first local day
    Column("level", String, primary_key=True),
    Column("region", Integer, primary_key=True),
    Column("kind", String, primary_key=True),  # contract type or use, as the agency names it
    Column("unit", String, primary_key=True),
    Column("months", Integer, nullable=False),
    Column("quantity_milli", BigInteger),
    Column("customers", BigInteger),
    Column("rows", Integer, nullable=False),
    Column("missing", Integer, nullable=False),
    Index("agency_figures_by_region", "region", "month"),
)


def url_of(folder: Path) -> str:
    """The database in a registry's folder."""
    return f"sqlite:///{folder / FILE}"


def open_database(url: str) -> Engine:
    """Creates what is not there yet. Raises Problem."""
    with reached(url):
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            _locking(engine)
    with looking(engine) as connection:
        found = _version(connection)
    if found is None:
        with writing(engine) as connection:
            found = _version(connection) or _create(connection)  # another may have come between
    if found != VERSION:
        raise Problem(
            f"{url}: 가져온 자료의 판({found})이 이 프로그램의 것({VERSION})과 다릅니다",
            f"{url}: imported figures of version {found}; this program's is {VERSION}",
        )
    return engine


@contextmanager
def looking(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one state. Raises Problem."""
    with reached(str(engine.url)), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that alone writes, from its first look on. Raises Problem."""
    with reached(str(engine.url)), engine.connect() as connection:
        connection.execution_options(imports_writes=True)
        with connection.begin():
            yield connection


@contextmanager
def reached(url: str) -> Iterator[None]:
    """A database that cannot be used is a Problem."""
    try:
        yield
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise Problem(
            f"{url}: 데이터베이스 주소가 아닙니다. sqlite:///파일 또는 postgresql+...",
            f"{url}: no database URL; {error}",
        ) from error
    except SQLAlchemyError as error:
        why = str(error.orig) if isinstance(error, DatabaseError) else str(error).splitlines()[0]
        raise Problem(
            f"{url}: 데이터베이스를 쓸 수 없습니다: {why}", f"{url}: the database cannot be used: {why}"
        ) from error


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    return connection.scalar(select(SCHEMA.c.version)) or 0


def _create(connection: Connection) -> int:
    metadata.create_all(connection)
    connection.execute(SCHEMA.insert(), {"version": VERSION})
    return VERSION


def _locking(engine: Engine) -> None:
    """SQLite takes the lock to write at the transaction's first word: what it saw still holds when it writes."""

    @event.listens_for(engine, "connect")
    def _connected(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        del record
        connection.isolation_level = None  # sqlite3's: BEGIN is ours to say
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
        cursor.execute("PRAGMA foreign_keys = on")
        cursor.execute("PRAGMA synchronous = full")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("imports_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
