"""Copying an area through its process's socket: its file at one moment, and its readings where these lie elsewhere."""

import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
from pyarrow import parquet

from cloud.metering.codes import DAY_S
from cloud.store.copying import APPLIED, FILE, LOGGED
from cloud.store.flight import FlightStore, fetch_table
from cloud.store.protocol import ROWS, StoreUnavailable
from commands.backup_folder import CopiedArea, Tell, sync
from contract.problems import Problem, Text

TIMEOUT_S = 60.0
ATTEMPTS = 3
SAID_BYTES = 1_000_000_000
READINGS = "readings"
MANY_ROWS, FEW_ROWS = 4_000_000, 1_000_000
LEAST_STEP_S = 900


def copy_area(name: str, socket: Path, folder: Path, tell: Tell) -> CopiedArea:
    """The area's file in the folder, opened and found to be of the moment that was promised. Raises Problem."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            moment = _Copying(name, socket, folder, tell).all()
            break
        except StoreUnavailable as unavailable:
            if attempt == ATTEMPTS:
                raise _away(name, unavailable) from unavailable
            tell(Text(f"구역 {name}: 다시 합니다 ({unavailable})", f"area {name}: once more ({unavailable})"))
            shutil.rmtree(folder, ignore_errors=True)
    file = folder / f"{name}.duckdb"
    schema = _opened(file, moment["commits"])
    tell(Text(f"구역 {name}: {moment['commits']}번째 확정까지", f"area {name}: up to commit {moment['commits']}"))
    copied = CopiedArea(moment["commits"], schema, moment["store"])
    if copied.store != "duckdb" and moment["first_s"] is not None:
        _copy_readings(name, FlightStore(socket), moment["first_s"], folder / READINGS, tell)
    return copied


class _Copying:
    """One attempt; see `cloud.store.copying` for what is asked in which order."""

    def __init__(self, name: str, socket: Path, folder: Path, tell: Tell) -> None:
        self._name, self._socket, self._folder, self._tell = name, socket, folder, tell
        try:
            self._parts = self._ask("copy-begin")
        except StoreUnavailable as unavailable:
            raise _away(name, unavailable) from unavailable
        self._copy = self._parts[0]["copy"]

    def all(self) -> dict[str, Any]:
        _need_room(self._folder, sum(part["bytes"] for part in self._parts))
        (self._folder / f"{self._name}.registry").mkdir(parents=True)
        for part in self._parts:
            self._take(part["part"], part["bytes"])
        (moment,) = self._ask("copy-moment", copy=self._copy)
        if moment["log_bytes"]:
            self._take(LOGGED, moment["log_bytes"])
        self._ask("copy-end", copy=self._copy)
        return moment

    def _ask(self, name: str, **arguments: str | int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = fetch_table(self._socket, name, TIMEOUT_S, **arguments).to_pylist()
        return rows

    def _take(self, part: str, size: int) -> None:
        path = self._path(part)
        with path.open("wb") as file:
            self._write(file, part, size)
        sync(path)

    def _write(self, file: BinaryIO, part: str, size: int) -> None:
        said = at = 0
        while at < size:
            found = fetch_table(self._socket, "copy-read", TIMEOUT_S, copy=self._copy, part=part, offset=at)
            data = found["data"][0].as_buffer().slice(0, min(found["data"][0].as_buffer().size, size - at))
            if not data.size:
                raise StoreUnavailable(f"{part}: ends at byte {at} of {size}")
            file.write(data)
            at += data.size
            if at // SAID_BYTES > said:
                said = at // SAID_BYTES
                text = f"{self._name} {part}: {at / 1e6:,.0f} / {size / 1e6:,.0f} MB"
                self._tell(Text(f"구역 {text}", f"area {text}"))

    def _path(self, part: str) -> Path:
        if part.startswith(APPLIED):
            return self._folder / f"{self._name}.registry" / Path(part).name
        return self._folder / {FILE: f"{self._name}.duckdb", LOGGED: f"{self._name}.duckdb.wal"}[part]


def _opened(file: Path, commits: int) -> int:
    """Bring what the log has into the file; its schema. Raises Problem."""
    try:
        with duckdb.connect(file) as connection:
            ((found, schema),) = connection.execute("SELECT commits, schema FROM area").fetchall()
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        why = str(error).partition("\n")[0]
        raise Problem(f"{file}: 사본이 열리지 않습니다: {why}", f"{file}: the copy does not open: {why}") from error
    if found != commits:
        raise Problem(
            f"{file}: 사본이 {found}번째 확정까지입니다 ({commits}이어야 함)",
            f"{file}: the copy ends with commit {found}, not {commits}",
        )
    return int(schema)


def _copy_readings(name: str, store: FlightStore, first_s: int, folder: Path, tell: Tell) -> None:
    """All readings, a file a day (UTC). What comes in after the area's file was copied may be among them: its gateway
    sends it again, and the same comes of it.
    """
    folder.mkdir()
    step_s = LEAST_STEP_S
    try:
        for day in range(first_s // DAY_S, int(time.time()) // DAY_S + 2):
            path = folder / f"{time.strftime('%Y-%m-%d', time.gmtime(day * DAY_S))}.parquet"
            rows, step_s = _copy_day(store, day, step_s, path)
            if rows:
                tell(Text(f"구역 {name} {path.stem}: 값 {rows:,}개", f"area {name} {path.stem}: {rows:,} readings"))
            else:
                path.unlink()
    except StoreUnavailable as unavailable:
        raise _away(name, unavailable) from unavailable


def _copy_day(store: FlightStore, day: int, step_s: int, path: Path) -> tuple[int, int]:
    """How many rows there are, and how long a piece memory bears: a day is asked for piece by piece."""
    start_s, end_s, rows = day * DAY_S, (day + 1) * DAY_S, 0
    with parquet.ParquetWriter(path, ROWS, compression="zstd") as writer:
        while start_s < end_s:
            found = store.rows(start_s, min(start_s + step_s, end_s))
            start_s += step_s
            if found.num_rows:
                writer.write_table(found)
                rows += found.num_rows
            if found.num_rows < FEW_ROWS:
                step_s = min(2 * step_s, DAY_S)
            elif found.num_rows > MANY_ROWS:
                step_s = max(LEAST_STEP_S, step_s // 2)
    return rows, step_s


def _need_room(folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size:
        raise Problem(
            f"{folder}: 남은 자리가 {free / 1e6:,.0f} MB뿐입니다 ({size / 1e6:,.0f} MB 필요)",
            f"{folder}: only {free / 1e6:,.0f} MB free, {size / 1e6:,.0f} MB needed",
        )


def _away(name: str, unavailable: StoreUnavailable) -> Problem:
    return Problem(
        f"구역 {name}: 프로세스가 사본을 내주지 않습니다. 켜져 있어야 합니다 ({unavailable})",
        f"area {name}: its process gives no copy; it must be running ({unavailable})",
    )
