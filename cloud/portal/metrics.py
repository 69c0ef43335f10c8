"""What an operator's Prometheus sees of the portal, on an address of its own that no browser reaches."""

import time
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.portal.house import Room

LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
STATIC, NONE = "static", "none"  # whose a request is that no room answers


class Metrics:
    """One registry a portal."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self.registry: CollectorRegistry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Rooms(rooms))
        labels = ("room", "status")
        self.requests = Counter("bitgoeul_portal_requests", "Requests answered", labels, registry=self.registry)
        self.errors = Counter("bitgoeul_portal_errors", "Requests that failed here", ["room"], registry=self.registry)
        self.request_s = Histogram(
            "bitgoeul_portal_request_seconds",
            "Until an answer begins",
            ["room"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )

    def note(self, room: str, status: int, seconds: float) -> None:
        """An answer began."""
        self.requests.labels(room, f"{status // 100}xx").inc()
        self.request_s.labels(room).observe(seconds)
        if status >= 500:
            self.errors.labels(room).inc()


class _Rooms(Collector):
    """What each room says of itself, asked when it is scraped."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self._rooms = rooms

    def describe(self) -> Iterable[Metric]:
        """Nothing: names depend on the rooms."""
        return []

    def collect(self) -> Iterable[Metric]:
        """A gauge for each figure."""
        for room in self._rooms:
            for name, (about, value) in room.figures().items():
                yield GaugeMetricFamily(f"bitgoeul_portal_{name}", about, value)


class Counted:
    """ASGI middleware: whose room a request was, what came of it, and how soon."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note the beginning of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, begun = time.perf_counter(), False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start" and not begun:
                begun = True
                self._metrics.note(_room_of(scope), message["status"], time.perf_counter() - began_s)
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            if not begun:  # it ended in an error, which becomes a 500 further out, or the browser is gone
                self._metrics.note(_room_of(scope), 500, time.perf_counter() - began_s)


def _room_of(scope: Scope) -> str:
    """By the module of what answers; never by the path, which anybody may make up."""
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return NONE
    module = str(getattr(endpoint, "__module__", "") or "").split(".")
    if module[:2] == ["cloud", "portal"] and len(module) > 3:
        return module[2]
    return STATIC if scope["path"].startswith("/static/") else NONE
