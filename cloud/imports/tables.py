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
    inspect,
    select,
)

from cloud.registry.connecting import connect, name_of, reached, to_write
from contract.problems import Problem

FILE = "imports.sqlite"
VERSION = 1
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


def open_database(url: str, password_file: Path | None = None) -> Engine:
    """Creates what is not there yet. Raises Problem."""
    engine = connect(url, password_file, ["foreign_keys=on"])
    with looking(engine) as connection:
        found = _version(connection)
    if found is None:
        with writing(engine) as connection:
            found = _version(connection) or _create(connection)  # another may have come between
    if found != VERSION:
        raise Problem(
            f"{name_of(url)}: 가져온 자료의 판({found})이 이 프로그램의 것({VERSION})과 다릅니다",
            f"{name_of(url)}: imported figures of version {found}; this program's is {VERSION}",
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
    with reached(str(engine.url)), to_write(engine).begin() as connection:
        yield connection


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    return connection.scalar(select(SCHEMA.c.version)) or 0


def _create(connection: Connection) -> int:
    metadata.create_all(connection)
    connection.execute(SCHEMA.insert(), {"version": VERSION})
    return VERSION
