"""The registry's database: creating and opening it. SQLite in the registry's folder, or what a URL names."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from cloud.registry.connecting import connect, name_of, reached, to_write
from contract.problems import Problem

FILE = "registry.sqlite"
MIGRATIONS = Path(__file__).parent / "migrations"
PRAGMAS = ("journal_mode=WAL", "cache_size=-200000")


def url_of(folder: Path) -> str:
    """The database in a registry's folder."""
    return f"sqlite:///{folder / FILE}"


def init_database(url: str, password_file: Path | None = None) -> Engine:
    """Create the database, or bring it to this program's version. Raises Problem."""
    engine = connect(url, password_file, PRAGMAS)
    with writing(engine) as connection:
        found = refuse_newer(url, connection)
        if found not in (None, ScriptDirectory.from_config(_config()).get_current_head()):
            _keep_older(url, str(found))
        migrate(connection, "head")
    return engine


def open_database(url: str, password_file: Path | None = None) -> Engine:
    """A database of exactly this program's version. Raises Problem."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        raise _uninitialised(path)
    engine = connect(url, password_file, PRAGMAS)
    with looking(engine) as connection:
        found = refuse_newer(url, connection)
        if found != ScriptDirectory.from_config(_config()).get_current_head():
            raise _uninitialised(url)
    return engine


@contextmanager
def looking(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees one state. Raises Problem."""
    with reached(str(engine.url)), engine.connect() as connection:
        yield connection


def migrate(connection: Connection, revision: str) -> None:
    """Bring its tables to a revision: "head" is this program's, "base" none at all; any other is gone back to."""
    config = _config()
    config.attributes["connection"] = connection
    (command.upgrade if revision == "head" else command.downgrade)(config, revision)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that alone writes, from its first look on. Raises Problem."""
    with reached(str(engine.url)), to_write(engine).begin() as connection:
        yield connection


def _keep_older(url: str, revision: str) -> None:
    """Leave a copy beside a file of an older revision, with which the program of before goes on."""
    path = url.removeprefix("sqlite:///")
    if path != url and Path(path).is_file():
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(f"{path}.revision-{revision}")) as kept:
            source.backup(kept)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def refuse_newer(url: str, connection: Connection) -> str | None:
    """The revision that the database has. Raises Problem where this program does not know it."""
    found = MigrationContext.configure(connection).get_current_revision()
    try:
        ScriptDirectory.from_config(_config()).get_revision(found or "base")
    except CommandError as error:
        raise Problem(
            f"{name_of(url)}: 이 등록부는 더 새로운 프로그램(판 {found})의 것입니다. 프로그램을 올리십시오",
            f"{name_of(url)}: made by a newer program (revision {found}); upgrade this program",
        ) from error
    return found


def _uninitialised(url: str) -> Problem:
    name = name_of(url)
    return Problem(
        f"{name}: 등록부가 없거나 옛 판입니다. 먼저 'bitgoeul cloud registry init'을 하십시오",
        f"{name}: no registry of this version; run 'bitgoeul cloud registry init' first",
    )
