"""The READMEs are true: their files exist, their commands answer, and both languages name the same ones."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from contract.version import VERSION

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.ko.md")


def _commands(text: str) -> list[str]:
    return re.findall(r"^\| `\./bitgoeul ([a-z ]+?)(?: [A-Z]+)?` \|", text, re.MULTILINE)


@pytest.mark.parametrize("name", READMES)
def test_every_file_that_it_names_exists(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    walk = re.findall(r"^[0-9]+\. `([^`]+)`", text, re.MULTILINE)
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(walk) == 10
    assert [path for path in walk + links if not (ROOT / path).exists()] == []


def test_both_languages_name_the_same_commands_and_files() -> None:
    english, korean = ((ROOT / name).read_text("utf-8") for name in READMES)
    assert _commands(english) == _commands(korean)
    assert re.findall(r"^[0-9]+\. `([^`]+)`", english, re.MULTILINE) == re.findall(
        r"^[0-9]+\. `([^`]+)`", korean, re.MULTILINE
    )


@pytest.mark.parametrize("command", _commands((ROOT / "README.md").read_text("utf-8")))
def test_every_command_that_it_names_has_help(command: str) -> None:
    argv = [sys.executable, "-m", "commands", *command.split(), "--help"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "usage" in found.stdout


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION
