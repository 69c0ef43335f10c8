"""The catalogue has every text in both languages; templates and script have none of their own."""

import re
from pathlib import Path
from string import Formatter

import pytest

import cloud.portal
from cloud.portal.live.meters import REASONS
from cloud.portal.live.rules import NOW
from cloud.portal.texts import catalogue, path_in
from cloud.registry.columns import SITE_KINDS
from contract.quality import REASONS as QUALITY_REASONS

PORTAL = Path(cloud.portal.__file__).parent
TEMPLATES = sorted(PORTAL.rglob("templates/**/*.html"))
SCRIPTS = sorted(PORTAL.rglob("static/*.js"))


@pytest.mark.parametrize("key", sorted(catalogue()))
def test_a_text_has_both_languages_and_the_same_blanks(key: str) -> None:
    text = catalogue()[key]
    blanks = [sorted({name for _, name, _, _ in Formatter().parse(one) if name}) for one in (text.ko, text.en)]
    assert text.ko.strip()
    assert text.en.strip()
    if not key.startswith(("live.date", "shell.other_language")):  # dates are made of other parts in English
        assert blanks[0] == blanks[1]
    if key != "shell.other_language":
        assert not re.search("[가-힣]", text.en)


def test_every_reason_kind_and_utility_has_its_text() -> None:
    wanted = [f"reason.{name}" for name in REASONS if name]
    wanted += [f"reason.{name}" for name in QUALITY_REASONS]
    wanted += [f"kind.{name}" for name in SITE_KINDS] + [f"utility.{name}" for name in NOW]
    assert set(wanted) <= set(catalogue())
    assert tuple(QUALITY_REASONS) == REASONS[1 : 1 + len(QUALITY_REASONS)]


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    code = "\n".join(path.read_text("utf-8") for path in [*PORTAL.rglob("*.py"), *TEMPLATES])
    said = set(re.findall(r'say\(\s*"([a-z_]+\.[a-z0-9_]+)"[,)]', code))
    assert len(said) > 40
    assert said <= set(catalogue())
    families = ("reason.", "kind.", "utility.", "month.", "weekday.", "warning.")
    unused = [key for key in catalogue() if not key.startswith(families) and f'"{key}"' not in code]
    assert unused == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_text_of_its_own(path: Path) -> None:
    bare = re.sub(r"{[{%#].*?[}%#]}", "", path.read_text("utf-8"), flags=re.DOTALL)
    spoken = re.findall(r'(?:alt|title|placeholder|aria-label)="[^"]*\w', bare)
    assert spoken == []
    assert re.findall(r"\w+", re.sub(r"<[^>]*>", "", bare)) == []
    assert "<style" not in bare
    assert " style=" not in bare


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_has_no_text_of_its_own_and_stays_small(path: Path) -> None:
    script = path.read_text("utf-8")
    assert script.count("\n") < 150
    assert not re.search("[가-힣]", script)
    assert "innerHTML" not in script


def test_pages_keep_their_address_across_languages() -> None:
    assert [path_in("ko", "/"), path_in("en", "/"), path_in("en", "/board")] == ["/", "/en", "/en/board"]
