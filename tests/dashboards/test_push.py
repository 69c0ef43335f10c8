"""`bitgoeul dashboards push` as a stranger runs it, against a double of Grafana's API; and what it calls a change."""

import copy
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import GENERATED
from dashboards.changes import change
from simulators.servers import free_port
from tests.dashboards.grafana_double import TOKEN, Grafana, grafana

ROOT = Path(__file__).parent.parent.parent


def _board() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((GENERATED / "boards/en/site.json").read_text("utf-8"))
    return board


def test_what_a_change_is() -> None:
    ours = _board()
    assert change(ours, None).state == "new"
    theirs = copy.deepcopy(ours) | {"id": 12, "version": 40, "preload": False}
    theirs["panels"][0] |= {"pluginVersion": "12.4.1"}
    theirs["panels"][0]["options"]["wideLayout"] = True  # a newer Grafana's own
    assert change(ours, theirs).state == "same"
    theirs["panels"][0]["targets"][0]["query"] = "SELECT 1"
    theirs["panels"][3]["title"] = "Mine"
    found = change(ours, theirs)
    assert found.state == "changed"
    assert found.panels == (ours["panels"][0]["title"], ours["panels"][3]["title"], "Mine")
    assert not found.other
    theirs = copy.deepcopy(ours) | {"refresh": "1h"}
    assert change(ours, theirs).other
    assert change(ours, theirs).panels == ()


def test_a_change_is_seen_in_each_of_several_panels_of_one_title() -> None:
    ours: dict[str, Any] = json.loads((GENERATED / "boards/en/meter.json").read_text("utf-8"))
    alike = [place for place, panel in enumerate(ours["panels"]) if panel["title"] == "Register"]
    assert len(alike) == 2
    for place in alike:
        theirs = copy.deepcopy(ours)
        theirs["panels"][place]["targets"][0]["query"] = "SELECT 1"
        found = change(ours, theirs)
        assert (found.state, len(found.panels)) == ("changed", 1)
        assert found.panels[0].startswith("Register")


@pytest.fixture(scope="module")
def client() -> None:
    """The library that speaks to Grafana, in its own place."""
    done = subprocess.run(
        [ROOT / "bitgoeul", "dashboards", "push", "--help"], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        pytest.skip(f"packages of locks/dashboards.txt cannot be had: {done.stderr.strip()[-200:]}")


@pytest.fixture
def double() -> Iterator[Grafana]:
    with grafana() as one:
        yield one


def _push(url: str, folder: Path, *more: str, token: str = TOKEN) -> "subprocess.CompletedProcess[str]":
    file = folder / "token"
    file.write_text(token + "\n")
    argv = [str(ROOT / "bitgoeul"), "dashboards", "push", "--url", url, "--token-file", str(file), *more]
    environment = os.environ | {"BITGOEUL_LANG": "en"}
    return subprocess.run(
        argv, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60
    )


@pytest.mark.usefixtures("client")
def test_it_shows_first_and_pushes_what_differs_only(double: Grafana, tmp_path: Path) -> None:
    shown = _push(double.url, tmp_path)
    assert shown.returncode == 2
    assert shown.stdout.count("new") == 20
    assert "--yes" in shown.stderr
    assert double.writes == 0

    assert _push(double.url, tmp_path, "--yes").returncode == 0
    assert len(double.boards) == 20
    assert sorted(double.folders.values()) == ["Bitgoeul", "빛고을"]
    assert double.folders[double.of["bitgoeul-city-ko"]] == "빛고을"

    again = _push(double.url, tmp_path, "--yes")
    assert "nothing to change" in again.stdout

    double.boards["bitgoeul-meter-en"]["panels"][0]["title"] = "Mine"
    before = double.writes
    mended = _push(double.url, tmp_path, "--yes", "--language", "en")
    assert mended.returncode == 0
    assert "changed  Meter (bitgoeul-meter-en): " in mended.stdout
    assert "Mine" in mended.stdout
    assert double.writes == before + 1


@pytest.mark.usefixtures("client")
def test_another_data_source_and_folder(double: Grafana, tmp_path: Path) -> None:
    double.sources = ["theirs"]
    wrong = _push(double.url, tmp_path, "--yes")
    assert (wrong.returncode, "bitgoeul-boards" in wrong.stderr) == (1, True)
    done = _push(double.url, tmp_path, "--yes", "--datasource", "theirs", "--folder", "Energy", "--language", "en")
    assert done.returncode == 0, done.stderr
    assert list(double.folders.values()) == ["Energy"]
    assert '"uid": "bitgoeul-boards"' not in json.dumps(double.boards)
    assert '"uid": "theirs"' in json.dumps(double.boards)


@pytest.mark.usefixtures("client")
def test_what_goes_wrong_is_one_line(double: Grafana, tmp_path: Path) -> None:
    tries = [
        (_push(double.url, tmp_path, "--yes", token="glsa_wrong"), "401"),
        (_push(f"http://127.0.0.1:{free_port()}", tmp_path, "--yes"), "cannot be reached"),
        (_push(f"{double.url}/elsewhere", tmp_path, "--yes"), "Grafana"),
        (_push("grafana.example", tmp_path, "--yes"), "http://"),
        (_push(double.url, tmp_path, "--yes", token="two words"), "one token"),
    ]
    for done, word in tries:
        assert done.returncode in (1, 2)
        assert word in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "glsa_" not in done.stderr
