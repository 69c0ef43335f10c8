"""All sites of one kind together: industrial complexes, apartment blocks."""

from dashboards import influxql as ask
from dashboards.boards.common import ALL, ELECTRICITY, LIVE, PRODUCTION, USED, Desk, Utility
from dashboards.boards.lists import live_of, sites_table
from dashboards.grafana import Board, Panel, Query
from dashboards.palette import PLAIN
from dashboards.panels import big, colored, lines, ranking


def kind_board(desk: Desk, name: str, kind: str) -> Board:
    """`name` is the board's, `kind` the registry's kind of site."""
    say = desk.say
    together = f"\"level\" = 'kind' AND \"kind\" = '{kind}'"
    each = f"\"kind\" = '{kind}'"
    return Board(
        uid=desk.uid(name),
        title=say(f"{name}.title"),
        about=say(f"{name}.about"),
        none=say("common.none"),
        tags=desk.tags(),
        links=desk.links(name),
        annotations=desk.outages("site"),
        refresh="10s",
        rows=[
            [*(_now(desk, utility, together) for utility in ALL), _live(desk, together)],
            [_course(desk, together), _ranking(desk, each)],
            [*(_today(desk, utility, together) for utility in USED)],
            [sites_table(desk, each, (24, 9))],
        ],
    )


def _now(desk: Desk, utility: Utility, where: str) -> Panel:
    return live_of(desk, desk.say(f"now.{utility.key}"), utility.live, where, (4, 5), utility)


def _today(desk: Desk, utility: Utility, where: str) -> Panel:
    return live_of(desk, desk.say(f"today.{utility.key}"), utility.today, where, (6, 4), utility)


def _live(desk: Desk, where: str) -> Panel:
    say = desk.say
    queries = [
        Query(ask.newest(ELECTRICITY.live, field, where, LIVE), say(f"columns.{field}")) for field in ("live", "meters")
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


def _course(desk: Desk, where: str) -> Panel:
    say = desk.say
    shown = (ELECTRICITY, PRODUCTION)
    queries = [Query(ask.mean(utility.live, where), say(f"words.{utility.key}")) for utility in shown]
    return lines(
        say("region.electricity"),
        (15, 9),
        queries,
        "kwatt",
        least="10s",
        min=0,
        overrides=colored({say(f"words.{utility.key}"): utility.color for utility in shown}),
    )


def _ranking(desk: Desk, where: str) -> Panel:
    columns = {"name": desk.column("name"), "value": ELECTRICITY.today}
    query = ask.listing("site_now", columns, where, ["site"], LIVE, good=False)
    return ranking(
        desk.say("common.ranking"),
        (9, 9),
        Query(query, table=True),
        "kwatth",
        ELECTRICITY.color,
        links=desk.link_to("site", site="${__data.fields.name}"),
        hide=["site"],
        about=desk.say("common.ranking_about"),
    )
