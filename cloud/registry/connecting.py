"""A database from its URL: SQLite, or PostgreSQL with its password in a file. What fails is told in one line.

A transaction of a connection from `to_write` alone writes, from its first look on; any other sees one state.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from cloud.secrets import read_secret
from contract.problems import Problem

DRIVER = "postgresql+pg8000"
PORT = 5432
WAIT_S = 30
CONNECT_S = 5
# a connection for each transaction: none is kept that a server which was restarted does not know any more
_ENGINE: dict[str, dict[str, Any]] = {DRIVER: {"poolclass": NullPool, "isolation_level": "REPEATABLE READ"}}
_PRAGMAS = ("synchronous=FULL", f"busy_timeout={WAIT_S * 1000}")
_WRITES = "bitgoeul_writes"
_LOCK = 0x6269_7467  # of the database's advisory locks, that of who writes


class Away(Problem):
    """The database is there no more, or not yet: the same may be tried again."""


def connect(url: str, password_file: Path | None = None, pragmas: Sequence[str] = ()) -> Engine:
    """The database; nothing is asked of it yet. `pragmas` are SQLite's. Raises Problem.

    The password is read at each new connection, so that a new one is taken without a restart.
    """
    parsed, options = _parse(url)
    try:
        engine = create_engine(parsed, connect_args=options, **_ENGINE.get(parsed.drivername, {}))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise _no_url(url, str(error)) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_prepare_sqlite, [*_PRAGMAS, *pragmas]))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if engine.dialect.name != "postgresql":
        raise _no_url(url, engine.dialect.name)
    _prepare_postgresql(engine, password_file)
    return engine


def to_write(engine: Engine) -> Engine:
    """The same database for transactions that write: one at a time, each waits up to WAIT_S for the one before."""
    # each statement sees what was committed before it: the lock is had before the first look, and nobody else writes
    level = {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}
    return engine.execution_options(**{_WRITES: True}, **level)


def name_of(url: str) -> str:
    """How a database is named to people: its file, or its address without whatever stands before the host."""
    return url.removeprefix("sqlite:///").rpartition("@")[2].partition("?")[0]


@contextmanager
def reached(url: str) -> Iterator[None]:
    """A database that cannot be used is a Problem."""
    try:
        yield
    except DBAPIError as error:
        why = _reason(error)
        kind = Away if isinstance(error, InterfaceError) else Problem
        raise kind(
            f"{name_of(url)}: 데이터베이스를 쓸 수 없습니다: {why}",
            f"{name_of(url)}: the database cannot be used: {why}",
        ) from error


def _parse(url: str) -> tuple[URL, dict[str, Any]]:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _no_url(url, str(error)) from error
    if parsed.password is not None:
        raise Problem(
            f"{name_of(url)}: 주소에 암호를 넣지 마십시오 (--database-password-file을 쓰십시오)",
            f"{name_of(url)}: expected no password in its URL (use --database-password-file)",
        )
    if parsed.get_backend_name() != "postgresql":
        return parsed, {}
    mode, root = (str(parsed.query.get(name, "")) for name in ("sslmode", "sslrootcert"))
    options: dict[str, Any] = {"application_name": "bitgoeul"}
    if mode or root:
        options["ssl_context"] = _tls(name_of(url), mode, root)
    return parsed.difference_update_query(("sslmode", "sslrootcert")).set(drivername=DRIVER), options


def _tls(name: str, mode: str, root: str) -> ssl.SSLContext | bool:
    """Without sslmode the driver encrypts where the server can, and believes any certificate."""
    if mode == "disable":
        return False
    if mode != "verify-full":
        raise Problem(
            f"{name}: sslmode '{mode}': verify-full이나 disable이어야 합니다",
            f"{name}: sslmode '{mode}': expected verify-full or disable",
        )
    try:
        return ssl.create_default_context(cafile=root or None)
    except OSError as error:  # ssl.SSLError is one
        raise Problem(
            f"{name}: sslrootcert {root}: 쓸 수 없습니다: {error}",
            f"{name}: sslrootcert {root}: cannot be used: {error}",
        ) from error


def _no_url(url: str, why: str) -> Problem:
    return Problem(
        f"--database '{name_of(url)}': 쓸 수 있는 데이터베이스 주소가 아닙니다 ({why})",
        f"--database '{name_of(url)}': expected sqlite:////FOLDER/FILE or {DRIVER}://USER@HOST/NAME ({why})",
    )


def _reason(error: DBAPIError) -> str:
    """In the server's words: PostgreSQL's errors come as a dictionary of its protocol's fields."""
    said = error.orig.args[0] if error.orig and error.orig.args else error.orig
    cause = error.orig.__cause__ if error.orig else None
    text = str(said.get("M", said)) if isinstance(said, dict) else str(said)
    return f"{text} ({cause})" if cause else text


def _prepare_postgresql(engine: Engine, password_file: Path | None) -> None:
    # one round trip for a thousand rows, where the driver would make one for each
    engine.dialect.use_insertmanyvalues_wo_returning = True

    def log_in(dialect: Dialect, _entry: ConnectionPoolEntry, args: list[Any], options: dict[str, Any]) -> object:
        options["password"] = read_secret(password_file) if password_file else ""  # the driver cannot be without one
        if "unix_sock" not in options:
            _check_reachable(options.get("host", "localhost"), options.get("port", PORT))
        try:
            return dialect.connect(*args, **options)
        except OSError as error:  # of TLS above all, which the driver hands on as it is
            name = name_of(str(engine.url))
            raise Away(
                f"{name}: 데이터베이스에 연결할 수 없습니다: {error}",
                f"{name}: the database cannot be reached: {error}",
            ) from error

    event.listen(engine, "do_connect", log_in)
    event.listen(engine, "begin", _begin_postgresql)


def _check_reachable(host: str, port: int) -> None:
    """The driver's own time-out would hold for every statement too, and a city's import takes minutes."""
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise Away(
            f"{host}:{port}: 데이터베이스에 연결할 수 없습니다: {why}",
            f"{host}:{port}: the database cannot be reached: {why}",
        ) from error


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_S}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _prepare_sqlite(pragmas: Sequence[str], raw: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    raw.isolation_level = None  # we begin transactions ourselves: the driver would let a reader become a writer late
    cursor = raw.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")
