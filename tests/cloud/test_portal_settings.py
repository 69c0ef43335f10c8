"""What `bitgoeul cloud portal` is told, and how it refuses what it cannot use."""

import argparse
from pathlib import Path

import pytest

from cloud.portal.settings import Area, Settings, add_options, from_args
from contract.problems import Problem


def parse(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_options(parser, lambda _, en: en)
    return from_args(parser.parse_args(["--registry", "r", *arguments]))


def test_it_is_on_loopback_unless_told() -> None:
    settings = parse("--area", "main=/run/main.sock")
    assert settings == Settings(Path("r"), (Area("main", Path("/run/main.sock")),))
    assert settings.host == "127.0.0.1"


def test_names_that_browsers_use_are_added_to_our_own() -> None:
    settings = parse("--area", "a=/a=b", "--area", "b=/b", "--host", "0.0.0.0", "--public-host", "energy.example")
    assert settings.areas == (Area("a", Path("/a=b")), Area("b", Path("/b")))
    assert settings.hosts == ("127.0.0.1", "localhost", "[::1]", "energy.example")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--area", "main"), "--area 'main': expected NAME=SOCKET"),
        (("--area", "main="), "--area 'main=': expected NAME=SOCKET"),
        (("--area", "Main=/x"), "--area 'Main': expected 1 to 64 of a-z"),
        (("--area", "a=/x", "--area", "a=/y"), "an area is named twice"),
        (("--area", "a=/x", "--port", "70000"), "--port 70000: expected 0 to 65535"),
        (("--area", "a=/x", "--stale-after", "0"), "--stale-after 0: expected 1 or more"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(Problem, match=complaint):
        parse(*arguments)
