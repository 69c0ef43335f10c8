"""The area's file is copied while commits go on: as it was at one moment, and nobody waits for it."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa
import pytest

from cloud.store import copying
from cloud.store.copying import Copies
from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer, fetch_table
from cloud.store.protocol import APPEND, LEDGER, Commit, StoreUnavailable
from commands.backup_area import copy_area
from contract.problems import Problem, Text
from tests.cloud.ingest_area import eventually

ROWS = 5000


def quiet(_text: Text) -> None:
    """No progress."""


class Load:
    """Commits without a pause in a thread of its own; `slowest_s` is how long the slowest took."""

    def __init__(self, store: DuckStore) -> None:
        self._store, self._series = store, store.series(["m"], ["electricity_import_kwh"])
        self._stopping = threading.Event()
        self.commits, self.slowest_s = 0, 0.0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.once()

    def once(self, rows: int = ROWS) -> None:
        columns = [self._series.repeat(rows), [self.commits * ROWS + n for n in range(rows)]]
        columns += [[float(n * 7 % 1009) for n in range(rows)], [0] * rows, [0] * rows]
        ledger = pa.table([["g"], ["r"], [self.commits], [self.commits]], schema=LEDGER)
        commit = Commit(pa.table(columns, schema=APPEND), ledger=ledger)
        began_s = time.perf_counter()
        self._store.commit(commit)
        self.slowest_s = max(self.slowest_s, time.perf_counter() - began_s)
        self.commits += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "main.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def copies(store: DuckStore, tmp_path: Path) -> Iterator[Copies]:
    made = Copies(store.file, tmp_path / "main.registry")
    made.start()
    with AreaServer(tmp_path / "s", store, made.tables()):
        yield made
    made.stop(10)


def threshold(store: DuckStore) -> str:
    with store.file.reading() as connection:
        ((value,),) = connection.execute("SELECT current_setting('checkpoint_threshold')").fetchall()
    return str(value)


def test_a_copy_is_of_one_moment_while_commits_go_on(store: DuckStore, copies: Copies, tmp_path: Path) -> None:
    del copies
    load = Load(store)
    for _ in range(40):
        load.once()
    load.once(700_000)  # of a size that is otherwise written ahead of its commit, or past the log
    load.slowest_s = 0.0
    with load:
        eventually(lambda: load.commits > 60)
        copied = copy_area("main", tmp_path / "s", tmp_path / "copy", quiet)
        after = load.commits
        eventually(lambda: load.commits > after + 20)
    assert load.slowest_s < 1.0
    with duckdb.connect(tmp_path / "copy" / "main.duckdb", read_only=True) as connection:
        ((commits,),) = connection.execute("SELECT commits FROM area").fetchall()
        ((batches, last),) = connection.execute("SELECT count(*), max(n) + 1 FROM ledger").fetchall()
        ((rows,),) = connection.execute("SELECT count(*) FROM readings").fetchall()
    assert commits == copied.commits
    assert 41 < last <= after + 1
    assert batches == last  # all commits up to one, none after it
    assert rows == (last - 1) * ROWS + 700_000
    assert not list((tmp_path / "copy").glob("*.wal"))


def test_a_large_transaction_stays_out_of_the_file_meanwhile(store: DuckStore, copies: Copies) -> None:
    load = Load(store)
    load.once()
    (copy,) = set(copies.begin()["copy"].to_pylist())
    load.once(700_000)
    (moment,) = copies.moment(copy).to_pylist()
    assert moment["log_bytes"] > 700_000
    copies.end(copy)
    assert threshold(store) == "15.2 MiB"
    before = store.file.path.stat().st_size
    load.once()
    assert store.file.path.stat().st_size > before  # what was held back is in the file now
    assert not store.file.log.exists()


def test_who_copies_and_dies_holds_nothing_up(
    store: DuckStore, copies: Copies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = threshold(store)
    (copy,) = set(copies.begin()["copy"].to_pylist())
    assert threshold(store) != usual
    with pytest.raises(Problem, match="a copy is being made already"):
        copy_area("main", tmp_path / "s", tmp_path / "copy", quiet)
    monkeypatch.setattr(copying, "LEASE_S", 0.1)
    eventually(lambda: threshold(store) == usual)
    with pytest.raises(StoreUnavailable, match="no such copy"):
        copies.read(copy, "file", 0)
    assert copy_area("main", tmp_path / "s", tmp_path / "copy", quiet).commits == 0


def test_a_file_that_was_written_into_gives_no_copy(store: DuckStore, copies: Copies) -> None:
    (copy,) = set(copies.begin()["copy"].to_pylist())
    store.file.release_checkpoints()  # as happens where it had to be opened anew
    with store.file.reading() as connection:
        connection.execute("CHECKPOINT")
        connection.execute("FORCE CHECKPOINT")
    Load(store).once(700_000)
    with pytest.raises(StoreUnavailable, match="written into while it was copied"):
        copies.moment(copy)
    with pytest.raises(StoreUnavailable, match="written into while it was copied"):
        copies.end(copy)
    assert copies.begin().num_rows


def test_the_file_belongs_to_its_process_after_a_copy_too(copies: Copies, tmp_path: Path) -> None:
    del copies
    for _ in range(2):
        copy_area("main", tmp_path / "s", tmp_path / "copy", quiet)
        shutil.rmtree(tmp_path / "copy")
    restoring = "from pathlib import Path; from commands.restore_parts import _refuse_running as refuse; "
    for intruder in ("import duckdb; duckdb.connect('main.duckdb')", restoring + "refuse('main', Path())"):
        done = subprocess.run(
            [sys.executable, "-c", intruder],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Could not set lock on file" in done.stderr or "its process is running" in done.stderr


def test_the_snapshot_that_was_settled_with_comes_along(store: DuckStore, copies: Copies, tmp_path: Path) -> None:
    del store, copies
    applied = tmp_path / "main.registry"
    applied.mkdir()
    (applied / "spans-1.arrow").write_bytes(b"spans")
    (applied / "left-over.arrow").write_bytes(b"old")
    (applied / "current.json").write_text('{"spans": "spans-1.arrow"}', "utf-8")
    copy_area("main", tmp_path / "s", tmp_path / "copy", quiet)
    found = {path.name: path.read_bytes() for path in (tmp_path / "copy" / "main.registry").iterdir()}
    assert found == {"spans-1.arrow": b"spans", "current.json": b'{"spans": "spans-1.arrow"}'}


def test_what_does_not_exist_is_said(copies: Copies, tmp_path: Path) -> None:
    (copy,) = set(copies.begin()["copy"].to_pylist())
    with pytest.raises(StoreUnavailable, match=r"no part '\.\./passwd'; expected one of file"):
        fetch_table(tmp_path / "s", "copy-read", copy=copy, part="../passwd", offset=0)
    copies.end(copy)
    with pytest.raises(Problem, match="its process gives no copy; it must be running"):
        copy_area("main", tmp_path / "nobody", tmp_path / "copy", quiet)
