"""The area's DuckDB file: who owns it, what it counts, what it forgets, and what it does on a full disk."""

import contextlib
import multiprocessing
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from cloud.store.duck import Counts, DuckStore
from cloud.store.protocol import APPEND, LEDGER, QUARANTINE, Commit, StoreUnavailable
from cloud.store.tables import READINGS
from contract.problems import Problem

TICK_S = 1_795_392_000  # on a slot bound
IMPORT, POWER = "electricity_import_kwh", "electricity_power_kw"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "area.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(path, quarantine_rows=16, quarantine_bytes=1000)
    yield opened
    opened.close()


def block(series: int, rows: int, time_s: int = TICK_S, value: float | None = 1.0, quality: int = 0) -> pa.Table:
    """Readings of one series, one a second."""
    times = pa.array(range(time_s, time_s + rows), pa.int64())
    columns = [[series] * rows, times, [value] * rows, [quality] * rows, [0] * rows]
    return pa.table(columns, APPEND.names).cast(APPEND)


def test_a_second_process_is_told_who_owns_the_file(store: DuckStore, path: Path) -> None:
    script = f"from pathlib import Path; from cloud.store.duck import DuckStore; DuckStore(Path({str(path)!r}))"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert f"{path}: in use by process {multiprocessing.current_process().pid}; one process" in other.stderr
    store.commit(Commit(readings=block(1, 1)))


def test_a_file_of_a_newer_version_is_refused_and_left_alone(store: DuckStore, path: Path) -> None:
    store.close()
    with duckdb.connect(path) as connection:
        connection.execute("UPDATE area SET schema = 99")
    with pytest.raises(Problem, match=r"written by a newer version \(schema 99, this one knows 2\)"):
        DuckStore(path)
    with duckdb.connect(path) as connection:
        assert connection.execute("SELECT schema FROM area").fetchall() == [(99,)]


@pytest.mark.parametrize(
    ("content", "said"), [(b"no database at all " * 500, "cannot be opened"), (None, "not an area's store")]
)
def test_a_file_that_is_no_store_is_refused(path: Path, content: bytes | None, said: str) -> None:
    if content is None:
        with duckdb.connect(path) as connection:
            connection.execute("CREATE TABLE cats (name VARCHAR)")
    else:
        path.write_bytes(content)
    with pytest.raises(Problem, match=said):
        DuckStore(path)


def test_a_damaged_file_is_said_and_what_to_do(store: DuckStore, path: Path) -> None:
    store.commit(Commit(readings=block(1, 5000)))
    log = path.with_name(f"{path.name}.wal")
    before, kept = path.read_bytes(), log.read_bytes()
    store.close()  # moves the log into the file
    path.write_bytes(before)
    log.write_bytes(kept[: len(kept) // 2] + bytes(len(kept) - len(kept) // 2))  # as a power cut may leave it
    with pytest.raises(Problem, match="damaged; restore it from a back-up"):
        DuckStore(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be opened"):
        DuckStore(tmp_path / "nowhere" / "area.duckdb")


def test_a_file_that_cannot_be_opened_again_is_unavailable_until_it_can(store: DuckStore, path: Path) -> None:
    store.commit(Commit(readings=block(1, 1)))
    aside = path.with_suffix(".aside")
    store._file._broken = True  # as after a fatal error: DuckDB wants the file opened anew
    path.rename(aside)
    path.mkdir()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.commit(Commit(readings=block(1, 1, TICK_S + 1)))
        with pytest.raises(StoreUnavailable):
            store.rows(0, 2**35)
    path.rmdir()
    aside.rename(path)
    store.commit(Commit(readings=block(1, 1, TICK_S + 1)))
    assert store.counts(0, 2**35) == Counts(2, 2, 0)


def test_rows_identities_and_conflicts_are_counted(store: DuckStore) -> None:
    (number,) = store.series(["a"], [IMPORT]).tolist()
    store.commit(Commit(readings=block(number, 5)))
    assert store.counts(TICK_S, TICK_S + 9) == Counts(5, 5, 0)
    store.commit(Commit(readings=block(number, 3)))  # the same again
    assert store.counts(TICK_S, TICK_S + 9) == Counts(8, 5, 0)
    store.commit(Commit(readings=block(number, 2, value=2.0)))
    store.commit(Commit(readings=block(number, 1, TICK_S + 4, None, 16)))
    assert store.counts(TICK_S, TICK_S + 9) == Counts(11, 5, 3)
    assert store.counts(TICK_S + 1, TICK_S + 2) == Counts(3, 1, 1)
    assert store.rows(0, 2**35).column("value").to_pylist() == [2.0, 2.0, 1.0, 1.0, None]


def test_the_latest_wins_among_many(store: DuckStore) -> None:
    (number,) = store.series(["a"], [IMPORT]).tolist()
    for value in (1.0, 2.0, 3.0):
        store.commit(Commit(readings=block(number, 150_000, value=value)))
    assert set(store.rows(0, 2**35).column("value").to_pylist()) == {3.0}


def test_the_latest_still_wins_when_rows_before_it_were_deleted_and_the_file_was_packed(
    store: DuckStore, path: Path
) -> None:
    old, new = store.series(["old", "new"], [IMPORT, IMPORT]).tolist()
    for _ in range(3):
        store.commit(Commit(readings=block(old, 150_000, TICK_S - 10**6)))
    store.commit(Commit(readings=block(new, 1, value=1.0)))
    store.forget_before(TICK_S - 1)
    store.commit(Commit(readings=block(new, 1, value=2.0)))
    store.close()
    again = DuckStore(path)
    again.commit(Commit(readings=block(new, 1, value=3.0)))
    assert again.rows(0, 2**35).column("value").to_pylist() == [3.0]
    again.close()


def test_a_file_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    with duckdb.connect(path) as old:
        old.execute(READINGS)
        old.execute("INSERT INTO area VALUES (1, 0, 0)")
    store = DuckStore(path)
    (series,) = store.series(["a"], [IMPORT])
    store.commit(Commit(readings=block(series, 3)))
    assert store.settled.progress().settled_s is None
    store.close()
    again = DuckStore(path)
    assert again.rows(0, 2**35).num_rows == 3
    again.close()


def test_ticks_are_forgotten_before_registers_at_slot_bounds(store: DuckStore) -> None:
    register, instant = store.series(["a", "a"], [IMPORT, POWER]).tolist()
    for number in (register, instant):
        store.commit(Commit(readings=block(number, 1801)))
    store.forget_ticks(0, TICK_S + 1500)
    store.forget_before(TICK_S + 900)
    kept = store.rows(0, 2**35, quantities=[IMPORT]).column("time_s").to_pylist()
    assert kept == [TICK_S + 900, *range(TICK_S + 1500, TICK_S + 1801)]
    kept = store.rows(0, 2**35, quantities=[POWER]).column("time_s").to_pylist()
    assert kept == list(range(TICK_S + 1500, TICK_S + 1801))


def _refused(gateway: str, records: list[str]) -> Commit:
    rows = [{"arrived_s": 1.0, "gateway": gateway, "batch": "", "reason": "nan", "record": r} for r in records]
    return Commit(quarantine=pa.Table.from_pylist(rows, QUARANTINE))


def test_a_gateway_fills_only_its_own_share_of_the_quarantine(store: DuckStore) -> None:
    store.commit(_refused("quiet", ["only one"]))
    for at in range(5):
        store.commit(_refused("flood", [f"{at}-{n}" for n in range(8)]))
    held = {row["gateway"]: row for row in store.quarantine_counts().to_pylist()}
    assert held["quiet"] == {"gateway": "quiet", "held": 1, "dropped": 0}
    assert held["flood"]["held"] + held["flood"]["dropped"] == 40
    assert 8 <= held["flood"]["held"] <= 16
    kept = store.quarantined("flood").column("record").to_pylist()
    assert kept == [f"{at}-{n}" for at in range(5) for n in range(8)][-len(kept) :]


def test_long_records_fill_a_share_too(store: DuckStore) -> None:
    store.commit(_refused("long", ["가" * 100, "나" * 100, "다" * 100, "라" * 100]))  # 300 bytes each
    assert store.quarantined("long").column("record").to_pylist() == ["다" * 100, "라" * 100]
    assert store.quarantine_counts().to_pylist() == [{"gateway": "long", "held": 2, "dropped": 2}]


def test_rows_are_read_while_commits_run(store: DuckStore) -> None:
    (number,) = store.series(["a"], [IMPORT]).tolist()
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(store.rows(0, 2**35).num_rows)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for at in range(40):
            store.commit(Commit(readings=block(number, 500, TICK_S + 500 * at)))
    finally:  # else the readers would hold up the whole run
        done.set()
        for reader in readers:
            reader.join()
    assert store.rows(0, 2**35).num_rows == 20_000
    assert all(count % 500 == 0 for count in seen), "a reader saw half a commit"


def test_a_mistake_in_a_commit_leaves_nothing_of_it(store: DuckStore) -> None:
    ledger = pa.table({"gateway": ["g", "g"], "run": ["r", None], "n": [1, 2], "hash": [1, 2]}).cast(LEDGER)
    with pytest.raises(duckdb.ConstraintException):
        store.commit(Commit(readings=block(1, 10), ledger=ledger))
    assert store.counts(0, 2**35).rows == 0
    assert store.ledger().num_rows == 0
    store.commit(Commit(readings=block(1, 10)))
    assert store.counts(0, 2**35).rows == 10


def _commit_of(rows: int, time_s: int) -> Commit:
    values = np.random.default_rng(time_s).random(rows)
    columns = [np.arange(rows), np.full(rows, time_s), values, np.zeros(rows), np.zeros(rows)]
    return Commit(readings=pa.table([pa.array(column) for column in columns], APPEND.names).cast(APPEND))


def _commit_at_last(store: DuckStore, commit: Commit) -> int:
    """How often it was refused; after the second time there is room again."""
    for refused in range(10):
        try:
            store.commit(commit)
        except StoreUnavailable:
            if refused == 1:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            # another writer comes before the retry
            with contextlib.suppress(StoreUnavailable):
                store.forget_before(0)
        else:
            return refused
    raise AssertionError("still unavailable with room on the disk")


def _on_a_full_disk(path: Path, rows: int, limit_bytes: int) -> None:
    """Fill the disk while commits run, and try each again, as ingest does, until there is room."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = DuckStore(path)
    for at in range(25):
        store.commit(_commit_of(100_000, at))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes or path.stat().st_size, resource.RLIM_INFINITY))
    expected, refused = 2_500_000, 0
    while not refused:
        refused = _commit_at_last(store, _commit_of(rows, expected))
        expected += rows
    assert store.counts(0, 2**35) == Counts(expected, expected, 0)
    store.close()
    assert DuckStore(path).counts(0, 2**35) == Counts(expected, expected, 0)


@pytest.mark.parametrize(
    ("rows", "limit_bytes"),
    [
        pytest.param(20_000, 1_000_000, id="in the log"),
        pytest.param(100_000, 0, id="in a checkpoint instead of the log"),
        pytest.param(2_000, 0, id="in a checkpoint after the log has the commit"),
    ],
)
def test_a_full_disk_loses_and_doubles_nothing(path: Path, rows: int, limit_bytes: int) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_on_a_full_disk, args=(path, rows, limit_bytes))
    process.start()
    process.join()
    assert process.exitcode == 0
