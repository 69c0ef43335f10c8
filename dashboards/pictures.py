"""Every board of a real Grafana in Chromium: a picture at a wall's and at a tablet's width, and what is wrong on it."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Browser, Error, Page, sync_playwright
from playwright.sync_api import TimeoutError as TookTooLong

from contract.problems import Problem
from dashboards.boards.common import BOARDS
from dashboards.texts import LANGUAGES, say_in

SIZES = {"wall": (1920, 1080), "tablet": (1024, 768)}
_QUIET = "() => !document.querySelector('.panel-loading, [aria-label=\"Panel loading bar\"]')"
DRAW_MS = 1000
SETTLE_MS = 2500  # after the last answer: charts are drawn in animation frames
TIMEOUT_MS = 180_000
CUT_PX = 4  # letters' own overhang is no cut

# What a person would see: a panel's title with what is wrong in it.
_LOOK = """
(words) => {
  const faults = [];
  const panels = document.querySelectorAll('[data-panelid], section.panel-container, [data-testid*="Panel header"]');
  const seen = new Set();
  for (const panel of panels) {
    const box = panel.closest('section') || panel.closest('.react-grid-item') || panel;
    if (seen.has(box)) continue;
    seen.add(box);
    const title = (box.querySelector('h2, h6')?.textContent || '').trim();
    const text = box.innerText || '';
    const signs = '[data-testid*="status error"], [aria-label*="status error"], .panel-info-corner--error';
    if (box.querySelector(signs)) faults.push(title + ': error');
    const lines = text.split('\\n').map((line) => line.trim());
    for (const word of words) if (lines.includes(word)) faults.push(title + ': ' + word);
  }
  if (document.documentElement.scrollWidth > window.innerWidth + 4) faults.push('wider than the screen');
  return faults;
}
"""


@dataclass(frozen=True)
class Wish:
    """Which boards (all where `only` is empty), with what chosen on them, into which folder."""

    url: str
    user: str
    password: str
    folder: Path
    only: tuple[str, ...]
    chosen: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """`faults` in words; none when all is well."""

    path: Path
    faults: tuple[str, ...]


def take(wish: Wish) -> Iterator[Picture]:
    """One after the other. Raises Problem where Grafana or Chromium cannot be had."""
    try:
        with sync_playwright() as play:
            # the system's own Chromium where there is one, else playwright's
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            try:
                yield from _all(browser, wish)
            finally:
                browser.close()
    except Error as error:
        first = str(error).splitlines()[0]
        raise Problem(f"{wish.url}: {first}", f"{wish.url}: {first}") from error


def _all(browser: Browser, wish: Wish) -> Iterator[Picture]:
    context = browser.new_context(timezone_id="Asia/Seoul", locale="ko-KR")
    _log_in(context.new_page(), wish)
    for size, (width, height) in SIZES.items():
        for language in LANGUAGES:
            for name in wish.only or BOARDS:
                page = context.new_page()
                page.set_viewport_size({"width": width, "height": height})
                yield _one(page, wish, f"bitgoeul-{name}-{language}", wish.folder / f"{name}-{size}-{language}.png")
                page.close()


def _log_in(page: Page, wish: Wish) -> None:
    answer = page.request.post(f"{wish.url}/login", data={"user": wish.user, "password": wish.password})
    if not answer.ok:
        raise Problem(
            f"{wish.url}: 로그인되지 않습니다 ({answer.status}). --user와 --password-file을 확인하십시오",
            f"{wish.url}: cannot log in ({answer.status}); check --user and --password-file",
        )


def _one(page: Page, wish: Wish, uid: str, path: Path) -> Picture:
    host, strangers, failed = urlsplit(wish.url).netloc, set[str](), list[str]()
    page.on("request", lambda request: _note(request.url, host, strangers))
    page.on("response", lambda answer: failed.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    # it refreshes once an hour, so that no panel is taken while it loads again
    asked = urlencode({"orgId": "1", "refresh": "1h", **{f"var-{name}": value for name, value in wish.chosen.items()}})
    page.goto(f"{wish.url}/d/{uid}?{asked}&kiosk&theme=dark", timeout=TIMEOUT_MS, wait_until="commit")
    page.wait_for_selector("[data-panelid], .react-grid-item", timeout=TIMEOUT_MS)
    _whole(page)
    page.wait_for_timeout(SETTLE_MS)
    faults: list[str] = []
    try:
        page.wait_for_function(_QUIET, timeout=TIMEOUT_MS)
    except TookTooLong:
        faults.append("still loading")
    page.wait_for_timeout(DRAW_MS)
    missing = [say_in(language)("common.none") for language in LANGUAGES]
    faults += [str(fault) for fault in page.evaluate(_LOOK, [*missing, "No data"])]
    page.screenshot(path=path)
    faults += [f"asks a third party: {stranger}" for stranger in sorted(strangers)]
    return Picture(path, tuple(dict.fromkeys([*faults, *failed])))


def _whole(page: Page) -> None:
    """Grow the window to the whole board: panels below the edge are drawn only once they are seen."""
    page.wait_for_timeout(SETTLE_MS)
    lowest = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.react-grid-item')].map("
        "(item) => item.getBoundingClientRect().bottom)) + 8"
    )
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], int(lowest))})


def _note(url: str, host: str, strangers: set[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
        strangers.add(parts.netloc)
