"""One screen that tells what is well and what is not, of a real installation, whole and half down."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.pki.authority import create_authority
from cloud.registry.database import init_database, url_of
from commands.__main__ import main
from commands.backup_folder import Manifest, new_backup, seal
from commands.table import width
from contract.messages import State
from contract.version import VERSION
from tests.cloud.ingest_area import Gateway, eventually
from tests.status.installation import Installation, installed, one_reading

Status = Callable[..., tuple[int, str]]
PARTS = {
    *("service", "broker", "ingest", "lag", "disk", "portal", "settle", "gateways", "meters", "quarantine"),
    *("totals", "registry", "database", "backup", "certificates"),
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("status")
    with installed(folder) as started:
        init_database(url_of(folder)).dispose()
        create_authority(folder / "pki", "a long passphrase", "Test")
        with new_backup(folder / "backups") as made:
            seal(made, Manifest(VERSION, time.time()), lambda _: None)
        yield started


@pytest.fixture
def status(running: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Status:
    """Looks at all of the installation; its exit status and what it said."""

    def look(*arguments: str, language: str = "en") -> tuple[int, str]:
        folder = running.folder
        monkeypatch.setenv("BITGOEUL_LANG", language)
        monkeypatch.setenv("BITGOEUL_SERVICES", " ".join(f"{name}={url}" for name, url in running.services.items()))
        where = ["--area", f"main={running.socket}", "--totals", f"main={folder}/data/totals/main", "--disk", "root=/"]
        where += ["--registry", str(running.registry), "--database", url_of(folder)]
        where += ["--backup", str(folder / "backups"), "--pki", str(folder / "pki")]
        done = main(["status", *where, *arguments])
        return done, capsys.readouterr().out

    return look


def parts(said: str) -> dict[str, dict[str, Any]]:
    """The last of each part."""
    return {part["part"]: part for part in json.loads(said)["parts"]}


def test_every_part_of_an_installation_is_told_of_in_both_languages(running: Installation, status: Status) -> None:
    with Gateway("g1", running.broker) as gateway:
        gateway.send(1, one_reading(int(time.time()) // 60 * 60))
        gateway.state(State("online", int(time.time())))
        eventually(lambda: gateway.stored() == {1})
        eventually(lambda: parts(status("--json")[1])["gateways"]["words"] == "1 of 1 online")
        eventually(lambda: "until" in parts(status("--json")[1])["settle"]["words"])
        found = parts(status("--json")[1])
        assert found.keys() == PARTS
        told = {name: part["state"] for name, part in found.items() if name not in ("disk", "totals")}
        assert set(told.values()) == {"ok"}, told
        assert found["ingest"]["words"].startswith("1 readings")
        for language, words in (
            ("ko", ["✓ 정상", "게이트웨이 (main)", "1대 가운데 1대 연결"]),
            ("en", ["✓ ok", "1 of 1 online"]),
        ):
            done, said = status(language=language)
            assert done == 0
            assert all(word in said for word in words)
            assert max(width(line) for line in said.splitlines()) <= 80


def test_while_half_of_it_is_down_it_says_what_within_seconds(running: Installation, status: Status) -> None:
    running.broker.kill()
    running.portal.kill()
    eventually(lambda: "not connected" in parts(status("--json")[1])["broker"]["words"])
    found = parts(status("--json")[1])
    assert found["gateways"]["state"] == "ok"  # what was heard last
    running.area.kill()
    began_s = time.monotonic()
    done, said = status()
    assert time.monotonic() - began_s < 5
    assert done == 1
    for line in ("✗ BAD   service area-main", "✗ BAD   service portal", "✗ BAD   area main"):
        assert line in said
    assert "its process does not answer" in said
    assert "docs/operations.md#status-service" in said
    assert "✓ ok    database" in said
    assert max(width(line) for line in said.splitlines()) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--json",), "nothing to look at"),
        (("--area", "main"), "--area 'main': expected NAME=VALUE"),
        (("--nonsense",), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(
    arguments: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    monkeypatch.delenv("BITGOEUL_SERVICES", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")  # no Docker, so that no installation in containers is asked
    assert main(["status", *arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


def test_paths_that_lead_nowhere_are_told_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    none = str(tmp_path / "none")
    where = ["--registry", none, "--backup", none, "--pki", none, "--disk", f"data={none}", "--disk", "root=/"]
    assert main(["status", "--json", *where, "--totals", f"main={none}", "--database", f"sqlite:///{none}"]) == 1
    found = json.loads(capsys.readouterr().out)["parts"]
    states = [(part["part"], part["state"]) for part in found]
    assert states[:2] == [("totals", "warn"), ("disk", "bad")]
    assert [state for part, state in states if part in ("registry", "backup", "certificates", "database")] == [
        "bad"
    ] * 4
