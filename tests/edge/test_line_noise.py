"""What is never understood, and a connection that went silent: neither may cost the others more than dead meters do."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from contract.quality import Quality
from contract.reading import Reading
from edge.config import LineConfig, MeterConfig
from edge.line import Line
from edge.models import load_model
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.network import Link
from simulators.rtu_bus import RtuBus
from simulators.tcp_server import TcpServer

MODEL = "abb_b23"  # asked in several reads
PATIENCE_S = 20.0


def sim(meters: int) -> SimLine:
    return SimLine(
        "a", [SimMeter(f"m-{unit}", load_model(MODEL), unit, lambda *_: 0.5) for unit in range(1, meters + 1)]
    )


def config(line: SimLine, **where: object) -> LineConfig:
    meters = [MeterConfig(name=meter.name, model=MODEL, unit=meter.unit) for meter in line.meters.values()]
    return LineConfig(name="a", meter=meters, timeout_s=0.2, **where)  # type: ignore[arg-type]  # by name


def run(line: Line, until: Callable[[dict[int, list[Reading]]], bool]) -> dict[int, list[Reading]]:
    """What the line takes by tick, until that is so."""
    ticks: dict[int, list[Reading]] = {}

    async def act() -> None:
        running = asyncio.create_task(line.run(lambda *_: True, lambda _name, tick, found: ticks.update({tick: found})))
        deadline_s = time.monotonic() + PATIENCE_S
        while not until(ticks):
            assert time.monotonic() < deadline_s, "the line has stalled"
            await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(act())
    return ticks


def of(readings: list[Reading], meter: str) -> set[Quality]:
    return {reading.quality for reading in readings if reading.meter == meter}


@contextlib.contextmanager
def noisy(line: SimLine) -> Iterator[str]:
    """The bus's port, with a meter that is always garbled beside one that is well."""
    line.meters["m-2"].device.garble_ratio = 1.0
    with RtuBus(line) as bus:
        yield bus.port


def test_a_meter_that_is_never_understood_is_left_alone_like_a_silent_one() -> None:
    line = sim(2)
    with noisy(line) as port:
        owner = Line(config(line, port=port), 1, time.time)
        ticks = run(owner, lambda ticks: any(of(found, "m-2") == {Quality.BACKED_OFF} for found in ticks.values()))
    assert owner.state().dead_meters == ["m-2"]
    seen = [of(found, "m-2") for _, found in sorted(ticks.items())]
    assert seen[0] == {Quality.GARBLED}
    assert set.union(*seen) == {Quality.GARBLED, Quality.BACKED_OFF}
    assert all(of(found, "m-1") == {Quality.GOOD} for found in ticks.values())


def test_one_answer_that_was_hit_costs_the_meter_no_other_register() -> None:
    line = sim(1)
    with RtuBus(line) as bus:
        owner = Line(config(line, port=bus.port), 60, time.time)

        async def twice() -> tuple[list[Reading], list[Reading]]:
            whole = await owner.read_now("m-1")
            while True:
                owner.meters[0].health = replace(owner.meters[0].health, failures=0)
                line.meters["m-1"].device.garble_ratio = 1.0
                reading = asyncio.create_task(owner.read_now("m-1"))
                while not owner.meters[0].health.failures:  # noqa: ASYNC110  # until the first was hit
                    await asyncio.sleep(0.001)
                line.meters["m-1"].device.garble_ratio = 0.0
                found = await reading
                if Quality.GOOD in of(found, "m-1"):
                    owner.close()
                    return whole, found

        whole, hit = asyncio.run(twice())
    assert len(hit) == len(whole)
    assert of(whole, "m-1") == {Quality.GOOD}
    assert of(hit, "m-1") == {Quality.GOOD, Quality.GARBLED}


def test_a_connection_that_went_silent_is_made_anew() -> None:
    """No error comes of it, and no answer either: to the line it is as if all its meters were dead."""
    line = sim(2)
    with TcpServer(line) as server, Link("127.0.0.1", server.port) as network:
        owner = Line(config(line, host="127.0.0.1", tcp_port=network.port), 1, time.time)
        forgotten_s: list[int] = []

        def back(ticks: dict[int, list[Reading]]) -> bool:
            if ticks and not forgotten_s:
                network.forget()
                forgotten_s.append(max(ticks))
                for meter in owner.meters:  # as after some seconds of silence
                    meter.health = replace(meter.health, failures=3, dead=True)
            for meter in owner.meters:
                meter.health = replace(meter.health, probe_at_s=0.0)
            return bool(ticks) and max(ticks) > forgotten_s[0] and of(ticks[max(ticks)], "m-2") == {Quality.GOOD}

        ticks = run(owner, back)
    after = [found for tick, found in sorted(ticks.items()) if tick > forgotten_s[0]]
    assert of(after[0], "m-1") | of(after[0], "m-2") == {Quality.NO_ANSWER, Quality.BACKED_OFF}
    assert of(after[-1], "m-1") == {Quality.GOOD}
