"""The area's DuckDB file as one process owns it: opened, checked, written in transactions, read beside them."""

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from cloud.store.protocol import StoreUnavailable
from cloud.store.tables import READINGS, SCHEMA, SETTLING
from contract.problems import Problem

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    # with 16 MB a checkpoint holds a commit up for 50 ms, with 64 MB for 140 ms, with 256 MB for 570 ms
    "checkpoint_threshold": "16MB",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}

# While the file is copied nothing is written into it: no checkpoint, and no large transaction ahead of its commit.
_HOLD = """
    SET GLOBAL checkpoint_threshold = '1000TB'; SET GLOBAL enable_optimistic_write = false;
    SET GLOBAL auto_checkpoint_skip_wal_threshold = 1000000000000000"""
_RELEASE = f"""
    SET GLOBAL checkpoint_threshold = '{_SETTINGS["checkpoint_threshold"]}'; SET GLOBAL enable_optimistic_write = true;
    RESET GLOBAL auto_checkpoint_skip_wal_threshold"""

_QUIET = "SET enable_progress_bar = false"  # it would write over the log, and belongs to each connection

# what may pass: a full disk, a failed write, memory; anything else is a mistake in our own SQL
_PASSING = (duckdb.OperationalError, duckdb.FatalException)

Work = Callable[[duckdb.DuckDBPyConnection, int], None]


class AreaFile:
    """Any thread of the owning process may call; writers wait for each other, readers for nobody.

    With less than `min_free_bytes` left on its disk it takes nothing: what a checkpoint, a log and other programs need
    is never used up.
    """

    def __init__(self, path: Path, min_free_bytes: int = 0) -> None:
        self.path, self._min_free_bytes = path, min_free_bytes
        self._writing, self._opening = threading.Lock(), threading.Lock()
        self._broken = False
        self._doubtful: tuple[object, int] | None = None
        self._stored: list[object] = []  # tokens in doubt that proved to be on disk; each waits for its second call
        self.log = Path(f"{path}.wal")
        self._named = False  # whether the names of the file and its log are on disk
        try:
            self._open()
        except duckdb.Error as error:
            # only here: what was open once may be opened again when there is room, memory, or a file number
            raise _cannot_open(path, error) from error

    def write(self, token: object, work: Work) -> None:
        """Do `work(connection, number of the commit)` in a transaction, and return once that is on disk.

        Raises StoreUnavailable. Where a failure left in doubt whether the transaction is on disk, a second
        call with the same `token` finds out, and does the work only if it is not.
        """
        with self._writing:
            try:
                if self._broken:
                    self._reopen()
                if token is not None and any(token is stored for stored in self._stored):
                    self._stored = [stored for stored in self._stored if stored is not token]
                else:
                    self._need_room()
                    self._transact(token, work)
            except _PASSING as error:
                raise StoreUnavailable(f"{self.path}: {_line(error)}") from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, for one thread, that sees what is committed."""
        try:
            with self._opening:
                cursor = self._reader.cursor()
            with contextlib.closing(cursor):
                cursor.execute(_QUIET)
                yield cursor
        except _PASSING as error:
            raise StoreUnavailable(f"{self.path}: {_line(error)}") from error

    def hold_checkpoints(self) -> None:
        """From now on commits go to the log alone, and the file stays as it is, until they are released or the file
        has to be opened anew. Raises StoreUnavailable.
        """
        with self._writing:
            if self._broken:
                raise StoreUnavailable(f"{self.path}: has to be opened anew")
            self._writer.execute(_HOLD)

    def release_checkpoints(self) -> None:
        """The opposite; the next commit brings what the log has into the file."""
        with self._writing, contextlib.suppress(duckdb.Error):  # a file that is closed or broken holds none back
            self._writer.execute(_RELEASE)

    def moment(self) -> tuple[int, int]:
        """The number of the last commit, and the bytes that the log has up to it."""
        with self._writing:
            try:
                ((commits,),) = self._writer.execute("SELECT commits FROM area").fetchall()
            except _PASSING as error:
                raise StoreUnavailable(f"{self.path}: {_line(error)}") from error
            return commits, self.log.stat().st_size if self.log.exists() else 0

    def close(self) -> None:
        """Release the file, so that another process may own it."""
        with self._writing, self._opening:
            self._reader.close()
            self._writer.close()

    def _need_room(self) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < self._min_free_bytes:
            limit_mb = self._min_free_bytes / 1e6
            raise StoreUnavailable(f"{self.path}: disk nearly full: {free / 1e6:.0f} MB free, {limit_mb:.0f} needed")

    def _transact(self, token: object, work: Work) -> None:
        number = 0
        # DuckDB removes its log at a checkpoint and makes a new one, and does not sync the folder
        self._named = self._named and self.log.exists()
        try:
            self._writer.begin()
            ((number,),) = self._writer.execute("UPDATE area SET commits = commits + 1 RETURNING commits").fetchall()
            work(self._writer, number)
            self._writer.commit()
        except BaseException as error:
            with contextlib.suppress(duckdb.Error):  # after a failed commit nothing is left to roll back
                self._writer.rollback()
            if isinstance(error, duckdb.FatalException):
                self._broken, self._doubtful = True, (token, number)
            raise
        if not self._named:
            self._sync_folder()

    def _reopen(self) -> None:
        """After a fatal error DuckDB refuses everything, and only the file can tell whether it has the commit."""
        with self._opening:
            self._reader.close()
            self._writer.close()
        self._open()
        ((commits,),) = self._writer.execute("SELECT commits FROM area").fetchall()
        if self._doubtful is not None and commits >= self._doubtful[1] > 0:
            self._stored.append(self._doubtful[0])
        self._broken, self._doubtful = False, None

    def _open(self) -> None:
        with self._opening:
            self._writer = _connect(self.path)
            self._reader = self._writer.cursor()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._named = True


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(path, config=_SETTINGS)
    connection.execute(_QUIET)
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if not tables:
        connection.begin()
        connection.execute(READINGS + SETTLING)
        connection.execute("INSERT INTO area VALUES (?, 0, 0)", [SCHEMA])
        connection.commit()
    if tables and "area" not in tables:
        connection.close()
        raise Problem(f"{path}: 빛고을의 저장 파일이 아닙니다", f"{path}: a DuckDB file, but not an area's store")
    ((schema,),) = connection.execute("SELECT schema FROM area").fetchall()
    if schema > SCHEMA:
        connection.close()
        raise Problem(
            f"{path}: 이 프로그램(형식 {SCHEMA})보다 새 형식 {schema}의 파일입니다. 프로그램을 새 판으로 바꾸십시오",
            f"{path}: written by a newer version (schema {schema}, this one knows {SCHEMA}); upgrade the software",
        )
    if schema < SCHEMA:
        connection.close()
        _keep_older(path, schema)
        connection = duckdb.connect(path, config=_SETTINGS)
        connection.execute(_QUIET)
        _upgrade(connection)
    return connection


def _keep_older(path: Path, schema: int) -> None:
    """Leave a copy beside it, with which the program of before goes on. Raises Problem where there is no room."""
    kept = path.with_name(f"{path.name}.schema-{schema}")
    files = [(file, file.with_name(file.name.replace(path.name, kept.name))) for file in (path, Path(f"{path}.wal"))]
    files = [pair for pair in files if pair[0].exists()]
    size, free = sum(file.stat().st_size for file, _ in files), shutil.disk_usage(path.parent).free
    if free < size:
        raise Problem(
            f"{path}: 새 형식으로 올리기 전에 사본을 둘 자리가 없습니다"
            f" ({size / 1e6:.0f} MB 필요, {free / 1e6:.0f} MB 남음)",
            f"{path}: no room for a copy before it is upgraded ({size / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free)",
        )
    for file, copy in files:
        new = copy.with_name(f".{copy.name}.new")
        shutil.copyfile(file, new)
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(copy)


def _upgrade(connection: duckdb.DuckDBPyConnection) -> None:
    """From an older schema to this one; a crash in between leaves the older."""
    connection.begin()
    connection.execute(SETTLING)
    connection.execute("UPDATE area SET schema = ?", [SCHEMA])
    connection.commit()


def _cannot_open(path: Path, error: duckdb.Error) -> Problem:
    why = _line(error)
    if owner := re.search(r"\(PID (\d+)\)", why):
        return Problem(
            f"{path}: 다른 프로세스({owner[1]})가 쓰고 있습니다. 한 구역의 파일은 한 프로세스만 열 수 있습니다",
            f"{path}: in use by process {owner[1]}; one process owns an area's file",
        )
    if isinstance(error, duckdb.IOException) and "orrupt" not in why:
        return Problem(f"{path}: 열 수 없습니다: {why}", f"{path}: cannot be opened: {why}")
    return Problem(
        f"{path}: 손상되었습니다. 백업에서 되살리십시오. 그 뒤의 값은 게이트웨이에 다시 청합니다 ({why})",
        f"{path}: damaged; restore it from a back-up, the gateways are then asked for what came after ({why})",
    )


def _line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
