"""The log of served values: nothing answered is missing, and it does not fill the disk."""

import os
import subprocess
import sys
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


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"/none/x\.jsonl: cannot open the log: No such file"):
        ServedLog(tmp_path / "none" / "x.jsonl", "line-1")
