"""One question a second, whatever the listeners and the areas do."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cloud.portal.live.feed import Feed
from cloud.portal.live.frame import Frame
from cloud.portal.live.rules import NOW
from cloud.portal.live.sites import Roster, Rosters, load_roster
from cloud.portal.live.stream import EventStream
from cloud.store.flight import fetch_table
from tests.cloud.portal_area import Series, gateway, gateway_table, live_table, serve_area, write_sites


class City:
    """One meter that shows the second; counts the questions. `slow_s` delays each answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.slow_s = 0.0

    def live(self) -> pa.Table:
        second = int(time.time())
        return live_table(Series("m1", "water_flow_m3_per_h", float(second % 1000), time_s=second, at_ms=0))

    def __call__(self, name: str) -> pa.Table:
        self.asked.append(name)
        time.sleep(self.slow_s)
        return self.live() if name == "live" else gateway_table(gateway("g1", "a"))


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return load_roster(write_sites(tmp_path, "a,가,A,other,m1,water,main,1", "b,나,B,other,m2,gas,main,1"), time.time())


@asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[Feed]:
    task = asyncio.ensure_future(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        feed.close()


async def until(feed: Feed, state: str, within_s: float = 5) -> Frame:
    async with asyncio.timeout(within_s):
        frame = feed.frame
        while frame.views["ko"].status.state != state:
            frame = await feed.after(frame.n)
    return frame


def test_many_who_wait_make_one_question_a_second(roster: Roster) -> None:
    city = City()

    async def watch() -> float:
        async with running(Feed(lambda _: roster, {"main": city}, 30)) as feed:
            started = time.monotonic()
            frame = feed.frame
            for _ in range(4):
                first, *others = await asyncio.gather(*(feed.after(frame.n) for _ in range(500)))
                assert all(other is first for other in others)
                frame = first
            assert frame.views["ko"].cells["a/water"].now.isascii()
            assert frame.views["en"].gateways == "Gateways online: 1 of 1"
            return time.monotonic() - started

    spent_s = asyncio.run(watch())
    assert 3 <= city.asked.count("live") <= spent_s + 1.5
    assert city.asked.count("gateways") == 1


def test_an_area_that_hangs_holds_up_no_other(roster: Roster) -> None:
    quick, hanging = City(), City()
    hanging.slow_s = 3

    async def watch() -> list[float]:
        async with running(Feed(lambda _: roster, {"quick": quick, "hanging": hanging}, 30)) as feed:
            frame, came = feed.frame, []
            for _ in range(4):
                frame = await feed.after(frame.n)
                came.append(time.monotonic())
            assert frame.snapshot.city["water_flow_m3_per_h"].value is not None
            assert "hanging" in frame.views["en"].status.text
            return came

    came = asyncio.run(watch())
    assert came[-1] - came[0] < 5.5
    assert hanging.asked.count("live") <= 2


def test_an_area_that_answers_nonsense_is_no_answer(roster: Roster) -> None:
    async def watch() -> None:
        async with running(Feed(lambda _: roster, {"main": lambda _: pa.table({"meter": ["x"]})}, 30)) as feed:
            frame = await feed.after(1)
            frame = await feed.after(frame.n)
            assert not frame.areas[0].answering

    asyncio.run(watch())


def test_a_listener_that_takes_nothing_is_let_go_and_a_slow_one_skips(roster: Roster) -> None:
    """A frame is due each second; the stuck listener never takes one, the slow one takes 1.6 s for each."""

    async def stay() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def take_nothing(_: MutableMapping[str, Any]) -> None:
        await asyncio.Event().wait()

    async def watch() -> list[int]:
        frames: list[int] = []

        async def slowly(message: MutableMapping[str, Any]) -> None:
            frames.extend(int(n) for n in re.findall(rb"event: live\nid: (\d+)", message.get("body", b"")))
            await asyncio.sleep(1.6)

        async with running(Feed(lambda _: roster, {"main": City()}, 30)) as feed:
            stuck = asyncio.ensure_future(EventStream(feed, "ko", 0.5)({}, stay, take_nothing))
            slow = asyncio.ensure_future(EventStream(feed, "ko")({}, stay, slowly))
            await asyncio.wait_for(stuck, 2)
            assert feed.listeners == 1
            assert (await feed.after(feed.frame.n)).n
            await asyncio.sleep(3.5)
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)
            assert feed.listeners == 0
        return frames

    frames = asyncio.run(watch())
    assert len(frames) >= 2
    assert frames[-1] - frames[0] > len(frames) - 1


def test_an_area_that_is_silent_is_said_to_be_and_found_again_over_its_socket(
    roster: Roster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cloud.portal.live.feed")
    city, socket = City(), tmp_path / "main.sock"

    async def watch() -> None:
        async with running(Feed(lambda _: roster, {"main": lambda name: fetch_table(socket, name)}, 30)) as feed:
            first = await feed.after(1)
            assert first.views["ko"].status.state == "none"
            await feed.after((await feed.after(first.n)).n)
            assert "main" in first.views["ko"].status.text
            with serve_area(socket, city.live):
                live = await until(feed, "live")
            late = await until(feed, "late", 8)
            assert not late.areas[0].answering
            assert "초 전 자료입니다" in late.views["ko"].status.text
            assert late.snapshot.city["water_flow_m3_per_h"].value is not None
            with serve_area(socket, city.live):
                again = await until(feed, "live")
            assert again.snapshot.city["water_flow_m3_per_h"].value != live.snapshot.city["water_flow_m3_per_h"].value

    asyncio.run(watch())
    said = [record.getMessage().split()[0] for record in caplog.records]
    assert said == ["event=area-silent", "event=area-answers"] * 2


def test_sites_that_come_and_go_are_shown_so_from_the_next_frame_on(tmp_path: Path) -> None:
    write_sites(tmp_path, "a,가,A,other,m1,water,main,1")
    rosters = Rosters(tmp_path, time.time())

    async def watch() -> None:
        async with running(Feed(rosters.at, {"main": City()}, 30)) as feed:
            before = await until(feed, "live")
            assert [row.site for row in before.roster.rows] == ["a"]
            write_sites(tmp_path, "b,나,B,other,m1,water,main,2", "c,다,C,other,m3,gas,main,1")
            after = await feed.after((await feed.after(before.n)).n)
            assert [row.site for row in after.roster.rows] == ["b", "c"]
            assert after.views["ko"].cells.keys() == {f"{row}/{name}" for row in ("city", "b", "c") for name in NOW}
            assert b'"sites":"%s"' % after.roster.tag.encode() in after.events["ko"]
            assert after.roster.tag != before.roster.tag

    asyncio.run(watch())
