"""All that the mirror promises the boards, from an area that was really settled, in a real InfluxDB."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.mirror.process import Mirror
from cloud.mirror.registry import Registry
from cloud.mirror.sites import USAGE, SiteUsage
from cloud.mirror.sums import Span
from cloud.store.influx_http import InfluxConnection
from simulators.servers import Server
from tests.mirror.boards_database import Row, boards, points, settings
from tests.mirror.served_area import (
    DISTRICT,
    DONG,
    NOW_S,
    SLOTS,
    ServedArea,
    mirror_settings,
    served_area,
    write_registry,
)
from tests.settle.small_city import START

NAME = "promised"
SLOT_TAGS, LIVE_FIELDS = {"level", "region", "type"}, {"value", "quality", "live", "meters"}
SUMS = {"value", "estimated", "counted", "expected", "quality"}
NAMES = {"name_ko", "name_en"}
CHOICES = NAMES | {"choice_ko", "choice_en"}

# Of each measurement, of some points what they must have at least: tags and fields alike.
PROMISED: list[tuple[str, str, set[str]]] = [
    *(
        (name + suffix, f"\"level\" = '{level}'", SLOT_TAGS | SUMS)
        for name in ("usage_electricity_kwh", "production_electricity_kwh", "export_electricity_kwh", "usage_water_m3")
        for suffix in ("", "_daily")
        for level in ("city", "district", "dong")
    ),
    ("import_electricity_kwh", "", SLOT_TAGS | SUMS),
    ("usage_electricity_kwh", "\"level\" = 'site'", {"site", "kind", "region", "district"} | SUMS),
    ("usage_electricity_kwh_daily", "\"level\" = 'site'", {"site", "kind", "region", "district"} | SUMS),
    ("usage_electricity_kwh", "\"level\" = 'meter'", {"site", "meter", "kind"} | SUMS),
    ("emission_co2_kg", "\"utility\" = 'all'", SLOT_TAGS | {"value", "quality"}),
    ("electricity_power_kw", "\"level\" = 'city'", LIVE_FIELDS),
    ("electricity_power_kw", "\"level\" = 'kind'", LIVE_FIELDS | {"kind"}),
    ("electricity_power_kw", "\"level\" = 'site'", LIVE_FIELDS | {"kind", "site", "district"}),
    ("electricity_power_kw", "\"level\" = 'meter'", {"site", "meter", "value", "quality"}),
    ("today_usage_electricity_kwh", "\"level\" = 'site' AND \"site\" = 'block'", LIVE_FIELDS),
    ("region_names", "\"level\" = 'dong'", CHOICES | {"parent", "parent_name_ko", "latitude", "longitude", "district"}),
    ("site_names", "", CHOICES | {"site", "kind", "region", "district"}),
    ("meter_names", "\"meter\" = 'w-main'", CHOICES | {"site", "utility", "role", "gateway", "model"}),
    (
        "dong_now",
        "",
        NAMES | {"latitude", "longitude", "usage_electricity_kwh", "usage_today_electricity_kwh", "quality"},
    ),
    ("district_now", "", NAMES | {"usage_today_water_m3", "emission_today_co2_kg", "coverage_ratio", "district"}),
    ("site_now", "\"site\" = 'works'", NAMES | {"region_name_ko", "electricity_power_kw", "live", "meters", "quality"}),
    ("meter_now", "\"meter\" = 'w-main'", NAMES | {"reading", "instant", "unit", "age_s", "role", "model", "quality"}),
    ("today_compare", "\"utility\" = 'electricity'", {"level", "region", "today", "quality"}),
    (
        "gateway_state",
        "\"gateway\" = 'gw'",
        {"site", "area", "online", "outbox_mb", "outbox_oldest_s", "clock", "clock_good", "state_age_s", "meters"}
        | {
            "heard",
            "dead_meters",
            "lines_down",
            "line_use_ratio_max",
            "ticks_missed",
            "readings_dropped",
            "warnings",
            "software",
        },
    ),
    ("line_state", "", {"gateway", "line", "use_ratio", "up", "overloaded", "dead_meters", "ticks_missed"}),
    ("platform_settle", "", {"area", "settled_age_s", "marks", "stale", "well"}),
    ("platform_service", "\"service\" = 'mirror'", {"up", "well", "rss_mb", "cpu_s_total", "uptime_s"}),
    ("platform_service", "\"service\" = 'gone'", {"up", "well", "trouble"}),
    ("platform_disk", "", {"volume", "used_ratio", "free_gb"}),
    ("platform_mirror", "", {"points_total", "lag_s", "errors_total"}),
    (
        "quality_slot",
        "\"level\" = 'dong'",
        {"region", "utility", "counted", "expected", "coverage_ratio", "estimated_ratio"},
    ),
    ("quality_grade", "", {"area", "grade", "meter_slots"}),
    ("outages", "", {"scope", "name", "site", "text_ko", "text_en", "end_ms", "utility"}),
]


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedArea]:
    with served_area(tmp_path_factory.mktemp("area")) as served:
        yield served


@pytest.fixture(scope="module")
def mirrored(area: ServedArea, influx: Server) -> Mirror:
    """Each job once, but that what needs another's work is done after it."""
    mirror = Mirror(mirror_settings(area, influx, NAME))
    turn_all(mirror)
    return mirror


def turn_all(mirror: Mirror, now_s: float = NOW_S) -> None:
    """Each job once, the names first."""
    for job in sorted(mirror.jobs, key=lambda job: job.name != "names"):
        assert job.once(now_s) == ""


def one(influx: Server, measurement: str, condition: str) -> Row:
    """The only such point."""
    (found,) = points(influx, NAME, measurement, condition)
    return found


@pytest.mark.parametrize(("measurement", "condition", "names"), PROMISED)
@pytest.mark.usefixtures("mirrored")
def test_every_measurement_has_what_was_promised(
    influx: Server, measurement: str, condition: str, names: set[str]
) -> None:
    found = points(influx, NAME, measurement, condition)
    assert found
    assert any(names - {"estimated"} <= row.keys() for row in found)


@pytest.mark.usefixtures("mirrored")
def test_sites_sum_up_to_the_city_and_nothing_counts_twice(influx: Server) -> None:
    for name, works, block in (
        ("usage_electricity_kwh", 12.0, 50.0),  # the works: 10 - 1 + 3
        ("production_electricity_kwh", 3.0, None),
        ("export_electricity_kwh", 1.0, None),
    ):
        at = f"time = {START}s"
        sites = {row["site"]: row["value"] for row in points(influx, NAME, name, f"\"level\" = 'site' AND {at}")}
        assert sites == {site: value for site, value in (("works", works), ("block", block)) if value}
        for level in ("city", "district", "dong"):
            row = one(influx, name, f"\"level\" = '{level}' AND \"type\" = 'all' AND {at}")
            assert row["value"] == works + (block or 0)
            assert row["region"] == {"city": "1", "district": str(DISTRICT), "dong": str(DONG)}[level]
    meters = points(influx, NAME, "usage_electricity_kwh", f"\"level\" = 'meter' AND time = {START}s")
    assert {row["meter"]: row["value"] for row in meters} == {"w-main": 10.0, "w-sub": 4.0, "b-main": 50.0}
    daily = one(influx, "usage_electricity_kwh_daily", "\"level\" = 'site' AND \"site\" = 'works'")
    assert (daily["time"], daily["value"], daily["kind"]) == (START, 12.0 * SLOTS, "industrial-complex")


@pytest.mark.usefixtures("mirrored")
def test_what_was_estimated_says_so(influx: Server) -> None:
    rows = points(influx, NAME, "usage_water_m3", "\"level\" = 'site'")
    assert [(row["value"], row["quality"]) for row in rows] == [(0.125, 0), (0.125, 1), (0.125, 1), (0.125, 0)]


@pytest.mark.usefixtures("mirrored")
def test_live_figures_are_those_of_the_live_page(influx: Server) -> None:
    city = one(influx, "electricity_power_kw", "\"level\" = 'city'")
    assert (city["value"], city["quality"], city["meters"]) == (36.0, 0, 3)
    block = one(influx, "today_usage_electricity_kwh", "\"level\" = 'site' AND \"site\" = 'block'")
    assert (block["value"], block["live"]) == (500.0, 1)  # 50 on the dial of a meter behind transformers
    water = one(influx, "water_volume_m3", "\"meter\" = 'b-water'")
    assert (water["quality"], "value" in water) == (16, False)
    row = one(influx, "meter_now", "\"meter\" = 'b-main'")
    assert (row["reading"], row["unit"], row["name_ko"]) == (10_250.0, "kWh", "b-main · 전기 주계량기")
    gone = one(influx, "platform_service", "\"service\" = 'gone'")
    assert (gone["up"], gone["well"], gone["trouble"]) == (0, 0, "no answer: NewConnectionError")


def test_settling_again_reaches_the_boards(tmp_path: Path, influx: Server) -> None:
    with served_area(tmp_path) as area:
        mirror = Mirror(mirror_settings(area, influx, "again"))
        turn_all(mirror)
        area.city.edit("b-main", "electricity_import_kwh", 1, 7_000)
        area.city.settle_marked()
        area.city.sum()
        turn_all(mirror)
    where = f"time = {START + 900}s AND "
    for level, value in (("site", 7.0), ("city", 19.0)):
        site = " AND \"site\" = 'block'" if level == "site" else " AND \"type\" = 'all'"
        (row,) = points(influx, "again", "usage_electricity_kwh", f"{where}\"level\" = '{level}'{site}")
        assert row["value"] == value


def test_an_area_that_is_silent_keeps_nothing_else_back(tmp_path: Path, influx: Server) -> None:
    with served_area(tmp_path) as area:
        mirror = Mirror(mirror_settings(area, influx, "silent"))
    troubles = {job.name: job.once(NOW_S) for job in mirror.jobs}
    assert {name for name, trouble in troubles.items() if trouble} == {"sites", "quality"}
    assert "area main silent" in mirror.health()
    assert points(influx, "silent", "usage_electricity_kwh", "\"level\" = 'city'")


def test_it_runs_by_itself_and_says_how_it_is(area: ServedArea, influx: Server) -> None:
    mirror = Mirror(mirror_settings(area, influx, "running"))
    mirror.start()
    try:
        eventually(lambda: bool(points(influx, "running", "platform_service", "\"service\" = 'mirror'")))
        assert ask(mirror.metrics_port, "/healthz") == {"ok": True, "problems": []}
        connection = http.client.HTTPConnection("127.0.0.1", mirror.metrics_port, timeout=30)
        connection.request("GET", "/metrics")
        assert b"bitgoeul_mirror_points_total" in connection.getresponse().read()
        connection.close()
    finally:
        mirror.stop()
    assert not any(job.problems for job in mirror.jobs)


def test_what_the_database_refuses_is_not_well(area: ServedArea, influx: Server) -> None:
    mirror = Mirror(mirror_settings(area, influx, "refusing"))
    # somebody else wrote a number where the mirror writes words
    line = f"site_names,site=works name_ko=1 {int(time.time())}\n"
    InfluxConnection(settings(influx, "refusing")).write(line.encode())
    mirror.start()
    try:
        eventually(lambda: not ask(mirror.metrics_port, "/healthz")["ok"])
        said = ask(mirror.metrics_port, "/healthz")
    finally:
        mirror.stop()
    assert said == {"ok": False, "problems": ["boards' database refused points of site_names"]}


def eventually(ready: Callable[[], bool]) -> None:
    """Within some seconds."""
    until_s = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def ask(port: int, path: str) -> Row:
    """A JSON answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    found: Row = json.loads(connection.getresponse().read())
    connection.close()
    return found


def test_a_city_without_single_sites_has_empty_sheets(tmp_path: Path, influx: Server) -> None:
    registry = write_registry(tmp_path / "registry")
    known = Registry(registry).known()
    day = (START + 32_400) // 86_400
    database = boards(influx, "alone")
    sheets = list(SiteUsage("west", lambda *_: USAGE.empty_table()).sheets(known, Span(day, day + 1, daily=False)))
    assert len(sheets) == 3 * 7
    assert [database.make_equal(sheet) for sheet in sheets] == [0] * len(sheets)
    unheard = SiteUsage("main", lambda *_: USAGE.empty_table())
    assert {sheet.rows.num_rows for sheet in unheard.sheets(known, Span(day, day + 1, daily=False))} == {0}
