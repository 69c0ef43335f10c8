"""The city's page in a real Chromium: narrow and wide, light and dark, in both languages, with and without script."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cloud.metering.codes import DAY_S, SEOUL_S
from tests.browser.said import of_the_page
from tests.cloud.city_totals import CHUNGJANG, DONGMYEONG, GAS, GYERIM, HEAT, PRODUCTION, WATER, YANG, atom, write
from tests.cloud.city_totals import registry as write_registry
from tests.cloud.portal_process import Portal

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium (Debian package chromium)")

AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")
SIZES = ({"width": 390, "height": 844}, {"width": 1440, "height": 900})
PAGES = ("/city", "/en/city", "/city?show=gas", "/en/city?show=heat&sort=coverage", "/", "/en")
PATIENCE_MS = 60_000  # no time is promised here, and other tests may keep the machine busy
DONGS = "#dongs .amounts >> nth=0"


def write_day(folder: Path, slots: int) -> None:
    """Today until `slots`, and all of yesterday: measured, partly, hidden, missing, and not metered."""
    day = int(time.time() + SEOUL_S) // DAY_S
    days = {}
    for at, many in ((day - 1, 96), (day, slots)):
        days[at] = [
            one
            for slot in range(many)
            for one in (
                atom(slot, CHUNGJANG, 123_456 + 1000 * slot, 20, counted=19, estimated_count=2),
                atom(slot, DONGMYEONG, 50_000, 10, use=3),
                atom(slot, GYERIM, 40_000, 2),
                atom(slot, YANG, 2_000_000, 90, use=17),
                atom(slot, YANG, 70_000 * (20 < slot < 70), 10, direction=int(PRODUCTION)),
                atom(slot, CHUNGJANG, 0, counted=0, utility=GAS),
                atom(slot, YANG, 4_000, 30, utility=WATER),
                atom(slot, DONGMYEONG, 900, 4, utility=HEAT),
            )
        ]
    write(folder / "main", days)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("city")
    write_day(made, 38)
    write_registry(made)
    return made


@pytest.fixture(scope="module")
def portal(folder: Path) -> Iterator[Portal]:
    with Portal(folder / "registry", f"main={folder}/gone", options=("--totals", f"{folder}/main")) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        expect.set_options(timeout=PATIENCE_MS)
        yield started
        started.close()


def page_in(browser: Browser, width: int, height: int, *, script: bool = True) -> Page:
    """A window of its own, that waits no longer than PATIENCE_MS."""
    page = browser.new_page(viewport={"width": width, "height": height}, java_script_enabled=script)
    page.set_default_timeout(PATIENCE_MS)
    return page


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("size", SIZES, ids=("phone", "desk"))
def test_the_page_can_be_read_by_everybody(browser: Browser, portal: Portal, path: str, size: dict[str, int]) -> None:
    page = page_in(browser, size["width"], size["height"])
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.extend([] if request.url.startswith(portal.url) else [request.url]))
    page.goto(portal.url + path)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert page.evaluate(AUDIT) == [], scheme
    page.emulate_media(media="print")
    assert page.evaluate(AUDIT) == []
    assert of_the_page(said) == []
    page.close()


@pytest.mark.parametrize("width", [320, 390, 720, 1440])
def test_nothing_runs_out_of_the_page(browser: Browser, portal: Portal, width: int) -> None:
    page = page_in(browser, width, 800)
    for path in ("/city", "/en/city?sort=amount", "/en"):
        page.goto(portal.url + path)
        page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
        for size in ("100%", "200%"):
            page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
            if size == "100%" or width >= 640:  # at 320 CSS pixels a page is zoomed to 400 % already
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} {size}"
    page.close()


def test_tables_are_tables_for_those_who_hear_them_on_a_phone_too(browser: Browser, portal: Portal) -> None:
    for size in SIZES:
        page = page_in(browser, size["width"], size["height"])
        page.goto(f"{portal.url}/en/city")
        table = page.get_by_role("table", name="Dong-gu")
        expect(table).to_be_visible()
        row = table.get_by_role("row", name="Chungjang-dong")
        expect(row.get_by_role("rowheader")).to_have_text("Chungjang-dong")
        expect(row.get_by_role("cell")).to_have_count(5)
        assert table.get_by_role("columnheader").count() == 6
        page.close()


def test_without_script_it_is_sorted_and_chosen_through_links(browser: Browser, portal: Portal) -> None:
    page = page_in(browser, 390, 844, script=False)
    page.goto(f"{portal.url}/city")
    names = page.locator(f"{DONGS} >> tbody:not(.total) th")
    assert names.all_inner_texts() == ["충장동", "동명동", "계림1동"]
    page.get_by_role("link", name="계측률이 낮은 순").click()
    assert page.locator(DONGS).locator("[aria-sort=ascending]").count() == 1
    expect(page.get_by_role("link", name="계측률이 낮은 순")).to_have_attribute("aria-current", "true")
    page.get_by_role("link", name="가스", exact=True).click()
    expect(page.get_by_role("heading", name="가스: 자치구와 동")).to_be_visible()
    assert "측정 없음" in page.locator(DONGS).inner_text()
    page.get_by_text("시간별 값 표로 보기").click()
    expect(page.get_by_role("rowheader", name="09:00~09:30 (진행 중)")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Gas: districts and dongs")).to_be_visible()
    page.get_by_role("link", name="Live").first.click()
    page.wait_for_url(f"{portal.url}/en")
    page.get_by_role("link", name="See it by dong").click()
    page.wait_for_url(f"{portal.url}/en/city")
    page.close()


def test_the_keyboard_sees_where_it_is(browser: Browser, portal: Portal) -> None:
    page = page_in(browser, 1440, 900)
    page.goto(f"{portal.url}/city")
    style = "getComputedStyle(document.activeElement)"
    for _ in range(22):
        page.keyboard.press("Tab")
        assert page.evaluate(f"{style}.outlineStyle !== 'none' && parseFloat({style}.outlineWidth) >= 2")
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#hours-table table")).to_be_visible()
    page.close()


def test_a_new_slot_comes_into_the_page_and_leaves_the_reader_where_he_is(
    browser: Browser, portal: Portal, folder: Path
) -> None:
    page = page_in(browser, 1440, 900)
    page.clock.install()
    page.goto(f"{portal.url}/city")
    expect(page.locator(".as-of")).to_contain_text("09:30까지")
    page.locator("summary").click()
    link = page.get_by_role("link", name="수도", exact=True)
    link.focus()
    write_day(folder, 39)
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while "09:45까지" not in page.inner_text(".as-of"):
        assert time.monotonic() < deadline
        page.clock.fast_forward(61_000)
        time.sleep(0.3)
    expect(link).to_be_focused()
    expect(page.locator("#hours-table table")).to_be_visible()
    expect(page.locator("#announcement")).to_have_text("09:45까지의 합계로 바뀌었습니다.")
    write_day(folder, 38)
    page.close()
