"""`bitgoeul cloud quality`: what it answers about a real area, an edit from another process, and what it refuses."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cloud.settle.tables import quality_tables
from cloud.store.flight import AreaServer
from commands.__main__ import main
from commands.docs_quality import quality_page
from tests.settle.kept_days import IMPORT, KeptDays
from tests.settle.small_city import City, span

FLAT = [100] * 96


@dataclass
class Asked:
    """An area behind a socket, and the command line."""

    city: City
    socket: Path
    capsys: pytest.CaptureFixture[str]

    def lines(self, *arguments: str) -> tuple[int, list[str]]:
        """Exit status, and all that is printed."""
        status = main(["cloud", "quality", *arguments, "--socket", str(self.socket)])
        said = self.capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    def json(self, *arguments: str) -> Any:
        """What is answered with `--json`."""
        status, (line,) = self.lines(*arguments, "--json")
        assert status == 0
        return json.loads(line)


def serve(city: City, folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    socket = folder / "main.sock"
    with AreaServer(socket, city.store, quality_tables(city.store.settled, city.store.days)):
        yield Asked(city, socket, capsys)
    city.store.close()


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")


@pytest.fixture
def settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    """Meter `a` read from minute to minute for 45 minutes, `b` until 10 minutes before."""
    city = City(tmp_path, [span("a", IMPORT), span("b", IMPORT)])
    for meter, last in (("a", 45), ("b", 35)):
        city.read(*((meter, IMPORT, 60 * n, 100 + n / 10) for n in range(last + 1)))
    city.settle(2700)
    yield from serve(city, tmp_path, capsys)


@pytest.fixture
def judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Asked]:
    """Two days of `a` and `b`; on the second `a` has a spike, and `b` misses a slot."""
    city = KeptDays(tmp_path, [span("a", IMPORT), span("b", IMPORT)])
    city.keep({("a", IMPORT): FLAT, ("b", IMPORT): FLAT})
    city.keep({("a", IMPORT): [*FLAT[:40], 900, *FLAT[41:]], ("b", IMPORT): [None, *FLAT[1:]]})
    city.judge()
    yield from serve(city, tmp_path, capsys)


def test_a_day_is_shown_slot_by_slot(settled: Asked) -> None:
    found = settled.json("show", "b", "--day", "2026-01-01")
    assert found["day"] == "2026-01-01"
    assert [(one["slot"], one["milli"], one["grade"], one["rules"]) for one in found["slots"]] == [
        ("2026-01-01T00:00:00+09:00", 1500, "A", []),
        ("2026-01-01T00:15:00+09:00", 1500, "A", []),
        ("2026-01-01T00:30:00+09:00", None, "N", ["V04"]),
    ]
    status, lines = settled.lines("show", "b", "--day", "2026-01-01")
    assert (status, lines) == (0, ["b electricity_import_kwh 2026-01-01", "  00:00  1.500  A", "  00:15  1.500  A",
                                   "  00:30      -  N  V04 the slot has no value"])  # fmt: skip


def test_an_edit_of_another_process_counts_once_settled(settled: Asked) -> None:
    command = [sys.executable, "-m", "commands", "cloud", "quality", "edit", "b", IMPORT, "2026-01-01T00:30", "1.25"]
    more = ["--by", "kim", "--reason", "read on site", "--socket", str(settled.socket)]
    said = subprocess.run([*command, *more], capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0] == f"1  2026-01-01T00:30:00+09:00  b  {IMPORT}  1.250  kim  read on site"
    assert settled.json("show", "b", "--day", "2026-01-01")["slots"][2]["grade"] == "N"
    settled.city.settle(2700)
    found = settled.json("show", "b", "--day", "2026-01-01")
    assert (found["slots"][2]["milli"], found["slots"][2]["grade"]) == (1250, "M")
    assert [(one["by"], one["reason"], one["milli"]) for one in found["edits"]] == [("kim", "read on site", 1250)]
    assert settled.json("edit", "a", IMPORT, "2025-12-31T15:00:00+00:00", "missing", "--by", "lee", "--reason", "x")
    settled.city.settle(2700)
    assert [one["grade"] for one in settled.json("show", "a", "--day", "2026-01-01")["slots"]] == ["X", "A", "A"]
    assert [one["meter"] for one in settled.json("edits")] == ["a", "b"]
    assert [one["by"] for one in settled.json("edits", "--meter", "b")] == ["kim"]


def test_findings_and_flags_are_listed(judged: Asked) -> None:
    found = judged.json("list", "--from", "2026-01-01", "--to", "2026-01-02")
    assert [(one["day"], one["meter"], one["rules"], one["passed"]) for one in found["days"]] == [
        ("2026-01-02", "a", ["V07"], []), ("2026-01-02", "b", ["V03"], []),
    ]  # fmt: skip
    assert [(one["slot"], one["meter"], one["grade"], one["rules"]) for one in found["slots"]] == [
        ("2026-01-02T00:00:00+09:00", "b", "N", ["V04"])
    ]
    assert judged.json("list", "--day", "2026-01-01") == {"days": [], "slots": []}
    for arguments, days, slots in (
        (("--rule", "V07"), ["a"], []),
        (("--rule", "V04"), [], ["b"]),
        (("--grade", "N"), [], ["b"]),
        (("--grade", "Q"), [], []),
        (("--meter", "a"), ["a"], []),
    ):
        found = judged.json("list", "--day", "2026-01-02", *arguments)
        assert [[one["meter"] for one in found[name]] for name in ("days", "slots")] == [days, slots]
    assert [" ".join(line.split()) for line in judged.lines("list", "--day", "2026-01-02")[1]] == [
        "day meter quantity value grade rules",
        f"2026-01-02 a {IMPORT} V07 one value far above all others",
        f"2026-01-02 b {IMPORT} V03 fewer measured slots in the day than expected",
        "slot meter quantity value grade rules",
        f"2026-01-02T00:00:00+09:00 b {IMPORT} - N V04 the slot has no value",
    ]


def test_a_summary_counts_coverage_and_rules(judged: Asked) -> None:
    found = judged.json("summary", "--day", "2026-01-02")
    assert found["coverage"] == 191 / 192
    assert (found["slots"], found["estimated_share"]) == (192, 0)
    assert found["grades"] == {"A": 191, "N": 1}
    assert (found["slot_rules"], found["day_rules"]) == ({"V04": 1}, {"V03": 1, "V07": 1})
    status, lines = judged.lines("summary", "--day", "2026-01-02")
    assert (status, lines[0]) == (0, "2026-01-02 - 2026-01-02: 192 slots, coverage 99.48%, of that estimated 0.00%")
    assert judged.json("summary", "--day", "2026-03-01")["coverage"] is None


def test_the_table_of_rules_needs_no_area(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "quality", "rules", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["grades"][3] == {"grade": "L", "ko": "추정: 직선 보간", "en": "estimated: linear",
                                  "ieee_2030_5": "0008", "aemo": "S", "iec_61968_9": "3.8.0"}  # fmt: skip
    assert [one["rule"] for one in found["rules"][:18]] == [f"V{n:02}" for n in range(1, 19)]
    assert main(["cloud", "quality", "rules"]) == 0
    assert "V15 the clock seems to be off objection" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("show", "nobody", "--day", "2026-01-01"), "nobody: no such meter in this area"),
        (("list", "--meter", "nobody"), "nobody: no such meter in this area"),
        (("show", "a", "--day", "yesterday"), "yesterday: expected a day such as 2026-01-31"),
        (("list", "--from", "2026-01-02", "--to", "2026-01-01"), "--to lies before --from"),
        (("list", "--day", "2026-01-02", "--to", "2026-01-03"), "--day: expected without --from and --to"),
        (("edit", "nobody", IMPORT, "2026-01-01T00:30", "1"), "nobody: no such meter in this area"),
        (("edit", "a", "gas_volume_m3", "2026-01-01T00:30", "1"), "a: has no 'gas_volume_m3'; expected one of elec"),
        (("edit", "a", IMPORT, "2026-01-01T00:45", "1"), "not settled yet"),
        (("edit", "a", IMPORT, "2025-12-31T23:45", "1"), "before settling began"),
        (("edit", "a", IMPORT, "2026-01-01T00:31", "1"), "2026-01-01T00:31: expected the beginning of a slot"),
        (("edit", "a", IMPORT, "noon", "1"), "noon: expected a time such as 2026-01-31T13:15"),
        (("edit", "a", IMPORT, "2026-01-01T00:30", "-1"), "-1: expected a number of 0 or more"),
        (("edit", "a", IMPORT, "2026-01-01T00:30", "many"), "many: expected a number of 0 or more"),
        (("edit", "a", IMPORT, "2026-01-01T00:30", "nan"), "nan: expected a number of 0 or more"),
        (("edit", "a", IMPORT, "2026-01-01T00:30", "1e999999"), "expected a number of 0 or more"),
        (("edit", "a", IMPORT, "2026-01-01T00:30", "0.0001"), "at most three decimals"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(settled: Asked, arguments: tuple[str, ...], why: str) -> None:
    more = ("--by", "kim", "--reason", "x") if arguments[0] == "edit" else ()
    status, lines = settled.lines(*arguments, *more)
    assert status in (1, 2)
    assert len(lines) == 1
    assert why in lines[0]
    assert settled.city.store.settled.edits().num_rows == 0


def test_an_edit_says_who_and_why(settled: Asked) -> None:
    status, lines = settled.lines("edit", "a", IMPORT, "2026-01-01T00:30", "1", "--by", " ", "--reason", "x")
    assert (status, lines) == (1, ["bitgoeul: an edit: say who makes it and for what reason"])


def test_no_process_behind_the_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "quality", "edits", "--socket", str(tmp_path / "none.sock")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the area's process does not answer; it must be running" in line


def test_the_page_of_quality_has_every_rule_in_both_languages() -> None:
    for language, head in (("en", "# The quality of what is measured"), ("ko", "# 측정값의 품질")):
        page = quality_page(language)
        assert page.startswith(head)
        assert all(f"| V{n:02} | " in page for n in range(1, 19))
        assert "| Q | " in page
