"""Data quality: how much is really there, how much is estimated, and what the rules found."""

from collections.abc import Mapping

from cloud.metering.quality import GRADES, RULES
from dashboards import influxql as ask
from dashboards.boards.common import NEWEST_SLOT, RATIO, USED, Desk, Utility
from dashboards.grafana import Board, Panel, Query, override, steps
from dashboards.palette import BAD, GOOD, OF_UTILITY, PLAIN, WATCH
from dashboards.panels import big, colored, lines, table

CITY = "\"level\" = 'city'"


def board(desk: Desk) -> Board:
    """Coverage, estimates, grades, findings, and where they are."""
    say = desk.say
    return Board(
        uid=desk.uid("quality"),
        title=say("quality.title"),
        about=say("quality.about"),
        none=say("common.none"),
        tags=desk.tags("operation"),
        links=desk.links("quality"),
        annotations=desk.outages("region", "gateway"),
        since="now-7d",
        refresh="1m",
        rows=[
            [*(_coverage(desk, utility) for utility in USED), _quarantine(desk)],
            [_course(desk, "coverage_ratio"), _course(desk, "estimated_ratio")],
            [_grades(desk), _findings(desk)],
            [_dongs(desk)],
        ],
    )


def _of(utility: Utility) -> str:
    return f"{CITY} AND \"utility\" = '{utility.key}'"


def _coverage(desk: Desk, utility: Utility) -> Panel:
    query = ask.newest("quality_slot", "coverage_ratio", _of(utility), NEWEST_SLOT)
    look = {"thresholds": steps(BAD, (0.9, WATCH), (0.98, GOOD))}
    return big(
        desk.say(f"quality.coverage_{utility.key}"),
        (5, 5),
        [Query(query)],
        RATIO,
        "",
        look=look,
        decimals=1,
        about=desk.say("common.coverage_about"),
    )


def _quarantine(desk: Desk) -> Panel:
    query = ask.over_all("sum", "platform_ingest", "quarantine_rows", "area")
    return big(
        desk.say("quality.quarantine"),
        (4, 5),
        [Query(query)],
        "short",
        PLAIN,
        about=desk.say("quality.quarantine_about"),
    )


def _course(desk: Desk, field: str) -> Panel:
    say = desk.say
    queries = [Query(ask.course("quality_slot", field, _of(utility)), say(f"words.{utility.key}")) for utility in USED]
    looks = colored({say(f"words.{utility.key}"): OF_UTILITY[utility.key] for utility in USED})
    return lines(
        say(f"quality.{field}"),
        (12, 9),
        queries,
        RATIO,
        least="15m",
        overrides=looks,
        min=0,
        max=1,
        fill=0,
        about=say(f"quality.{field}_about"),
    )


def _grades(desk: Desk) -> Panel:
    say = desk.say
    names = {grade.name: f"{grade.name} · {say(f'grade.{grade.name}')}" for grade in GRADES}
    query = ask.summed("quality_grade", "meter_slots", "grade", "area", "2h")
    return _counts(desk, "grades", "grade", query, names)


def _findings(desk: Desk) -> Panel:
    say = desk.say
    query = ask.summed("quality_finding", "findings", "rule", "area", "3d")
    names = {str(rule.name): f"{name.id} · {say(f'rule.{name.id}')}" for rule, name in RULES.items()}
    return _counts(desk, "findings", "rule", query, names)


def _counts(desk: Desk, key: str, tag: str, query: str, names: Mapping[str, str]) -> Panel:
    say = desk.say
    mappings = [{"type": "value", "options": {value: {"text": text} for value, text in names.items()}}]
    shown = [
        override(tag, displayName=say(f"columns.{tag}"), mappings=mappings),
        override("sum", displayName=say("columns.found"), unit="locale", custom__width=80),
    ]
    return table(
        say(f"quality.{key}"),
        (12, 12),
        [Query(query, table=True)],
        shown,
        sort=say("columns.found"),
        falling=True,
        about=say(f"quality.{key}_about"),
    )


def _dongs(desk: Desk) -> Panel:
    say = desk.say
    columns = {"name": desk.column("name"), "coverage": "coverage_ratio"}
    query = ask.listing("dong_now", columns, "", ["region"], NEWEST_SLOT, good=False)
    shown = [
        override(
            "name", displayName=say("columns.dong"), links=desk.link_to("region", region="${__data.fields.region}")
        ),
        override("coverage", displayName=say("columns.coverage"), unit=RATIO, decimals=1),
        override("region", custom__hidden=True),
    ]
    return table(
        say("quality.dongs"),
        (24, 8),
        [Query(query, table=True)],
        shown,
        sort=say("columns.coverage"),
        about=say("quality.dongs_about"),
        order=list(columns),
    )
