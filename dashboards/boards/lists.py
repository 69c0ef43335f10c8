"""Tables that several boards show."""

from dashboards import influxql as ask
from dashboards.boards.common import LIVE, Desk
from dashboards.grafana import Panel, Query, override
from dashboards.panels import table


def sites_table(desk: Desk, where: str, size: tuple[int, int], *, title: str = "common.sites") -> Panel:
    """The sites in words, what they take now and took today; a click leads to one. So few columns fit a tablet."""
    say = desk.say
    columns = {
        "name": desk.column("name"),
        "power": "electricity_power_kw",
        "today": "today_usage_electricity_kwh",
        "water": "today_usage_water_m3",
        "live": "live",
        "meters": "meters",
    }
    query = ask.listing("site_now", columns, where, ["site"], LIVE)
    shown = [
        override(
            "name",
            displayName=say("columns.site"),
            custom__minWidth=330,
            links=desk.link_to("site", site="${__data.fields.site}"),
        ),
        override("power", displayName=say("now.electricity"), unit="kwatt", decimals=1),
        override("today", displayName=say("today.electricity"), unit="kwatth", decimals=1),
        override("water", displayName=say("today.water"), unit="m3", decimals=1),
        override("live", displayName=say("columns.live")),
        override("meters", displayName=say("columns.meters")),
        override("site", custom__hidden=True),
    ]
    return table(
        say(title),
        size,
        [Query(query, table=True)],
        shown,
        about=say("common.sites_about"),
        order=list(columns),
        sort=say("today.electricity"),
        falling=True,
    )
