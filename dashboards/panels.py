"""The kinds of panel that the boards use, with this project's habits.

Gaps stay gaps, and nothing is said in colour only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from dashboards.grafana import Json, Panel, Query, override, steps
from dashboards.palette import PLAIN, SERIES

_REDUCE: Json = {"values": False, "calcs": ["lastNotNull"], "fields": ""}
_TOOLTIP: Json = {"mode": "multi", "sort": "none"}


class More(TypedDict, total=False):
    """What a panel may be told beside its title, size, questions and unit."""

    about: str
    none: str  # what stands for a missing value, where it is not the board's own word
    decimals: int
    min: float
    max: float
    links: Sequence[Json]  # where a click leads
    look: Mapping[str, Any]  # thresholds and the words of states
    color: str
    overrides: Sequence[Json]
    transformations: Sequence[Json]
    least: str  # the shortest $__interval
    time_from: str
    fields: str  # which columns a figure takes, as `/^pattern$/`
    names: bool  # figures with their names
    orientation: str
    text: Json  # sizes of letters
    bars: bool
    fill: int  # below lines, in percent
    stack: bool
    legend: bool  # shown though there is one question only
    hide: Sequence[str]
    order: Sequence[str]
    sort: str
    falling: bool


def big(
    title: str, size: tuple[int, int], queries: Sequence[Query], unit: str, tint: str, **more: Unpack[More]
) -> Panel:
    """Figures to be read from five metres."""
    named = bool(more.get("names"))
    return Panel(
        kind="stat",
        title=title,
        width=size[0],
        height=size[1],
        queries=queries,
        about=more.get("about", ""),
        options={
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": more.get("orientation", "auto"),
            "textMode": "value_and_name" if named else "value",
            "reduceOptions": _REDUCE | ({"fields": more["fields"]} if "fields" in more else {}),
            "text": more.get("text", {}),
        },
        defaults=_defaults(unit, tint, more),
        overrides=more.get("overrides", ()),
        transformations=more.get("transformations", ()),
        time_from=more.get("time_from", ""),
    )


def lines(title: str, size: tuple[int, int], queries: Sequence[Query], unit: str, **more: Unpack[More]) -> Panel:
    """Lines over time."""
    bars = bool(more.get("bars"))
    custom: Json = {
        "drawStyle": "bars" if bars else "line",
        "lineWidth": 1 if bars else 2,
        "fillOpacity": 70 if bars else more.get("fill", 8),
        "lineInterpolation": "linear",
        "showPoints": "never" if bars else "auto",
        "pointSize": 4,
        "spanNulls": False,
        "axisPlacement": "auto",
        "axisLabel": "",
        "barAlignment": 1 if bars else 0,
        "stacking": {"mode": "normal" if more.get("stack") else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if "look" in more else "off"},
    }
    many = len(queries) > 1 or more.get("legend", False)
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": many, "calcs": []}
    return Panel(
        kind="timeseries",
        title=title,
        width=size[0],
        height=size[1],
        queries=queries,
        about=more.get("about", ""),
        options={"legend": legend, "tooltip": _TOOLTIP},
        defaults=_defaults(unit, "", more),
        custom=custom,
        overrides=more.get("overrides", ()),
        transformations=more.get("transformations", ()),
        interval=more.get("least", ""),
        time_from=more.get("time_from", ""),
    )


def ranking(title: str, size: tuple[int, int], query: Query, unit: str, tint: str, **more: Unpack[More]) -> Panel:
    """A figure for each row of a table with the columns `name` and `value`, the largest first; `hide` all others,
    since every column of words becomes part of a figure's name.
    """
    panel = big(title, size, [query], unit, tint, **More(**{**more, "names": True, "orientation": "horizontal"}))
    rows = panel.options | {"reduceOptions": {"values": True, "calcs": [], "fields": "", "limit": 10}}
    shown = [without("Time", *more.get("hide", ())), sorted_by("value")]
    return replace(panel, options=rows, transformations=shown)


def table(
    title: str, size: tuple[int, int], queries: Sequence[Query], columns: Sequence[Json], **more: Unpack[More]
) -> Panel:
    """Rows and columns; `columns` are overrides."""
    options: Json = {"showHeader": True, "frameIndex": 0}
    if "sort" in more:
        options["sortBy"] = [{"displayName": more["sort"], "desc": more.get("falling", False)}]
    return Panel(
        kind="table",
        title=title,
        width=size[0],
        height=size[1],
        queries=queries,
        about=more.get("about", ""),
        options=options,
        defaults=_defaults("", "", more),
        custom={
            "align": "auto",
            "cellOptions": {"type": "auto"},
            "minWidth": 66,
            "filterable": False,
            "inspect": False,
        },
        overrides=columns,
        transformations=[
            *more.get("transformations", ()),
            without("Time", *more.get("hide", ()), order=more.get("order", ())),
        ],
        time_from=more.get("time_from", ""),
    )


def gauges(title: str, size: tuple[int, int], queries: Sequence[Query], unit: str, **more: Unpack[More]) -> Panel:
    """A bar with its figure for each series."""
    return Panel(
        kind="bargauge",
        title=title,
        width=size[0],
        height=size[1],
        queries=queries,
        about=more.get("about", ""),
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "minVizWidth": 0,
            "minVizHeight": 10,
            "valueMode": "text",
            "reduceOptions": _REDUCE | ({"fields": more["fields"]} if "fields" in more else {}),
            # else a few bars would have names larger than their place
            "text": more.get("text", {"titleSize": 18, "valueSize": 28}),
        },
        # with no name of its own a bar that is the only one would stand without
        defaults={"displayName": "${__series.name}"} | _defaults(unit, more.get("color", ""), more),
        overrides=more.get("overrides", ()),
        time_from=more.get("time_from", ""),
    )


def states(
    title: str, size: tuple[int, int], queries: Sequence[Query], mappings: list[Json], **more: Unpack[More]
) -> Panel:
    """What was in which state when, in words."""
    return Panel(
        kind="state-timeline",
        title=title,
        width=size[0],
        height=size[1],
        queries=queries,
        about=more.get("about", ""),
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults=_defaults(
            "", "", More(**{**more, "look": {"mappings": mappings, "color": {"mode": "palette-classic"}}})
        ),
        custom={"fillOpacity": 75, "lineWidth": 0, "spanNulls": False},
        overrides=more.get("overrides", ()),
        interval=more.get("least", ""),
    )


def text(content: str, size: tuple[int, int]) -> Panel:
    """A few words, as Markdown."""
    return Panel("text", "", size[0], size[1], options={"mode": "markdown", "content": content})


def without(*columns: str, order: Sequence[str] = ()) -> Json:
    """Hides columns, and gives the others their order."""
    options: Json = {
        "excludeByName": dict.fromkeys(columns, True),
        "indexByName": {column: place for place, column in enumerate(order)},
        "renameByName": {},
    }
    return {"id": "organize", "options": options}


def sorted_by(column: str, *, falling: bool = True) -> Json:
    """Orders rows."""
    return {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": column, "desc": falling}]}}


def colored(colors: Mapping[str, str]) -> list[Json]:
    """Its own colour for each series by name."""
    return [override(name, color={"mode": "fixed", "fixedColor": color}) for name, color in colors.items()]


def in_order(names: Sequence[str]) -> list[Json]:
    """Colours in a fixed order for series that mean no utility."""
    return colored(dict(zip(names, SERIES, strict=False)))


def _defaults(unit: str, color: str, more: More) -> Json:
    content: Json = {"mappings": [], "thresholds": steps(color or PLAIN), "links": []}
    if unit:
        content["unit"] = unit
    if color and "look" not in more:
        content["color"] = {"mode": "fixed", "fixedColor": color}
    else:
        content["color"] = {"mode": "thresholds" if "look" in more else "palette-classic"}
    content |= {name: value for name, value in more.items() if name in ("decimals", "min", "max", "links")}
    if "none" in more:
        content["noValue"] = more["none"]
    return content | dict(more.get("look", {}))
