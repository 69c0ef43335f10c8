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
"""

import os
import time
from pathlib import Path

import msgspec

from contract.problems import Problem
from simulators.image import Values

FORMAT = "bitgoeul-served/1"


class Entry(msgspec.Struct, omit_defaults=True):
    """One exchange on a line."""

    at_ns: int
    unit: int
    answer: str
    read: tuple[str, int, int] | None = None
    values: Values = {}


class Header(msgspec.Struct):
    """The first line of a run."""

    log: str
    line: str
    started_ns: int


class ServedLog:
    """Appends; every entry is with the kernel when `write` returns, so that `kill -9` loses none."""

    def __init__(self, path: Path, line: str, limit_bytes: int = 100_000_000) -> None:
        self.path = path
        self._line = line
        self._limit_bytes = limit_bytes
        self._encoder = msgspec.json.Encoder()
        self._open()

    def write(self, entry: Entry) -> None:
        """One line."""
        if self._size >= self._limit_bytes:
            self.close()
            self.path.replace(self.path.with_suffix(".old.jsonl"))
            self._open()
        self._append(entry)

    def close(self) -> None:
        """No `write` may follow."""
        os.close(self._file)

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise Problem(
                f"{self.path}: 기록 파일을 열 수 없습니다: {error.strerror}",
                f"{self.path}: cannot open the log: {error.strerror}",
            ) from error
        self._size = os.fstat(self._file).st_size
        self._append(Header(FORMAT, self._line, time.time_ns()))

    def _append(self, what: Entry | Header) -> None:
        data = self._encoder.encode(what) + b"\n"
        if os.write(self._file, data) != len(data):
            raise Problem(f"{self.path}: 디스크가 가득 찼습니다", f"{self.path}: the disk is full")
        self._size += len(data)


def read_log(path: Path) -> list[Entry]:
    """All entries of a log, in order; a last line that a power cut left incomplete is passed over."""
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Entry) for line in lines if not line.startswith(b'{"log"')]
