"""Simulated sites: what their files may say, what the shipped ones hold, and that gateways can read them in time."""

import asyncio
import math
import random
import time
from pathlib import Path

import msgspec
import pytest

from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry import snapshot
from contract.problems import Problem
from contract.quantities import QUANTITIES
from contract.reading import Reading
from edge.config import OutboxConfig, Site, UplinkConfig, load_site
from edge.line import Line
from simulators.gateway_files import GatewaySettings, gateway_site, write_gateway_file
from simulators.mounting import loads_of, mount
from simulators.registered import spans, write_registry
from simulators.running import RunningSite, RunOptions, read_endpoints, run_site
from simulators.served import read_log
from simulators.shapes import EPOCH_S, Series, seed_of
from simulators.site import load_sim_site, places, quantities, shipped

DEMO = ["hanam", "pyeongdong", "suwan", "cheomdan"]
GOOD = """
site = "s"
name_ko = "가"
name_en = "S"
kind = "other"
[[gateway]]
name = "g"
[[gateway.line]]
name = "l"
[[gateway.line.group]]
name = "e"
model = "eastron_sdm120"
use = "office"
scale = 1.0
"""


def configured(running: RunningSite, gateway: str) -> Site:
    folder = running.folder.absolute()
    settings = GatewaySettings(UplinkConfig(brokers=["mqtt://127.0.0.1:1"]), OutboxConfig(path=f"{folder}/o"), 1)
    return gateway_site(running.site, gateway, running.endpoints, settings)


def test_what_the_demo_shows() -> None:
    sites = [load_sim_site(name) for name in DEMO]
    placed = [place for site in sites for place in places(site)]
    assert [site.kind for site in sites].count("industrial-complex") == 2
    assert [site.kind for site in sites].count("apartment-block") == 2
    assert len({gateway.name for site in sites for gateway in site.gateway}) >= 4
    assert len(placed) >= 160
    assert {place.group.utility for place in placed} == {"electricity", "gas", "water", "heat"}
    assert {place.group.role for place in placed} == {"main", "sub", "production"}
    carriers = {line.carrier for site in sites for gateway in site.gateway for line in gateway.line}
    assert carriers == {"rtu", "tcp", "rtu-over-tcp"}
    for site in sites:
        mains = {place.group.utility for place in places(site) if place.group.role == "main"}
        assert mains == {"electricity", "gas", "water", "heat"}


def test_names_are_unique_in_the_city(tmp_path: Path) -> None:
    write_registry(shipped(), tmp_path)
    sites = [load_sim_site(name) for name in shipped()]
    lines = [line.name for site in sites for gateway in site.gateway for line in gateway.line]
    assert len(lines) == len(set(lines))


def test_the_cloud_is_told_of_every_meter_what_hangs_there(tmp_path: Path) -> None:
    found = snapshot.load(write_registry(DEMO, tmp_path))
    assert found.sites["site"].to_pylist() == DEMO
    dongs = dict(zip(found.regions["region"].to_pylist(), found.regions["name_ko"].to_pylist(), strict=True))
    assert [dongs[region] for region in found.sites["region"].to_pylist()] == ["하남동", "평동", "수완동", "첨단2동"]
    rows = {(row["meter"], row["quantity"]): row for row in found.spans.to_pylist()}
    placed = [place for name in DEMO for place in places(load_sim_site(name))]
    assert rows.keys() == {(place.name, quantity) for place in placed for quantity in quantities(place)}
    for place in placed:
        row = rows[place.name, quantities(place)[0]]
        assert row["gateway"] == place.gateway
        assert (UTILITIES[row["utility"]], ROLES[row["role"]]) == (place.group.utility, place.group.role)
    assert all(row["live"] and row["area"] == "main" and row["life"] == 1 for row in rows.values())


def test_a_site_of_the_registry_by_hand(tmp_path: Path) -> None:
    rows = {
        (row["meter"], row["quantity"]): row
        for row in snapshot.load(write_registry(["hanam"], tmp_path)).spans.to_pylist()
    }
    feeder = rows["hanam-e-main-02", "electricity_import_kwh"]
    assert (feeder["use"], feeder["parent"], feeder["multiplier"], feeder["digits"]) == (17, None, 7200.0, 6)
    # neither transformers nor digits matter to what is no count
    assert rows["hanam-e-main-02", "electricity_voltage_l1_v"]["multiplier"] == 1.0
    assert rows["hanam-e-main-02", "electricity_power_kw"]["multiplier"] == 7200.0
    assert rows["hanam-e-main-02", "electricity_power_kw"]["digits"] == 0
    # two feeders: the first, third, ... of a group hang behind the first, the others behind the second
    assert rows["hanam-e-factory-03", "electricity_import_kwh"]["parent"] == "hanam-e-main-01"
    assert rows["hanam-pv-06", "electricity_production_kwh"]["parent"] == "hanam-e-main-02"
    pulses = rows["hanam-w-factory-05", "pulses_count"]
    assert (pulses["parent"], pulses["multiplier"], pulses["digits"]) == ("hanam-w-main-01", 0.01, 9)
    assert (UTILITIES[pulses["utility"]], ROLES[pulses["role"]]) == ("water", "sub")


def test_a_meter_carries_what_hangs_behind_it_as_the_registry_has_it() -> None:
    placed = places(load_sim_site("suwan"))
    loads = loads_of(placed)
    (building,) = (place for place in placed if place.name == "suwan-e-building-03")
    homes = [place.name for place in placed if place.parent == building.name]
    assert homes == ["suwan-e-home-03", "suwan-e-home-11"]
    own = Series(building.group.use, "electricity", building.group.scale, seed_of(building.name))
    at_s = EPOCH_S + 86_400
    behind = sum(loads[name].total(at_s) for name in homes)
    assert loads[building.name].total(at_s) == pytest.approx(own.total(at_s) + behind)


def test_a_registrys_rows_are_sorted_and_what_is_not_said_is_usual() -> None:
    table = spans({"gateway": ["g2", "g1"], "meter": ["a", "b"], "quantity": ["gas_volume_m3"] * 2, "region": [7, 8]})
    assert table.schema == snapshot.SPANS
    first, second = table.to_pylist()
    assert (first["gateway"], first["region"], second["gateway"], second["region"]) == ("g1", 8, "g2", 7)
    assert (first["from_s"], first["to_s"], first["parent"]) == (snapshot.OPEN_FROM_S, snapshot.OPEN_TO_S, None)


def test_two_sites_with_one_meter_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="meter 'office-e-main-01' is named twice"):
        write_registry(["office", "office"], tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("scale = 1.0", "scale = 1.0\nscales = 2"), "unknown field `scales`"),
        (('kind = "other"', 'kind = "factory"'), "(?i)invalid enum value 'factory'"),
        (('name = "e"', 'name = "E 1"'), "group 'E 1': expected 1 to 64 of a-z"),
        (('"eastron_sdm120"', '"eastron"'), "meter model 'eastron': not known; expected one of "),
        (('"eastron_sdm120"', '"xht_heat"'), "model 'xht_heat' measures heat, not electricity"),
        (('"office"', '"bank"'), r"load shape 'bank\.electricity': not known"),
        (("scale = 1.0", "scale = -1.0"), "expected count >= 1, multiplier > 0, scale >= 0"),
        (("scale = 1.0", 'scale = 1.0\nparent = "x"'), "parent 'x': expected an earlier group of the same utility"),
        (("scale = 1.0", 'scale = 1.0\nquantities = ["gas_volume_m3"]'), "has no quantity 'gas_volume_m3'"),
        (("scale = 1.0", "scale = 1.0\ncount = 248"), "line 'l': more than 247 units"),
        (("scale = 1.0", "scale = 1.0\nbuilding_use = 30"), "expected `int` <= 29"),
        (('kind = "other"', 'kind = "other"\nregion = -1'), "expected `int` >= 0"),
        (("[[gateway]]", "[[gateway"), "toml: "),
    ],
)
def test_a_wrong_site_file_is_one_line_that_names_the_thing(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GOOD, "utf-8")
    assert [place.name for place in places(load_sim_site(path))] == ["s-e-01"]
    path.write_text(GOOD.replace(*change), "utf-8")
    with pytest.raises(Problem, match=complaint) as raised:
        load_sim_site(path)
    assert "\n" not in raised.value.text.en
    assert str(path) in raised.value.text.en or "not known" in complaint


def test_an_unknown_site_is_named() -> None:
    with pytest.raises(Problem, match="site 'mars': no such file, and not one of those shipped: cheomdan, hanam"):
        load_sim_site("mars")


@pytest.mark.parametrize("name", shipped())
def test_a_main_meter_sees_all_that_hangs_behind_it(name: str) -> None:
    placed = places(load_sim_site(name))
    loads = loads_of(placed)
    moments = [EPOCH_S + hour * 3600 + 1234 for hour in range(0, 8760, 7)]
    for utility in ("electricity", "gas", "water", "heat"):
        mains = [loads[place.name] for place in placed if (place.group.utility, place.group.role) == (utility, "main")]
        subs = [
            loads[place.name]
            for place in placed
            if place.group.utility == utility and "main" in place.group.parent and place.group.role == "sub"
        ]
        arrays = [
            loads[place.name] for place in placed if (place.group.utility, place.group.role) == (utility, "production")
        ]
        for moment in moments[:: 1 + 10 * (not arrays)]:
            drawn = sum(load.rate(moment) for load in mains)
            assert drawn + sum(load.rate(moment) for load in arrays) >= sum(load.rate(moment) for load in subs)
        for load in mains:
            # what is fed in behind a main meter must be used there, since its register cannot run back
            assert min(load.rate(moment) for moment in moments) >= 0


def test_a_main_meter_sees_its_own_load_and_its_sub_meters_less_the_arrays_behind_it() -> None:
    placed = places(load_sim_site("suwan"))
    loads = loads_of(placed)
    own = Series("apartment", "electricity", 45.0, seed_of("suwan-e-main-01"))
    moment = EPOCH_S + 150 * 86400 + 13 * 3600.0
    buildings = sum(loads[f"suwan-e-building-{n:02d}"].rate(moment) for n in range(1, 9))
    arrays = sum(loads[f"suwan-pv-{n:02d}"].rate(moment) for n in range(1, 4))
    assert arrays > 5
    assert loads["suwan-e-main-01"].rate(moment) == pytest.approx(own.rate(moment) + buildings - arrays)
    # sixteen homes are dealt out to eight buildings
    alone = Series("apartment", "electricity", 24.0, seed_of("suwan-e-building-03"))
    homes = loads["suwan-e-home-03"].total(moment) + loads["suwan-e-home-11"].total(moment)
    assert loads["suwan-e-building-03"].total(moment) == pytest.approx(alone.total(moment) + homes)


@pytest.mark.parametrize("name", shipped())
def test_no_register_is_too_small_for_its_load(name: str) -> None:
    chance = random.Random(1)
    for meters in mount(load_sim_site(name)).values():
        for meter in meters:
            for register in meter.model.register:
                moment = EPOCH_S + chance.uniform(0, 365 * 86400)
                served, true = meter.read(register, moment), meter.source(register.quantity, moment)
                assert served.value == pytest.approx(true, rel=1e-6, abs=1.01 * register.scale)


def one_round(running: RunningSite) -> dict[str, tuple[float, list[Reading]]]:
    """By line: how long the gateway takes to read all its meters once more, and what it reads."""

    async def read_all() -> dict[str, tuple[float, list[Reading]]]:
        found = {}
        for gateway in running.site.gateway:
            for config in configured(running, gateway.name).line:
                # a machine that has much to do may keep one answer of hundreds for longer than the site's own 0.3 s
                line = Line(msgspec.structs.replace(config, timeout_s=1.0), 1, time.time)
                names = [meter.name for meter in config.meter]
                for name in names:
                    await line.read_now(name)  # finds SunSpec's blocks, and learns which reads are refused
                start_s = time.monotonic()
                readings = [reading for name in names for reading in await line.read_now(name)]
                found[config.name] = (time.monotonic() - start_s, readings)
                line.close()
        return found

    return asyncio.run(read_all())


@pytest.mark.parametrize("name", shipped())
def test_the_gateway_reads_each_line_in_time_and_what_was_served(name: str, tmp_path: Path) -> None:
    with run_site(load_sim_site(name), tmp_path) as running:
        assert read_endpoints(tmp_path) == running.endpoints
        found = one_round(running)
        expected = [(place.name, quantity) for place in places(running.site) for quantity in quantities(place)]
    assert read_endpoints(tmp_path) is None
    assert sorted((one.meter, one.quantity) for _, readings in found.values() for one in readings) == sorted(expected)
    for line, (taken_s, readings) in found.items():
        assert taken_s < 5.0, f"{line} takes {taken_s:.2f} s"  # usual are 0.2 at the most; the bench measures
        served: dict[tuple[str, str], float | None] = {}
        for entry in read_log(tmp_path / "served" / f"{line}.jsonl"):
            for meter, values in entry.values.items():
                served |= {(meter, quantity): value for quantity, value in values.items()}
        for one in readings:
            value = served[one.meter, one.quantity]
            assert value is not None, one
            assert one.value is not None, one
            assert math.isclose(one.value, value, rel_tol=1e-12, abs_tol=1e-12), one


def test_a_gateway_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    with run_site(load_sim_site("cheomdan"), tmp_path / "run") as running:
        site = configured(running, "cheomdan-gw1")
        path = write_gateway_file(site, tmp_path / "gw.toml")
        assert load_site(path) == site
        lines = {line.name: line for line in site.line}
        assert lines["cheomdan-homes"].framing == "rtu"
        assert lines["cheomdan-homes"].tcp_port == running.servers["cheomdan-homes"].port
        assert Path(lines["cheomdan-meter-room"].port).resolve() == Path(running.buses["cheomdan-meter-room"].port)


def test_time_that_runs_faster_goes_on_where_it_was(tmp_path: Path) -> None:
    site = load_sim_site("school")
    with run_site(site, tmp_path, RunOptions(speed=3600)) as running:
        start_s = running.clock.now()
        time.sleep(0.2)
        first_s = running.clock.now()
        assert 700 < first_s - start_s < 36000
    with run_site(site, tmp_path, RunOptions(speed=10)) as running:
        assert first_s <= running.clock.now() < first_s + 36000
    (tmp_path / "clock.json").write_text("{", "utf-8")
    with pytest.raises(Problem, match=r"clock\.json: .*; delete it"), run_site(site, tmp_path):
        pass
    with pytest.raises(Problem, match="speed 0: expected above 0"), run_site(site, tmp_path / "x", RunOptions(speed=0)):
        pass


def test_registers_are_where_a_restart_finds_them() -> None:
    site, moment = load_sim_site("hanam"), EPOCH_S + 300 * 86400.0
    first, second = mount(site), mount(site)
    for line, meters in first.items():
        for one, other in zip(meters, second[line], strict=True):
            registers = [
                register for register in one.model.register if QUANTITIES[register.quantity].kind == "register"
            ]
            for register in registers:
                other.read(register, moment - 5e6)
                assert one.read(register, moment) == other.read(register, moment)
