"""The command line in both languages: every complaint is one line and says what was expected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def _said(language: str, *arguments: str) -> tuple[int, str, str]:
    environment = os.environ | {"BITGOEUL_LANG": language}
    argv = [sys.executable, "-m", "commands", *arguments]
    found = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize(
    ("arguments", "korean", "english"),
    [
        (["nosuch"], "'nosuch' 명령은 없습니다", "no command 'nosuch'"),
        (["edge", "check"], "다음 인자가 필요합니다: SITE", "the following arguments are required: SITE"),
        (["demo", "--nope"], "알 수 없는 인자: --nope", "unrecognized arguments: --nope"),
        (["demo", "--for", "abc"], "'abc': float 값이 아닙니다", "invalid float value: 'abc'"),
        (["edge", "check", "/nonexistent"], "/nonexistent: 읽을 수 없습니다", "/nonexistent: cannot be read"),
    ],
)
def test_a_complaint_is_one_line_in_the_terminal_s_language(arguments: list[str], korean: str, english: str) -> None:
    for language, text in (("ko", korean), ("en", english)):
        status, _, error = _said(language, *arguments)
        assert status in (1, 2)
        assert text in error
        assert len(error.splitlines()) == 1


def test_the_trace_comes_with_debug_only() -> None:
    status, _, error = _said("en", "edge", "check", "/nonexistent", "--debug")
    assert status == 1
    assert "Traceback" in error


def test_the_overview_names_every_command_in_both_languages() -> None:
    korean, english = (_said(language)[1].splitlines() for language in ("ko", "en"))
    assert [line.split()[:1] for line in korean[2:-2]] == [line.split()[:1] for line in english[2:-2]]
    assert korean != english
