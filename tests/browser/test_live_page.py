"""The live page in a real Chromium: with and without script, narrow and wide, light and dark, in both languages."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.said import of_the_page
from tests.cloud.portal_area import Series, gateway, gateway_table, live_table, serve_area, write_sites
from tests.cloud.portal_process import Portal

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs chromium (Debian package chromium)")

AUDIT = (Path(__file__).parent / "audit.js").read_text("utf-8")
PATIENCE_MS = 60_000  # where no time is promised: other tests may keep the machine busy
FRESH = "#status[data-state=live]"
STATES = ("ok", "partial", "missing", "none")  # each is somewhere on the page below
SITES = (
    "hanam,하남일반산업단지,Hanam Industrial Complex,industrial-complex,e1,electricity,main,1",
    "hanam,하남일반산업단지,Hanam Industrial Complex,industrial-complex,e2,electricity,main,1",
    "hanam,하남일반산업단지,Hanam Industrial Complex,industrial-complex,g1,gas,main,1",
    "suwan,수완마을 아파트,Suwan Apartments,apartment-block,e3,electricity,main,1",
    "suwan,수완마을 아파트,Suwan Apartments,apartment-block,s3,electricity,production,1",
    "suwan,수완마을 아파트,Suwan Apartments,apartment-block,w3,water,main,0.01",
    "home-1,집,Home,household,h1,heat,main,1",
)


def live() -> pa.Table:
    """Numbers that change each second; one meter is silent, one never was heard."""
    now_s = int(time.time())
    midnight_s = (now_s + 32_400) // 86_400 * 86_400 - 32_400
    kw = 21_000.0 + now_s % 1000
    return live_table(
        Series("e1", "electricity_power_kw", kw, time_s=now_s),
        Series("e1", "electricity_import_kwh", 1_234_567.0, day=1000.0, time_s=now_s, day_time_s=midnight_s),
        Series("e2", "electricity_power_kw", None, quality=16, time_s=now_s),
        Series("g1", "gas_flow_m3_per_h", None, quality=20, time_s=now_s),
        Series("e3", "electricity_power_kw", 400.0 + now_s % 10, time_s=now_s),
        Series("s3", "electricity_production_power_kw", 100.0, time_s=now_s),
        Series("w3", "pulses_count", float(now_s), day=float(midnight_s), time_s=now_s, day_time_s=midnight_s),
        Series("h1", "heat_power_kw", 7.5, time_s=now_s),
    )


def gateways() -> pa.Table:
    """One that is gone."""
    return gateway_table(gateway("hanam-gw1", "hanam"), gateway("suwan-gw1", "suwan", online=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("page")
    write_sites(made / "registry", *SITES)
    return made


@pytest.fixture(scope="module")
def portal(folder: Path) -> Iterator[Portal]:
    with serve_area(folder / "s", live, gateways), Portal(folder / "registry", f"main={folder}/s") as started:
        # a page that was there before the first answer says that data are coming in
        started.wait_until_well()
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


def context_in(browser: Browser, **options: Any) -> BrowserContext:
    """A browser's window that waits for nothing longer than PATIENCE_MS."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    return context


class Visit:
    """An open page, and everything that it complained of or asked of others."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.said.extend([] if request.url.startswith(url) else [request.url]))
        self.page.on("response", lambda answer: self.said.extend([] if answer.status < 400 else [answer.url]))


@pytest.fixture
def visit(browser: Browser, portal: Portal) -> Iterator[Visit]:
    """A desk, with script."""
    context = context_in(browser, viewport={"width": 1440, "height": 900})
    opened = Visit(context, portal.url)
    yield opened
    context.close()
    assert of_the_page(opened.said) == []


def test_without_script_the_page_is_whole(browser: Browser, portal: Portal, visit: Visit) -> None:
    visit.page.goto(portal.url)
    visit.page.wait_for_selector(FRESH)
    context = context_in(browser, java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto(portal.url)
    text = page.inner_text("main")
    for words in (
        "광주광역시 에너지, 지금",
        "실시간",
        "하남일반산업단지",
        "계량기 2대 중 1대 · 1대 응답 없음",
        "1,233,567",
        "가구 1곳 합계",
    ):
        assert words in text
    assert page.get_by_role("link", name="새로 고침").is_visible()
    assert not page.locator(".curve").first.is_visible()
    assert not page.get_by_text("작은 곡선은").is_visible()
    before = page.inner_text("[data-cell='hanam/electricity'] .now")
    time.sleep(1.2)
    page.get_by_role("link", name="새로 고침").click()
    assert page.inner_text("[data-cell='hanam/electricity'] .now") != before
    context.close()


@pytest.mark.alone
def test_with_script_numbers_change_within_two_seconds_and_curves_are_drawn(portal: Portal, visit: Visit) -> None:
    visit.page.goto(portal.url)
    number = visit.page.locator("[data-cell='hanam/electricity'] [data-part=now]")
    for _ in range(2):
        before = number.inner_text()
        expect(number).not_to_have_text(before, timeout=2000)
    visit.page.wait_for_selector(".city .electricity .line[d]", state="attached", timeout=PATIENCE_MS)
    assert "M" in (visit.page.locator(".city .electricity .tip").get_attribute("d") or "")
    states = set(visit.page.locator("[data-cell]").evaluate_all("nodes => nodes.map(node => node.dataset.state)"))
    assert states >= set(STATES)
    assert visit.page.locator("#announcement").inner_text() == ""


@pytest.mark.parametrize("path", ["/", "/en", "/en/nothing"])
@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_the_page_can_be_read_by_everybody(browser: Browser, portal: Portal, path: str, scheme: str) -> None:
    context = context_in(browser, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    if scheme == "print":
        page.emulate_media(media="print")
    else:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(portal.url + path)
    page.wait_for_timeout(100)
    assert page.evaluate(AUDIT) == []
    context.close()


@pytest.mark.parametrize("width", [320, 360, 720, 1100, 1440])
def test_nothing_runs_out_of_the_page(browser: Browser, portal: Portal, width: int) -> None:
    context = context_in(browser, viewport={"width": width, "height": 800})
    page = context.new_page()
    for path in ("/", "/en"):
        page.goto(portal.url + path)
        page.wait_for_timeout(50)
        for size in ("100%", "200%"):
            page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
            if size == "100%" or width >= 640:  # at 320 CSS pixels a page is zoomed to 400 % already
                assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} {size}"
    context.close()


def test_the_language_is_one_click_away(portal: Portal, visit: Visit) -> None:
    visit.page.goto(portal.url)
    visit.page.get_by_role("link", name="English").click()
    visit.page.wait_for_url(f"{portal.url}/en")
    assert visit.page.locator("html").get_attribute("lang") == "en"
    expect(visit.page.locator("[data-cell='hanam/gas'] .note")).to_have_text("silent, waiting to retry")
    visit.page.wait_for_selector(FRESH)
    assert "ago" in visit.page.inner_text("#status")
    visit.page.get_by_role("link", name="한국어").click()
    visit.page.wait_for_url(f"{portal.url}/")


def test_the_keyboard_finds_its_way_and_sees_where_it_is(portal: Portal, visit: Visit) -> None:
    visit.page.goto(portal.url)
    visit.page.keyboard.press("Tab")
    skip = visit.page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    seen = []
    for _ in range(5):
        visit.page.keyboard.press("Tab")
        seen.append(visit.page.evaluate("document.activeElement.textContent.trim().split(/\\s+/)[0]"))
        style = "getComputedStyle(document.activeElement)"
        assert visit.page.evaluate(f"{style}.outlineStyle !== 'none' && parseFloat({style}.outlineWidth) >= 2")
    assert seen == ["빛고을", "English", "동별,", "이", "API"]
    skip.focus()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#content")).to_be_focused()


def test_whoever_wants_no_motion_gets_none(browser: Browser, portal: Portal) -> None:
    moving = []
    for wish in ("no-preference", "reduce"):
        context = context_in(browser, reduced_motion="reduce" if wish == "reduce" else "no-preference")
        page = context.new_page()
        page.goto(portal.url)
        page.wait_for_selector(FRESH)
        moving.append(page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName"))
        context.close()
    assert moving == ["breathe", "none"]


def test_an_area_that_falls_silent_is_admitted_once_and_then_mended(folder: Path, browser: Browser) -> None:
    with Portal(folder / "registry", f"main={folder}/own") as portal:
        context = context_in(browser)
        page = context.new_page()
        with serve_area(folder / "own", live):
            page.goto(portal.url)
            page.wait_for_selector(FRESH)
        page.wait_for_selector("#status[data-state=late]", timeout=PATIENCE_MS)
        expect(page.locator("#status")).to_contain_text("수집 서버(main)가 응답하지 않습니다.")
        expect(page.locator("#status")).to_contain_text("초 전 자료입니다")
        expect(page.locator("#announcement")).to_contain_text("수집 서버(main)가 응답하지 않습니다.")
        with serve_area(folder / "own", live):
            page.wait_for_selector(FRESH, timeout=PATIENCE_MS)
            expect(page.locator("#announcement")).to_have_text("자료가 다시 들어옵니다.")
        context.close()


def test_a_portal_that_goes_away_is_missed_and_found_again(folder: Path, browser: Browser) -> None:
    context = context_in(browser)
    page = context.new_page()
    with serve_area(folder / "again", live):
        with Portal(folder / "registry", f"main={folder}/again") as portal:
            page.goto(portal.url)
            page.wait_for_selector(FRESH)
        expect(page.locator("#status")).to_contain_text("연결이 끊겨 다시 연결하고 있습니다.", timeout=PATIENCE_MS)
        with Portal(folder / "registry", f"main={folder}/again", options=("--port", str(portal.port))):
            page.wait_for_selector(FRESH, timeout=PATIENCE_MS)
    context.close()


def test_a_page_that_never_gets_an_event_says_so(browser: Browser, portal: Portal) -> None:
    context = context_in(browser)
    page = context.new_page()
    page.route("**/events*", lambda route: route.fulfill(status=503))
    page.goto(portal.url)
    page.wait_for_selector("#status[data-state=late]")
    expect(page.locator("#status")).to_contain_text("초 전 자료입니다")
    page.unroute("**/events*")
    page.wait_for_selector(FRESH)
    context.close()


def test_a_page_of_other_sites_is_loaded_anew(folder: Path, browser: Browser) -> None:
    write_sites(folder / "grows", *SITES[:3])
    context = context_in(browser)
    page = context.new_page()
    with serve_area(folder / "g", live), Portal(folder / "grows", f"main={folder}/g") as portal:
        page.goto(portal.url)
        page.wait_for_selector(FRESH)
        assert page.locator("#site-suwan").count() == 0
        write_sites(folder / "grows", *SITES)
        expect(page.locator("#site-suwan")).to_be_visible(timeout=PATIENCE_MS)
    context.close()
