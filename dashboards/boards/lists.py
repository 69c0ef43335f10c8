"""Tables and figures that several boards show."""

from dashboards import influxql as ask
from dashboards.boards.common import LIVE, Desk, Utility, guessed, reporting
from dashboards.grafana import TODAY, Panel, Query, override
from dashboards.panels import big, table


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
    query = ask.listing("site_now", columns, where, ["site"], LIVE, good=False)
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


def today_of(desk: Desk, utility: Utility, where: str, size: tuple[int, int]) -> Panel:
    """What was used since midnight until the newest settled slot, and how much of that is estimated."""
    measurement = utility.usage
    guess, look = guessed(desk, measurement, where)
    return big(
        desk.say(f"today.{utility.key}"),
        size,
        [Query(ask.today(f"{measurement}_daily", where), desk.say(f"words.{utility.key}")), guess],
        utility.usage_unit,
        utility.color,
        orientation="horizontal",
        overrides=[look],
        time_from=TODAY,
    )


def live_of(desk: Desk, title: str, measurement: str, where: str, size: tuple[int, int], utility: Utility) -> Panel:
    """What is measured now or since midnight, and how many of the meters are in it: fewer are no saving."""
    counted, look = reporting(desk, measurement, where)
    return big(
        title,
        size,
        [Query(ask.latest(measurement, where, LIVE), desk.say(f"words.{utility.key}")), counted],
        utility.usage_unit if measurement == utility.today else utility.live_unit,
        utility.color,
        orientation="horizontal",
        overrides=[look],
        about=desk.say("common.counted_about"),
    )
