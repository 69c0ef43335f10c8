"""The portal's process over HTTP: pages, data, events, headers, refusals, and its end."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pyarrow as pa
import pytest

from tests.cloud.portal_area import Series, gateway, gateway_table, live_table, serve_area, write_sites
from tests.cloud.portal_process import Portal


class City:
    """A live table that changes each second, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def live(self) -> pa.Table:
        """Two meters."""
        self.asked += 1
        now_s = int(time.time())
        return live_table(
            Series("e1", "electricity_power_kw", float(now_s % 1000), time_s=now_s),
            Series("g1", "gas_flow_m3_per_h", None, time_s=now_s, quality=16),
        )


@pytest.fixture(scope="module")
def city() -> City:
    return City()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, city: City) -> Iterator[Portal]:
    """A portal with one area that answers and one that nobody serves."""
    folder = tmp_path_factory.mktemp("portal")
    sites = write_sites(
        folder / "registry",
        "a,<b>가</b>,<b>A</b>,industrial-complex,e1,electricity,main,1",
        "a,<b>가</b>,<b>A</b>,industrial-complex,g1,gas,main,1",
    )
    gateways = gateway_table(gateway("g1", "a", warnings=["<script>alert(1)</script>"]))
    with (
        serve_area(folder / "main.sock", city.live, lambda: gateways),
        Portal(sites, f"main={folder}/main.sock", f"gone={folder}/gone.sock") as started,
    ):
        started.wait_until_well()
        yield started


def get(portal: Portal, path: str, **headers: str) -> httpx.Response:
    return httpx.get(portal.url + path, headers=headers)


@pytest.mark.parametrize(
    "path", ["/", "/en", "/events", "/api/v1/live", "/healthz", "/nothing", "/static/shell/portal.css"]
)
def test_every_answer_forbids_what_the_page_does_not_need(portal: Portal, path: str) -> None:
    with httpx.stream("GET", portal.url + path) as answer:
        headers = answer.headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_pages_are_complete_in_both_languages_and_escaped(portal: Portal) -> None:
    for path, language, words in (("/", "ko", ["전기", "응답 없음"]), ("/en", "en", ["Electricity", "no answer"])):
        page = get(portal, path, **{"accept-language": "fr"})
        assert page.headers["content-type"].startswith("text/html")
        assert f'<html lang="{language}">' in page.text
        assert all(word in page.text for word in words)
        assert "<b>가" not in page.text
        assert "<b>A" not in page.text
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.text
    assert get(portal, "/ko").headers["location"] == "/"


@pytest.mark.parametrize("path", ["/", "/en", "/api/v1/live"])
def test_an_unchanged_answer_is_not_sent_again(portal: Portal, path: str) -> None:
    for _ in range(5):  # a new frame may come between the two
        tag = get(portal, path).headers["etag"]
        again = get(portal, path, **{"if-none-match": tag})
        if again.status_code == 304:
            break
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_the_document_says_what_it_knows(portal: Portal) -> None:
    live = get(portal, "/api/v1/live").json()
    assert datetime.fromisoformat(live["made"]).utcoffset() is not None
    assert live["made"].endswith("+09:00")
    power = live["city"]["electricity_use_power_kw"]
    assert (power["quality"], power["meters_counted"], power["meters_expected"]) == ("measured", 1, 1)
    gas = live["sites"][0]["figures"]["gas_flow_m3_per_h"]
    assert (gas["value"], gas["quality"], gas["missing_reason"]) == (None, "missing", "no-answer")
    assert live["city"]["heat_power_kw"]["quality"] == "not-metered"
    assert {area["area"]: area["answering"] for area in live["areas"]} == {"main": True, "gone": False}


def test_the_api_is_described(portal: Portal) -> None:
    described = get(portal, "/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/v1/live",
        "/api/v1/city",
        "/api/v1/city/version",
        "/api/v1/regions.geojson",
    }
    figure = described["components"]["schemas"]["FigureV1"]["properties"]
    assert set(figure) == set(get(portal, "/api/v1/live").json()["city"]["gas_volume_m3"])
    assert get(portal, "/docs").status_code == 404


def test_health_says_which_areas_answer(portal: Portal) -> None:
    health = get(portal, "/healthz").json()
    assert health["status"] == "degraded"
    assert health["areas"]["main"]["answering"] is True
    assert health["areas"]["gone"] == {"answering": False, "answer_age_s": None}


def test_events_carry_curves_then_figures_each_second(portal: Portal) -> None:
    events = []
    with httpx.stream("GET", f"{portal.url}/events?lang=en", timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                events.append((name, json.loads(line[6:])))
            if len(events) == 4:
                break
    assert [name for name, _ in events] == ["curves", "live", "live", "live"]
    live = [event for _, event in events[1:]]
    assert live[1]["frame"] == live[0]["frame"] + 1
    assert live[2]["made_ms"] >= live[2]["last_reading_ms"] >= live[2]["tick_s"] * 1000
    assert live[2]["series_in_tick"] == 2
    assert live[0]["cells"]["a/gas"][0] == "no data"
    assert set(events[0][1]["curves"]) == set(live[0]["cells"])


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "a b"])
def test_a_host_that_is_not_ours_is_refused(portal: Portal, host: str) -> None:
    assert get(portal, "/", host=host).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "[::1]:8080"])
def test_our_own_names_are_taken(portal: Portal, host: str) -> None:
    assert get(portal, "/", host=host).status_code == 200


def test_what_is_not_there_is_said_in_the_reader_s_language(portal: Portal) -> None:
    assert "찾으시는 페이지가 없습니다" in get(portal, "/nothing").text
    assert "There is no such page" in get(portal, "/en/nothing").text
    assert get(portal, "/api/nothing").json() == {"error": "Not Found"}
    assert get(portal, "/static/shell/../../app.py").status_code == 404
    assert get(portal, "/events?lang=fr").status_code == 422


def test_static_files_are_kept_by_their_content(portal: Portal) -> None:
    page = get(portal, "/").text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    assert "immutable" in get(portal, address).headers["cache-control"]
    assert get(portal, address.partition("?")[0]).headers["cache-control"] == "no-cache"


def test_it_ends_at_once_though_somebody_listens(tmp_path: Path) -> None:
    sites = write_sites(tmp_path / "registry", "a,가,A,other,e1,electricity,main,1")
    with (
        Portal(sites, f"main={tmp_path}/gone.sock") as portal,
        socket.create_connection(("127.0.0.1", portal.port)) as listener,
    ):
        listener.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        listener.settimeout(30)
        assert b"text/event-stream" in listener.recv(4096)
        started = time.monotonic()
        assert portal.stop() == 0
        assert time.monotonic() - started < 3
    assert "ERROR" not in portal.log
    assert "Traceback" not in portal.log


def test_an_address_that_is_taken_is_one_line(tmp_path: Path) -> None:
    sites = write_sites(tmp_path / "registry", "a,가,A,other,e1,electricity,main,1")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="cannot be opened"):
        Portal(sites, "main=/nowhere", options=("--port", str(taken.getsockname()[1])))


def test_without_a_site_to_show_it_does_not_start(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "no registry snapshot"), (write_sites(tmp_path / "empty"), "is live, expected")):
        with pytest.raises(AssertionError, match=said) as caught:
            Portal(folder, "main=/nowhere")
        assert str(caught.value).splitlines()[-1].startswith(f"bitgoeul: {folder}: ")
        assert "Traceback" not in str(caught.value)
