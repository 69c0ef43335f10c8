"""Totals in the boards' database: exactly what the files of totals answer, and again when these change."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cloud.metering import factors
from cloud.metering.calendar import begin_s
from cloud.metering.codes import SLOT_S, Direction
from cloud.mirror.books import Books
from cloud.mirror.points import Point
from cloud.mirror.sums import MEASUREMENTS, Span, sheets
from cloud.mirror.writing import Boards
from cloud.registry import facts, regions
from cloud.registry.facts import shipped_factors, shipped_regions
from cloud.store.influx_http import InfluxConnection
from cloud.store.parquet import day_name, read_manifest
from cloud.store.protocol import StoreUnavailable
from cloud.totals.query import By, Facts, Level, Question, Totals
from contract.problems import Problem
from simulators.servers import Server, create_database
from tests.cloud.city_totals import CHUNGJANG, DAY, GAS, PRODUCTION, YANG, Atom, atom, write
from tests.mirror.boards_database import ask, boards, points, running_influxdb, settings

NOW_S = begin_s(DAY) + 90_000
IMPORT = int(Direction.IMPORT)

Key = tuple[int, str, str, str]  # time, level, region, type
Counts = tuple[int | None, int, int, bool]  # thousandths, counted, expected, whether anything is estimated


def atoms(day: int) -> list[Atom]:
    """Two dongs of two districts, two uses, and some of it missing, estimated, or no whole number of kWh."""
    return [
        atom(0, CHUNGJANG, 12_345 + day % 7),
        atom(0, CHUNGJANG, 700, use=18),
        atom(0, CHUNGJANG, 11_000, direction=IMPORT),
        atom(0, YANG, 5_001, estimated=1_001, estimated_count=3),
        atom(0, YANG, 2_500, direction=int(PRODUCTION)),
        atom(0, YANG, 333, utility=GAS),
        atom(1, CHUNGJANG, 1, counted=4),
        atom(1, YANG, 0, counted=0),
        atom(1, 0, 77),
    ]


def books(folder: Path, history_days: int = 400) -> Books:
    """Of an area's totals."""
    totals = Totals([folder])
    return Books("totals", [folder], history_days, lambda span: sheets(totals, shipped_regions(), span))


def turn(one: Books, database: Boards, now_s: float = NOW_S) -> int:
    """How many points that wrote."""
    before = database.metrics.points._value.get()
    one.turn(database, lambda: True, now_s)
    return int(database.metrics.points._value.get() - before)


@pytest.mark.parametrize("daily", [False, True])
def test_the_database_has_exactly_what_totals_answer(tmp_path: Path, influx: Server, daily: bool) -> None:
    folder, name = tmp_path / "main", f"exact{daily}"
    write(folder, {day: atoms(day) for day in (DAY - 1, DAY)})
    turn(books(folder), boards(influx, name))
    totals, known = Totals([folder]), shipped_regions()
    districts = regions.roll_up(known, regions.MEMBERSHIPS.empty_table(), "district", DAY)
    about = Facts({"city": regions.ROLL_UP.empty_table(), "district": districts}, facts.uses().select(["use", "type"]))
    ids = facts.types()["id"].to_pylist()
    expected: dict[str, dict[Key, Counts]] = {measurement: {} for measurement in MEASUREMENTS.values()}
    levels: tuple[Level, ...] = ("city", "district", "dong")
    ways: tuple[By, ...] = ("none", "type")
    for level in levels:
        for by in ways[: 1 if level == "dong" and not daily else 2]:
            question = Question(level, DAY - 1, DAY + 1, "day" if daily else "slot", by)
            for row in totals.ask(question, about).to_pylist():
                region = "1" if level == "city" else str(row["region"])
                key = (begin_s(row["day"]) if daily else row["slot_s"], level, region)
                kind = "all" if by == "none" else ids[row["type"]]
                estimated = row["estimated_count"] > 0
                counts = row["total_milli"], row["counted"], row["expected"], estimated
                expected[MEASUREMENTS[row["utility"], row["direction"]]][*key, kind] = counts
    assert sum(map(len, expected.values())) > 30
    for measurement, wanted in expected.items():
        found: dict[Key, Counts] = {}
        for row in points(influx, name, measurement + ("_daily" if daily else "")):
            milli = round(row["value"] * 1000) if row["quality"] < 16 else None
            assert milli is None or row["value"] == milli / 1000
            at = row["time"], row["level"], row["region"], row["type"]
            found[at] = milli, row["counted"], row["expected"], row["quality"] == 1
        assert found == wanted


def test_nothing_older_than_the_days_is_mirrored(tmp_path: Path, influx: Server) -> None:
    write(tmp_path / "main", {day: atoms(day) for day in (DAY - 51, DAY - 50, DAY - 49)})
    turn(books(tmp_path / "main", history_days=51), boards(influx, "aged"), begin_s(DAY) + 10)
    found = points(influx, "aged", "usage_electricity_kwh_daily", "\"level\" = 'city' AND \"type\" = 'all'")
    assert [row["time"] for row in found] == [begin_s(DAY - 50), begin_s(DAY - 49)]


def test_carbon_is_of_what_came_in(tmp_path: Path, influx: Server) -> None:
    write(tmp_path / "main", {DAY: atoms(DAY)})
    turn(books(tmp_path / "main"), boards(influx, "carbon"))
    days = np.array([DAY])
    electricity, gas = (factors.per_day(shipped_factors(), "co2", utility, days)[0] for utility in (0, GAS))
    city = points(
        influx, "carbon", "emission_co2_kg", f"\"level\" = 'city' AND \"type\" = 'all' AND time = {begin_s(DAY)}s"
    )
    assert {row["utility"]: row["value"] for row in city} == {
        "electricity": pytest.approx(11 * electricity),
        "gas": pytest.approx(0.333 * gas),
        "all": pytest.approx(11 * electricity + 0.333 * gas),
    }


def test_coverage_and_estimates_of_each_slot(tmp_path: Path, influx: Server) -> None:
    write(tmp_path / "main", {DAY: atoms(DAY)})
    turn(books(tmp_path / "main"), boards(influx, "coverage"))
    rows = points(influx, "coverage", "quality_slot", "\"level\" = 'dong' AND \"utility\" = 'electricity'")
    found = {(row["region"], row["time"]): row for row in rows}
    yang, chungjang = found[str(YANG), begin_s(DAY)], found[str(CHUNGJANG), begin_s(DAY) + SLOT_S]
    assert (yang["coverage_ratio"], yang["estimated_ratio"], yang["estimated_count"]) == (1.0, 0.3, 3)
    assert (chungjang["coverage_ratio"], chungjang["counted"], chungjang["expected"]) == (0.4, 4, 10)
    assert found[str(YANG), begin_s(DAY) + SLOT_S]["coverage_ratio"] == 0.0


def test_a_late_correction_is_mirrored_and_nothing_else_is_written_again(tmp_path: Path, influx: Server) -> None:
    folder, database = tmp_path / "main", boards(influx, "late")
    write(folder, {day: atoms(day) for day in (DAY - 2, DAY - 1, DAY)})
    mirror = books(folder)
    assert turn(mirror, database) > 100
    assert turn(mirror, database) == 0
    assert turn(books(folder), database) == 0  # nor after a restart
    corrected = [atom(0, CHUNGJANG, 99_999), *atoms(DAY - 2)[1:]]
    write(folder, {DAY - 2: corrected})
    # of the day: city, district and dong, of all types and of homes; of the slot the same, but no types in dongs
    assert turn(mirror, database) == 6 + 5
    where = f"\"level\" = 'dong' AND \"region\" = '{CHUNGJANG}'"
    (row,) = points(influx, "late", "usage_electricity_kwh", f"{where} AND time = {begin_s(DAY - 2)}s")
    assert row["value"] == 100.699
    where += " AND \"type\" = 'homes-apartment'"
    (row,) = points(influx, "late", "usage_electricity_kwh_daily", f"{where} AND time = {begin_s(DAY - 2)}s")
    assert row["value"] == 100.0


@pytest.mark.parametrize("left", [[atom(0, YANG, 5_001)], []])
def test_what_became_missing_has_no_quality_left(tmp_path: Path, influx: Server, left: list[Atom]) -> None:
    folder, name = tmp_path / "main", f"gone{len(left)}"
    database = boards(influx, name)
    write(folder, {DAY - 1: [atom(0, CHUNGJANG, 5)], DAY: [atom(0, CHUNGJANG, 12_345), atom(0, YANG, 5_001)]})
    mirror = books(folder)
    turn(mirror, database)
    write(folder, {DAY: left})
    turn(mirror, database)
    where = f"time = {begin_s(DAY)}s AND \"level\" = 'dong' AND \"type\" = 'all'"
    rows = points(influx, name, "usage_electricity_kwh", where)
    assert {row["region"]: row["quality"] for row in rows} == {str(CHUNGJANG): 16, str(YANG): 0 if left else 16}
    assert turn(mirror, database) == 0


def test_an_outage_of_the_database_is_caught_up(tmp_path: Path) -> None:
    with running_influxdb(tmp_path / "influx") as server:
        folder, database = tmp_path / "main", boards(server, "boards")
        write(folder, {DAY - 1: atoms(DAY - 1)})
        mirror = books(folder)
        turn(mirror, database)
        server.kill()
        write(folder, {DAY - 1: [atom(0, YANG, 4)], DAY: atoms(DAY)})
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                turn(mirror, database)
        server.start()
        eventually(lambda: turn(mirror, database) > 0)
        (row,) = points(
            server,
            "boards",
            "usage_electricity_kwh",
            f"\"level\" = 'city' AND \"type\" = 'all' AND time = {begin_s(DAY - 1)}s",
        )
        assert row["value"] == 0.004
        assert points(server, "boards", "usage_electricity_kwh", f"time >= {begin_s(DAY)}s")


def test_a_database_that_comes_back_empty_is_filled_again(tmp_path: Path) -> None:
    with running_influxdb(tmp_path / "influx") as server:
        folder, database = tmp_path / "main", boards(server, "boards")
        write(folder, {day: atoms(day) for day in (DAY - 60, DAY - 1, DAY)})
        mirror = books(folder)
        written = turn(mirror, database)
        query = 'SELECT count("value") FROM /usage/'
        before = ask(server, "boards", query)
        server.kill()
        with pytest.raises(StoreUnavailable):
            database.write([Point("site_now", {"site": "hanam"}, {"live": 1})], NOW_S)  # as another job does
        shutil.rmtree(tmp_path / "influx" / "persistence")
        server.start()
        create_database(server, "boards")
        assert turn(mirror, database) == written
        assert ask(server, "boards", query) == before
        assert turn(mirror, database) == 0


def test_a_damaged_day_keeps_back_no_other(tmp_path: Path, influx: Server) -> None:
    folder, database = tmp_path / "main", boards(influx, "damaged")
    write(folder, {day: atoms(day) for day in (DAY - 60, DAY - 20, DAY - 1, DAY)})
    for name in read_manifest(folder).slots[day_name(DAY - 20)].all:
        (folder / name).write_bytes(b"no Parquet")
    mirror = books(folder)
    with pytest.raises(Problem, match="main"):
        turn(mirror, database)
    where = "\"level\" = 'city' AND \"type\" = 'all'"
    slots = points(influx, "damaged", "usage_electricity_kwh", where)
    daily = points(influx, "damaged", "usage_electricity_kwh_daily", where)
    told = [DAY - 1, DAY]
    assert sorted({row["time"] // 86_400 for row in slots}) == [begin_s(day) // 86_400 for day in told]
    assert {begin_s(DAY - 60), *map(begin_s, told)} <= {row["time"] for row in daily}
    write(folder, {DAY - 20: atoms(DAY)})  # settled again, and not quite as it was
    turn(mirror, database)
    assert points(influx, "damaged", "usage_electricity_kwh", f"{where} AND time = {begin_s(DAY - 20)}s")


def eventually(ready: Callable[[], bool], within_s: float = 10.0) -> None:
    """A database that has just started may need a moment."""
    until_s = time.monotonic() + within_s
    while True:
        try:
            if ready():
                return
        except StoreUnavailable:
            pass
        assert time.monotonic() < until_s
        time.sleep(0.1)


def test_lines_that_are_refused_are_said_once_and_skipped(
    tmp_path: Path, influx: Server, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "main", {DAY: atoms(DAY)})
    database = boards(influx, "refusing")
    span = Span(DAY, DAY + 1, daily=False)
    first = next(iter(sheets(Totals([tmp_path / "main"]), shipped_regions(), span)))
    # somebody else wrote words where the mirror writes numbers
    line = f'usage_electricity_kwh,level=city,region=1,type=all value="many" {begin_s(DAY)}\n'
    InfluxConnection(settings(influx, "refusing")).write(line.encode())
    for _ in range(2):
        database.make_equal(first)
    turn(books(tmp_path / "main"), database)
    told = [record.message for record in caplog.records if "boards refused" in record.message]
    assert len(told) == 1
    assert "measurement=usage_electricity_kwh" in told[0]
    assert points(influx, "refusing", "usage_gas_m3")
