"""Today beside yesterday and last week, until the same time of day."""

from pathlib import Path

import pytest

from cloud.metering.calendar import begin_s
from cloud.metering.codes import DAY_S, SLOT_S, Direction
from cloud.mirror.newest import Newest
from cloud.mirror.registry import Registry
from cloud.store.parquet import day_name, read_manifest
from cloud.totals.query import Totals
from simulators.servers import Server
from tests.cloud.city_totals import CHUNGJANG, DAY, GAS, YANG, atom, registry, write
from tests.mirror.boards_database import boards, points

IMPORT = int(Direction.IMPORT)


@pytest.fixture
def newest(tmp_path: Path) -> Newest:
    write(
        tmp_path / "main",
        {
            DAY - 7: [atom(0, CHUNGJANG, 4_000), atom(9, CHUNGJANG, 9_000)],
            DAY - 1: [
                atom(0, CHUNGJANG, 5_000),
                atom(1, CHUNGJANG, 3_000, counted=5),
                atom(1, YANG, 0),
                atom(1, 0, 0),
                atom(2, CHUNGJANG, 77_000),
            ],
            DAY: [
                atom(0, CHUNGJANG, 5_000),
                atom(1, CHUNGJANG, 1_000, counted=5, estimated_count=1),
                atom(1, CHUNGJANG, 2_000, direction=IMPORT),
                atom(1, YANG, 2_000),
                atom(1, YANG, 0, utility=GAS, counted=0),
                atom(1, 0, 10_000),
            ],
        },
    )
    return Newest(Totals([tmp_path / "main"]), Registry(registry(tmp_path)).known(), DAY)


def test_only_what_was_by_the_same_time_is_compared(newest: Newest) -> None:
    assert newest.end_s == begin_s(DAY) + 2 * SLOT_S
    found = {(one.tags["level"], one.tags["region"], one.tags["utility"]): one.fields for one in newest.comparison()}
    assert found["city", "1", "electricity"] == {
        "today": 18.0,
        "yesterday": 8.0,
        "week_ago": 4.0,
        "change_day_ratio": 1.25,
        "change_week_ratio": None,  # of far fewer meters: that it is more than then says nothing
        "quality": 1,
    }
    assert found["district", "2", "electricity"]["today"] == 6.0
    gas = found["city", "1", "gas"]
    assert (gas["today"], gas["change_day_ratio"], gas["quality"]) == (None, None, 16)
    assert ("city", "1", "water") not in found
    assert found["city", "1", "co2"]["today"] == pytest.approx(2 * 0.4173, rel=0.2)


def test_a_week_ago_that_cannot_be_read_keeps_back_no_yesterday(tmp_path: Path, newest: Newest) -> None:
    assert newest.problems == []
    folder = tmp_path / "main"
    for name in read_manifest(folder).slots[day_name(DAY - 7)].all:
        (folder / name).write_bytes(b"no Parquet")
    damaged = Newest(Totals([folder]), Registry(tmp_path / "registry").known(), DAY)
    assert len(damaged.problems) == 1
    found = {(one.tags["level"], one.tags["utility"]): one.fields for one in damaged.comparison()}
    city = found["city", "electricity"]
    assert (city["today"], city["yesterday"], city["week_ago"]) == (18.0, 8.0, None)


def test_places_have_their_last_slot_and_their_day(newest: Newest) -> None:
    found = {(one.measurement, one.tags["region"]): one for one in newest.places()}
    dong = found["dong_now", str(CHUNGJANG)]
    assert dong.tags["district"] == "2"
    wanted = {"usage_electricity_kwh": 1.0, "usage_today_electricity_kwh": 6.0, "coverage_ratio": 0.5, "quality": 1}
    assert wanted.items() <= dong.fields.items()
    assert (dong.fields["name_ko"], dong.fields["usage_today_gas_m3"]) == ("충장동", None)
    assert found["district_now", "2"].fields["usage_today_electricity_kwh"] == 6.0
    assert ("dong_now", "0") not in found  # what lies nowhere is on no map


def test_the_days_before_lie_under_today(newest: Newest, influx: Server) -> None:
    database = boards(influx, "shifted")
    for sheet in newest.shifted():
        database.make_equal(sheet)
    rows = points(influx, "shifted", "earlier_usage_electricity_kwh", "\"level\" = 'city'")
    found = {(row["days"], row["time"] - begin_s(DAY)): row["value"] for row in rows}
    assert found == {
        ("1", 0): 5.0,
        ("1", SLOT_S): 3.0,
        ("1", 2 * SLOT_S): 77.0,
        ("7", 0): 4.0,
        ("7", 9 * SLOT_S): 9.0,
    }
    assert all(row["time"] < begin_s(DAY) + DAY_S and row["quality"] == 0 for row in rows)
