"""`bitgoeul simulate` as a user has it: in a process of its own, ended by a signal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloud.registry import snapshot
from commands.__main__ import main
from edge.config import load_site
from simulators.running import read_endpoints

ROOT = Path(__file__).parent.parent.parent


def simulate(folder: Path, *arguments: str, language: str = "en") -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT), "BITGOEUL_LANG": language}
    command = [sys.executable, "-m", "commands", "simulate", *arguments, "--data", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, process: "subprocess.Popen[str]") -> None:
    end_s = time.monotonic() + 60
    while read_endpoints(folder / "school") is None or not (folder / "control").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_s
        time.sleep(0.05)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_site_runs_until_it_is_told_to_end_and_leaves_its_folder_only(tmp_path: Path, stop: signal.Signals) -> None:
    with simulate(tmp_path, "school", "--tick", "5", language="ko") as process:
        try:
            wait_for(tmp_path, process)
            assert main(["simulate", "fault", "dead", "school-e-main-01", "--data", str(tmp_path)]) == 0
            site = load_site(tmp_path / "school" / "school-gw1.toml")
            assert site.tick_s == 5
            assert Path(site.line[0].port).is_char_device()
            process.send_signal(stop)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    assert "중학교(모의)" in out
    assert "게이트웨이 파일" in out
    assert not (tmp_path / "control").exists()
    assert not list((tmp_path / "school" / "lines").iterdir())
    assert '"kind":"dead"' in (tmp_path / "school" / "events.jsonl").read_text()
    assert snapshot.load(tmp_path / "registry").sites["site"].to_pylist() == ["school"]


def test_the_shipped_sites_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    assert main(["simulate", "list"]) == 0
    assert "hanam        Hanam Industrial Complex (simulated): electricity 34" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["mars"], 1, "site 'mars': no such file"),
        (["fault", "late", "x"], 2, "expected KIND to be one of dead, slow"),
        (["fault", "dead"], 2, "simulate fault KIND TARGET"),
        (["fault", "dead", "x"], 1, "no simulation is running in this folder"),
        (["school", "--speed", "0"], 1, "speed 0: expected above 0"),
        (["school", "school"], 1, "is named twice"),
        (["school", "--tick", "0"], 2, "--tick 0: expected 1 to 86400"),
        (["school", "--broker", "http://x"], 1, "broker 'http://x': expected mqtts://"),
    ],
)
def test_wrong_input_is_one_line(tmp_path: Path, arguments: list[str], status: int, complaint: str) -> None:
    with simulate(tmp_path, *arguments) as process:
        try:
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == status
    assert err.count("\n") == 1
    assert complaint in err


@pytest.mark.parametrize(("file", "folder"), [("file", "file"), ("school", ".")])
def test_a_folder_that_is_none_is_one_line(tmp_path: Path, file: str, folder: str) -> None:
    (tmp_path / file).touch()
    with simulate(tmp_path / folder, "school") as process:
        try:
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert f"{tmp_path / file}: cannot be used as a folder: File exists" in err
