"""Dongs as markers over the districts' outlines. The ground is a plain colour: no tiles, and no third party."""

from dashboards import influxql as ask
from dashboards.boards.common import NEWEST_SLOT, RATIO, Desk
from dashboards.grafana import TODAY, Json, Panel, Query, override
from dashboards.palette import ELECTRICITY, QUIET
from dashboards.panels import without

# the middle of the city, and how near: whole on a tablet's width too
CENTRE = {"lat": 35.155, "lon": 126.835, "zoom": 10.5}


def dong_map(desk: Desk, size: tuple[int, int]) -> Panel:
    """A marker for each dong: the larger, the more electricity today."""
    say = desk.say
    columns = {
        "name": desk.column("name"),
        "latitude": "latitude",
        "longitude": "longitude",
        "usage": "usage_today_electricity_kwh",
        "coverage": "coverage_ratio",
    }
    query = ask.listing("dong_now", columns, ask.TIME, ["region"], NEWEST_SLOT, good=False)
    shown = [
        override(
            "name", displayName=say("columns.name"), links=desk.link_to("region", region="${__data.fields.region}")
        ),
        override("usage", displayName=say("today.electricity"), unit="kwatth"),
        override("coverage", displayName=say("columns.coverage"), unit=RATIO, decimals=0),
    ]
    return Panel(
        kind="geomap",
        title=say("city.map"),
        width=size[0],
        height=size[1],
        queries=[Query(query, table=True)],
        about=say("city.map_about"),
        options=_options(desk),
        overrides=shown,
        transformations=[without("Time")],
        time_from=TODAY,
    )


def _options(desk: Desk) -> Json:
    outlines = {
        "type": "geojson",
        "name": desk.say("city.outlines"),
        "config": {"src": desk.map_url, "rules": [], "style": _outline()},
        "tooltip": False,
    }
    markers = {
        "type": "markers",
        "name": desk.say("city.markers"),
        "config": {"showLegend": False, "style": _marker()},
        "location": {"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
        "tooltip": True,
    }
    return {
        "view": {"id": "coords", "allLayers": True, **CENTRE},
        "controls": {
            "showZoom": False,
            "mouseWheelZoom": False,
            "showAttribution": False,
            "showScale": False,
            "showMeasure": False,
            "showDebug": False,
        },
        # the default would fetch tiles from a third party; this one draws outlines of ours and nothing else
        "basemap": outlines,
        "layers": [markers],
        "tooltip": {"mode": "details"},
    }


def _outline() -> Json:
    return {
        "color": {"fixed": QUIET},
        "opacity": 0.15,
        "lineWidth": 2,
        "size": {"fixed": 5, "min": 2, "max": 15},
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
        "rotation": {"fixed": 0, "mode": "mod", "min": -360, "max": 360},
        "textConfig": {"fontSize": 12, "textAlign": "center", "textBaseline": "middle", "offsetX": 0, "offsetY": 0},
    }


def _marker() -> Json:
    return _outline() | {
        "color": {"fixed": ELECTRICITY},
        "opacity": 0.6,
        "lineWidth": 1,
        "size": {"field": "usage", "fixed": 5, "min": 4, "max": 22},
    }
