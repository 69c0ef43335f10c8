"""sites.csv: what is taken, and what is said of a bad one."""

from pathlib import Path

import pytest

from cloud.portal.live.sites import COLUMNS, load_roster
from contract.problems import Problem
from tests.cloud.portal_area import HEADER, write_sites

GOOD = "hanam,하남,Hanam,industrial-complex,e1,electricity,main,40"


def test_sites_are_ordered_by_kind_and_meters_keep_their_place(tmp_path: Path) -> None:
    roster = load_roster(
        write_sites(tmp_path / "sites.csv", "hall,시청,City Hall,public-building,w1,water,sub,0.01", GOOD)
    )
    assert [row.site for row in roster.rows] == ["hanam", "hall"]
    assert roster.meters.to_pylist() == ["w1", "e1"]
    assert roster.row.tolist() == [1, 0]
    assert roster.multiplier.tolist() == [0.01, 40.0]
    assert roster.expected("electricity", "main").tolist() == [False, True]


def test_a_spreadsheet_may_write_its_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n", "utf-8-sig")
    assert load_roster(path).rows[0].name_ko == "하남"


def test_a_file_without_a_site_is_an_empty_city(tmp_path: Path) -> None:
    assert load_roster(write_sites(tmp_path / "sites.csv")).rows == ()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("hanam,하남,Hanam,castle,e2,electricity,main,1", ":3: kind 'castle': expected one of industrial-complex"),
        ("hanam,하남,Hanam,industrial-complex,e2,steam,main,1", ":3: utility 'steam'"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,chief,1", ":3: role 'chief'"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,main,0", ":3: multiplier '0': expected a number above 0"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,main,much", ":3: multiplier 'much'"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,main,nan", ":3: multiplier 'nan'"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,main", ":3: 'multiplier' is empty"),
        ("hanam,하남,Hanam,industrial-complex,e2,gas,main,1,1", ":3: expected 8 fields"),
        ("hanam,,Hanam,industrial-complex,e2,gas,main,1", ":3: 'name_ko' is empty"),
        ("hanam,하남,Hanam,industrial-complex,e1,gas,main,1", ":3: meter 'e1' is named twice"),
        ("hanam,하남,Hanam 2,industrial-complex,e2,gas,main,1", ":3: site 'hanam' has another name or kind"),
        ("all_households,집,Home,other,e2,gas,main,1", ":3: site 'all_households': expected 1 to 64 of a-z"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = write_sites(tmp_path / "sites.csv", GOOD, line)
    with pytest.raises(Problem) as caught:
        load_roster(path)
    assert str(caught.value).startswith(f"{path}{complaint}")
    assert "\n" not in caught.value.text.ko


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    absent, binary, other = (tmp_path / name for name in ("absent.csv", "binary.csv", "other.csv"))
    binary.write_bytes(b"\xff\xfe\x00")
    other.write_text("a,b\n", "utf-8")
    for path, complaint in (
        (absent, "cannot be read"),
        (binary, "expected a CSV file in UTF-8"),
        (other, f"expected the header '{','.join(COLUMNS)}'"),
    ):
        with pytest.raises(Problem, match=complaint):
            load_roster(path)
