"""What `commit` returned from is on disk: seen from outside by strace, and after kill -9 of whoever had it."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.store.duck import DuckStore
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxSettings
from cloud.store.protocol import APPEND, LEDGER, Commit, Store, StoreUnavailable
from contract.problems import Problem
from simulators import servers

ROOT = Path(__file__).parent.parent.parent
TICK_S = 1_795_392_000
SERIES = 300

# Commit number n brings one reading of each series at TICK_S + n and batch n of the ledger; then its number is
# said on stdout. With a third argument the process kills itself when it has said that one.
WRITER = """
import os, signal, sys
from pathlib import Path
from cloud.store.duck import DuckStore
from tests.cloud.test_store_durability import numbered_commit

store = DuckStore(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), 10**9):
    store.commit(numbered_commit(store, n))
    os.write(1, b"%d\\n" % n)
    if len(sys.argv) > 3 and n == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
"""

# Commits small and large, which DuckDB writes in different ways, and enough of them for some checkpoints.
BIG_WRITER = """
import os, sys
from pathlib import Path
import numpy as np, pyarrow as pa
from cloud.store.duck import DuckStore
from cloud.store.protocol import APPEND, Commit

store = DuckStore(Path(sys.argv[1]))
for n in range(60):
    rows = 500 if n % 3 else 100_000
    columns = [np.arange(rows), np.full(rows, n), np.random.default_rng(n).random(rows), *[np.zeros(rows)] * 2]
    store.commit(Commit(readings=pa.table([pa.array(c) for c in columns], APPEND.names).cast(APPEND)))
    os.write(1, b"%d\\n" % n)
store.close()
"""


def numbered_commit(store: Store, n: int) -> Commit:
    """The commit of that number."""
    series = store.series([f"m{at}" for at in range(SERIES)], ["water_volume_m3"] * SERIES)
    columns = [series, [TICK_S + n] * SERIES, [n + at / 1000 for at in range(SERIES)], [0] * SERIES, [0] * SERIES]
    readings = pa.table([pa.array(column) for column in columns], APPEND.names).cast(APPEND)
    ledger = pa.table([["g"], ["r"], [n], [n]], LEDGER.names).cast(LEDGER)
    return Commit(readings=readings, ledger=ledger)


def _writer(path: Path, *arguments: int) -> list[str]:
    return [sys.executable, "-c", WRITER, str(path), *map(str, arguments)]


def _check_whole(store: Store, said: int) -> int:
    """Whatever was said to be committed is there, and no commit is there in part; the last one's number."""
    batches = sorted(store.ledger().column("n").to_pylist())
    assert batches == list(range(len(batches)))
    assert len(batches) > said
    rows = store.rows(0, 2**35)
    assert rows.num_rows == SERIES * len(batches)
    assert sorted(set(rows.column("time_s").to_pylist())) == [TICK_S + n for n in batches]
    return len(batches) - 1


def test_kill_9_right_after_a_commit_loses_nothing(tmp_path: Path) -> None:
    path, last = tmp_path / "area.duckdb", -1
    for more in (1, 3, 9):
        ended = subprocess.run(
            _writer(path, last + 1, last + more), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        assert ended.returncode == -signal.SIGKILL
        store = DuckStore(path)
        last = _check_whole(store, int(ended.stdout.split()[-1]))
        store.close()


@pytest.mark.parametrize("commits", [1, 20, 57])
def test_kill_9_at_any_moment_leaves_whole_commits(tmp_path: Path, commits: int) -> None:
    path = tmp_path / "area.duckdb"
    with subprocess.Popen(_writer(path, 0), cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(commits):
            said = int(child.stdout.readline())
        child.kill()
        said = max([said, *map(int, child.stdout.read().split("\n")[:-1])])
    store = DuckStore(path)
    _check_whole(store, said)
    store.close()


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[servers.Server]:
    try:
        server = servers.influxdb(tmp_path / "influx")
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        servers.create_database(server, "energy")
        yield server


def test_influxdb_killed_right_after_a_commit_loses_nothing_and_is_found_again(
    influx: servers.Server, tmp_path: Path
) -> None:
    settings = InfluxSettings(f"http://{influx.host}:{influx.port}", "energy")
    store = InfluxStore(settings, DuckStore(tmp_path / "area.duckdb"))
    for n in range(4):
        store.commit(numbered_commit(store, n))
        influx.kill()
        _check_whole_after(influx, store, n)
    store.close()


def _check_whole_after(influx: servers.Server, store: InfluxStore, n: int) -> None:
    """While InfluxDB is away nothing is said to be there; a retry when it is back doubles nothing."""
    with pytest.raises(StoreUnavailable):
        store.rows(TICK_S, TICK_S + 10)
    again = numbered_commit(store, n)
    late = Commit(readings=again.readings)
    with pytest.raises(StoreUnavailable):
        store.commit(late)
    influx.start()
    assert _check_whole(store, n) == n
    store.commit(late)
    assert _check_whole(store, n) == n


WAL_WRITTEN = re.compile(r"(?:write|pwrite64)\(\d+<[^>]*/wal/energy/[^>]*\.wal>")
WAL_SYNCED = re.compile(r"^(\d+) +(?:fsync|fdatasync)\(\d+<[^>]*/wal/energy/[^>]*\.wal>(\)\s+= 0| <unfinished)")
SYNC_RESUMED = re.compile(r"^(\d+) +<\.\.\. (?:fsync|fdatasync) resumed>.*= 0")
ANSWERED = re.compile(r'write\(\d+<[^>]*>, "HTTP/1\.1 204')


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace: not installed (apt-get install strace)")
def test_influxdb_syncs_its_log_before_it_answers(tmp_path: Path) -> None:
    try:
        server = servers.influxdb(tmp_path / "influx")
    except Problem as missing:
        pytest.skip(missing.text.en)
    trace = tmp_path / "trace"
    # -D: influxd, not strace, is our child, and gets our signals
    strace = ["strace", "-D", "-f", "-y", "-s", "40", "-e", "trace=write,pwrite64,fsync,fdatasync", "-e", "signal=none"]
    server._command[:0] = [*strace, "-o", str(trace)]
    with server:
        servers.create_database(server, "energy")
        store = InfluxStore(InfluxSettings(f"http://{server.host}:{server.port}", "energy"), DuckStore(tmp_path / "a"))
        for n in range(5):
            store.commit(numbered_commit(store, n))
        store.close()
    events = list(_influx_events(trace.read_text("utf-8", "replace").splitlines()))
    begun = events.index("written")  # the end of the process brings another sync
    assert events[begun : begun + 15] == ["written", "synced", "answered"] * 5


def _influx_events(trace: Iterable[str]) -> Iterator[str]:
    """What strace saw of the log and of answers to writes (and pings), in order."""
    syncing = set()
    for line in trace:
        if WAL_WRITTEN.search(line):
            yield "written"
        elif ANSWERED.search(line):
            yield "answered"
        elif (begun := WAL_SYNCED.match(line)) and "unfinished" in begun[2]:
            syncing.add(begun[1])
        elif begun:
            yield "synced"
        elif (resumed := SYNC_RESUMED.match(line)) and resumed[1] in syncing:
            syncing.discard(resumed[1])
            yield "synced"


CALL = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*?)(?P<unfinished> <unfinished \.\.\.>)?(\) += .*)?$")
RESUMED = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<call>\w+) resumed>")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace: not installed (apt-get install strace)")
def test_every_file_that_a_commit_wrote_is_synced_before_it_returns(tmp_path: Path) -> None:
    folder, trace = tmp_path / "data", tmp_path / "trace"
    folder.mkdir()
    calls = "trace=write,pwrite64,writev,openat,rename,fsync,fdatasync"
    strace = ["strace", "-f", "-y", "-e", calls, "-e", "signal=none", "-o", str(trace)]
    command = [sys.executable, "-c", BIG_WRITER, str(folder / "area.duckdb")]
    ended = subprocess.run([*strace, *command], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert ended.returncode == 0
    written = Written(str(folder))
    for line in trace.read_text("utf-8", "replace").splitlines():
        written.follow(line)
    assert written.said == 60
    assert written.checkpoints > 3


class Written:
    """What strace saw written under a folder and not synced since; each write to stdout says a commit."""

    def __init__(self, folder: str) -> None:
        self.folder, self.said, self.checkpoints = folder, 0, 0
        self.dirty: set[str] = set()
        self._syncing: dict[str, str] = {}

    def follow(self, line: str) -> None:
        """One line of strace's, in the order in which they came."""
        if resumed := RESUMED.match(line):
            self.dirty.discard(self._syncing.pop(resumed["pid"], ""))
        elif call := CALL.match(line):
            path = "".join(re.findall(r"<([^<>]*)>", call["arguments"])[:1])
            if call["call"] in ("fsync", "fdatasync"):
                self._sync(call["pid"], path, unfinished=bool(call["unfinished"]))
            elif call["call"] == "openat":
                self._open(call["arguments"])
            else:
                self._write(path, call["arguments"])

    def _sync(self, pid: str, path: str, *, unfinished: bool) -> None:
        if unfinished:
            self._syncing[pid] = path
        else:
            self.dirty.discard(path)

    def _open(self, arguments: str) -> None:
        if "O_CREAT" in arguments and f'"{self.folder}/' in arguments:
            self.dirty.add(self.folder)  # it has a new name in it

    def _write(self, path: str, arguments: str) -> None:
        if path.startswith(self.folder):
            self.dirty.add(path)
            self.checkpoints += path.endswith(".duckdb")
        elif arguments.startswith("1<"):
            assert not self.dirty, f"commit {self.said} returned before {self.dirty} was synced"
            self.said += 1
