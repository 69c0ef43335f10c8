"""PURE: everything that one second shows, once for all listeners: for pages, for events, for the API."""

from dataclasses import asdict, dataclass

import msgspec

from cloud.portal.live.gateways import Gateway, offline_sites, summary, troubles
from cloud.portal.live.rules import Snapshot
from cloud.portal.live.sites import Roster
from cloud.portal.live.view import Cell, age, cells, clock, date
from cloud.portal.texts import LANGUAGES, Language, Say, say_in


@dataclass(frozen=True)
class AreaStatus:
    """`answered_s` is when the area's process last answered, None for never."""

    area: str
    answering: bool
    answered_s: float | None


@dataclass(frozen=True)
class Status:
    """How fresh the page is. `state`: "live", "late" or "none"; `label` in a word, `text` in a sentence."""

    state: str
    label: str
    text: str


@dataclass(frozen=True)
class View:
    """The page's texts in one language."""

    status: Status
    date: str
    clock: str
    cells: dict[str, Cell]
    gateways: str
    troubles: list[str]


@dataclass(frozen=True)
class Frame:
    """`events` are complete server-sent events, ready for the wire; `curves` belong to the keys of `views`' cells."""

    n: int
    snapshot: Snapshot
    roster: Roster
    areas: tuple[AreaStatus, ...]
    gateways: tuple[Gateway, ...]
    views: dict[Language, View]
    events: dict[Language, bytes]
    curves: bytes


def view(
    snapshot: Snapshot, roster: Roster, areas: tuple[AreaStatus, ...], known: tuple[Gateway, ...], stale_after_s: int
) -> dict[Language, View]:
    """The page in every language."""
    sites = tuple(row.site for row in roster.rows)
    offline = offline_sites(known)
    views: dict[Language, View] = {}
    for language in LANGUAGES:
        say = say_in(language)
        views[language] = View(
            status=status(snapshot, areas, stale_after_s, say),
            date=date(snapshot.made_s, say),
            clock=clock(snapshot.made_s, seconds=True),
            cells=cells(snapshot, sites, offline, say),
            gateways=summary(known, say),
            troubles=troubles(known, snapshot.unlisted_series, say),
        )
    return views


def status(snapshot: Snapshot, areas: tuple[AreaStatus, ...], stale_after_s: int, say: Say) -> Status:
    """Live only while every area's process answers and something new keeps coming in."""
    silent = ", ".join(area.area for area in areas if not area.answering)
    if snapshot.tick is None:
        long = say("status.area_silent_always", areas=silent) if silent else say("status.none_long")
        return Status("none", say("status.none"), long)
    age_s = snapshot.made_s - snapshot.tick.last_ms / 1000
    ago = age(age_s, say)
    if silent:
        return Status("late", say("status.late"), say("status.area_silent", areas=silent, age=ago))
    if age_s > stale_after_s:
        return Status("late", say("status.late"), say("status.late_long", age=ago))
    return Status("live", say("status.live"), say("status.age", age=ago))


def event(n: int, snapshot: Snapshot, sites: str, shown: View) -> bytes:
    """The server-sent event "live". `sites` is the roster's tag. Times are epoch milliseconds; a cell is [now, day,
    day_note, note, extra, state, day_state, number, meters]; `reached` is [tick in s, series that are at it or
    later], newest first.
    """
    tick = snapshot.tick
    body = {
        "frame": n,
        "sites": sites,
        "made_ms": round(snapshot.made_s * 1000),
        "tick_s": tick.time_s if tick else None,
        "series_in_tick": tick.series if tick else 0,
        "reached": tick.reached if tick else (),
        "first_reading_ms": tick.first_ms if tick else None,
        "last_reading_ms": tick.last_ms if tick else None,
        "status": asdict(shown.status),
        "date": shown.date,
        "clock": shown.clock,
        "gateways": shown.gateways,
        "troubles": shown.troubles,
        "cells": {key: list(asdict(cell).values()) for key, cell in shown.cells.items()},
    }
    return sse("live", body, n)


def sse(name: str, body: object, n: int) -> bytes:
    """One server-sent event; JSON has no line breaks, so that one data line is enough."""
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), n, msgspec.json.encode(body))
