"""What is live goes from the boards' database after some weeks; sums, findings and outages stay."""

from dataclasses import replace
from pathlib import Path

import pytest

from cloud.metering.codes import DAY_S
from cloud.mirror.points import Point
from cloud.mirror.retention import LIVE, begin_of_live_s, forget_live
from cloud.store.influx_http import InfluxConnection
from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem
from tests.mirror.boards_database import boards, points, running_influxdb, settings

NOW_S = 1_795_824_000  # Saturday 2026-11-28
MONDAY_S = 1_794_182_400  # 2026-11-09


def _some(names: tuple[str, ...]) -> list[Point]:
    return [Point(name, {"level": "meter", "meter": "hanam-e-main-01"}, {"value": 1.5}) for name in names]


def test_what_is_live_goes_and_sums_stay(tmp_path: Path) -> None:
    live = ("electricity_power_kw", "gas_volume_m3", "meter_now", "meter_names", "gateway_state", "platform_ingest")
    sums = ("usage_electricity_kwh", "import_electricity_kwh", "quality_finding", "outages", "dong_now")
    with running_influxdb(tmp_path) as server:
        database = boards(server, "boards")
        for day in (400, 30, 20, 13, 0):
            database.write(_some(live + sums), NOW_S - day * DAY_S)
        forget_live(database, 14, NOW_S)
        forget_live(database, 14, NOW_S)  # and finds nothing more
        kept = [(NOW_S - day * DAY_S) for day in (13, 0)]
        for name in live:
            assert [row["time"] for row in points(server, "boards", name)] == kept, name
        for name in sums:
            assert len(points(server, "boards", name)) == 5, name


def test_whole_weeks_go_as_influxdb_keeps_them() -> None:
    assert begin_of_live_s(14, NOW_S) == MONDAY_S
    assert begin_of_live_s(14, MONDAY_S + 14 * DAY_S) == MONDAY_S
    assert begin_of_live_s(14, MONDAY_S + 14 * DAY_S - 1) == MONDAY_S - 7 * DAY_S


@pytest.mark.parametrize("name", ["electricity_import_kwh", "today_usage_heat_kwh", "site_now", "line_state"])
def test_live_is_named_whole(name: str) -> None:
    assert LIVE.fullmatch(name)
    assert not LIVE.fullmatch(f"usage_{name}")
    assert not LIVE.fullmatch(f"{name}_daily")


def test_a_statement_that_cannot_be_carried_out_is_told(tmp_path: Path) -> None:
    with running_influxdb(tmp_path) as server:
        influx = InfluxConnection(settings(server, "boards"))
        with pytest.raises(StoreUnavailable, match="error parsing query"):
            influx.carry_out("DELETE FROM everything WHEN old")
        absent = InfluxConnection(replace(influx.settings, database="absent"))
        with pytest.raises(Problem, match="absent"):
            absent.carry_out('DELETE FROM "meter_now"')
