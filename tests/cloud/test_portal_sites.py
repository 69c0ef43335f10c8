"""Whose meters the live page shows: those of live sites, as they hang at the moment."""

import logging
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.portal.live.sites import Roster, Rosters, load_roster, roster_of
from cloud.registry import snapshot
from contract.problems import Problem
from simulators.registered import spans
from tests.cloud.portal_area import NOW_S, write_sites

HANAM = "hanam,하남,Hanam,industrial-complex,e1,electricity,main,40"
HALL = "hall,시청,City Hall,public-building,w1,water,sub,0.01"
NAMES = ["hanam", "hall"]
SITES = pa.table(
    [NAMES, ["하남", "시청"], ["Hanam", None], ["other", "public-building"], [0, 0], [True, True]],
    schema=snapshot.SITES,
)


def roster(*rows: tuple[str, str, int, int, float], now_s: float = NOW_S) -> Roster:
    """Of (meter, quantity, from_s, to_s, multiplier), all at the city hall."""
    names = ("meter", "quantity", "from_s", "to_s", "multiplier")
    columns: dict[str, object] = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    return roster_of(SITES, spans(columns | {"gateway": ["g"] * len(rows), "site": ["hall"] * len(rows)}), now_s)


def test_sites_are_ordered_by_kind_and_meters_know_their_place(tmp_path: Path) -> None:
    found = load_roster(write_sites(tmp_path, HALL, HANAM), NOW_S)
    assert [row.site for row in found.rows] == ["hanam", "hall"]
    assert found.meters.to_pylist() == ["e1", "w1"]
    assert found.row.tolist() == [0, 1]
    assert found.multiplier.tolist() == [40.0, 0.01]
    assert found.expected("electricity", "main").tolist() == [True, False]
    assert found.expected("water", "sub").tolist() == [False, True]


def test_a_meter_is_what_it_is_at_the_moment() -> None:
    rows = [
        ("m1", "water_volume_m3", 0, NOW_S, 1.0),
        ("m1", "water_volume_m3", NOW_S, NOW_S + 50, 0.1),
        ("m1", "water_volume_m3", NOW_S + 50, NOW_S + 90, 0.01),
        ("m2", "water_volume_m3", NOW_S + 10, NOW_S + 90, 1.0),
    ]
    seen = [
        (found.meters.to_pylist(), found.multiplier.tolist(), found.until_s)
        for found in (roster(*rows, now_s=now_s) for now_s in (NOW_S - 1, NOW_S, NOW_S + 10, NOW_S + 50, NOW_S + 90))
    ]
    assert seen == [
        (["m1"], [1.0], NOW_S),
        (["m1"], [0.1], NOW_S + 10),
        (["m1", "m2"], [0.1, 1.0], NOW_S + 50),
        (["m1", "m2"], [0.01, 1.0], NOW_S + 90),
        ([], [], snapshot.OPEN_TO_S),
    ]


def test_a_meter_is_there_once_and_multiplied_as_its_register_is() -> None:
    found = roster(
        ("e1", "electricity_frequency_hz", 0, NOW_S + 9, 1.0),
        ("e1", "electricity_import_kwh", 0, NOW_S + 9, 40.0),
        ("e1", "electricity_voltage_l1_v", 0, NOW_S + 9, 1.0),
        ("e2", "electricity_power_kw", 0, NOW_S + 9, 20.0),
    )
    assert (found.meters.to_pylist(), found.multiplier.tolist()) == (["e1", "e2"], [40.0, 20.0])


def test_a_site_without_a_meter_or_an_english_name_is_shown_all_the_same() -> None:
    found = roster(("m1", "water_volume_m3", 0, NOW_S + 9, 1.0))
    assert [(row.site, row.name_en) for row in found.rows] == [("hall", "시청"), ("hanam", "Hanam")]
    assert found.row.tolist() == [0]


def test_what_is_not_live_is_not_shown(tmp_path: Path) -> None:
    columns = {"meter": ["m1", "m2", "m3"], "quantity": ["water_volume_m3"] * 3, "gateway": ["g"] * 3}
    places = {"site": ["hanam", "hanam", "hall"], "live": [True, False, True]}
    sites = SITES.set_column(5, "live", pa.array([True, False]))
    snapshot.write(tmp_path, {"sites": sites, "spans": spans(columns | places)})
    found = load_roster(tmp_path, NOW_S)
    assert ([row.site for row in found.rows], found.meters.to_pylist()) == (["hanam"], ["m1"])
    snapshot.write(tmp_path, {"sites": SITES.set_column(5, "live", pa.array([False, False]))})
    with pytest.raises(
        Problem, match=f"^{tmp_path}: no site in the registry's snapshot is live, expected at least one$"
    ):
        load_roster(tmp_path, NOW_S)


def test_a_roster_is_another_when_the_registry_is_and_stays_when_that_goes_bad(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rosters = Rosters(write_sites(tmp_path, HALL), NOW_S)
    first = rosters.at(NOW_S)
    assert rosters.at(NOW_S + 1) is first
    write_sites(tmp_path, HALL, HANAM)
    second = rosters.at(NOW_S + 2)
    assert [row.site for row in second.rows] == ["hanam", "hall"]
    assert second.tag != first.tag
    (tmp_path / snapshot.CURRENT).write_text("{", "utf-8")
    for later_s in range(3, 63):
        assert rosters.at(NOW_S + later_s) is second
    assert caplog.text.count("event=registry-unreadable") == 1
    # what else changes in the registry is nothing to the page
    sites = snapshot.load(write_sites(tmp_path, HALL, HANAM))
    region = pa.Table.from_pylist([{"region": 7}], snapshot.REGIONS)
    snapshot.write(tmp_path, {"sites": sites.sites, "spans": sites.spans, "regions": region})
    assert rosters.at(NOW_S + 64) is second
