"""The compose file, started for real: simulated gateways outside of the containers, a browser's request in front."""

import http.client
import json
import shutil
import ssl
import time
from typing import Any

import msgspec
import pytest

from commands import stack_run
from commands.judge import read_outbox
from commands.stack_init import Asked, init
from commands.stack_run import ROOT, SERVICES, Stack
from simulators.site import load_sim_site
from tests.stack.conftest import Running

pytestmark = pytest.mark.long

PATIENCE_S = 60.0
SCRAPE = "import urllib.request as r; print(r.urlopen('http://area-west:9464/metrics').read().decode())"


def _ask(stack: Stack, path: str) -> tuple[int, dict[str, str], bytes]:
    context = ssl.create_default_context(cafile=str(stack.installation.pki / "ca.crt"))
    connection = http.client.HTTPSConnection("localhost", stack.https_port, timeout=20, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    finally:
        connection.close()


def _live(stack: Stack) -> dict[str, Any]:
    _, _, body = _ask(stack, "/api/v1/live")
    found: dict[str, Any] = json.loads(body)
    return found


def _receipted(running: Running) -> int:
    outboxes = [read_outbox(str(running.sites.outbox(name))) for name in running.sites.gateways]
    return sum(len(outbox.rows) - len(outbox.waiting) for outbox in outboxes)


def _wait_for_more(running: Running, than: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _receipted(running) <= than:
        assert time.monotonic() < deadline, [gateway.last_words() for gateway in running.gateways]
        time.sleep(0.5)


def test_all_is_healthy_and_what_gateways_read_is_receipted(running: Running) -> None:
    found = stack_run.states(running.stack)
    assert found == dict.fromkeys(SERVICES, "healthy")
    _wait_for_more(running, 100)


def test_a_browser_sees_the_city_live(running: Running) -> None:
    _wait_for_more(running, 100)
    status, headers, page = _ask(running.stack, "/en")
    assert status == 200
    assert b"Hanam" in page
    assert "max-age" in headers["strict-transport-security"]
    assert "content-security-policy" in headers
    # what only the inside asks for
    assert _ask(running.stack, "/metrics")[0] == 404
    status, headers, _ = _ask(running.stack, "/grafana")
    assert (status, headers["location"]) == (308, "/grafana/")
    # Grafana is left out here: what is said of that request is its status, not who asked and what for
    assert _ask(running.stack, "/grafana/?who=kim")[0] == 502
    said = stack_run.compose(running.stack, "logs", "--no-color", "proxy")
    assert '"path":"/grafana/","status":502' in said
    assert not [word for word in ("kim", "client:") if word in said]
    deadline = time.monotonic() + PATIENCE_S
    while not _whole(live := _live(running.stack), running.sites.gateways):
        assert time.monotonic() < deadline, (live["city"], live["gateways"])
        time.sleep(0.5)


def _whole(live: dict[str, Any], gateways: list[str]) -> bool:
    """Whether meters are counted, and every gateway has said how it is: its state may come after its readings."""
    online = {gateway["gateway"] for gateway in live["gateways"] if gateway["online"]}
    counted = int(live["city"]["electricity_use_power_kw"]["meters_counted"])
    return bool(counted) and online == set(gateways)


def test_the_stream_of_changes_is_not_held_back(running: Running) -> None:
    context = ssl.create_default_context(cafile=str(running.stack.installation.pki / "ca.crt"))
    connection = http.client.HTTPSConnection("localhost", running.stack.https_port, timeout=20, context=context)
    try:
        connection.request("GET", "/events?lang=en")
        answer = connection.getresponse()
        assert answer.status == 200
        # it has no end: what comes now, comes unbuffered
        assert answer.readline()
    finally:
        connection.close()


def test_a_killed_process_comes_back_and_nothing_stops(running: Running) -> None:
    took_s = stack_run.kill(running.stack, "area-main")
    assert took_s < PATIENCE_S
    _wait_for_more(running, _receipted(running))


def test_a_missing_secret_stops_one_service_with_one_line(running: Running) -> None:
    secret = running.stack.installation.pki / "proxy" / "server.pem"
    kept = secret.rename(secret.with_name("kept.pem"))
    try:
        stack_run.compose(running.stack, "restart", "--timeout", "1", "proxy")
        words = _words(running.stack, "proxy", "server.pem")
        assert words.startswith("bitgoeul: proxy: deploy/pki/proxy/server.pem: missing")
        others = {name: state for name, state in stack_run.states(running.stack).items() if name != "proxy"}
        assert others == dict.fromkeys(set(SERVICES) - {"proxy"}, "healthy")
    finally:
        kept.rename(secret)
    stack_run.wait_healthy(running.stack, ["proxy"], PATIENCE_S)


def test_a_second_area_is_added_by_its_example(running: Running) -> None:
    stack = running.stack
    west = msgspec.structs.replace(load_sim_site("suwan"), area="west")
    stack_run.register(stack, [*running.sites.sites, west])
    init(stack.installation, Asked(areas=["west"]), lambda _: None)
    shutil.copy(ROOT / "deploy/area-west.override.yml", stack.installation.root / "docker-compose.override.yml")
    stack_run.up(stack, ["area-west", *SERVICES])
    told = json.loads(
        stack_run.run_tool(stack, "cloud", "settle", "status", "--json", "--socket", "/run/bitgoeul/west.sock")
    )
    assert told["settled_s"] is None
    metrics = stack_run.compose(stack, "exec", "-T", "mirror", "python3", "-c", SCRAPE)
    assert "bitgoeul_ingest_broker_connected 1.0" in metrics
    status, _, page = _ask(stack, "/en")
    assert (status, b"Hanam" in page) == (200, True)


def _words(stack: Stack, service: str, expected: str) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while expected not in (words := stack_run.last_words(stack, service)):
        assert time.monotonic() < deadline, words
        time.sleep(0.5)
    return words
