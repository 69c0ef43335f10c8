"""What services say of themselves, as figures: rates, percentiles, and what a real Mosquitto tells under $SYS."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from cloud.ingest.link import LinkSettings, parse_broker
from cloud.ingest.metrics import Metrics as IngestMetrics
from cloud.ingest.metrics import bind, start
from cloud.mirror.broker import BrokerState
from cloud.mirror.platform import figures, service_point
from cloud.mirror.scraping import Change, Samples, ask, parse
from simulators.servers import mosquitto


def text(total: int, *below: int) -> str:
    """Of a service that took `total` readings and had commits of up to 0.1 s, 0.2 s and longer."""
    buckets = "".join(
        f'bitgoeul_ingest_commit_seconds_bucket{{le="{bound}"}} {count}\n'
        for bound, count in zip(("0.1", "0.2", "+Inf"), below, strict=True)
    )
    return (
        f"bitgoeul_ingest_readings_total {total}\n"
        f'bitgoeul_ingest_quarantined_readings_total{{reason="a"}} 2\n'
        f'bitgoeul_ingest_quarantined_readings_total{{reason="b"}} 3\n{buckets}'
    )


def test_rates_and_percentiles_are_of_the_time_between() -> None:
    change = Change(parse(text(100, 90, 90, 100), 10.0), parse(text(300, 90, 110, 120), 20.0))
    assert change.per_s("bitgoeul_ingest_readings_total") == 20.0
    # 20 commits, all of them between 0.1 and 0.2 s
    assert change.p95("bitgoeul_ingest_commit_seconds") == pytest.approx(0.195)
    (point,) = figures("area-main", change)
    assert (point.tags, point.fields["refused_readings_total"]) == ({"area": "main"}, 5)


@pytest.mark.parametrize("after", [text(300, 90, 90, 100), text(5, 1, 1, 1), ""])
def test_nothing_new_and_a_new_beginning_have_no_percentile(after: str) -> None:
    change = Change(parse(text(300, 90, 90, 100), 10.0), parse(after, 20.0))
    assert change.p95("bitgoeul_ingest_commit_seconds") is None
    assert not change.per_s("bitgoeul_ingest_readings_total")


def test_at_first_nothing_is_known_of_the_time_between() -> None:
    now = parse(text(300, 90, 110, 120), 20.0)
    (point,) = figures("area-main", Change(None, now))
    names = ("readings_per_s", "commit_p95_s", "lag_p95_s")
    assert {name: point.fields[name] for name in names} == dict.fromkeys(names)
    assert point.fields["readings_total"] == 300


def test_what_lies_beyond_the_bounds_is_told_as_the_last_bound() -> None:
    change = Change(Samples(), parse(text(1, 0, 0, 10), 20.0))
    assert change.p95("bitgoeul_ingest_commit_seconds") == 0.2


def test_a_real_service_is_asked() -> None:
    metrics = IngestMetrics()
    metrics.readings.inc(7)
    problems: list[str] = []
    server = bind(metrics, lambda: problems, "127.0.0.1", 0)
    start(server)
    pool, url = urllib3.PoolManager(), f"http://127.0.0.1:{server.server_port}"
    try:
        well = service_point("area-main", ask(pool, url, time.time()), time.time()).fields
        assert (well["up"], well["well"], well["trouble"]) == (1, 1, "")
        rss_mb, uptime_s = well["rss_mb"], well["uptime_s"]
        assert isinstance(rss_mb, float)
        assert rss_mb > 10
        assert isinstance(uptime_s, float)
        assert 0 < uptime_s < 3600
        problems += ["broker not connected", "store unavailable"]
        unwell = service_point("area-main", ask(pool, url, time.time()), time.time()).fields
        assert (unwell["up"], unwell["well"], unwell["trouble"]) == (1, 0, "broker not connected; store unavailable")
    finally:
        server.shutdown()
        server.server_close()
        pool.clear()


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A service that answers everything with the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "well", "trouble"),
    [
        (503, b'{"status": "down"}', False, "down"),
        (502, b"<html>", False, "status 502"),
        (200, b"[1", True, "its /metrics cannot be read"),
        (200, b'{"ok": false, "problems": ["disk full"]}', False, "disk full"),
        (200, b"\xff\xfe", True, "its /metrics cannot be read"),
    ],
)
def test_whatever_answers_is_put_into_words(status: int, body: bytes, well: bool, trouble: str) -> None:
    pool = urllib3.PoolManager()
    with answering(status, body) as url:
        answer = ask(pool, url, 0.0)
    pool.clear()
    assert (answer.up, answer.well, answer.trouble) == (True, well, trouble)


def test_a_mosquitto_tells_of_itself(tmp_path: Path) -> None:
    server = mosquitto(tmp_path)
    settings = tmp_path / "mosquitto.conf"
    settings.write_text(settings.read_text("utf-8").replace("sys_interval 0", "sys_interval 1"), "utf-8")
    with server:
        state = BrokerState(LinkSettings([parse_broker(f"mqtt://127.0.0.1:{server.port}", allow_plain=True)], "x"))
        assert state.point() is None
        state.start()
        try:
            eventually(lambda: state.point() is not None and told(state).get("clients_connected") == 1)
            eventually(lambda: isinstance(told(state)["messages_sent_per_s"], float))
            assert isinstance(told(state)["heap_mb"], float)
            server.kill()
            eventually(lambda: state.point() is None)
        finally:
            state.stop()


def told(state: BrokerState) -> dict[str, object]:
    """What it says now."""
    point = state.point()
    return {} if point is None else dict(point.fields)


def eventually(ready: Callable[[], bool]) -> None:
    """Within some seconds."""
    until_s = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < until_s
        time.sleep(0.05)
