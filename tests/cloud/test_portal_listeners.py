"""Hundreds of listeners at the portal's process: one question a second, and every frame comes at once."""

import asyncio
import json
import time
from pathlib import Path

import psutil
import pyarrow as pa

from tests.cloud.portal_area import Series, live_table, serve_area, write_sites
from tests.cloud.portal_process import Portal

LISTENERS = 300
SECONDS = 5
REQUEST = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def listen(port: int, until_s: float) -> list[tuple[int, float]]:
    """The frames that came, each with the time from its making to its coming, in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(REQUEST)
    came, name = [], b""
    while time.time() < until_s:
        line = await reader.readline()
        if line.startswith(b"event: "):
            name = line[7:].strip()
        elif line.startswith(b"data: ") and name == b"live":
            at_s, body = time.time(), json.loads(line[6:])
            came.append((body["frame"], at_s - body["made_ms"] / 1000))
    writer.close()
    await writer.wait_closed()
    return came


async def listen_all(port: int, until_s: float) -> list[list[tuple[int, float]]]:
    return await asyncio.gather(*(listen(port, until_s) for _ in range(LISTENERS)))


def test_three_hundred_listeners_make_one_question_a_second(tmp_path: Path) -> None:
    asked: list[float] = []

    def live() -> pa.Table:
        asked.append(time.time())
        second = int(time.time())
        return live_table(
            *(Series(f"m{i}", "water_flow_m3_per_h", second % 1000 + i, time_s=second) for i in range(40))
        )

    sites = write_sites(tmp_path / "registry", *(f"s{i // 4},이름,Name,other,m{i},water,main,1" for i in range(40)))
    with serve_area(tmp_path / "s", live), Portal(sites, f"main={tmp_path}/s") as portal:
        until_s = time.time() + SECONDS
        heard = asyncio.run(listen_all(portal.port, until_s))
        rss_mb = psutil.Process(portal.process.pid).memory_info().rss / 1e6
    questions = [at_s for at_s in asked if until_s - SECONDS <= at_s < until_s]
    assert len(questions) <= SECONDS + 1
    for came in heard:
        frames = [frame for frame, _ in came]
        assert len(frames) >= SECONDS - 2
        assert frames == list(range(frames[0], frames[0] + len(frames)))
    delays_s = sorted(delay_s for came in heard for _, delay_s in came[1:])
    print(
        f"{LISTENERS} listeners: made to heard p50 {delays_s[len(delays_s) // 2] * 1000:.0f} ms, "
        f"p95 {delays_s[len(delays_s) * 95 // 100] * 1000:.0f} ms, portal {rss_mb:.0f} MB"
    )
    assert delays_s[len(delays_s) * 95 // 100] < 0.5
