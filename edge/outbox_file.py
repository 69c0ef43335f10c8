"""The outbox's SQLite file: opened, locked, synced to disk, and set aside when it is corrupt.

Write-ahead logging: a commit survives the death of the process at once, and a power cut from the next `sync` on.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from contract.problems import Problem

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
APPLICATION_ID = 0x42474F42  # "BGOB", in the file's header: this SQLite file is an outbox
PAGE_BYTES = 1024  # a batch touches five pages: small ones write a third of what 4096 bytes would (measured)
CHECKPOINT_BYTES = 2_000_000
AUTO_CHECKPOINT_PAGES = 4000
RESERVE_BYTES = 5_000_000  # more than the log holds: given up on a full disk, so that the log can still be moved
LOW_DISK_BYTES = 10_000_000
HEADROOM_BYTES = 250_000
KEPT_ASIDE = 2
ENDINGS = ("", "-wal", "-shm")  # of the files that are the outbox together

# `state` of a batch: the first three wait for their receipt, whole, without its instants, or one a slot; of the
# last the cloud has refused every reading.
WHOLE, NO_INSTANTS, SPARSE, DONE, REFUSED = range(5)
WAITING = (WHOLE, NO_INSTANTS, SPARSE)

# `payload` is the message as it is published, compressed by zlib; it stands apart from `batch` so that counting
# and looking for batches never reads it. A batch keeps its `id`, the order of taking, for ever; (run, n) is its
# identity on the wire. `line.last_s` is the last tick taken.
SCHEMA = f"""
CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE line (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last_s INTEGER NOT NULL);
CREATE TABLE batch (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, n INTEGER NOT NULL, line INTEGER NOT NULL,
                    tick_s INTEGER NOT NULL, readings INTEGER NOT NULL, bytes INTEGER NOT NULL,
                    state INTEGER NOT NULL);
CREATE UNIQUE INDEX batch_identity ON batch (run, n);
CREATE INDEX batch_state ON batch (state, id, bytes);
CREATE TABLE body (id INTEGER PRIMARY KEY, payload BLOB NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""

# One row: readings that were thinned out or dropped and have not been reported. It came later than the rest, which
# does not need it: older software leaves it alone, and the version stays.
LOST = """
CREATE TABLE IF NOT EXISTS lost (id INTEGER PRIMARY KEY CHECK (id = 1), thinned INTEGER NOT NULL,
                                 dropped INTEGER NOT NULL)
"""

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def is_corrupt(error: Exception) -> bool:
    """Whether the file is damaged, rather than the disk full or its bus failing."""
    return _code(error) in _CORRUPT


def is_full(error: Exception) -> bool:
    """Whether the disk took no more."""
    return _code(error) in _FULL


def _code(error: Exception) -> int:
    # the low byte is the primary code; other errors than SQLite's own carry none
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def cannot_open(path: Path, error: Exception) -> Problem:
    """What a person is told."""
    return Problem(
        f"{path}: 전송 대기함을 열 수 없습니다: {error}. 디스크와 남은 공간을 확인하십시오",
        f"{path}: outbox cannot be opened: {error}: check the disk and its free space",
    )


class OutboxFile:
    """One open outbox file, held by one process; `sync` may be called from another thread, all else from one."""

    def __init__(self, path: Path) -> None:
        """Raises Problem: not writable, in use by another process, of a newer version, or no outbox at all."""
        self.path = path
        self.set_aside = self._holds_nothing = False
        self._wal = path.with_name(path.name + "-wal")
        self._reserve = path.with_name(path.name + ".reserve")
        self._lock = _lock(path)
        try:
            self.db = self._open()
        except BaseException:
            self._lock.close()
            raise

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except (OSError, sqlite3.Error) as error:
            if is_corrupt(error):
                self._set_aside()
        # a new file, or one that was full, now without the reserve
        self._reserve.unlink(missing_ok=True)
        try:
            return _connect(self.path)
        except (OSError, sqlite3.Error) as error:
            raise cannot_open(self.path, error) from error

    def replace(self, begin: Callable[[sqlite3.Connection], object]) -> None:
        """Set the corrupt file aside and begin an empty one, whose first transaction is `begin`.

        Raises OSError, sqlite3.Error; then no file is open until another call succeeds.
        """
        self.db.close()
        if self._holds_nothing:
            # left by a call that failed: nothing is in it that could be rescued
            for ending in ENDINGS:
                Path(f"{self.path}{ending}").unlink(missing_ok=True)
        else:
            self._set_aside()
        self._holds_nothing = True
        self.db = _connect(self.path)
        try:
            with self.transaction() as db:
                begin(db)
        except BaseException:
            self.db.close()
            raise
        self._holds_nothing = False

    def _set_aside(self) -> None:
        if not self.path.exists():
            return
        kept = self.path.with_name(f"{self.path.name}.corrupt-{time.time_ns()}")
        for ending in ENDINGS:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").rename(f"{kept}{ending}")
        # a card that fails does so again and again, and must not fill up with what it spoilt
        for old in sorted(self.path.parent.glob(f"{self.path.name}.corrupt-*[0-9]"))[:-KEPT_ASIDE]:
            for ending in ENDINGS:
                Path(f"{old}{ending}").unlink(missing_ok=True)
        self.set_aside = True
        log.error("outbox-corrupt path=%s set_aside=%s action=keep-it-for-rescue-and-check-the-disk", self.path, kept)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; what fails is rolled back and raised."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
            self.db.execute("COMMIT")
        except BaseException:
            # a full disk has rolled it back already
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def used_bytes(self) -> int:
        """What the content takes in the file; pages that deleting freed are used again and do not count."""
        return self._bytes("page_count") - self._bytes("freelist_count")

    def _bytes(self, pages: str) -> int:
        (count,), (size,) = (self.db.execute(f"PRAGMA {name}").fetchone() for name in (pages, "page_size"))
        return int(count * size)

    def is_roomy(self) -> bool:
        """Whether there is room for more: on the disk, or in the file where something was deleted."""
        if self._disk_bytes() > LOW_DISK_BYTES:
            return True
        # of a small file not all need go for a headroom that it never uses
        return self._bytes("freelist_count") > min(HEADROOM_BYTES, self._bytes("page_count") // 4)

    def _disk_bytes(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def sync(self) -> None:
        """Return once all that was committed before is safe from a power cut. Raises OSError, sqlite3.Error.

        The sync of the log alone is enough; the log's content moves into the file itself once there is much.
        """
        descriptor = os.open(self._wal, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size > CHECKPOINT_BYTES:
            with contextlib.closing(sqlite3.connect(self.path, timeout=1.0)) as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._keep_reserve()

    def _keep_reserve(self) -> None:
        if self._reserve.exists() or self._disk_bytes() < LOW_DISK_BYTES:
            return
        descriptor = os.open(self._reserve, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:
            # a part of it would only be in the way
            self._reserve.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def relieve(self) -> None:
        """The disk is full: give up the reserve, and move the log into the file, so that the log has room again."""
        self._reserve.unlink(missing_ok=True)
        self.db.execute("PRAGMA wal_checkpoint(RESTART)")

    def close(self) -> None:
        """Move the log into the file; the object is of no use afterwards."""
        self.db.close()
        self._lock.close()


def _lock(path: Path) -> IO[bytes]:
    """A lock file of its own: closing any descriptor of the database itself would drop SQLite's locks."""
    try:
        lock = os.fdopen(os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600), "r+b")
    except OSError as error:
        raise Problem(
            f"{path}: 전송 대기함을 둘 수 없습니다: {error.strerror}",
            f"{path}: outbox cannot be kept here: {error.strerror}",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Problem(
            f"{path}: 다른 프로세스가 쓰고 있는 전송 대기함입니다. 게이트웨이마다 하나만 실행하십시오",
            f"{path}: outbox is in use by another process; run one agent per outbox",
        ) from error
    return lock


def _connect(path: Path) -> sqlite3.Connection:
    # made here, since SQLite would let others read it
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None)
    try:
        is_new = _check_version(db, path)
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        if is_new:
            db.executescript(f"BEGIN;{SCHEMA}COMMIT;")
        db.execute(LOST)
        # `sync` is what makes commits durable; moving the log into the file is synced all the same
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {AUTO_CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {CHECKPOINT_BYTES}")
        db.execute("PRAGMA cache_size = -1024")
        # Debian's default overwrites what is deleted, which doubles the writes to an SD card
        db.execute("PRAGMA secure_delete = OFF")
        # reads the newest row and the oldest: a file cut short is found now, not in an hour
        db.execute("SELECT * FROM batch JOIN body USING (id) ORDER BY id DESC LIMIT 1").fetchall()
        db.execute("SELECT * FROM batch JOIN body USING (id) ORDER BY id LIMIT 1").fetchall()
        # names the log in its folder and syncs both, so that later only the log's data need a sync
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)
    except BaseException:
        db.close()
        raise
    return db


def _check_version(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file is empty yet. Raises Problem where it is nothing that this software can use."""
    (version,), (application,) = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")
    )
    if (version, application) == (SCHEMA_VERSION, APPLICATION_ID):
        return False
    if application == APPLICATION_ID:
        raise Problem(
            f"{path}: 전송 대기함 버전 {version}은(는) 이 프로그램(버전 {SCHEMA_VERSION})보다 새것입니다. "
            "프로그램을 갱신하거나 파일을 옮겨 두십시오",
            f"{path}: outbox of version {version}, newer than this software's {SCHEMA_VERSION}: "
            "update the software, or move the file away",
        )
    if db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        raise Problem(
            f"{path}: 전송 대기함이 아닌 SQLite 파일입니다. 사이트 파일의 outbox.path를 확인하십시오",
            f"{path}: an SQLite file, and no outbox: check outbox.path in the site file",
        )
    return True
