"""What an operator's Prometheus sees of an area, on loopback unless told otherwise, and whether the area is well."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from contract.problems import Problem

COMMIT_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
LAG_BUCKETS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, 86_400)


class Metrics:
    """One registry an area, so that several areas may live in one test."""

    def __init__(self) -> None:
        self.registry: CollectorRegistry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"bitgoeul_ingest_{name}", about, labels, registry=registry)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"bitgoeul_ingest_{name}", about, labels, registry=registry)

        self.readings = counter("readings", "Readings taken")
        self.stored_s = gauge("stored_seconds", "When readings were last stored, in epoch seconds")
        self.batches = counter("batches", "Batches that arrived")
        self.duplicates = counter("duplicate_batches", "Batches that were stored already, and receipted again")
        self.conflicts = counter("conflicting_batches", "Batches that came again with another content")
        self.quarantined = counter("quarantined_readings", "Readings refused", "reason")
        self.receipts = counter("receipts", "Receipts published")
        self.asked = counter("asked_batches", "Missing batches asked for again")
        self.stale_acks = counter("stale_acknowledgements", "Acknowledgements dropped: their connection was gone")
        self.unavailable = counter("store_refusals", "Commits that the store could not take, each tried again")
        self.commit_s = Histogram(
            "bitgoeul_ingest_commit_seconds", "Duration of a commit", buckets=COMMIT_BUCKETS_S, registry=registry
        )
        self.lag_s = Histogram(
            "bitgoeul_ingest_lag_seconds", "Arrival minus sending", buckets=LAG_BUCKETS_S, registry=registry
        )
        self.queue = gauge("queue_messages", "Messages that arrived and are not yet acknowledged")
        self.connected = gauge("broker_connected", "1 while the broker has granted the subscription")
        self.store_up = gauge("store_available", "0 while the store takes no commit")
        self.known_good = gauge(
            "known_valid", "0 while the registry's snapshot cannot be read, and the earlier one is used"
        )
        self.quarantine_held = gauge("quarantine_held_rows", "Rows in quarantine", "gateway")
        self.quarantine_dropped = gauge(
            "quarantine_dropped_rows", "Rows that a gateway's share of the quarantine had no room for", "gateway"
        )
        self.store_up.set(1)


# Problems of the area, none when it is well.
Health = Callable[[], list[str]]


class Registered(Protocol):
    """Whoever has a registry to be scraped."""

    @property
    def registry(self) -> CollectorRegistry:
        """Of Prometheus."""
        ...


def bind(metrics: Registered, health: Health, host: str, port: int) -> ThreadingHTTPServer:
    """What answers /metrics and /healthz there once `start` is called; port 0 picks a free one.

    Raises Problem.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry))
            elif self.path == "/healthz":
                problems = health()
                body = json.dumps({"ok": not problems, "problems": problems}).encode()
                self._answer(503 if problems else 200, "application/json", body)
            else:
                self._answer(404, "text/plain", b"expected /metrics or /healthz\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """A scrape is no news."""

    try:
        return ThreadingHTTPServer((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise Problem(
            f"metrics 주소 {host}:{port}: 쓸 수 없습니다: {error}",
            f"metrics address {host}:{port}: cannot be used: {error}",
        ) from error


def start(server: ThreadingHTTPServer) -> None:
    """Answer in a thread of its own, until `shutdown`."""
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
