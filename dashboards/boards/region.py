"""A district or a dong: what it used today and over time, its dongs and its sites."""

from dashboards import influxql as ask
from dashboards.boards.common import (
    ALL,
    CARBON_KG,
    CARBON_UNIT,
    ELECTRICITY,
    GAS,
    HEAT,
    HOUR,
    PRODUCTION,
    RATIO,
    USED,
    WATER,
    Desk,
    Utility,
)
from dashboards.boards.lists import sites_table
from dashboards.grafana import TODAY, Board, Panel, Query, override, steps
from dashboards.palette import CARBON, GOOD, WATCH
from dashboards.panels import big, colored, lines, table

HERE = "\"region\" = '${region:raw}'"
WITHIN = f"({HERE} OR \"district\" = '${{region:raw}}')"
SUMS = f'{HERE} AND "level" =~ /^(district|dong)$/ AND "type" = \'all\''


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
    query = ask.today(f"{utility.usage}_daily", SUMS)
    return big(
        desk.say(f"today.{utility.key}"), (4, 5), [Query(query)], utility.usage_unit, utility.color, time_from=TODAY
    )


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
    where = f'{HERE} AND "level" =~ /^(district|dong)$/ AND "utility" = \'electricity\''
    query = ask.newest("quality_slot", "coverage_ratio", where, HOUR)
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
    queries = [
        Query(ask.mean(ELECTRICITY.usage, SUMS, times=4), say("words.electricity")),
        Query(ask.mean(PRODUCTION.usage, SUMS, times=4), say("words.production")),
    ]
    looks = colored({say(f"words.{utility.key}"): utility.color for utility in ALL})
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
    queries = [
        Query(ask.mean(utility.usage, SUMS, times=4), say(f"words.{utility.key}")) for utility in (GAS, WATER, HEAT)
    ]
    looks = colored({say(f"words.{utility.key}"): utility.color for utility in (GAS, WATER)})
    looks.append(
        override(
            say("words.heat"),
            unit="kwatt",
            custom__axisPlacement="right",
            color={"mode": "fixed", "fixedColor": HEAT.color},
        )
    )
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
    queries = [
        Query(ask.daily(ELECTRICITY.usage, SUMS), say("words.electricity")),
        Query(ask.daily(PRODUCTION.usage, SUMS), say("words.production")),
    ]
    looks = colored({say("words.electricity"): ELECTRICITY.color, say("words.production"): PRODUCTION.color})
    return lines(
        say("region.daily"), (16, 9), queries, "kwatth", bars=True, overrides=looks, time_from="31d", least="1d", min=0
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
    query = ask.listing("dong_now", columns, WITHIN, ["region"])
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
