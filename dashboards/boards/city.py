"""The city live: a wall, read from five metres."""

from dashboards import influxql as ask
from dashboards.boards.common import (
    ALL,
    CARBON_KG,
    CARBON_UNIT,
    DOTS,
    ELECTRICITY,
    LIVE,
    NEWEST_SLOT,
    PRODUCTION,
    RATIO,
    USED,
    Desk,
    Utility,
    city,
    estimated_name,
    guessed,
    reporting,
)
from dashboards.boards.map import dong_map
from dashboards.grafana import Board, Json, Panel, Query, override
from dashboards.palette import OF_UTILITY, PLAIN, QUIET
from dashboards.panels import big, lines, ranking

CITY = "\"level\" = 'city'"
COMPARED = (*((utility.key, utility.usage_unit) for utility in USED), ("co2", CARBON_UNIT))
ESTIMATED = {utility.key: utility.usage for utility in USED}
RECENT = "1h"  # the comparison is written with each slot, at its end: older than this it is none


def board(desk: Desk) -> Board:
    """Use and production now, today against yesterday and last week, districts, dongs, carbon."""
    say = desk.say
    widths = (5, 5, 5, 5, 4)
    return Board(
        uid=desk.uid("city"),
        title=say("city.title"),
        about=say("city.about"),
        none=say("common.none"),
        tags=desk.tags("wall"),
        links=desk.links("city"),
        annotations=desk.outages("region"),
        since="now/d",
        until="now/d",
        refresh="10s",
        rows=[
            [_now(desk, utility, width) for utility, width in zip(ALL, widths, strict=True)],
            [_today(desk, key, unit, width) for (key, unit), width in zip(COMPARED, widths, strict=True)],
            [_compared(desk, key, width) for (key, _), width in zip(COMPARED, widths, strict=True)],
            [_course(desk), dong_map(desk, (10, 14)), _districts(desk)],
        ],
    )


def _now(desk: Desk, utility: Utility, width: int) -> Panel:
    """And of how many of its meters that is: fewer are no saving."""
    counted, look = reporting(desk, utility.live, CITY)
    return big(
        desk.say(f"now.{utility.key}"),
        (width, 6),
        [Query(ask.latest(utility.live, CITY, LIVE), desk.say(f"words.{utility.key}")), counted],
        utility.live_unit,
        utility.color,
        orientation="horizontal",
        overrides=[look],
        about=desk.say("city.now_about"),
    )


def _today(desk: Desk, key: str, unit: str, width: int) -> Panel:
    """Today until the newest settled slot."""
    query = ask.latest("today_compare", _of(key), RECENT, "today", per=CARBON_KG if key == "co2" else 1)
    title, about = desk.say(f"today.{key}"), desk.say("city.today_about")
    return big(title, (width, 4), [Query(query)], unit, OF_UTILITY[key], about=about)


def _compared(desk: Desk, key: str, width: int) -> Panel:
    """How much more or less that is than until the same hour yesterday and a week ago, and how much of it is
    estimated; it stands below its figure.
    """
    say = desk.say
    queries = [
        Query(ask.latest("today_compare", _of(key), RECENT, field), say(f"city.{field}"))
        for field in ("change_day_ratio", "change_week_ratio")
    ]
    looks: list[Json] = []
    if key in ESTIMATED:
        guess, _ = guessed(desk, ESTIMATED[key], city())
        queries.append(guess)
        looks.append(override(guess.name, unit="percent"))
    return big("", (width, 4), queries, RATIO, PLAIN, names=True, decimals=1, orientation="horizontal", overrides=looks)


def _of(key: str) -> str:
    return f"{CITY} AND \"utility\" = '{key}' AND {ask.AFTER_MIDNIGHT}"


def _course(desk: Desk) -> Panel:
    say = desk.say
    names = {key: say(f"city.line_{key}") for key in ("today", "yesterday", "week", "production")}
    queries = [
        Query(ask.mean(ELECTRICITY.usage, city(), times=4), names["today"]),
        Query(ask.mean(f"earlier_{ELECTRICITY.usage}", f"{CITY} AND \"days\" = '1'", times=4), names["yesterday"]),
        Query(ask.mean(f"earlier_{ELECTRICITY.usage}", f"{CITY} AND \"days\" = '7'", times=4), names["week"]),
        Query(ask.mean(PRODUCTION.usage, city(), times=4), names["production"]),
        Query(ask.mean(ELECTRICITY.usage, city(), times=4, field="estimated"), estimated_name(desk, names["today"])),
    ]
    dash = {"fill": "dash", "dash": [8, 8]}
    looks = [
        override(
            estimated_name(desk, names["today"]),
            color=_fixed(ELECTRICITY.color),
            custom__lineStyle=DOTS,
            custom__fillOpacity=0,
        ),
        override(names["today"], color=_fixed(ELECTRICITY.color), custom__lineWidth=4, custom__fillOpacity=15),
        override(names["yesterday"], color=_fixed(PLAIN), custom__lineStyle=dash, custom__fillOpacity=0),
        override(names["week"], color=_fixed(QUIET), custom__lineStyle=DOTS, custom__fillOpacity=0),
        override(names["production"], color=_fixed(PRODUCTION.color), custom__lineWidth=4, custom__fillOpacity=15),
    ]
    return lines(
        say("city.course"),
        (9, 14),
        queries,
        ELECTRICITY.per_hour_unit,
        least="15m",
        overrides=looks,
        min=0,
        about=say("city.course_about"),
    )


def _fixed(color: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": color}


def _districts(desk: Desk) -> Panel:
    columns = {"name": desk.column("name"), "value": "usage_today_electricity_kwh"}
    query = ask.listing("district_now", columns, ask.TIME, ["region"], NEWEST_SLOT, good=False)
    return ranking(
        desk.say("city.districts"),
        (5, 14),
        Query(query, table=True),
        ELECTRICITY.usage_unit,
        ELECTRICITY.color,
        about=desk.say("city.districts_about"),
        hide=["region"],
        links=desk.link_to("region", region="${__data.fields.name}"),
    )
