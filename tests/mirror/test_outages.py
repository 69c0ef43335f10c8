"""Outages on the boards: each beside the others, with its site, and none of a home."""

from pathlib import Path

import pyarrow as pa

from cloud.mirror.names import outages
from cloud.mirror.registry import Registry
from cloud.registry import snapshot
from simulators.servers import Server
from tests.mirror.boards_database import boards, points
from tests.mirror.served_area import DONG, KWH
from tests.settle.small_city import START, outage, span

HOUR_S = 3600
SPANS = [
    span("e-main", KWH, site="school", gateway="gw-school"),
    span("e-east", KWH, site="works", gateway="gw-both"),
    span("e-west", KWH, site="shop", gateway="gw-both"),
    span("e-kim", KWH, site="home-kim", gateway="gw-kim"),
    span("e-lee", KWH, site="home-lee", gateway="gw-both"),
    span("e-far", KWH, site="far", gateway="gw-far", live=False),
]
KINDS = {"school": "public-building", "works": "industrial-complex", "shop": "other"}
HOMES = {"home-kim": "household", "home-lee": "household"}
OUTAGES = [
    outage(0, HOUR_S, site="school", utility=0, reason="wiring"),
    outage(0, 2 * HOUR_S, site="school", utility=2, reason="pipes"),
    outage(0, HOUR_S, meter="e-main", utility=0),
    outage(0, HOUR_S, gateway="gw-school"),
    outage(0, HOUR_S, gateway="gw-both"),
    outage(0, HOUR_S, region=DONG),
    *(
        outage(0, HOUR_S, reason="Mr Kim is away", **{scope: name})
        for scope, name in (("site", "home-kim"), ("meter", "e-kim"), ("meter", "e-lee"), ("gateway", "gw-kim"))
    ),
    outage(0, HOUR_S, site="far"),
    outage(0, HOUR_S, meter="e-far"),
]


def test_outages_stand_beside_each_other_and_none_is_of_a_home(tmp_path: Path, influx: Server) -> None:
    sites = [
        {"site": site, "name_ko": site, "kind": kind, "region": DONG, "live": True}
        for site, kind in (KINDS | HOMES).items()
    ]
    sites.append({"site": "far", "name_ko": "far", "kind": "other", "region": DONG, "live": False})
    tables = {
        "spans": pa.Table.from_pylist(SPANS, snapshot.SPANS),
        "sites": pa.Table.from_pylist(sites, snapshot.SITES),
        "outages": pa.Table.from_pylist(OUTAGES, snapshot.OUTAGES),
    }
    snapshot.write(tmp_path, tables)
    database = boards(influx, "outages")
    for begin_s, point in outages(Registry(tmp_path).known(), START - HOUR_S):
        database.write([point], begin_s)
    found = points(influx, "outages", "outages")
    assert {(row["scope"], row["name"], row.get("site"), row["utility"]) for row in found} == {
        ("site", "school", "school", "electricity"),
        ("site", "school", "school", "water"),
        ("meter", "e-main", "school", "electricity"),
        ("gateway", "gw-school", "school", "all"),
        ("gateway", "gw-both", None, "all"),  # of two sites: which, one tag cannot say
        ("region", str(DONG), None, "all"),
    }
    ends = {row["utility"]: row["end_ms"] for row in found if row["scope"] == "site"}
    assert ends == {"electricity": (START + HOUR_S) * 1000, "water": (START + 2 * HOUR_S) * 1000}
    assert not any("Kim" in row["text_en"] for row in found)
