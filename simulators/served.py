"""The log of every value that a simulated line served: JSON lines, one file a line, appended before answering.

A file that grows over its limit becomes `{name}.old.jsonl` (an earlier one of that name goes), and a new one is
begun. The first line of each file and each run says what follows; then one line an exchange, in the order of answering:

    {"log":"bitgoeul-served/1","line":"hanam-east","started_ns":1795392000000000000}
    {"at_ns":1795392000412345678,"unit":1,"read":["input",52,24],"answer":"ok",
     "values":{"hanam-e-main-01":{"electricity_power_kw":12.25,"electricity_frequency_hz":null}}}

`at_ns` is the wall clock (UTC epoch) at which the answer's last byte leaves. `read` is table, first address and
count of words. `answer` is "ok", "garbled" (bytes were damaged on purpose or by a collision), "silent" (dead,
absent, or a line that was cut) or "exception-N". Only "ok" has `values`: each
quantity that the read covered wholly, by meter; null is the model's "not available". A value is what the words
mean: the number in the register times the model's scale, in double precision.

When the disk is full the line goes on answering. As soon as there is room again a line like the first one comes, with
`"lost":3`: so many exchanges of this run, before that line, are in no file.
"""

import errno
import logging
import os
import time
from pathlib import Path

import msgspec

from contract.problems import Problem
from simulators.image import Values

log = logging.getLogger(__name__)
FORMAT = "bitgoeul-served/1"


class Entry(msgspec.Struct, omit_defaults=True):
    """One exchange on a line."""

    at_ns: int
    unit: int
    answer: str
    read: tuple[str, int, int] | None = None
    values: Values = {}


class Header(msgspec.Struct, omit_defaults=True):
    """The first line of a run and of a file, and the first after a gap. `lost`: as the run had it by then."""

    log: str
    line: str
    started_ns: int
    lost: int = 0


class ServedLog:
    """Appends; every entry is with the kernel when `write` returns, so that `kill -9` loses none.

    What cannot be written, as on a full disk, is counted in `lost`: the line goes on answering, and the log says
    that it is no whole witness.
    """

    def __init__(self, path: Path, line: str, limit_bytes: int = 100_000_000) -> None:
        self.path = path
        self.lost = 0
        self._line = line
        self._limit_bytes = limit_bytes
        self._encoder = msgspec.json.Encoder()
        self._header_due = True
        try:
            self._file = _opened(path)
            self._size = os.fstat(self._file).st_size
            self._append_header()
        except OSError as error:
            raise Problem(
                f"{path}: 기록 파일을 열 수 없습니다: {error.strerror}",
                f"{path}: cannot open the log: {error.strerror}",
            ) from error

    def write(self, entry: Entry) -> None:
        """One line."""
        try:
            if self._size >= self._limit_bytes:
                self._begin_anew()
            if self._header_due:
                self._append_header()
            self._append(entry)
        except OSError as error:
            if not self.lost:
                log.warning("served-log path=%s state=incomplete error=%r", self.path, error.strerror)
            self.lost += 1
            self._header_due = True

    def close(self) -> None:
        """No `write` may follow."""
        os.close(self._file)
        if self.lost:
            log.error("served-log path=%s state=incomplete lost=%d", self.path, self.lost)

    def _begin_anew(self) -> None:
        # the file so far stays open until another is in its place: whatever fails here can be tried again
        fresh_path = self.path.with_suffix(".new")
        fresh = _opened(fresh_path)
        try:
            self.path.replace(self.path.with_suffix(".old.jsonl"))
            fresh_path.replace(self.path)
            os.dup2(fresh, self._file, inheritable=False)
        finally:
            os.close(fresh)
        self._size = 0
        self._header_due = True

    def _append_header(self) -> None:
        self._append(Header(FORMAT, self._line, time.time_ns(), self.lost))
        self._header_due = False

    def _append(self, what: Entry | Header) -> None:
        data = self._encoder.encode(what) + b"\n"
        if os.write(self._file, data) != len(data):
            os.ftruncate(self._file, self._size)  # the next line must not be joined to half of this one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += len(data)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def read_log(path: Path) -> list[Entry]:
    """All entries of a log, in order; a last line that a power cut left incomplete is passed over."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Entry) for line in lines if not line.startswith(b'{"log"')]
