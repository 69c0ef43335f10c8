"""The log of served values: nothing answered is missing, and it does not fill the disk."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.problems import Problem
from simulators.served import Entry, ServedLog, read_log

ROOT = Path(__file__).parent.parent.parent


def test_kill_9_loses_nothing_of_what_was_written(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from simulators.served import Entry, ServedLog\n"
        "log = ServedLog(Path(sys.argv[1]), 'line-1')\n"
        "for n in range(1000): log.write(Entry(n, 1, 'ok', ('input', 0, 2), {'m': {'q': float(n)}}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "line-1.jsonl"
    subprocess.run([sys.executable, "-c", script, path], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert [entry.at_ns for entry in read_log(path)] == list(range(1000))


def test_a_restart_appends_and_half_a_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "line-1.jsonl"
    for n in range(2):
        log = ServedLog(path, "line-1")
        log.write(Entry(n, 1, "silent"))
        log.close()
    with path.open("ab") as file:
        file.write(b'{"at_ns":3,"un')
    assert [entry.at_ns for entry in read_log(path)] == [0, 1]


def test_a_large_log_gives_way_to_a_new_one(tmp_path: Path) -> None:
    log = ServedLog(tmp_path / "line-1.jsonl", "line-1", 1000)
    for n in range(60):
        log.write(Entry(n, 1, "ok", ("input", 0, 2)))
    log.close()
    kept = [entry.at_ns for name in ("line-1.old.jsonl", "line-1.jsonl") for entry in read_log(tmp_path / name)]
    assert kept == list(range(kept[0], 60))
    assert 10 < len(kept) < 60


@contextlib.contextmanager
def disk_full_from(size: int) -> Iterator[None]:
    """No file of this process can grow over `size` bytes; what crosses it is written in part, as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_full_disk_leaves_a_gap_that_the_log_tells_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = ServedLog(tmp_path / "line-1.jsonl", "line-1")
    log.write(Entry(0, 1, "ok"))
    with disk_full_from(log.path.stat().st_size + 10):
        for n in (1, 2, 3):
            log.write(Entry(n, 1, "ok"))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith(f"served-log path={log.path} state=incomplete error=")
    log.write(Entry(4, 1, "ok"))
    log.write(Entry(5, 1, "ok"))
    log.close()
    assert log.lost == 3
    assert caplog.records[-1].getMessage() == f"served-log path={log.path} state=incomplete lost=3"
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line.get("lost", 0) for line in lines] == [0, 0, 3, 0, 0]
    assert [entry.at_ns for entry in read_log(log.path)] == [0, 4, 5]


def test_a_new_log_that_finds_the_disk_full_is_begun_later(tmp_path: Path) -> None:
    log = ServedLog(tmp_path / "line-1.jsonl", "line-1", 300)
    n = 0
    while log.path.stat().st_size < 300:
        log.write(Entry(n, 1, "ok"))
        n += 1
    with disk_full_from(20):  # there is no room for the new file's first line
        log.write(Entry(n, 1, "ok"))
    log.write(Entry(n + 1, 1, "ok"))
    log.close()
    assert [entry.at_ns for entry in read_log(tmp_path / "line-1.old.jsonl")] == list(range(n))
    assert [entry.at_ns for entry in read_log(log.path)] == [n + 1]
    assert json.loads(log.path.read_text().splitlines()[0])["lost"] == 1


def test_a_log_that_cannot_be_put_aside_is_put_aside_later(tmp_path: Path) -> None:
    log = ServedLog(tmp_path / "line-1.jsonl", "line-1", 1)
    (tmp_path / "line-1.old.jsonl").mkdir()
    log.write(Entry(0, 1, "ok"))
    (tmp_path / "line-1.old.jsonl").rmdir()
    log.write(Entry(1, 1, "ok"))
    log.close()
    assert log.lost == 1
    assert [entry.at_ns for entry in read_log(log.path)] == [1]


def test_a_log_that_finds_the_disk_full_at_once_is_named(tmp_path: Path) -> None:
    with disk_full_from(20), pytest.raises(Problem, match=r"/x\.jsonl: cannot open the log: "):
        ServedLog(tmp_path / "x.jsonl", "line-1")


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"/none/x\.jsonl: cannot open the log: No such file"):
        ServedLog(tmp_path / "none" / "x.jsonl", "line-1")
