"""One site: now, today, over time, and its meters."""

from dashboards import influxql as ask
from dashboards.boards.common import (
    ALL,
    ELECTRICITY,
    GAS,
    HEAT,
    LIVE,
    PRODUCTION,
    USED,
    WATER,
    Desk,
    Utility,
    course_of,
    days_of,
    heat_apart,
)
from dashboards.boards.lists import live_of
from dashboards.grafana import Board, Panel, Query, override, words
from dashboards.palette import BAD, GOOD, PLAIN, WATCH
from dashboards.panels import big, colored, lines, table

HERE = "\"site\" = '${site:raw}'"
SITE = f"\"level\" = 'site' AND {HERE}"
OUTAGES = HERE  # those of its meters and its gateway too


def board(desk: Desk) -> Board:
    """Reached from its dong, leads to its meters."""
    say = desk.say
    return Board(
        uid=desk.uid("site"),
        title=say("site.title"),
        about=say("site.about"),
        none=say("common.none"),
        tags=desk.tags(),
        variables=[desk.site_variable()],
        links=desk.links("site"),
        annotations=desk.outages_of(OUTAGES),
        refresh="10s",
        rows=[
            [*(_now(desk, utility) for utility in ALL), _live(desk)],
            [*(_today(desk, utility) for utility in USED)],
            [_power(desk), _slots(desk)],
            [_others(desk), _daily(desk)],
            [_meters(desk)],
        ],
    )


def _now(desk: Desk, utility: Utility) -> Panel:
    return live_of(desk, desk.say(f"now.{utility.key}"), utility.live, SITE, (4, 5), utility)


def _today(desk: Desk, utility: Utility) -> Panel:
    return live_of(desk, desk.say(f"today.{utility.key}"), utility.today, SITE, (6, 4), utility)


def _live(desk: Desk) -> Panel:
    say = desk.say
    queries = [
        Query(ask.newest("site_now", field, HERE, LIVE), say(f"columns.{field}")) for field in ("live", "meters")
    ]
    return big(
        say("common.live_meters"),
        (4, 5),
        queries,
        "none",
        PLAIN,
        names=True,
        orientation="vertical",
        about=say("common.live_about"),
    )


def _power(desk: Desk) -> Panel:
    say = desk.say
    shown = (ELECTRICITY, PRODUCTION)
    queries = [Query(ask.mean(utility.live, SITE), say(f"words.{utility.key}")) for utility in shown]
    looks = colored({say(f"words.{utility.key}"): utility.color for utility in shown})
    return lines(say("site.power"), (12, 9), queries, "kwatt", least="10s", overrides=looks)


def _slots(desk: Desk) -> Panel:
    say = desk.say
    flows = (
        ("import_electricity_kwh", "words.import", PLAIN),
        ("export_electricity_kwh", "words.export", WATER.color),
    )
    queries, looks = course_of(desk, (ELECTRICITY, PRODUCTION), SITE)
    queries += [Query(ask.mean(measurement, SITE, times=4), say(key)) for measurement, key, _ in flows]
    looks += colored({say(key): color for _, key, color in flows})
    # what was taken often is what was used, and would hide it
    looks.append(override(say("words.import"), custom__lineStyle={"fill": "dash", "dash": [6, 10]}))
    return lines(
        say("site.slots"), (12, 9), queries, "kwatt", least="15m", overrides=looks, about=say("common.mean_about")
    )


def _others(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = course_of(desk, (GAS, WATER, HEAT), SITE)
    looks += heat_apart(desk)
    return lines(
        say("region.others"),
        (12, 9),
        queries,
        GAS.per_hour_unit,
        least="15m",
        min=0,
        overrides=looks,
        about=say("common.mean_about"),
    )


def _daily(desk: Desk) -> Panel:
    say = desk.say
    queries, looks = days_of(desk, [ELECTRICITY], SITE)
    return lines(
        say("region.daily"),
        (12, 9),
        queries,
        "kwatth",
        bars=True,
        time_from="31d",
        least="1d",
        min=0,
        overrides=looks,
        about=say("common.daily_about"),
    )


def _meters(desk: Desk) -> Panel:
    say = desk.say
    columns = {
        "name": desk.column("name"),
        "state": "quality",
        "reading": "reading",
        "unit": "unit",
        "instant": "instant",
        "age": "age_s",
        "gateway": "gateway",
    }
    query = ask.listing("meter_now", columns, HERE, ["meter"], LIVE, good=False)
    to_meter = desk.link_to("meter", site="${site:raw}", meter="${__data.fields.meter}")
    to_gateway = desk.link_to("fleet", gateway="${__value.raw}")
    shown = [
        override("meter", custom__hidden=True),
        override("name", displayName=say("columns.meter"), custom__minWidth=280, links=to_meter),
        override("state", displayName=say("columns.state"), mappings=reading_words(desk)),
        override("reading", displayName=say("columns.reading"), decimals=1),
        override("instant", displayName=say("columns.instant_units"), custom__minWidth=130, decimals=2),
        override("unit", displayName=say("columns.unit")),
        override("age", displayName=say("columns.age"), unit="s", decimals=0),
        override("gateway", displayName=say("columns.gateway"), custom__minWidth=130, links=to_gateway),
    ]
    return table(
        say("site.meters"),
        (24, 12),
        [Query(query, table=True)],
        shown,
        about=say("site.meters_about"),
        order=["meter", *columns],
        sort=say("columns.meter"),
    )


def reading_words(desk: Desk) -> list[dict[str, object]]:
    """What the quality of a reading says, as contract.quality numbers it: no reading is ever an estimate."""
    say = desk.say
    known = words(_0=(say("state.measured"), GOOD), _1=(say("state.clock_unconfirmed"), WATCH))
    missing = {
        "type": "range",
        "options": {"from": 16, "to": 999, "result": {"text": say("state.missing"), "color": BAD, "index": 2}},
    }
    other = {
        "type": "range",
        "options": {"from": 2, "to": 15, "result": {"text": say("state.doubtful"), "color": WATCH, "index": 3}},
    }
    return [*known, missing, other]
