"""The city's day out of files of totals: every figure is the sum of atoms that are added up here by hand."""

from pathlib import Path

import pytest

from cloud.metering.calendar import begin_s
from cloud.portal.city.keeper import Keeper
from cloud.portal.city.reading import CityBooks
from cloud.portal.city.rules import Behind, Change
from cloud.portal.city.view import until_clock, view
from cloud.portal.texts import say_in
from cloud.store.parquet import MANIFEST
from tests.cloud.city_totals import (
    CHUNGJANG,
    DAY,
    DONGMYEONG,
    GAS,
    GYERIM,
    HEAT,
    NAMES,
    PRODUCTION,
    WATER,
    YANG,
    atom,
    district,
    read,
    registry,
    told,
    write,
)


@pytest.fixture
def city_folder(tmp_path: Path) -> Path:
    """Three slots of a day, one more of the day before, and one of a week ago."""
    today = [
        # Chungjang: 100 + 200 + 300 in apartments, 40 in shops; one of 10 meters is missing once, one is estimated
        atom(0, CHUNGJANG, 100),
        atom(1, CHUNGJANG, 200, counted=9),
        atom(2, CHUNGJANG, 300, estimated=30, estimated_count=1),
        atom(2, CHUNGJANG, 40, expected=6, use=3),
        atom(2, DONGMYEONG, 1000),
        atom(0, YANG, 7000, expected=20),
        # production in one dong, by eight meters; import and export are no figures of the page
        atom(1, CHUNGJANG, 555, expected=8, direction=int(PRODUCTION)),
        atom(1, CHUNGJANG, 9999, expected=8, direction=0),
        # gas: none of it counted; water: measured, and 0
        atom(0, CHUNGJANG, 0, counted=0, utility=GAS),
        atom(0, CHUNGJANG, 0, utility=WATER),
    ]
    yesterday = [atom(slot, CHUNGJANG, 100) for slot in range(3)] + [atom(3, CHUNGJANG, 5000)]
    write(tmp_path / "main", {DAY: today, DAY - 1: yesterday, DAY - 7: [atom(0, CHUNGJANG, 1)]})
    return tmp_path


def test_figures_are_the_sums_of_atoms(city_folder: Path) -> None:
    city = read(city_folder)
    assert (city.day, city.until_s) == (DAY, begin_s(DAY) + 3 * 900)
    assert until_clock(city) == "00:45"
    east, dongs = district(city, "동구")
    west, _ = district(city, "서구")
    assert told(dongs["충장동"].figures["electricity"]) == (640, 35, 36, 1)
    assert told(dongs["동명동"].figures["electricity"]) == (1000, 10, 10, 0)
    assert told(east.figures["electricity"]) == (1640, 45, 46, 1)
    assert told(west.figures["electricity"]) == (7000, 20, 20, 0)
    assert told(city.row.figures["electricity"]) == (8640, 65, 66, 1)
    assert told(city.row.figures["production"]) == (555, 8, 8, 0)
    apartments, shops = city.types
    assert (apartments.name_ko, shops.name_ko) == ("공동주택", "상가와 생활 서비스")
    assert told(apartments.figures["electricity"]) == (8600, 59, 60, 1)
    assert told(shops.figures["electricity"]) == (40, 6, 6, 0)
    assert {hour: one.milli for hour, one in city.hours["electricity"].items()} == {0: 8640}


def test_missing_is_not_zero(city_folder: Path) -> None:
    city = read(city_folder)
    assert told(city.row.figures["gas"]) == (None, 0, 10, 0)
    assert told(city.row.figures["water"]) == (0, 10, 10, 0)
    assert told(city.row.figures["heat"]) == (None, 0, 0, 0)
    say = say_in("ko")
    lines = view(city, "gas", "order", say, "ko").figures
    said = {
        name: (lines[name].state, lines[name].amount, lines[name].coverage, lines[name].estimated) for name in lines
    }
    assert said["gas"] == ("missing", "측정 없음", "0%", "–")
    assert said["water"] == ("ok", "0", "100%", "0%")
    assert said["heat"] == ("none", "계량기 없음", "", "")
    assert said["electricity"] == ("partial", "8.64", "98.4%", "1.5%")


def test_it_is_compared_with_the_same_time_of_other_days(city_folder: Path) -> None:
    _, dongs = district(read(city_folder), "동구")
    figure = dongs["충장동"].figures["electricity"]
    # 36 meter-slots against 30 of the same three quarters of an hour: other meters, and not the 5000 of the fourth
    assert figure.yesterday == Change(None, "meters")
    write(city_folder / "main", {DAY: [atom(slot, CHUNGJANG, 120) for slot in range(3)]})
    figure = district(read(city_folder), "동구")[1]["충장동"].figures["electricity"]
    assert figure.yesterday == Change(360 / 300 - 1)
    assert figure.week == Change(None, "meters")
    write(city_folder / "main", {DAY: [atom(slot, CHUNGJANG, 120, counted=8) for slot in range(3)]})
    city = read(city_folder)
    assert city.row.figures["electricity"].yesterday == Change(None, "coverage")
    assert view(city, "electricity", "order", say_in("en"), "en").figures["electricity"].yesterday == "coverage too low"


def test_a_small_dong_is_hidden_and_still_in_its_district(tmp_path: Path) -> None:
    heat = {"utility": HEAT}
    atoms = [
        atom(0, CHUNGJANG, 11, expected=4, **heat),
        atom(0, DONGMYEONG, 100, expected=9, **heat),
        atom(0, GYERIM, 1000, expected=20, **heat),
        atom(0, CHUNGJANG, 5),
    ]
    write(tmp_path / "main", {DAY: atoms})
    city = read(tmp_path)
    east, dongs = district(city, "동구")
    assert {name: dongs[name].figures["heat"].hidden for name in ("충장동", "동명동", "계림1동")} == {
        "충장동": True,
        "동명동": True,  # so that the four meters are not what is left of the district
        "계림1동": False,
    }
    assert told(east.figures["heat"]) == (1111, 33, 33, 0)
    assert not dongs["충장동"].figures["electricity"].hidden
    for sort in ("order", "amount"):
        block = view(city, "heat", sort, say_in("ko"), "ko").blocks[0]
        said = {line.name: (line.state, line.amount, line.coverage) for line in block.lines}
        assert said["충장동"] == said["동명동"] == ("hidden", "", "")
        assert said["계림1동"] == ("ok", "1.00", "100%")
        assert block.total.amount == "1.11"
        assert "동명동" not in block.none
        assert "지산1동" in block.none


def test_an_area_that_is_far_behind_is_named_and_one_that_is_close_is_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "a", {DAY: [atom(slot, CHUNGJANG, 1) for slot in range(20)]})
    write(tmp_path / "b", {DAY: [atom(slot, YANG, 1) for slot in range(18)]})
    write(tmp_path / "c", {DAY: [atom(0, DONGMYEONG, 1)]})
    write(tmp_path / "d", {DAY - 1: [atom(0, GYERIM, 1)]})
    city = read(tmp_path, "a", "b", "c", "d", "never-settled")
    assert city.until_s == begin_s(DAY) + 18 * 900
    assert city.behind == (Behind("c", begin_s(DAY) + 900), Behind("d", None))
    assert city.row.figures["electricity"].sum.milli == 18 + 18 + 1
    assert view(city, "electricity", "order", say_in("ko"), "ko").behind == (
        "c 구역의 합계는 00:15까지만 들어 있습니다.",
        "d 구역은 이날의 합계가 아직 없어 들어 있지 않습니다.",
    )


def test_a_dong_that_nobody_knows_counts_in_the_city(tmp_path: Path) -> None:
    write(tmp_path / "main", {DAY: [atom(95, 0, 3), atom(95, 99_999, 4), atom(95, CHUNGJANG, 5)]})
    city = read(tmp_path)
    unknown, _ = district(city, "")
    assert unknown.figures["electricity"].sum.milli == 7
    assert city.row.figures["electricity"].sum.milli == 12
    assert until_clock(city) == "24:00"
    assert view(city, "electricity", "order", say_in("ko"), "ko").blocks[-1].total.name == "위치 미확인"


def shown(keeper: Keeper) -> int | None:
    """Thousandths of the city's electricity."""
    city = keeper.frame.city
    return city.row.figures["electricity"].sum.milli if city else None


def test_totals_that_come_change_and_vanish_are_followed(tmp_path: Path) -> None:
    main = tmp_path / "main"
    keeper = Keeper(CityBooks([main], registry(tmp_path), NAMES))
    assert keeper.newest().city is None
    write(main, {DAY: [atom(0, CHUNGJANG, 1)]})
    keeper.look()
    first = keeper.frame
    assert first.city is not None
    assert first.state(first.city.until_s + 60) == "ok"
    assert first.state(first.city.until_s + 7200) == "late"
    keeper.look()
    assert keeper.frame is first
    write(main, {DAY: [atom(0, CHUNGJANG, 1), atom(1, CHUNGJANG, 2)]})
    keeper.look()
    assert shown(keeper) == 3
    assert keeper.frame.tag != first.tag
    # damaged: what was known stays, until it is mended
    good = (main / MANIFEST).read_bytes()
    (main / MANIFEST).write_bytes(good[:20])
    before = keeper.frame
    keeper.look()
    assert keeper.frame is before
    # a file that the manifest names is gone
    (main / MANIFEST).write_bytes(good.replace(b"slots-", b"slots-gone-"))
    keeper.look()
    assert keeper.frame is before
    (main / MANIFEST).unlink()
    keeper.look()
    assert shown(keeper) is None
    (main / MANIFEST).write_bytes(good)
    keeper.look()
    assert shown(keeper) == 3


def test_each_order_puts_first_what_it_says(tmp_path: Path) -> None:
    atoms = [
        atom(0, CHUNGJANG, 200, counted=9, estimated_count=0),
        atom(0, DONGMYEONG, 300, counted=10, estimated_count=2),
        atom(0, GYERIM, 100, counted=8, estimated_count=1),
        atom(0, 104, 0, counted=0),
    ]
    write(tmp_path / "main", {DAY: atoms})
    city = read(tmp_path)
    found = {
        sort: [line.name for line in view(city, "electricity", sort, say_in("ko"), "ko").blocks[0].lines]
        for sort in ("order", "amount", "coverage", "estimated")
    }
    assert found == {
        "order": ["충장동", "동명동", "계림1동", "계림2동"],
        "amount": ["동명동", "충장동", "계림1동", "계림2동"],
        "coverage": ["계림1동", "충장동", "동명동", "계림2동"],
        "estimated": ["동명동", "계림1동", "충장동", "계림2동"],
    }
