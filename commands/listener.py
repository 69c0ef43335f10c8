"""A listener at the live page's events, as a browser is one: when which tick was shown."""

import http.client
import json
import threading
import time
from dataclasses import dataclass, field

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Shown:
    """One event: when it came (UTC epoch), and (tick, series that are at it or later) of its latest ticks."""

    at_s: float
    state: str
    reached: tuple[tuple[int, int], ...]

    def series_at(self, tick_s: int) -> int:
        """How many series are at this tick or later, as far as the event tells."""
        return max((count for time_s, count in self.reached if time_s >= tick_s), default=0)


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
                reached = tuple((time_s, count) for time_s, count in body["reached"])
                self.events.append(Shown(at_s, body["status"]["state"], reached))


def freshness_s(events: list[Shown], moments: dict[int, list[float]], until_s: float) -> list[float]:
    """For each reading the time from its moment until it was shown, in seconds.

    `moments` are the moments of reading by tick (UTC epoch). An event does not say which readings of a tick it
    has, so a tick counts as shown once as many series as it has readings are at it or later: the slowest decides. What
    was never shown has the age that it had at `until_s`, when the listening ended.
    """
    coming = iter(sorted(events, key=lambda event: event.at_s))
    event = next(coming, None)
    ages: list[float] = []
    for tick_s, at_s in sorted(moments.items()):
        while event and event.series_at(tick_s) < len(at_s):
            event = next(coming, None)
        ages += [(event.at_s if event else until_s) - moment_s for moment_s in at_s]
    return ages
