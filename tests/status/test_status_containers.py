"""An installation in containers, asked from its machine; a program of a few lines stands in for docker-compose."""

import json
from pathlib import Path

import pytest

from cloud.pki.authority import create_authority
from commands import status_containers, status_rules
from commands.status_ask import KEYS, LOOKS

PARTS = [{"part": "broker", "name": "broker (area-main)", "state": "ok", "words": "connected", "todo": ""}]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, which does nothing yet."""
    program = tmp_path / "docker-compose"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    (tmp_path / "docker-compose.yml").write_text("services: {}\n", "utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    return program


def test_what_the_tools_container_says_is_shown_with_the_machines_certificates(compose: Path, tmp_path: Path) -> None:
    create_authority(tmp_path / "deploy" / "pki", "a long passphrase", "Test")
    said = json.dumps({"well": True, "parts": PARTS})
    compose.write_text(f"#!/bin/sh\necho \"$@\" >asked\necho Creating tools >&2\necho '{said}'\nexit 1\n", "utf-8")
    assert status_containers.there(tmp_path)
    broker, certificates = status_containers.lines(tmp_path)
    assert (broker.key, broker.state, broker.words.en) == ("broker", "ok", "connected")
    assert (certificates.key, certificates.state) == ("certificates", "ok")
    asked = (tmp_path / "asked").read_text("utf-8").strip()
    assert asked == "run --rm --no-deps -T -e BITGOEUL_LANG=en tools status --json"


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "Cannot connect to the Docker daemon"),
        ("exit 3", "exit status 3"),
        ("echo '[1]'", "[1]"),
    ],
)
def test_docker_that_does_not_answer_is_one_line(compose: Path, tmp_path: Path, script: str, says: str) -> None:
    compose.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    (line,) = status_containers.lines(tmp_path)
    assert (line.state, line.words.en) == ("bad", f"cannot be seen: {says}")


def test_every_part_has_its_place_in_the_operators_pages() -> None:
    here = Path(status_rules.__file__).read_text("utf-8")
    keys = {*KEYS, *LOOKS, *("broker", "ingest", "portal", "mirror", "settle", "gateways", "meters", "quarantine")}
    for page in ("operations.md", "operations.ko.md"):
        text = (DOCS / page).read_text("utf-8")
        assert [key for key in sorted(keys) if f'id="status-{key}"' not in text] == []
    assert all(f'Line("{key}"' in here for key in keys - KEYS.keys())
