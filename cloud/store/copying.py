"""A copy of the area's file for whoever backs it up, piece by piece, while commits go on.

For so long nothing is written into the file itself: commits go to its log alone. First the file is read, then, at a
moment between two commits, it is noted how long the log is, and that much of it is read: the two are the file as it was
at that moment. Ingest waits for the noting only. Who asks for nothing for a while has died: all is then as before.
"""

import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cloud.store.file import AreaFile
from cloud.store.protocol import StoreUnavailable

LOG = logging.getLogger(__name__)

CHUNK_BYTES = 8_000_000
LEASE_S = 30.0
_CURRENT = "current.json"
FILE, LOGGED, APPLIED = "file", "log", "applied/"  # parts of a copy; those of APPLIED are files of that folder

# What a copy consists of, but for the log.
PARTS = pa.schema([("copy", pa.string()), ("part", pa.string()), ("bytes", pa.int64())])
DATA = pa.schema([("data", pa.large_binary())])
# The moment of which the copy is. `store` is where readings are, `first_s` their earliest time if it is elsewhere.
MOMENT = pa.schema(
    [
        ("commits", pa.int64()),
        ("log_bytes", pa.int64()),
        ("store", pa.string()),
        ("first_s", pa.int64()),
    ]
)


@dataclass
class _Copy:
    stamp: tuple[int, ...]
    name: str = field(default_factory=lambda: secrets.token_hex(8))
    files: dict[str, int] = field(default_factory=dict)
    begun_s: float = field(default_factory=time.monotonic)
    asked_s: float = field(default_factory=time.monotonic)


class Copies:
    """One copy at a time, for the process that owns the area. `applied` is the folder of the snapshot that was settled
    with; `earliest_s` is None where readings are in the file.
    """

    def __init__(self, file: AreaFile, applied: Path, earliest_s: Callable[[], int | None] | None = None) -> None:
        self._file, self._applied, self._earliest_s = file, applied, earliest_s
        self._lock = threading.Lock()
        self._copy: _Copy | None = None
        self._reader: int | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="copies", daemon=True)

    def start(self) -> None:
        """Begin to watch whether who copies is alive."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Give up what is being copied."""
        self._stopping.set()
        self._thread.join(timeout_s)
        with self._lock:
            self._end()

    def problems(self) -> list[str]:
        """None: who copies is told."""
        return []

    def tables(self) -> Mapping[str, Callable[..., pa.Table]]:
        """What other processes may fetch by name, in this order."""
        return {"copy-begin": self.begin, "copy-read": self.read, "copy-moment": self.moment, "copy-end": self.end}

    def begin(self) -> pa.Table:
        """PARTS of a new copy. Raises StoreUnavailable while another is made."""
        with self._lock:
            if self._copy is not None or self._stopping.is_set():
                raise StoreUnavailable("a copy is being made already")
            self._file.hold_checkpoints()
            self._copy = copy = _Copy(self._stamp())
            copy.files[FILE] = self._open_file()
            # earlier than the moment of the copy: where the file knows a newer registry, more is settled again
            copy.files |= _open_applied(self._applied)
            sizes = [(copy.name, part, os.fstat(number).st_size) for part, number in copy.files.items()]
            LOG.info("copy begun bytes=%d", sum(size for _, _, size in sizes))
        return pa.table([list(column) for column in zip(*sizes, strict=True)], schema=PARTS)

    def read(self, copy: str, part: str, offset: int) -> pa.Table:
        """DATA, one row: what there is from `offset` on, at most CHUNK_BYTES."""
        with self._lock:
            files = self._asked(copy).files
            if part not in files:
                raise StoreUnavailable(f"no part '{part}'; expected one of {', '.join(files)}")
            data = os.pread(files[part], CHUNK_BYTES, offset)
        return pa.table([[data]], schema=DATA)

    def moment(self, copy: str) -> pa.Table:
        """MOMENT, one row, once the file was read: LOGGED is then a part, of which `log_bytes` belong to the copy."""
        earliest_s = self._earliest_s() if self._earliest_s else None
        with self._lock:
            asked = self._asked(copy)
            commits, log_bytes = self._file.moment()
            self._unchanged(asked)
            if log_bytes:
                asked.files[LOGGED] = os.open(self._file.log, os.O_RDONLY)
        store = "duckdb" if self._earliest_s is None else "influx"
        return pa.table([[commits], [log_bytes], [store], [earliest_s]], schema=MOMENT)

    def end(self, copy: str) -> pa.Table:
        """Raises StoreUnavailable if the copy is no good."""
        with self._lock:
            asked = self._asked(copy)
            try:
                self._unchanged(asked)
            finally:
                self._end()
            seconds = time.monotonic() - asked.begun_s
            LOG.info("copy ended seconds=%.1f", seconds)
        return pa.table({"seconds": [seconds]})

    def _asked(self, copy: str) -> _Copy:
        if self._copy is None or self._copy.name != copy:
            raise StoreUnavailable("no such copy: it was given up, or the area's process was started anew")
        self._copy.asked_s = time.monotonic()
        return self._copy

    def _stamp(self) -> tuple[int, ...]:
        status = self._file.path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _unchanged(self, copy: _Copy) -> None:
        # an area that had to open its file anew, after a disk was full, has written into it
        if self._stamp() != copy.stamp:
            raise StoreUnavailable("the file was written into while it was copied; try again")

    def _end(self) -> None:
        if self._copy is not None:
            for number in self._copy.files.values():
                if number != self._reader:
                    os.close(number)
            self._copy = None
            self._file.release_checkpoints()

    def _open_file(self) -> int:
        # Once open it stays so until the process ends: closed, it would take the database's own lock away, since a
        # process has no more than one lock on a file (POSIX), and others could open what only this one may.
        if self._reader is None:
            self._reader = os.open(self._file.path, os.O_RDONLY)
        return self._reader

    def _watch(self) -> None:
        while not self._stopping.wait(1.0):
            with self._lock:
                if self._copy is not None and time.monotonic() - self._copy.asked_s > LEASE_S:
                    LOG.warning("copy given up: nobody asked for it seconds=%.0f", LEASE_S)
                    self._end()


def _open_applied(folder: Path) -> dict[str, int]:
    """The files of the snapshot in that folder, all of one; none where there is none yet."""
    while True:
        files: dict[str, int] = {}
        try:
            files[f"{APPLIED}{_CURRENT}"] = current = os.open(folder / _CURRENT, os.O_RDONLY)
            for name in json.loads(os.pread(current, CHUNK_BYTES, 0)).values():
                files[f"{APPLIED}{name}"] = os.open(folder / Path(name).name, os.O_RDONLY)
        except FileNotFoundError:
            # another one came between the two looks, or there is none
            for number in files.values():
                os.close(number)
            if files:
                continue
            return {}
        return files
