"""The fleet of gateways: who is online, how late, how full, how true their clocks are, and what hangs on them."""

from dashboards import influxql as ask
from dashboards.boards.common import RATIO, Desk
from dashboards.grafana import Board, Json, Panel, Query, Variable, override, steps, words
from dashboards.palette import BAD, GOOD, PLAIN, WATCH
from dashboards.panels import big, lines, states, table

CHOSEN = '"gateway" =~ /^${gateway:regex}$/'
HEARD = f'{CHOSEN} AND "heard" = 1'  # the others wait to be installed
NOW = "5m"
WIDTHS = {"online": 5, "offline": 5, "unheard": 5, "dead_meters": 5, "lines_down": 4}  # of the first row


def board(desk: Desk) -> Board:
    """All gateways, or those chosen."""
    say = desk.say
    gateways = 'SHOW TAG VALUES FROM "gateway_state" WITH KEY = "gateway"'
    return Board(
        uid=desk.uid("fleet"),
        title=say("fleet.title"),
        about=say("fleet.about"),
        none=say("common.none"),
        tags=desk.tags("operation"),
        variables=[Variable("gateway", say("common.gateway"), gateways, whole=say("common.every"), worded=False)],
        links=desk.links("fleet"),
        annotations=desk.outages("gateway", "site"),
        since="now-6h",
        refresh="30s",
        rows=[
            [
                _count(desk, "online", "sum", "online", PLAIN),
                _offline(desk),
                _count(desk, "unheard", "lacking", "heard", PLAIN),
                _trouble(desk, "dead_meters", "sum"),
                _trouble(desk, "lines_down", "sum"),
            ],
            [
                _clocks(desk),
                _trouble(desk, "warnings", "sum"),
                _oldest(desk),
                _delay(desk),
            ],
            [_gateways(desk)],
            [_lines(desk)],
            [_online(desk), _delays(desk)],
            [_outboxes(desk), _lines_used(desk)],
        ],
    )


def _stat(desk: Desk, key: str, query: str, unit: str, look: Json) -> Panel:
    about = desk.say(f"fleet.{key}_about")
    size = (WIDTHS.get(key, 6), 4)
    return big(desk.say(f"fleet.{key}"), size, [Query(query)], unit, "", look=look, about=about)


def _count(desk: Desk, key: str, function: str, field: str, color: str) -> Panel:
    query = ask.over_all(function, "gateway_state", field, "gateway", where=CHOSEN, within=NOW)
    return _stat(desk, key, query, "none", {"thresholds": steps(color)})


def _offline(desk: Desk) -> Panel:
    query = ask.over_all("lacking", "gateway_state", "online", "gateway", where=HEARD, within=NOW)
    return _stat(desk, "offline", query, "none", {"thresholds": steps(GOOD, (1, BAD))})


def _trouble(desk: Desk, field: str, function: str) -> Panel:
    query = ask.over_all(function, "gateway_state", field, "gateway", where=CHOSEN, within=NOW)
    return _stat(desk, field, query, "none", {"thresholds": steps(GOOD, (1, WATCH))})


def _clocks(desk: Desk) -> Panel:
    query = ask.over_all("lacking", "gateway_state", "clock_good", "gateway", where=CHOSEN, within=NOW)
    return _stat(desk, "clocks", query, "none", {"thresholds": steps(GOOD, (1, WATCH))})


def _oldest(desk: Desk) -> Panel:
    query = ask.over_all("max", "gateway_state", "outbox_oldest_s", "gateway", where=CHOSEN, within=NOW)
    return _stat(desk, "oldest", query, "s", {"thresholds": steps(GOOD, (300, WATCH), (3600, BAD))})


def _delay(desk: Desk) -> Panel:
    query = ask.over_all("max", "gateway_state", "delay_s", "gateway", where=CHOSEN, within=NOW)
    return _stat(desk, "delay", query, "s", {"thresholds": steps(GOOD, (60, WATCH), (900, BAD)), "decimals": 1})


def _gateways(desk: Desk) -> Panel:
    say = desk.say
    columns = {
        "heard": "heard",
        "online": "online",
        "delay": "delay_s",
        "outbox": "outbox_batches",
        "clock": "clock_good",
        "meters": "meters",
        "dead": "dead_meters",
        "use": "line_use_ratio_max",
        "warning": "warning_text",
        "software": "software",
    }
    query = ask.listing("gateway_state", columns, CHOSEN, ["gateway", "site"], NOW, good=False)
    clock = words(_1=(say("state.clock_good"), GOOD), _0=(say("state.clock_bad"), WATCH))
    heard = words(_1=(say("state.heard"), GOOD), _0=(say("state.never"), PLAIN))
    shown = [
        override("gateway", displayName=say("columns.gateway"), custom__minWidth=148),
        override(
            "site",
            displayName=say("columns.site"),
            custom__minWidth=105,
            links=desk.link_to("site", site="${__value.raw}"),
        ),
        override("heard", displayName=say("columns.heard"), mappings=heard),
        override("online", displayName=say("columns.state"), mappings=online_words(desk)),
        override("delay", displayName=say("columns.delay"), unit="s", decimals=1),
        override("outbox", displayName=say("columns.outbox")),
        override("clock", displayName=say("columns.clock"), mappings=clock),
        override("meters", displayName=say("columns.meters")),
        override("dead", displayName=say("columns.dead")),
        override("use", displayName=say("columns.use"), unit=RATIO, decimals=0),
        override("warning", displayName=say("columns.warning"), custom__minWidth=100, noValue=say("columns.none")),
        override("software", displayName=say("columns.software"), custom__minWidth=120),
    ]
    return table(
        say("fleet.gateways"),
        (24, 10),
        [Query(query, table=True)],
        shown,
        order=["gateway", "site", *columns],
        sort=say("columns.gateway"),
        about=say("fleet.gateways_about"),
    )


def _lines(desk: Desk) -> Panel:
    """How many meters of each line are silent; which they are is on the boards of their sites."""
    say = desk.say
    columns = {"up": "up", "dead": "dead_meters", "use": "use_ratio", "missed": "ticks_missed"}
    query = ask.listing("line_state", columns, CHOSEN, ["gateway", "line"], NOW, good=False)
    up = words(_1=(say("state.well"), GOOD), _0=(say("state.ill"), BAD))
    shown = [
        override("gateway", displayName=say("columns.gateway"), custom__minWidth=148),
        override("line", displayName=say("columns.line"), custom__minWidth=105),
        override("up", displayName=say("columns.state"), mappings=up),
        override("dead", displayName=say("columns.dead")),
        override("use", displayName=say("columns.use"), unit=RATIO, decimals=0),
        override("missed", displayName=say("columns.missed")),
    ]
    return table(
        say("fleet.lines"),
        (24, 8),
        [Query(query, table=True)],
        shown,
        order=["gateway", "line", *columns],
        sort=say("columns.dead"),
        falling=True,
        about=say("fleet.lines_about"),
    )


def _online(desk: Desk) -> Panel:
    query = ask.course("gateway_state", "online", CHOSEN, by=["gateway"], function="min")
    return states(
        desk.say("fleet.course"),
        (12, 9),
        [Query(query, "$tag_gateway")],
        online_words(desk),
        least="1m",
        about=desk.say("fleet.course_about"),
    )


def _delays(desk: Desk) -> Panel:
    query = ask.course("gateway_state", "delay_s", CHOSEN, by=["gateway"], function="max")
    return lines(
        desk.say("fleet.delays"),
        (12, 9),
        [Query(query, "$tag_gateway")],
        "s",
        least="1m",
        legend=True,
        fill=0,
        min=0,
        about=desk.say("fleet.delay_about"),
    )


def _outboxes(desk: Desk) -> Panel:
    query = ask.course("gateway_state", "outbox_batches", CHOSEN, by=["gateway"], function="max")
    return lines(
        desk.say("fleet.outboxes"),
        (12, 9),
        [Query(query, "$tag_gateway")],
        "short",
        least="1m",
        legend=True,
        fill=0,
        min=0,
        about=desk.say("fleet.outboxes_about"),
    )


def _lines_used(desk: Desk) -> Panel:
    query = ask.course("line_state", "use_ratio", CHOSEN, by=["gateway", "line"], function="max")
    return lines(
        desk.say("fleet.lines_used"),
        (12, 9),
        [Query(query, "$tag_gateway · $tag_line")],
        RATIO,
        least="1m",
        legend=True,
        fill=0,
        min=0,
        about=desk.say("fleet.lines_used_about"),
    )


def online_words(desk: Desk) -> list[Json]:
    """1 and 0 in words."""
    return words(_1=(desk.say("state.online"), GOOD), _0=(desk.say("state.offline"), BAD))
