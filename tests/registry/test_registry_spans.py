"""The snapshot's stretches, cut by hand: replacement, multiplier, move to another gateway, change of region."""

from pathlib import Path
from typing import Any

import pytest

from cloud.registry import snapshot
from cloud.registry.change import Registry, publish
from cloud.registry.importing import import_parts, read_parts
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from contract.problems import Problem
from tests.registry.city import FILES, JAN_S, JUN_S, KIM, MAR_S, POWER, SEP_S, Meter, city, empty_registry, take


def spans(registry: Registry, *names: str) -> list[tuple[Any, ...]]:
    """These columns of every span, in the snapshot's order."""
    return [tuple(row[name] for name in names) for row in snapshot.load(registry.snapshot).spans.to_pylist()]


def test_a_meter_of_which_nothing_changes_is_one_span(tmp_path: Path) -> None:
    registry = city(tmp_path, Meter("m1", multiplier="40"))
    (span,) = snapshot.load(registry.snapshot).spans.to_pylist()
    assert span == {
        "meter": "m1", "quantity": POWER, "from_s": JAN_S, "to_s": OPEN_TO_S, "area": "main", "gateway": "g1",
        "site": "hall", "region": 3, "use": 14, "utility": 0, "role": 0, "parent": None, "life": 1, "digits": 0,
        "multiplier": 40.0, "max_per_h": None, "opening": None, "closing": None, "live": True,
    }  # fmt: skip


def test_a_replaced_device_begins_another_life(tmp_path: Path) -> None:
    registry = city(tmp_path)
    lives = "meter,installed,removed,serial,digits,opening,closing\n"
    take(registry, lives=f"{lives}m1,2026-01-01,2026-06-01,A,5,0,99123.4\nm1,2026-06-01,,B,7,12.5,\n")
    assert spans(registry, "from_s", "to_s", "life", "digits", "opening", "closing") == [
        (JAN_S, JUN_S, 1, 5, 0.0, 99123.4),
        (JUN_S, OPEN_TO_S, 2, 7, 12.5, None),
    ]


def test_between_two_devices_there_is_nothing(tmp_path: Path) -> None:
    registry = city(tmp_path, Meter("m1", removed="2026-03-01"), Meter("m1", installed="2026-06-01"))
    assert spans(registry, "from_s", "to_s", "life") == [(JAN_S, MAR_S, 1), (JUN_S, OPEN_TO_S, 2)]


def test_every_dated_fact_cuts(tmp_path: Path) -> None:
    registry = city(tmp_path)
    take(
        registry,
        multipliers="meter,from,multiplier\nm1,2026-03-01,40\n",
        assignments="meter,from,to,gateway\nm1,2026-01-01,2026-06-01,g1\nm1,2026-06-01,,g2\n",
        buildings="building,from,to,site,region,use\nb1,,2026-09-01,hall,3,14\nb1,2026-09-01,,hall,4,14\n",
        capacities="meter,from,max_per_h\nm1,,100\nm1,2026-09-01,200\n",
    )
    assert spans(registry, "from_s", "to_s", "gateway", "region", "multiplier", "max_per_h") == [
        (JAN_S, MAR_S, "g1", 3, 1.0, 100.0),
        (MAR_S, JUN_S, "g1", 3, 40.0, 100.0),
        (JUN_S, SEP_S, "g2", 3, 40.0, 100.0),
        (SEP_S, OPEN_TO_S, "g2", 4, 40.0, 200.0),
    ]


def test_what_is_said_twice_cuts_nothing(tmp_path: Path) -> None:
    first, second = Meter("m1", till="2026-06-01", multiplier="2"), Meter("m1", start="2026-06-01", multiplier="2")
    registry = city(tmp_path, first, second)
    assert spans(registry, "from_s", "to_s", "multiplier") == [(JAN_S, OPEN_TO_S, 2.0)]


def test_outside_of_what_is_known_of_a_building_its_meters_stay(tmp_path: Path) -> None:
    registry = city(tmp_path)
    take(registry, buildings="building,from,to,region,use\nb9,2026-03-01,2026-06-01,4,2\nb9,2026-09-01,,4,3\n")
    take(registry, meters=f"meter,utility,quantities,building,gateway\nm9,electricity,{POWER},b9,g2\n")
    assert spans(registry, "meter", "from_s", "to_s", "region", "use")[1:] == [
        ("m9", OPEN_FROM_S, MAR_S, 0, 0),
        ("m9", MAR_S, JUN_S, 4, 2),
        ("m9", JUN_S, SEP_S, 0, 0),
        ("m9", SEP_S, OPEN_TO_S, 4, 3),
    ]


def test_a_meter_outside_of_buildings_is_where_its_gateways_site_is(tmp_path: Path) -> None:
    registry = city(tmp_path)
    header = f"meter,utility,quantities,gateway\nm9,electricity,{POWER}"
    take(registry, gateways="gateway,area,site\ng3,west,\n", meters=f"{header},g3\n")
    assert spans(registry, "meter", "site", "region", "live")[1:] == [("m9", None, 0, False)]
    with pytest.raises(Problem, match=r"dong 3 \(충장동\): split between the areas 'main' and 'west'"):
        take(registry, gateways="gateway,site\ng3,hall\n")
    take(registry, gateways="gateway,area,site\ng3,main,hall\n")
    assert spans(registry, "meter", "site", "region", "live")[1:] == [("m9", "hall", 3, True)]


def test_a_multiplier_is_no_voltages_and_a_register_no_powers(tmp_path: Path) -> None:
    quantities = f"electricity_voltage_l1_v electricity_power_kw {POWER} electricity_export_kwh"
    registry = city(tmp_path, Meter("m1", quantities=quantities, multiplier="40"))
    take(
        registry,
        capacities="meter,max_per_h\nm1,100\n",
        lives="meter,installed,opening\nm1,2026-01-01,7\n",
    )
    assert spans(registry, "quantity", "multiplier", "max_per_h", "opening") == [
        ("electricity_export_kwh", 40.0, 100.0, None),
        (POWER, 40.0, 100.0, 7.0),
        ("electricity_power_kw", 40.0, None, None),
        ("electricity_voltage_l1_v", 1.0, None, None),
    ]


def test_the_other_tables(tmp_path: Path) -> None:
    registry = city(tmp_path)
    take(
        registry,
        outages="outage,from,to,site,utility,reason\no1,2026-03-01,2026-06-01,hall,gas,공사\n",
        predecessors="region,predecessor,weight\n4,3,0.25\n",
        units="building,unit\nb2,101\n",
    )
    found = snapshot.load(registry.snapshot)
    assert found.floors.to_pylist() == [
        {"region": 3, "use": 14, "floor_m2": 100.0},
        {"region": 4, "use": 2, "floor_m2": 100.0},
    ]
    assert found.outages.to_pylist() == [
        {"from_s": MAR_S, "to_s": JUN_S, "meter": None, "gateway": None, "site": "hall", "region": 0, "utility": 1,
         "reason": "공사"}
    ]  # fmt: skip
    assert found.predecessors.to_pylist() == [{"region": 4, "predecessor": 3, "weight": 0.25}]
    assert [(row["region"], row["level"], row["parent"]) for row in found.regions.to_pylist()] == [
        (1, "city", 0), (2, "district", 1), (3, "dong", 2), (4, "dong", 2)
    ]  # fmt: skip
    assert found.sites.to_pylist()[0]["name_ko"] == "구청"


def test_the_same_content_gives_the_same_version_however_it_came(tmp_path: Path) -> None:
    meters = [Meter(f"m{number}", gateway=f"g{number % 2 + 1}") for number in range(40)]
    first = city(tmp_path / "first", *meters)
    version = snapshot.version(first.snapshot)
    assert publish(first) == version
    second = empty_registry(tmp_path / "second")
    take(second, **FILES)
    for rows in (meters[:7], meters[7:]):
        folder = tmp_path / f"part{len(rows)}"
        folder.mkdir()
        header = "meter,utility,quantities,gateway,building,installed\n"
        lines = [f"{m.meter},electricity,{POWER},{m.gateway},b1,2026-01-01T00:00:00+09:00\n" for m in reversed(rows)]
        (folder / "meters.csv").write_text(header + "".join(lines))
        import_parts(second, read_parts([folder]), KIM)
    assert snapshot.version(second.snapshot) == version
