"""Classic dashboard JSON: only what Grafana 9.4 knows and 11 to 13 still take. No library panels, nothing alpha."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

SCHEMA_VERSION = 39
COLUMNS = 24  # of the grid on which panels lie
DATASOURCE = {"type": "influxdb", "uid": "bitgoeul-boards"}
ZONE = "Asia/Seoul"
TODAY = "now/d"  # a panel's own time: since midnight
REFRESHES = ["10s", "30s", "1m", "5m", "15m", "1h"]

Json = dict[str, Any]


class Step(TypedDict):
    """From `value` on the colour holds; the first step has no value."""

    color: str
    value: float | None


@dataclass(frozen=True)
class Query:
    """One question of a panel. `name` is what its line is called; a `table` keeps its columns."""

    text: str
    name: str = ""
    table: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel, `width` by `height` cells of the grid; `custom` is the panel type's own part of the field options."""

    kind: str
    title: str
    width: int
    height: int
    queries: Sequence[Query] = ()
    about: str = ""
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()
    interval: str = ""  # the shortest that $__interval may become
    time_from: str = ""  # its own time, where it is not the board's


@dataclass(frozen=True)
class Variable:
    """What a person chooses: `query` gives `words|value`, or `choices` name them (value → words)."""

    name: str
    label: str
    query: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""  # what choosing all of them is called; several may be chosen then
    hidden: bool = False
    worded: bool = True  # the query's answers are `words|value`, else plain values
    first: tuple[str, str] | None = None  # words and value of what is shown first, where there is such a one


@dataclass(frozen=True)
class Board:
    """A dashboard. `rows` of panels lie below one another, each row as high as its highest panel."""

    uid: str
    title: str
    about: str
    none: str  # what stands where a value is missing
    tags: Sequence[str]
    rows: Sequence[Sequence[Panel]]
    variables: Sequence[Variable] = ()
    links: Sequence[Json] = ()
    annotations: Sequence[Json] = ()
    since: str = "now-24h"
    until: str = "now"
    refresh: str = "1m"


def board_json(board: Board) -> Json:
    """The file of a board."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.about,
        "tags": list(board.tags),
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": ZONE,
        "weekStart": "monday",
        "time": {"from": board.since, "to": board.until},
        "timepicker": {"refresh_intervals": REFRESHES},
        "refresh": board.refresh,
        "links": list(board.links),
        "templating": {"list": [_variable(variable) for variable in board.variables]},
        "annotations": {"list": list(board.annotations)},
        "panels": _panels(board.rows, board.none),
    }


def _panels(rows: Sequence[Sequence[Panel]], none: str) -> list[Json]:
    placed: list[Json] = []
    top = 0
    for row in rows:
        left = 0
        for panel in row:
            placed.append(_panel(panel, len(placed) + 1, (left, top), none))
            left += panel.width
        assert left <= COLUMNS, f"row of {row[0].title} is {left} wide"
        top += max(panel.height for panel in row)
    return placed


def _panel(panel: Panel, number: int, corner: tuple[int, int], none: str) -> Json:
    defaults = {"noValue": none} | panel.defaults | {"custom": panel.custom}
    content: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": {"x": corner[0], "y": corner[1], "w": panel.width, "h": panel.height},
        "options": panel.options,
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
    }
    if panel.queries:
        content |= {
            "datasource": DATASOURCE,
            "targets": [_target(query, place) for place, query in enumerate(panel.queries)],
        }
    if panel.transformations:
        content["transformations"] = list(panel.transformations)
    if panel.interval:
        content["interval"] = panel.interval
    if panel.time_from:
        content |= {"timeFrom": panel.time_from, "hideTimeOverride": True}  # the title says it
    return content


def _target(query: Query, place: int) -> Json:
    return {
        "refId": chr(ord("A") + place),
        "datasource": DATASOURCE,
        "query": query.text,
        "rawQuery": True,
        "resultFormat": "table" if query.table else "time_series",
        "alias": query.name,
    }


def _variable(variable: Variable) -> Json:
    content: Json = {
        "name": variable.name,
        "label": variable.label,
        "hide": 2 if variable.hidden else 0,
        "skipUrlSync": False,
        "includeAll": bool(variable.whole),
        "multi": bool(variable.whole),
    }
    if variable.whole:
        content |= {"allValue": ".*", "current": {"selected": True, "text": [variable.whole], "value": ["$__all"]}}
    if variable.first:
        content["current"] = {"selected": True, "text": variable.first[0], "value": variable.first[1]}
    if variable.choices:
        return content | _custom(variable)
    words = {"regex": r"/^(?<text>.*)\|(?<value>[^|]*)$/"} if variable.worded else {"regex": ""}
    return (
        content
        | words
        | {
            "type": "query",
            "datasource": DATASOURCE,
            "query": variable.query,
            "refresh": 1,
            "sort": 1,
        }
    )


def _custom(variable: Variable) -> Json:
    options = [
        {"selected": place == 0, "text": words, "value": value}
        for place, (value, words) in enumerate(variable.choices.items())
    ]
    # a comma separates choices, and a colon the words from the value
    listed = ",".join(f"{words} : {value}" for value, words in variable.choices.items())
    return {"type": "custom", "query": listed, "options": options, "current": options[0]}


def override(column: str, *, pattern: bool = False, **properties: object) -> Json:
    """What holds for one series or column: `override("name", displayName="이름", unit="kwatt")`.

    A property of the panel's own kind is written with two underlines: `custom__width=120`.
    """
    matcher = {"id": "byRegexp" if pattern else "byName", "options": column}
    listed = [{"id": name.replace("__", "."), "value": value} for name, value in properties.items()]
    return {"matcher": matcher, "properties": listed}


def steps(first: str, *others: tuple[float, str]) -> Json:
    """Thresholds: `first` below all, each other colour from its value on."""
    listed: list[Step] = [{"color": first, "value": None}]
    listed += [{"color": color, "value": value} for value, color in others]
    return {"mode": "absolute", "steps": listed}


def words(**texts: tuple[str, str]) -> list[Json]:
    """A state's words and colours by its value, `_1=("켜짐", GOOD)`: a keyword cannot be a number."""
    options = {
        value.removeprefix("_"): {"text": text, "color": color, "index": place}
        for place, (value, (text, color)) in enumerate(texts.items())
    }
    return [{"type": "value", "options": options}]


def link(title: str, url: str, *, keep_time: bool = False) -> Json:
    """A link at the head of a board."""
    return {
        "type": "link",
        "title": title,
        "url": url,
        "icon": "dashboard",
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": keep_time,
        "targetBlank": False,
    }


def annotation(name: str, color: str, query: str, *, text: str, until: str) -> Json:
    """What happened, shown over time: `text` and `until` (epoch ms) are columns of the answer."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "query": query,
        "textColumn": text,
        "timeEndColumn": until,
        "tagsColumn": "name",
        "titleColumn": "",
    }
