"""The regions' address: /api/v1/regions.geojson, for maps here and elsewhere."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response

from cloud.portal.house import House, Room
from cloud.portal.regions.shapes import collection
from cloud.portal.settings import Settings
from cloud.registry.change import SNAPSHOT
from cloud.registry.mapping import boundaries_at
from cloud.registry.opening import open_registry
from contract.problems import Problem

PATH = "/api/v1/regions.geojson"
KEPT_S = 60.0  # a boundary that was corrected may be seen so much later
Seen = Annotated[str, Header(alias="if-none-match", include_in_schema=False)]
MapLevel = Literal["district", "dong"]

_log = logging.getLogger(__name__)


def room(house: House) -> Room:
    """Build the room. Without a registry at hand, as beside a snapshot alone, there are no boundaries."""
    shelf = Shelf(lambda level: _found(house.settings, level))
    router = APIRouter()

    @router.get(PATH, summary="Boundaries of districts or dongs, as GeoJSON", response_class=Response)
    def regions(level: MapLevel = "district", seen: Seen = "") -> Response:
        """WGS84, simplified for a map of the city; of the regions that there are today, with names in Korean and
        English. A FeatureCollection without features where no boundaries were taken in. May be shown on any page.
        """
        content, tag = shelf.of(level)
        headers = {"etag": tag, "cache-control": "public, max-age=60", "access-control-allow-origin": "*"}
        if seen == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="application/geo+json", headers=headers)

    return Room(router=router, run=_nothing, close=lambda: None)


class Shelf:
    """What was made by level, for KEPT_S. Threads may ask."""

    def __init__(self, make: Callable[[MapLevel], bytes]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[MapLevel, tuple[float, bytes, str]] = {}

    def of(self, level: MapLevel) -> tuple[bytes, str]:
        """The content and its tag."""
        with self._lock:
            made = self._made.get(level)
            if made is None or time.monotonic() - made[0] > KEPT_S:
                content = self._make(level)
                made = (time.monotonic(), content, f'"{hashlib.blake2b(content, digest_size=8).hexdigest()}"')
                self._made[level] = made
            return made[1:]


def _found(settings: Settings, level: MapLevel) -> bytes:
    folder = settings.registry.parent if settings.registry.name == SNAPSHOT else settings.registry
    try:
        registry = open_registry(folder, settings.database, settings.database_password_file)
        try:
            rows = boundaries_at(registry, level, int(time.time()))
        finally:
            registry.engine.dispose()
    except Problem as problem:
        _log.info("event=no-boundaries why=%r", problem.text.en)
        rows = []
    return collection(rows)


async def _nothing() -> None:
    """The room does nothing by itself."""
