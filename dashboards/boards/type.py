"""What one type of building uses in the whole city, and how the types compare."""

from cloud.registry import facts
from dashboards import influxql as ask
from dashboards.boards.common import (
    ALL,
    CARBON_KG,
    CARBON_UNIT,
    ELECTRICITY,
    GAS,
    HEAT,
    USED,
    WATER,
    Desk,
    Utility,
    city,
    course_of,
    days_of,
    heat_apart,
)
from dashboards.boards.lists import today_of
from dashboards.grafana import TODAY, Board, Panel, Query, Variable, override
from dashboards.palette import CARBON
from dashboards.panels import big, gauges, lines

# the registry's keys of types of buildings: where most people live first, the unknown last
TYPES = sorted(facts.types()["id"].to_pylist(), key=lambda key: (key == "not-known", key != "homes-apartment"))
CHOSEN = city("${type:raw}")
EACH = '"level" = \'city\' AND "type" !~ /^all$/'


def board(desk: Desk) -> Board:
    """One type, chosen by its name, beside all of them."""
    say = desk.say
    choices = {key: say(f"type.{key}") for key in TYPES}
    return Board(
        uid=desk.uid("type"),
        title=say("type.title"),
        about=say("type.about"),
        none=say("common.none"),
        tags=desk.tags(),
        variables=[Variable("type", say("common.type"), choices=choices)],
        links=desk.links("type"),
        annotations=desk.outages("region"),
        refresh="1m",
        rows=[
            [*(_today(desk, utility) for utility in USED), _carbon(desk)],
            [_course(desk), _compared(desk)],
            [_daily(desk), _others(desk)],
        ],
    )


def _today(desk: Desk, utility: Utility) -> Panel:
    return today_of(desk, utility, CHOSEN, (5, 5))


def _carbon(desk: Desk) -> Panel:
    query = ask.today("emission_co2_kg_daily", f"{CHOSEN} AND \"utility\" = 'all'", per=CARBON_KG)
    return big(
        desk.say("today.co2"),
        (4, 5),
        [Query(query)],
        CARBON_UNIT,
        CARBON,
        about=desk.say("common.carbon_about"),
        time_from=TODAY,
    )


def _course(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = course_of(desk, ALL[:2], CHOSEN)
    return lines(
        say("region.electricity"),
        (14, 10),
        queries,
        "kwatt",
        least="15m",
        min=0,
        about=say("common.mean_about"),
        overrides=looks,
    )


def _compared(desk: Desk) -> Panel:
    say = desk.say
    query = f'{ask.today(f"{ELECTRICITY.usage}_daily", EACH)} GROUP BY "type"'
    names = [override(key, displayName=say(f"type.{key}")) for key in TYPES]
    return gauges(
        say("type.compared"),
        (10, 20),
        [Query(query, "$tag_type")],
        "kwatth",
        overrides=names,
        color=ELECTRICITY.color,
        min=0,
        about=say("type.compared_about"),
        time_from=TODAY,
    )


def _daily(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = days_of(desk, [ELECTRICITY], CHOSEN)
    return lines(
        say("region.daily"),
        (7, 10),
        queries,
        "kwatth",
        bars=True,
        time_from="31d",
        least="1d",
        min=0,
        overrides=looks,
        about=say("common.daily_about"),
    )


def _others(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = course_of(desk, (GAS, WATER, HEAT), CHOSEN)
    looks += heat_apart(desk)
    return lines(
        say("region.others"),
        (7, 10),
        queries,
        GAS.per_hour_unit,
        least="15m",
        min=0,
        overrides=looks,
        about=say("common.mean_about"),
    )
