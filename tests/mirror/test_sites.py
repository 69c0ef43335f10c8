"""Single sites and their meters: the registers that settling takes, all meters in a sum, one area beside another."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.metering.codes import SLOT_S
from cloud.mirror.process import Mirror
from cloud.mirror.registry import Known, Registry
from cloud.mirror.sites import SiteUsage
from cloud.mirror.sums import Span
from cloud.registry import snapshot
from cloud.registry.facts import shipped_regions
from cloud.settle.tables import usages
from simulators.servers import Server
from tests.mirror.boards_database import Row, boards, points
from tests.mirror.served_area import (
    DONG,
    EXPORT,
    KWH,
    NOW_S,
    SLOTS,
    ServedArea,
    mirror_settings,
    served_area,
    write_registry,
)
from tests.settle.small_city import START, City, span

DAY = (START + 32_400) // 86_400
TODAY = Span(DAY, DAY + 1, daily=False)
WATER, PULSES = "water_volume_m3", "pulses_count"
DEPOT = {"site": "depot", "region": DONG}


def depot() -> list[dict[str, object]]:
    """A water meter with a pulse output, and a roof whose meter counts both ways."""
    return [
        span("d-sun", EXPORT, **DEPOT, role=2),
        span("d-sun", KWH, **DEPOT, role=2),
        span("d-water", PULSES, **DEPOT, utility=2, multiplier=0.001),
        span("d-water", WATER, **DEPOT, utility=2),
    ]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A slot of the depot: 7 kWh out and 1 in, 2 m3 on the dial, 1.9 by its pulses."""
    made = City(tmp_path_factory.mktemp("city"), depot())
    for meter, quantity, rise in (
        ("d-sun", EXPORT, 7.0),
        ("d-sun", KWH, 1.0),
        ("d-water", PULSES, 1900.0),
        ("d-water", WATER, 2.0),
    ):
        made.read((meter, quantity, 0, 1000.0), (meter, quantity, SLOT_S, 1000.0 + rise))
    made.settle(SLOT_S)
    yield made
    made.store.close()


def registry(folder: Path, spans: Sequence[dict[str, object]], *sites: str) -> Known:
    """These, each a works in that dong."""
    rows = [
        {"site": site, "name_ko": site, "kind": "industrial-complex", "region": DONG, "live": True} for site in sites
    ]
    tables = {
        "spans": pa.Table.from_pylist(list(spans), snapshot.SPANS),
        "sites": pa.Table.from_pylist(rows, snapshot.SITES),
        "regions": shipped_regions(),
    }
    snapshot.write(folder, tables)
    return Registry(folder).known()


def ask(city: City, meters: Sequence[str], start_s: int, end_s: int) -> pa.Table:
    """As the area's process would answer."""
    return usages(city.store.settled, city.store.days, " ".join(meters), start_s, end_s)


def mirror(city: City, known: Known, influx: Server, name: str) -> dict[tuple[str, str, str], Row]:
    """The points of the first slot by measurement, level, and meter or site."""
    found: dict[tuple[str, str, str], Row] = {}
    usage, database = SiteUsage("main", lambda *asked: ask(city, *asked)), boards(influx, name)
    for sheet in usage.sheets(known, TODAY):
        database.make_equal(sheet)
    for measurement in ("usage_water_m3", "production_electricity_kwh", "export_electricity_kwh"):
        for row in points(influx, name, measurement, f"time = {START}s"):
            found[measurement, row["level"], row.get("meter") or row["site"]] = row
    for sheet in usage.sheets(known, TODAY):
        assert database.make_equal(sheet) == 0  # as it is, and one point for each
    return found


def test_of_two_registers_of_a_meter_the_one_that_is_settled_is_told(
    tmp_path: Path, influx: Server, city: City
) -> None:
    found = mirror(city, registry(tmp_path, depot(), "depot"), influx, "registers")
    assert {key: row["value"] for key, row in found.items()} == {
        ("usage_water_m3", "meter", "d-water"): 2.0,
        ("usage_water_m3", "site", "depot"): 2.0,
        ("production_electricity_kwh", "meter", "d-sun"): 7.0,
        ("production_electricity_kwh", "site", "depot"): 7.0,
    }


def test_a_site_is_the_sum_of_all_its_meters_however_many_are_told_apart(
    tmp_path: Path, influx: Server, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.mirror.sites.MAX_METERS", 1)
    found = mirror(city, registry(tmp_path, depot(), "depot"), influx, "many")
    assert {key[1:] for key in found} == {("meter", "d-sun"), ("site", "depot")}
    water = found["usage_water_m3", "site", "depot"]
    assert (water["value"], water["counted"], water["expected"]) == (2.0, 1, 1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedArea]:
    with served_area(tmp_path_factory.mktemp("area")) as area:
        yield area


def test_a_dead_area_keeps_back_no_other_and_what_it_told_stays(
    tmp_path: Path, influx: Server, city: City, served: ServedArea
) -> None:
    west = [row | {"area": "west"} for row in depot()]
    folder = write_registry(tmp_path / "registry", west, "depot")
    database, known = boards(influx, "two"), Registry(folder).known()
    for sheet in SiteUsage("west", lambda *asked: ask(city, *asked)).sheets(known, TODAY):
        database.make_equal(sheet)
    areas = {"west": tmp_path / "nobody.sock", "main": served.socket}
    both = Mirror(mirror_settings(served, influx, "two", registry=folder, areas=areas))
    troubles = {job.name: job.once(NOW_S) for job in both.jobs}
    assert {name for name, trouble in troubles.items() if "nobody.sock" in trouble} == {"sites", "quality"}
    rows = points(influx, "two", "usage_electricity_kwh", "\"site\" = 'works' AND \"level\" = 'site'")
    assert [row["value"] for row in rows] == [12.0] * SLOTS
    assert points(influx, "two", "usage_electricity_kwh_daily", "\"site\" = 'works'")
    assert {row["area"] for row in points(influx, "two", "quality_grade")} == {"main"}
    (kept,) = points(influx, "two", "usage_water_m3", "\"site\" = 'depot' AND \"level\" = 'site'")
    assert (kept["value"], kept["quality"]) == (2.0, 0)


def test_a_site_that_is_shown_no_more_has_no_value_left(tmp_path: Path, influx: Server, city: City) -> None:
    mirror(city, registry(tmp_path, depot(), "depot"), influx, "left")
    mirror(city, registry(tmp_path, [], "depot"), influx, "left")
    rows = points(influx, "left", "usage_water_m3")
    assert {(row["level"], row["quality"]) for row in rows} == {("meter", 16), ("site", 16)}
