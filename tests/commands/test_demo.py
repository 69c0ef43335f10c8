"""The demo as a stranger uses it: by itself for a while, and ended by hand."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent.parent
LANGUAGE = {"BITGOEUL_LANG": "en"}


@contextlib.contextmanager
def _demo(folder: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    argv, environment = [sys.executable, "-m", "commands", "demo", "--data", str(folder), *more], os.environ | LANGUAGE
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        try:
            yield demo
        finally:
            demo.kill()  # its children go with it; without this a test that failed would wait for ever


def _wait_until_up(demo: "subprocess.Popen[str]") -> None:
    assert demo.stderr is not None
    assert any("Bitgoeul is up" in line for line in demo.stderr)


def _left_over(folder: Path) -> list[str]:
    return [" ".join(one.cmdline()) for one in psutil.process_iter() if str(folder) in " ".join(_cmdline(one))]


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just gone
        return []


@pytest.mark.alone
def test_it_ends_by_itself_and_accounts_for_every_reading(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with _demo(folder, "--for", "12", "--json") as demo:
        out, error = demo.communicate(timeout=120)
    assert demo.returncode == 0, error
    summary = json.loads(out.splitlines()[-1])
    assert summary["gateways"] >= 4
    assert summary["meters"] >= 150
    assert summary["readings_taken"] == summary["readings_stored"] > 10_000
    assert (summary["lost"], summary["duplicated"]) == (0, 0)
    assert 0 < summary["freshness_p95_s"] <= 4.0  # 2.0 is the bench's bound, on a machine that does nothing else
    assert _left_over(folder) == []
    assert list(tmp_path.iterdir()) == [folder]


def test_ctrl_c_ends_it_whole(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with _demo(folder, "--boards", "--history-days", "1") as demo:
        _wait_until_up(demo)
        until_s, log = time.monotonic() + 60, folder / "logs" / "mirror.log"
        while not (log.exists() and "mirror started" in log.read_text("utf-8")):
            assert time.monotonic() < until_s
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        out, error = demo.communicate(timeout=60)
    assert demo.returncode == 0, error
    assert "0 lost, 0 doubled" in out
    assert _left_over(folder) == []


@pytest.mark.parametrize(
    ("folder", "more"),
    [
        (".", []),  # somebody's, not a demo's
        ("file", []),
        ("file/below", []),
        ("new", ["--for", "-1"]),
        ("new", ["--for", "nan"]),
        ("new", ["--port", "99999"]),
        ("new", ["--history-days", "-1"]),
    ],
)
def test_what_it_cannot_do_is_one_line(tmp_path: Path, folder: str, more: list[str]) -> None:
    (tmp_path / "file").touch()
    with _demo(tmp_path / folder, *more) as demo:
        _, error = demo.communicate(timeout=60)
    assert demo.returncode in (1, 2)
    assert len(error.splitlines()) == 1
    assert (tmp_path / "file").exists()


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        _demo(tmp_path, "--port", str(other.getsockname()[1])) as demo,
    ):
        _, error = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert error.startswith("bitgoeul: --port ")
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_two_demos_do_not_share_a_folder_and_a_part_that_ends_is_missed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with _demo(folder) as demo:
        _wait_until_up(demo)
        with _demo(folder) as second:
            _, error = second.communicate(timeout=60)
        assert (second.returncode, error.count("\n")) == (1, 1)
        assert "another demo is using it" in error
        (portal,) = (
            one for one in psutil.process_iter() if "portal" in _cmdline(one) and str(folder) in str(_cmdline(one))
        )
        portal.kill()
        _, error = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "portal: has ended" in error.splitlines()[-1]
    assert _left_over(folder) == []
