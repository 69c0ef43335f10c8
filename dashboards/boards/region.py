"""A district or a dong: what it used today and over time, its dongs and its sites."""

from dashboards import influxql as ask
from dashboards.boards.common import (
    CARBON_KG,
    CARBON_UNIT,
    ELECTRICITY,
    GAS,
    HEAT,
    NEWEST_SLOT,
    PRODUCTION,
    RATIO,
    USED,
    WATER,
    Desk,
    Utility,
    course_of,
    days_of,
    heat_apart,
)
from dashboards.boards.lists import sites_table, today_of
from dashboards.grafana import TODAY, Board, Panel, Query, override, steps
from dashboards.palette import CARBON, GOOD, WATCH
from dashboards.panels import big, colored, lines, table

HERE = "\"region\" = '${region:raw}'"
WITHIN = f"({HERE} OR \"district\" = '${{region:raw}}')"
# what lies nowhere (region 0) is kept as a district and as a dong: the dong has all of it
LEVEL = "(\"level\" = 'dong' OR \"level\" = 'district' AND \"region\" != '0')"
SUMS = f"{HERE} AND {LEVEL} AND \"type\" = 'all'"


def board(desk: Desk) -> Board:
    """From the city to a district or dong, and on to its sites."""
    say = desk.say
    return Board(
        uid=desk.uid("region"),
        title=say("region.title"),
        about=say("region.about"),
        none=say("common.none"),
        tags=desk.tags(),
        variables=[desk.region_variable()],
        links=desk.links("region"),
        annotations=desk.outages("region"),
        refresh="1m",
        rows=[
            [*(_today(desk, utility) for utility in USED), _carbon(desk), _coverage(desk)],
            [_electricity(desk), _others(desk)],
            [_daily(desk), _daily_carbon(desk)],
            [_dongs(desk)],
            [sites_table(desk, WITHIN, (24, 9))],
        ],
    )


def _today(desk: Desk, utility: Utility) -> Panel:
    return today_of(desk, utility, SUMS, (4, 5))


def _carbon(desk: Desk) -> Panel:
    query = ask.today("emission_co2_kg_daily", f"{SUMS} AND \"utility\" = 'all'", per=CARBON_KG)
    return big(
        desk.say("today.co2"),
        (4, 5),
        [Query(query)],
        CARBON_UNIT,
        CARBON,
        about=desk.say("common.carbon_about"),
        time_from=TODAY,
    )


def _coverage(desk: Desk) -> Panel:
    where = f"{HERE} AND {LEVEL} AND \"utility\" = 'electricity'"
    query = ask.newest("quality_slot", "coverage_ratio", where, NEWEST_SLOT)
    look = {"thresholds": steps(WATCH, (0.95, GOOD))}
    return big(
        desk.say("region.coverage"),
        (4, 5),
        [Query(query)],
        RATIO,
        "",
        look=look,
        decimals=1,
        about=desk.say("common.coverage_about"),
    )


def _electricity(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = course_of(desk, (ELECTRICITY, PRODUCTION), SUMS)
    return lines(
        say("region.electricity"),
        (12, 9),
        queries,
        "kwatt",
        overrides=looks,
        least="15m",
        min=0,
        about=say("common.mean_about"),
    )


def _others(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = course_of(desk, (GAS, WATER, HEAT), SUMS)
    looks += heat_apart(desk)
    return lines(
        say("region.others"),
        (12, 9),
        queries,
        GAS.per_hour_unit,
        overrides=looks,
        least="15m",
        min=0,
        about=say("common.mean_about"),
    )


def _daily(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = days_of(desk, (ELECTRICITY, PRODUCTION), SUMS)
    return lines(
        say("region.daily"),
        (16, 9),
        queries,
        "kwatth",
        bars=True,
        overrides=looks,
        time_from="31d",
        least="1d",
        min=0,
        about=say("common.daily_about"),
    )


def _daily_carbon(desk: Desk) -> Panel:
    where = f"{SUMS} AND \"utility\" = 'all'"
    query = Query(ask.daily("emission_co2_kg", where, per=CARBON_KG), desk.say("words.co2"))
    return lines(
        desk.say("region.daily_carbon"),
        (8, 9),
        [query],
        CARBON_UNIT,
        bars=True,
        time_from="31d",
        least="1d",
        min=0,
        overrides=colored({desk.say("words.co2"): CARBON}),
        about=desk.say("common.carbon_about"),
    )


def _dongs(desk: Desk) -> Panel:
    say = desk.say
    columns = {
        "name": desk.column("name"),
        "usage": "usage_today_electricity_kwh",
        "co2": "emission_today_co2_kg",
        "coverage": "coverage_ratio",
    }
    query = ask.listing("dong_now", columns, f"{WITHIN} AND {ask.TIME}", ["region"], NEWEST_SLOT, good=False)
    shown = [
        override(
            "name", displayName=say("columns.dong"), links=desk.link_to("region", region="${__data.fields.region}")
        ),
        override("usage", displayName=say("today.electricity"), unit="kwatth"),
        override("co2", displayName=say("today.co2"), unit="suffix: kg", decimals=0),
        override("coverage", displayName=say("columns.coverage"), unit=RATIO, decimals=0),
        override("region", custom__hidden=True),
    ]
    return table(
        say("region.dongs"),
        (24, 8),
        [Query(query, table=True)],
        shown,
        about=say("region.dongs_about"),
        sort=say("today.electricity"),
        falling=True,
        order=["name", "usage", "co2", "coverage"],
        time_from=TODAY,
    )
