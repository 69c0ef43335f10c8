"""The city's pages and documents over HTTP, from a portal that an operator started."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from cloud.metering.codes import DAY_S, SEOUL_S
from tests.cloud.city_totals import CHUNGJANG, DONGMYEONG, GAS, GYERIM, atom, registry, write
from tests.cloud.portal_process import Portal

PATHS = ("/city", "/en/city", "/city?show=gas&sort=amount", "/en/city?show=heat", "/city?show=%3Cb%3E&sort=x")


def today() -> int:
    """The local day."""
    return int(time.time() + SEOUL_S) // DAY_S


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("city")
    registry(made)
    atoms = [
        atom(0, CHUNGJANG, 1_234_000, counted=9, expected=10),
        atom(0, DONGMYEONG, 100_000, estimated_count=1),
        atom(0, GYERIM, 10_000, expected=2),
        atom(0, CHUNGJANG, 0, counted=0, utility=GAS),
    ]
    write(made / "main", {today(): atoms})
    return made


@pytest.fixture(scope="module")
def portal(folder: Path) -> Iterator[Portal]:
    with Portal(folder / "registry", f"main={folder}/gone", options=("--totals", f"{folder}/main")) as started:
        until(lambda: httpx.get(f"{started.url}/api/v1/city").json()["day"] is not None)
        yield started


def until(there: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_the_document_has_the_sums_and_what_they_rest_on(portal: Portal) -> None:
    found = httpx.get(f"{portal.url}/api/v1/city").json()
    use = found["city"]["electricity_use_kwh"]
    assert (use["value"], use["coverage"], use["estimated_share"]) == (1344.0, round(21 / 22, 6), round(1 / 21, 6))
    assert use["change_since_yesterday"] is None
    assert found["city"]["gas_volume_m3"] == use | {"value": None, "coverage": 0.0, "estimated_share": None}
    assert found["city"]["heat_energy_kwh"]["coverage"] is None
    as_of = datetime.fromisoformat(found["as_of"])
    assert (as_of.strftime("%H:%M%z"), found["day"]) == ("00:15+0900", as_of.date().isoformat())
    east = found["districts"][0]
    assert (east["name_en"], east["figures"]["electricity_use_kwh"]["value"]) == ("Dong-gu", 1344.0)
    dongs = {dong["name_en"]: dong["figures"]["electricity_use_kwh"] for dong in east["dongs"]}
    # the ten meters of Chungjang-dong hide the two of Gyerim 1-dong
    assert [one["not_shown_alone"] for one in dongs.values()][:4] == [True, False, True, False]
    assert dongs["Dongmyeong-dong"]["value"] == 100.0
    assert dongs["Gyerim 1-dong"] == {
        "value": None,
        "coverage": None,
        "estimated_share": None,
        "not_shown_alone": True,
        "change_since_yesterday": None,
        "change_since_week_ago": None,
    }
    assert [row["name_ko"] for row in found["building_types"]] == ["공동주택"]
    assert [hour["value"] for hour in found["hours"]["electricity_use_kwh"]] == [1344.0]


def test_documents_and_pages_know_whether_they_are_new(portal: Portal) -> None:
    for path in ("/api/v1/city", "/api/v1/city/version", *PATHS):
        first = httpx.get(portal.url + path)
        again = httpx.get(portal.url + path, headers={"if-none-match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b""), path
    schema = httpx.get(f"{portal.url}/api/openapi.json").json()
    assert {"/api/v1/city", "/api/v1/city/version"} <= set(schema["paths"])
    assert schema["components"]["schemas"]["TotalV1"]["properties"]["coverage"]["description"]


def test_pages_say_each_figure_with_what_it_rests_on(portal: Portal) -> None:
    korean = words(httpx.get(f"{portal.url}/city").text)
    for said in ("1,344 kWh", "계측률 95.4%", "추정 4.7%", "00:15까지", "측정 없음", "계량기 없음", "그때 측정 없음"):
        assert said in korean
    assert "따로 보이지 않고 구의 합에만 넣음" in korean
    english = words(httpx.get(f"{portal.url}/en/city").text)
    for said in ("1,344 kWh", "Coverage 95.4%", "until 00:15", "no reading", "Dong-gu", "Apartment homes"):
        assert said in english
    assert re.findall("[가-힣]+", english) == ["한국어"]


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_whole_and_lead_on(portal: Portal, path: str) -> None:
    page = httpx.get(portal.url + path)
    assert page.status_code == 200
    assert "<b>&amp;" not in page.text
    language, other = ("en", "/city?") if path.startswith("/en") else ("ko", "/en/city?")
    assert f'<html lang="{language}">' in page.text
    assert f'href="{other}show=' in page.text
    addresses = {one.replace("&amp;", "&").partition("#")[0] for one in re.findall(r'href="(/[^"]*)"', page.text)}
    with httpx.Client(base_url=portal.url) as client:
        assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)


def test_the_live_page_shows_the_day_and_leads_to_it(portal: Portal) -> None:
    for path, heading, leading in (("/", "오늘의 에너지", "/city"), ("/en", "Energy today", "/en/city")):
        page = httpx.get(portal.url + path).text
        assert heading in words(page)
        assert "1,344 kWh" in words(page)
        assert f'href="{leading}"' in page


def says_that_there_are_none(portal: Portal) -> bool:
    """On each page, and in the document."""
    for path, said in (("/city", "아직 합계가 없습니다."), ("/", "아직 합계가 없습니다."), ("/en/city", "no totals")):
        page = httpx.get(portal.url + path)
        assert page.status_code == 200
        assert said in words(page.text)
    found = httpx.get(f"{portal.url}/api/v1/city").json()
    return (found["as_of"], found["city"], found["districts"]) == (None, {}, [])


def test_without_totals_every_page_says_so(folder: Path) -> None:
    with Portal(folder / "registry", f"main={folder}/gone") as portal:
        assert says_that_there_are_none(portal)


def test_totals_that_come_while_it_runs_are_shown(tmp_path: Path) -> None:
    sites = registry(tmp_path)
    with Portal(sites, f"main={tmp_path}/gone", options=("--totals", f"{tmp_path}/main")) as portal:
        assert says_that_there_are_none(portal)
        address = f"{portal.url}/api/v1/city/version"
        before = httpx.get(address).json()
        assert before == {"version": "none", "as_of": None}
        write(tmp_path / "main", {today(): [atom(0, CHUNGJANG, 1000)]})
        until(lambda: bool(httpx.get(address).json() != before))
        assert "1.00 kWh" in words(httpx.get(f"{portal.url}/city").text)
