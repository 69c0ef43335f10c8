"""`bitgoeul cloud mirror` as an operator starts it: one line for what it cannot be started with, and a clean end."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import cloud_mirror
from contract.problems import Problem
from simulators.servers import Server, create_database, free_port
from tests.mirror.boards_database import points
from tests.mirror.served_area import served_area

ROOT = Path(__file__).parents[2]


def command(folder: Path, url: str, *more: str) -> list[str]:
    """Of an area whose files lie in the folder."""
    argv = [sys.executable, "-m", "commands", "cloud", "mirror", "--registry", str(folder / "registry")]
    argv += ["--totals", str(folder / "city" / "totals"), "--area", f"main={folder}/a.sock"]
    return [*argv, "--influx-url", url, *more]


def environment() -> dict[str, str]:
    """In English."""
    return os.environ | {"BITGOEUL_LANG": "en", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("area")
    with served_area(made):
        return made  # the files stay, its process is gone


@pytest.mark.parametrize(
    ("url", "more", "complaint"),
    [
        ("ftp://x", (), "--influx-url 'ftp://x': expected http:// or https://HOST[:PORT]"),
        ("http://1.2.3.4:8086", (), "only https:// leaves this machine"),
        ("http://me:secret@127.0.0.1", (), "expected no user or password in it"),
        ("here", ("--influx-db", "nosuch"), "no database 'nosuch'; create it first"),
        ("here", ("--influx-password-file", "/nonexistent"), "password file /nonexistent: cannot be read"),
        ("here", ("--broker", "mqtt://1.2.3.4"), "mqtt"),
        ("here", ("--scrape", "portal"), "--scrape 'portal': expected NAME=VALUE"),
        ("here", ("--disk", "a=/", "--disk", "a=/"), "--disk: 'a' is named twice"),
        ("here", ("--history-days", "0"), "--history-days 0: expected 1 or more"),
        ("here", ("--registry", "/nonexistent"), "/nonexistent"),
    ],
)
def test_what_it_cannot_be_started_with_is_said_in_one_line(
    folder: Path, influx: Server, url: str, more: tuple[str, ...], complaint: str
) -> None:
    create_database(influx, "boards")
    url = f"http://127.0.0.1:{influx.port}" if url == "here" else url
    parser = argparse.ArgumentParser()
    cloud_mirror.options(parser)
    words = command(folder, url, *more)
    with pytest.raises(Problem) as raised:
        cloud_mirror.run(parser.parse_args(words[words.index("mirror") + 1 :]))
    said = raised.value.text
    assert complaint in said.en
    assert said.ko != said.en
    assert not {"\n", "secret"} & set(re.split(r"(\n)|\W", said.ko + said.en))


def test_it_mirrors_until_it_is_told_to_end(tmp_path: Path, influx: Server) -> None:
    create_database(influx, "told")
    url = f"http://127.0.0.1:{influx.port}"
    with served_area(tmp_path):
        argv = command(tmp_path, url, "--influx-db", "told", "--metrics-port", str(free_port()))
        mirror = subprocess.Popen(argv, env=environment(), stderr=subprocess.PIPE, text=True)
        try:
            until_s = time.monotonic() + 30
            while not points(influx, "told", "site_names"):
                assert time.monotonic() < until_s
                assert mirror.poll() is None
                time.sleep(0.1)
        finally:
            mirror.send_signal(signal.SIGTERM)
            _, said = mirror.communicate(timeout=30)
    assert mirror.returncode == 0
    assert re.search(r"mirror started boards=\S+ areas=main metrics=http://127.0.0.1:\d+/metrics", said)
    assert "mirror ended" in said
    assert "Traceback" not in said
