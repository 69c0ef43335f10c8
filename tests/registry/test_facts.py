"""The shipped facts against what is publicly known of the city, and files of factors that are wrong."""

from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from cloud.metering import factors
from cloud.registry import facts, regions, snapshot
from cloud.registry.columns import ENTITIES, LEVELS
from contract.problems import Problem

REGIONS = facts.shipped_regions()
MEMBERSHIPS = facts.shipped_memberships()
NAMES = dict(zip(REGIONS["region"].to_pylist(), REGIONS["name_ko"].to_pylist(), strict=True))
GWANGJU, JEONNAM_GWANGJU = 1, 7
HEADER = "factor,utility,edition,value,unit,valid_from,valid_to,source,default"


def day(text: str) -> int:
    return (date.fromisoformat(text) - factors.EPOCH).days


def dongs(text: str) -> list[str]:
    there = regions.at_day(REGIONS, day(text)).to_pylist()
    return [row["name_ko"] for row in there if row["level"] == "dong"]


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("2021-04-01", (13, 18, 16, 28, 21)),
        ("2021-07-25", (13, 18, 16, 28, 21)),
        ("2021-07-26", (13, 18, 17, 28, 21)),  # 효덕동 is split
        ("2023-12-31", (13, 18, 17, 28, 21)),
        ("2024-01-01", (13, 18, 17, 27, 21)),  # 중흥2동 and 중흥3동 are merged
        ("2026-07-01", (13, 18, 17, 27, 21)),
    ],
)
def test_districts_have_their_dongs(when: str, counts: tuple[int, ...]) -> None:
    found = [regions.children(REGIONS, MEMBERSHIPS, district, day(when)).num_rows for district in range(2, 7)]
    assert tuple(found) == counts
    assert len(dongs(when)) == sum(counts)


def test_a_split_and_a_merger_make_new_regions() -> None:
    assert "진월동" not in dongs("2021-07-25")
    assert dongs("2021-07-26").count("효덕동") == dongs("2021-07-25").count("효덕동") == 1
    assert {"중흥2동", "중흥3동"} <= set(dongs("2023-12-31"))
    assert "중흥동" not in dongs("2023-12-31")
    assert "중흥동" in dongs("2024-01-01")
    assert not {"중흥2동", "중흥3동"} & set(dongs("2024-01-01"))


def test_regions_are_numbered_for_ever() -> None:
    assert REGIONS.schema == snapshot.REGIONS
    numbers = REGIONS["region"].to_pylist()
    assert numbers == [*range(1, 8), *range(101, 200)]
    assert [NAMES[number] for number in (1, 2, 3, 4, 5, 6)] == ["광주광역시", "동구", "서구", "남구", "북구", "광산구"]
    assert (NAMES[101], NAMES[145], NAMES[178], NAMES[199]) == ("충장동", "진월동", "중흥동", "신창동")


def test_every_region_stands_in_the_tree_and_on_the_map() -> None:
    for row in REGIONS.to_pylist():
        assert row["level"] in LEVELS
        assert row["parent"] == 0 or row["parent"] in NAMES
        if row["level"] != "province":
            assert 126.64 < row["longitude"] < 127.03
            assert 35.05 < row["latitude"] < 35.26
        if row["code"] and row["level"] == "dong":
            district = REGIONS["code"][REGIONS["region"].to_pylist().index(row["parent"])].as_py()
            assert len(row["code"]) == 10
            assert row["code"].startswith(district)


def test_shipped_regions_fit_the_registrys_columns() -> None:
    for name in ("regions", "predecessors"):
        header = pyarrow.csv.read_csv(facts.FOLDER / f"{name}.csv").column_names
        assert {column.name for column in ENTITIES[name].columns} <= set(header)


def test_one_code_is_one_region_at_a_time() -> None:
    for when in ("2021-07-25", "2021-07-26", "2024-01-01"):
        codes = regions.at_day(REGIONS, day(when))["code"].drop_null().to_pylist()
        assert len(codes) == len(set(codes))


def test_predecessors_are_shared_out_whole() -> None:
    shares: Counter[int] = Counter()
    for row in facts.shipped_predecessors().to_pylist():
        shares[row["predecessor"]] += row["weight"]
        ended, began = (
            REGIONS.filter(pa.array(np.array(list(NAMES)) == row[name])) for name in ("predecessor", "region")
        )
        assert ended["valid_to_s"].to_pylist() == began["valid_from_s"].to_pylist()
    assert {NAMES[number] for number in shares} == {"효덕동", "중흥2동", "중흥3동"}
    assert all(share == pytest.approx(1, abs=1e-12) for share in shares.values())


def roll_up(level: str, when: str) -> dict[int, int]:
    table = regions.roll_up(REGIONS, MEMBERSHIPS, level, day(when))
    return dict(zip(table["dong"].to_pylist(), table["region"].to_pylist(), strict=True))


@pytest.mark.parametrize("when", ["2019-01-01", "2023-06-01", "2026-06-30", "2026-07-01", "2030-01-01"])
def test_totals_of_gwangju_sum_before_and_after_the_merger(when: str) -> None:
    assert roll_up("city", when) == dict.fromkeys(range(101, 200), GWANGJU)
    districts = Counter(roll_up("district", when).values())
    assert districts == {2: 13, 3: 18, 4: 18, 5: 29, 6: 21}  # all that ever were
    assert roll_up("dong", when) == {dong: dong for dong in range(101, 200)}


def test_the_regions_of_a_day_alone_roll_up_its_dongs_alone() -> None:
    when = day("2026-11-27")
    there = regions.roll_up(regions.at_day(REGIONS, when), MEMBERSHIPS, "district", when)
    assert Counter(there["region"].to_pylist()) == {2: 13, 3: 18, 4: 17, 5: 27, 6: 21}


def test_gwangju_lies_in_the_merged_city_from_its_first_day() -> None:
    assert roll_up("province", "2026-06-30") == {}
    merged = roll_up("province", "2026-07-01")
    assert set(merged.values()) == {JEONNAM_GWANGJU}
    gone = {dong for dong in range(101, 200) if dong not in merged}
    assert {NAMES[dong] for dong in gone} == {"효덕동", "중흥2동", "중흥3동"}  # ended before
    top = regions.children(REGIONS, MEMBERSHIPS, 0, day("2026-06-30"))["region"].to_pylist()
    assert top == [GWANGJU]
    assert regions.children(REGIONS, MEMBERSHIPS, 0, day("2026-07-01"))["region"].to_pylist() == [JEONNAM_GWANGJU]


def test_a_tree_that_goes_in_circles_ends() -> None:
    circle = REGIONS.slice(7, 1).set_column(2, "parent", pa.array([101], pa.int32()))
    assert regions.roll_up(circle, regions.MEMBERSHIPS.empty_table(), "city", 0).num_rows == 0


def test_every_use_has_one_type() -> None:
    uses, types = facts.uses(), facts.types()
    assert uses["use"].to_pylist() == list(range(30))
    assert set(uses["type"].to_pylist()) == set(types["type"].to_pylist()) == set(range(10))
    assert uses["type"][0].as_py() == 0
    assert 0 not in uses["type"].to_pylist()[1:]
    assert types["name_en"][0].as_py() == "not known"
    codes = uses["code"].drop_null().to_pylist()
    assert {"02000", "10000", "14000"} < set(codes)
    assert len(codes) == len(set(codes)) == 26


def test_every_name_is_in_both_languages() -> None:
    for table in (REGIONS, facts.uses(), facts.types()):
        for name in ("name_ko", "name_en"):
            assert table[name].null_count == 0


@pytest.mark.parametrize(
    ("when", "free"),
    [
        ("2024-02-12", True),  # substitute for the Sunday of Seollal 2024
        ("2025-01-27", True),  # temporary
        ("2025-10-08", True),  # substitute in Chuseok 2025
        ("2026-06-03", True),  # local elections
        ("2026-07-17", True),  # Constitution Day is a holiday again
        ("2025-07-17", False),
        ("2026-09-25", True),  # Chuseok
        ("2027-02-07", True),  # Seollal; a day later than in China
        ("2027-02-09", True),  # its substitute
        ("2026-06-08", False),  # Memorial Day on a Saturday has no substitute
        ("2026-11-27", False),
    ],
)
def test_holidays(when: str, free: bool) -> None:
    assert (date.fromisoformat(when) in facts.holidays()) == free
    assert (day(when) in facts.holiday_days()) == free


def test_holidays_ascend_and_cover_their_years() -> None:
    days = facts.holiday_days()
    assert (np.diff(days) > 0).all()
    years = Counter(found.year for found in facts.holidays())
    assert set(years) == set(range(2020, 2028))
    assert min(years.values()) >= 17


def test_every_factor_has_a_source_and_says_what_it_covers() -> None:
    for factor in facts.shipped_factors():
        assert factor.source
        assert factor.basis
        assert factor.boundary
        assert factor.confidence in factors.CONFIDENCES
        assert (factor.scope is None) == (factor.kind == "toe")
        assert factor.kind != "won"  # no price is known


def written(folder: Path, *lines: str) -> Path:
    path = folder / "factors.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_city_adds_its_own_factors(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        HEADER,
        "won,electricity,tariff-2026,150.5,won/kWh,2026-01-01,,our contract,1",
        "co2,electricity,gir-2027,0.4,kgCO2eq/kWh,2027-01-01,,the ministry,1",
        "co2,heat,kdhc-gwangju-2021,0.21,kgCO2eq/kWh,2022-03-21,,our operator,1",
    )
    found = facts.city_factors(own)
    expected: list[tuple[factors.Kind, int, str, float]] = [
        ("won", 0, "2026-05-01", 150.5),
        ("co2", 0, "2026-12-31", 0.4173),
        ("co2", 0, "2027-01-01", 0.4),
        ("co2", 3, "2026-01-01", 0.21),
    ]
    for kind, utility, when, value in expected:
        factor = factors.in_force(found, kind, utility, day(when))
        assert factor is not None
        assert factor.value == value
    assert factors.in_force(facts.city_factors(None), "won", 0, day("2026-05-01")) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "its first line must name factor"),
        ([HEADER.replace("source", "origin")], "its first line must name factor"),
        ([HEADER + ",source"], "its first line must name factor"),
        ([HEADER, "co2,gas,a,2.1,kgCO2eq/m3,,"], "line 2: must have 9 cells: 7"),
        ([HEADER, "", "co2,gas,a,,kgCO2eq/m3,,,s,1"], "line 3: 'value' is empty"),
        ([HEADER, "co2,gas,a,-1,kgCO2eq/m3,,,s,1"], "line 2: 'value' must be a number from 0: '-1'"),
        ([HEADER, "co2,gas,a,nan,kgCO2eq/m3,,,s,1"], "line 2: 'value' must be a number from 0: 'nan'"),
        (
            [HEADER, "co2,gas,a,2,kgCO2eq/kWh,,,s,1"],
            "line 2: 'unit' must be one of kgCO2eq/m3, kgCO2/m3: 'kgCO2eq/kWh'",
        ),
        ([HEADER, "co2,coal,a,2,kgCO2eq/kWh,,,s,1"], "line 2: 'utility' must be one of electricity"),
        ([HEADER, "co3,gas,a,2,kgCO2eq/m3,,,s,1"], "line 2: 'factor' must be one of co2, toe, won: 'co3'"),
        ([HEADER, "co2,gas,a,2,kgCO2eq/m3,2026-7-1,,s,1"], "line 2: 'valid_from' must be a date"),
        ([HEADER, "co2,gas,a,2,kgCO2eq/m3,2026-07-01,2026-07-01,s,1"], "line 2: 'valid_to' must be after 'valid_from'"),
        ([HEADER, "co2,gas,a,2,kgCO2eq/m3,,,,1"], "line 2: 'source' is empty"),
        ([HEADER, "co2,gas,a,2,kgCO2eq/m3,,,s,yes"], "line 2: 'default' must be one of 0, 1: 'yes'"),
        (
            [HEADER, "co2,gas,a,2,kgCO2eq/m3,,2026-01-02,s,1", "", "co2,gas,b,2,kgCO2eq/m3,2026-01-01,,s,1"],
            "lines 2 and 4 are in force on the same day",
        ),
        (
            [HEADER, "co2,gas,a,2,kgCO2eq/m3,,2026-01-02,s,0", "co2,gas,a,2,kgCO2eq/m3,2026-01-01,,s,0"],
            "lines 2 and 3 are in force on the same day",
        ),
    ],
)
def test_a_bad_file_is_refused_by_line(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(Problem) as caught:
        facts.load_factors(written(tmp_path, *lines))
    assert said in caught.value.text.en
    assert "\n" not in caught.value.text.ko + caught.value.text.en


def test_many_bad_lines_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, *["co2,gas,a,x,kgCO2eq/m3,,,s,1"] * 7)
    with pytest.raises(Problem) as caught:
        facts.load_factors(path)
    assert "7 bad lines: line 2" in caught.value.text.en
    assert "line 6" in caught.value.text.en
    assert "line 7" not in caught.value.text.en


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        facts.load_factors(tmp_path / "none.csv")
    for content in (b"factor\xff", b'factor,"utility'):
        (tmp_path / "bytes.csv").write_bytes(content)
        with pytest.raises(Problem, match="must be a CSV file in UTF-8"):
            facts.load_factors(tmp_path / "bytes.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(f"{HEADER}\r\nwon,water, 수도 ,1000,won/m3,,,the city,1\r\n,,,,,,,,\r\n".encode(encoding))
    assert [(factor.edition, factor.value) for factor in facts.load_factors(path)] == [("수도", 1000.0)]
