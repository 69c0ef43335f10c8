"""The newest city, made in the background when totals or the registry change, and what was rendered of it."""

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.portal.city.reading import CityBooks
from cloud.portal.city.rules import City
from cloud.portal.city.view import LATE_S
from contract.problems import Problem

LOOK_EVERY_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Frame:
    """`city` None: there are no totals. `tag` is another in another frame. `made` is what was rendered, by its key."""

    city: City | None
    tag: str
    made: dict[object, bytes] = field(default_factory=dict)

    def state(self, now_s: float) -> str:
        """One of "none", "ok", and "late" where new slots should have come."""
        if self.city is None:
            return "none"
        return "late" if now_s - self.city.until_s > LATE_S else "ok"

    def once(self, key: object, make: Callable[[], bytes]) -> bytes:
        """What `make` gives, made once."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


class Keeper:
    """`run` keeps `frame` fresh for ever. Threads may call `newest`."""

    def __init__(self, books: CityBooks | None) -> None:
        self._books = books
        self._run = secrets.token_hex(4)  # another program may render the same totals in another way
        self._lock = threading.Lock()
        self._seen: str | None = None
        self._trouble = ""
        self.frame = Frame(None, self._run)

    def newest(self) -> Frame:
        """The frame, made first where there was no time yet."""
        if self._seen is None:
            self.look()
        return self.frame

    def look(self) -> None:
        """Make the frame anew if anything changed; what cannot be read is logged, and the earlier frame stays."""
        with self._lock:
            try:
                version = self._books.version() if self._books else ""
                if version == self._seen:
                    self._trouble = ""
                    return
                city = self._books.city() if self._books and version else None
            except (OSError, Problem) as error:
                self._seen = self._seen or ""
                self._tell(error.text.en if isinstance(error, Problem) else str(error))
                return
            self._seen, self._trouble = (city.version if city else version), ""
            self.frame = Frame(city, f"{self._run}-{self._seen}")

    async def run(self) -> None:
        """Look every LOOK_EVERY_S."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_EVERY_S)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.error("event=totals-unreadable error=%r", trouble)
        self._trouble = trouble


def now_s() -> float:
    """UTC seconds."""
    return time.time()
