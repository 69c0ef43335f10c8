"""One question a second to each area's process, however many people look; what it found goes to all of them."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa

from cloud.ingest.live import LIVE
from cloud.portal.live import frame as frames
from cloud.portal.live.frame import AreaStatus, Frame
from cloud.portal.live.gateways import Gateway, gateways
from cloud.portal.live.phase import Phase
from cloud.portal.live.recent import STEP_S, Recent
from cloud.portal.live.rules import Clock, Snapshot, Trails, snapshot
from cloud.portal.live.sites import Roster
from cloud.store.protocol import StoreUnavailable

_log = logging.getLogger(__name__)

PATIENCE_S = 0.5  # a slow area may delay the others' frame by so much, once
SILENT_AFTER_S = 3.0  # without an answer
GATEWAYS_EVERY = 10  # questions for readings between two for the gateways' states

# Asks an area's process for a table by its name; may block, and raises StoreUnavailable.
Ask = Callable[[str], pa.Table]
# Tells whose meters are shown at a moment: the same object until that changes.
Look = Callable[[float], Roster]


@dataclass
class _Area:
    """What is known of one area; the last answer is kept, and grows old."""

    name: str
    ask: Ask
    live: pa.Table = field(default_factory=LIVE.empty_table)
    gateways: list[Gateway] = field(default_factory=list)
    answered_s: float | None = None
    answering: bool = False
    failing: bool = False
    asked: int = 0
    question: asyncio.Future[None] | None = None

    def answer(self) -> None:
        """Ask, in a thread of its own."""
        try:
            self.live = self.ask("live").select(LIVE.names).cast(LIVE)
            if self.asked % GATEWAYS_EVERY == 0:
                self.gateways = gateways(self.ask("gateways"))
        except (KeyError, pa.ArrowException) as error:
            raise StoreUnavailable(f"a table of another shape: {error}") from error
        self.asked += 1
        self.answered_s = time.time()


class Feed:
    """`run` keeps `frame` fresh for ever; `after` waits for one that is newer."""

    def __init__(self, look: Look, asks: Mapping[str, Ask], stale_after_s: int) -> None:
        self._look, self._roster = look, look(time.time())
        self._areas = [_Area(name, ask) for name, ask in asks.items()]
        self._stale_after_s = stale_after_s
        self._trails, self._phase = Trails(), Phase()
        self._threads = ThreadPoolExecutor(len(self._areas) + 1, thread_name_prefix="feed")
        self._changed = asyncio.Event()
        self._tick_s = 0
        self.closed = False
        self.listeners = 0
        self._recent: Recent | None = None
        self.frame = self._compose(1, time.time())

    async def after(self, n: int) -> Frame:
        """The newest frame, as soon as there is one after frame `n`, or the feed is closed."""
        while self.frame.n <= n and not self.closed:
            await self._changed.wait()
        return self.frame

    async def run(self) -> None:
        """Ask, compose, publish; once a second, until cancelled or closed."""
        while True:
            now_s = time.time()
            await asyncio.sleep(max(0.0, self._phase.next_s(now_s) - now_s))
            if self.closed:
                return
            try:
                await self._turn()
            except Exception:  # noqa: BLE001  # one second that cannot be shown must not end all that follow
                _log.exception("event=frame-failed frame=%d", self.frame.n + 1)

    def close(self) -> None:
        """Let every listener go; `run` is to be cancelled by who started it."""
        self.closed = True
        self._publish(self.frame)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        asked = []
        for area in self._areas:
            if area.question is None or area.question.done():
                area.question = loop.run_in_executor(self._threads, area.answer)
                asked.append(area.question)
        if asked:
            await asyncio.wait(asked, timeout=PATIENCE_S)
        now_s = time.time()
        for area in self._areas:
            _note_answer(area, now_s)
        made = await loop.run_in_executor(self._threads, self._compose, self.frame.n + 1, now_s)
        tick = made.snapshot.tick
        if tick and tick.time_s > self._tick_s:
            self._tick_s = tick.time_s
            self._phase.learn(tick.lag_s)
        self._publish(made)

    def _publish(self, made: Frame) -> None:
        self.frame = made
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _compose(self, n: int, now_s: float) -> Frame:
        live = pa.concat_tables([area.live for area in self._areas]) if self._areas else LIVE.empty_table()
        roster = self._look(now_s)
        if roster is not self._roster:  # what is remembered is of other meters
            self._roster, self._trails, self._recent = roster, Trails(), None
        shown = snapshot(live, roster, self._trails, Clock(now_s, self._stale_after_s))
        areas = tuple(AreaStatus(area.name, area.answering, area.answered_s) for area in self._areas)
        known = tuple(gateway for area in self._areas for gateway in area.gateways)
        views = frames.view(shown, roster, areas, known, self._stale_after_s)
        return Frame(
            n=n,
            snapshot=shown,
            roster=roster,
            areas=areas,
            gateways=known,
            views=views,
            events={language: frames.event(n, shown, roster.tag, one) for language, one in views.items()},
            curves=self._curves(n, shown, views["ko"]),
        )

    def _curves(self, n: int, shown: Snapshot, one: frames.View) -> bytes:
        cells = one.cells.values()
        if self._recent is None:
            self._recent = Recent(len(cells))
        self._recent.note(shown.made_s, [cell.number for cell in cells], [cell.meters for cell in cells])
        meters = {key: cell.meters for key, cell in one.cells.items()}
        curves = dict(zip(one.cells, self._recent.curves(), strict=True))
        return frames.sse("curves", {"step_s": STEP_S, "curves": curves, "meters": meters}, n)


def _note_answer(area: _Area, now_s: float) -> None:
    """Take note of how the question went, and say so in the log where it went otherwise than the one before."""
    question = area.question
    if question is not None and question.done():
        error = question.exception()
        if error is not None and not isinstance(error, StoreUnavailable):
            raise error
        if error is not None and not area.failing:
            _log.warning("event=area-silent area=%s error=%r", area.name, str(error))
        area.failing = error is not None
    answering = area.answered_s is not None and now_s - area.answered_s <= SILENT_AFTER_S
    if answering and not area.answering:
        _log.info("event=area-answers area=%s", area.name)
    area.answering = answering
