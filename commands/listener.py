"""A listener at the live page's events, as a browser is one: when which tick was shown."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Shown:
    """One event: when it came (UTC epoch), and the newest tick in it with the number of series that had it."""

    at_s: float
    state: str
    tick_s: int | None
    series: int


@dataclass
class Listener:
    """Listens in a thread of its own until `close`; connects again whenever the page goes away."""

    port: int
    events: list[Shown] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    @property
    def live(self) -> bool:
        """Whether the page has shown live figures."""
        return any(event.state == "live" for event in self.events)

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._thread.join(2 * TIMEOUT_S)

    def _run(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            try:
                self._listen(connection)
            except (OSError, http.client.HTTPException):
                self._over.wait(0.1)
            finally:
                connection.close()

    def _listen(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/events", headers={"Accept": "text/event-stream"})
        answer = connection.getresponse()
        name = b""
        while (line := answer.readline()) and not self._over.is_set():
            if line.startswith(b"event: "):
                name = line[7:].strip()
            elif line.startswith(b"data: ") and name == b"live":
                at_s, body = time.time(), json.loads(line[6:])
                self.events.append(Shown(at_s, body["status"]["state"], body["tick_s"], body["series_in_tick"]))


def freshness_s(events: list[Shown], moments: dict[int, list[float]], until_s: float) -> list[float]:
    """For each reading the time from its moment until it was shown, in seconds.

    `moments` are the moments of reading by tick (UTC epoch). An event does not say which readings of a tick it
    has, so a tick counts as shown once an event has it whole, or has a later one. What was never shown has the
    age that it had at `until_s`, when the listening ended.
    """
    coming = iter(sorted(events, key=lambda event: event.at_s))
    event = next(coming, None)
    ages: list[float] = []
    for tick_s, at_s in sorted(moments.items()):
        while event and not _shows(event, tick_s, len(at_s)):
            event = next(coming, None)
        ages += [(event.at_s if event else until_s) - moment_s for moment_s in at_s]
    return ages


def _shows(event: Shown, tick_s: int, series: int) -> bool:
    if event.tick_s is None:
        return False
    return event.tick_s > tick_s or (event.tick_s == tick_s and event.series >= series)
