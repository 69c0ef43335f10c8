"""The live room's addresses: the page in both languages, its events, its data, and whether all is well."""

import secrets
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import JSONResponse, RedirectResponse

from cloud.portal.house import House, Room
from cloud.portal.live.api import LiveV1, document
from cloud.portal.live.feed import Feed
from cloud.portal.live.frame import AreaStatus, Frame
from cloud.portal.live.rules import NOW
from cloud.portal.live.sites import Rosters
from cloud.portal.live.stream import EventStream
from cloud.portal.live.view import CITY, UNITS
from cloud.portal.texts import LANGUAGES, Language, path_in
from cloud.store.flight import fetch_table

Seen = Annotated[str, Header(alias="if-none-match", include_in_schema=False)]
READ = ["GET", "HEAD"]
Make = Callable[[Frame], bytes]


def room(house: House) -> Room:
    """Build the room. Raises Problem where the registry's snapshot shows no site."""
    settings = house.settings
    rosters = Rosters(settings.registry, time.time())
    asks = {area.name: partial(fetch_table, area.socket) for area in settings.areas}
    feed = Feed(rosters.at, asks, settings.stale_after_s)
    router = APIRouter()
    _add_pages(router, house, feed)
    _add_data(router, feed)
    _add_events(router, feed, settings.max_listeners)
    return Room(
        router=router,
        run=feed.run,
        close=feed.close,
        figures=partial(_figures, feed),
        problems=lambda: [f"area {one.area} does not answer" for one in feed.frame.areas if not one.answering],
    )


def _figures(feed: Feed) -> dict[str, tuple[str, float]]:
    """For those who run the portal."""
    answering = sum(area.answering for area in feed.frame.areas)
    return {
        "listeners": ("Browsers that are sent each second", feed.listeners),
        "feed_age_seconds": ("Age of what they were sent last", time.time() - feed.frame.snapshot.made_s),
        "answering_areas": ("Areas whose process answers", answering),
        "silent_areas": ("Areas whose process does not", len(feed.frame.areas) - answering),
    }


def _add_pages(router: APIRouter, house: House, feed: Feed) -> None:
    page = {language: _once(feed, "text/html", partial(_page, house, language)) for language in LANGUAGES}

    @router.api_route("/", methods=READ, include_in_schema=False)
    async def korean(seen: Seen = "") -> Response:
        return page["ko"](seen)

    @router.api_route("/en", methods=READ, include_in_schema=False)
    async def english(seen: Seen = "") -> Response:
        return page["en"](seen)

    @router.get("/ko", include_in_schema=False)
    async def also_korean() -> Response:
        return RedirectResponse(path_in("ko", "/"), 308)


def _add_data(router: APIRouter, feed: Feed) -> None:
    data = _once(feed, "application/json", lambda frame: document(frame).model_dump_json().encode())

    @router.get("/api/v1/live", response_model=LiveV1, summary="The city now and since midnight")
    async def live(seen: Seen = "") -> Response:
        """Changes about once a second; ask with If-None-Match to be told so. For a stream of changes: /events."""
        return data(seen)

    @router.api_route("/healthz", methods=READ, include_in_schema=False)
    async def health() -> Response:
        """503 where no area's process answers: there is nothing to show then."""
        frame = feed.frame
        answering = [area.answering for area in frame.areas]
        body = {
            "status": "ok" if all(answering) else "degraded" if any(answering) else "down",
            "areas": {area.area: {"answering": area.answering, "answer_age_s": _age_s(area)} for area in frame.areas},
            "frame": frame.n,
            "frame_age_s": round(time.time() - frame.snapshot.made_s, 1),
            "listeners": feed.listeners,
        }
        return JSONResponse(body, 200 if any(answering) else 503, {"cache-control": "no-store"})


def _age_s(area: AreaStatus) -> float | None:
    return None if area.answered_s is None else round(time.time() - area.answered_s, 1)


def _add_events(router: APIRouter, feed: Feed, max_listeners: int) -> None:
    @router.get("/events", include_in_schema=False)
    async def events(lang: Language = "ko") -> Response:
        if feed.listeners >= max_listeners:
            raise HTTPException(503, headers={"retry-after": "10"})
        return EventStream(feed, lang)


def _once(feed: Feed, media_type: str, make: Make) -> Callable[[str], Response]:
    """What answers with the newest frame, made once for all who ask; told its tag, it answers 304."""
    run = secrets.token_hex(4)  # frames count anew in the next process
    made: tuple[int, bytes] = (0, b"")

    def answer(seen: str) -> Response:
        nonlocal made
        frame = feed.frame
        headers = {"etag": f'W/"{run}-{frame.n}"', "cache-control": "no-cache"}
        if seen == headers["etag"]:
            return Response(status_code=304, headers=headers)
        if made[0] != frame.n:
            made = (frame.n, make(frame))
        return Response(made[1], media_type=media_type, headers=headers)

    return answer


def _page(house: House, language: Language, frame: Frame) -> bytes:
    roster = frame.roster
    groups = [(kind, list(rows)) for kind, rows in groupby(roster.rows, lambda row: row.kind)]
    return house.render(
        "live/live.html",
        language,
        "/",
        view=frame.views[language],
        frame=frame.n,
        roster=roster.tag,
        groups=groups,
        sites=sum(row.sites for row in roster.rows),
        utilities=list(NOW),
        units=UNITS,
        city_row=CITY,
    ).encode()
