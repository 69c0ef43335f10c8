"""A line's owner on simulated wires: ticks, dead meters, overload, refusals, clocks that are set."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from contract.messages import LineState
from contract.problems import Problem
from contract.quality import Quality
from contract.reading import Reading
from edge.config import LineConfig, MeterConfig
from edge.line import Line
from edge.models import METERS, load_model
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus, Wire
from simulators.served import ServedLog, read_log
from simulators.tcp_server import TcpServer

SDM = "eastron_sdm120"
Ticks = dict[int, list[Reading]]


def steady(quantity: str, time_s: float) -> float:
    """0.5 for ratios, and for all else a number that every register of the models can hold."""
    del time_s
    return 0.5 if quantity.endswith("_ratio") else 12.5


def sim(*models: str, log: ServedLog | None = None, holes_readable: bool = True) -> SimLine:
    meters = [SimMeter(f"m-{unit}", load_model(model), unit, steady) for unit, model in enumerate(models, 1)]
    return SimLine("line-1", meters, log, holes_readable=holes_readable)


def config(line: SimLine, **where: object) -> LineConfig:
    names = {load_model(file.stem).model: file.stem for file in METERS.glob("*.toml")}
    meters = [
        MeterConfig(name=meter.name, model=names[meter.model.model], unit=meter.unit) for meter in line.meters.values()
    ]
    return LineConfig(name="line-1", meter=meters, **where)  # type: ignore[arg-type]  # port, host, baud, …


class Run:
    """A line that runs for a while; `ticks` is what it took."""

    def __init__(self, settings: LineConfig, tick_s: int = 1, now_s: Callable[[], float] = time.time) -> None:
        self.line = Line(settings, tick_s, now_s)
        self.ticks: Ticks = {}
        self.taken_at_s: list[float] = []
        self.may = True

    def take(self, name: str, tick_s: int, readings: list[Reading]) -> None:
        assert name == "line-1"
        self.ticks[tick_s] = readings
        self.taken_at_s.append(time.monotonic())

    def during(self, act: Callable[[], Coroutine[None, None, None]]) -> None:
        async def both() -> None:
            running = asyncio.create_task(self.line.run(lambda _name, _tick: self.may, self.take))
            await act()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(both())

    async def until(self, count: int) -> None:
        """Return when so many ticks were taken."""
        await self.wait(lambda: len(self.taken_at_s) >= count)

    async def wait(self, done: Callable[[], bool]) -> None:
        """Return when that is so."""
        deadline_s = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline_s, "the line has stalled"
            await asyncio.sleep(0.02)  # what is waited for is not the test's to announce


def of(readings: list[Reading], meter: str) -> set[Quality]:
    return {reading.quality for reading in readings if reading.meter == meter}


def test_each_tick_has_every_quantity_of_every_meter_once() -> None:
    line = sim(SDM, "ls_gimac1000")
    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        run.during(lambda: run.until(2))
    expected = sorted((meter.name, quantity) for meter in line.meters.values() for quantity in meter.quantities)
    for tick, readings in run.ticks.items():
        assert sorted((reading.meter, reading.quantity) for reading in readings) == expected
        assert all(reading.time_s == tick and 0 <= reading.at_ms < 1000 for reading in readings)
        assert all(reading.value == steady(reading.quantity, 0) for reading in readings)
    first, second = sorted(run.ticks)
    assert second == first + 1
    assert run.line.state().ticks_missed == 0


@pytest.mark.parametrize("how", ["bus", "tcp"])
def test_every_model_that_ships_is_served_and_read(tmp_path: Path, how: str) -> None:
    names = sorted(file.stem for file in METERS.glob("*.toml"))
    log = ServedLog(tmp_path / "served.jsonl", "line-1")
    line = sim(*names, log=log, holes_readable=how == "tcp")

    async def read_all(settings: LineConfig) -> list[Reading]:
        owner = Line(settings, 60, time.time)
        try:
            return [reading for meter in line.meters for reading in await owner.read_now(meter)]
        finally:
            owner.close()

    with RtuBus(line) as bus, TcpServer(line) as server:
        where = {"port": bus.port} if how == "bus" else {"host": "127.0.0.1", "tcp_port": server.port}
        readings = asyncio.run(read_all(config(line, timeout_s=2.0, **where)))
    served = {
        (meter, quantity): value
        for entry in read_log(tmp_path / "served.jsonl")
        for meter, values in entry.values.items()
        for quantity, value in values.items()
    }
    expected = {(meter.name, quantity) for meter in line.meters.values() for quantity in meter.quantities}
    assert {(reading.meter, reading.quantity) for reading in readings} == expected
    for reading in readings:
        value = served[reading.meter, reading.quantity]
        assert reading.value == (None if value is None else pytest.approx(value, rel=2e-7))
    missing = [reading for reading in readings if reading.value is None]
    assert all(reading.quality is Quality.NOT_AVAILABLE for reading in missing)
    assert len(missing) < len(readings) / 10


def test_a_dead_meter_is_left_alone_and_comes_back() -> None:
    line = sim(SDM, SDM)

    async def act() -> None:
        await run.until(1)
        line.meters["m-2"].device.dead = True
        dying = run.line.meters[1]
        dying.health = replace(dying.health, failures=2, failing_since_s=time.monotonic() - 60)
        await run.until(2)
        assert run.line.state().dead_meters == ["m-2"]
        await run.until(3)
        line.meters["m-2"].device.dead = False
        dying.health = replace(dying.health, probe_at_s=time.monotonic())
        await run.until(4)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port, timeout_s=0.1))
        run.during(act)
    seen = [of(readings, "m-2") for _, readings in sorted(run.ticks.items())]
    assert seen[:4] == [{Quality.GOOD}, {Quality.NO_ANSWER}, {Quality.BACKED_OFF}, {Quality.GOOD}]
    assert all(of(readings, "m-1") == {Quality.GOOD} for readings in run.ticks.values())
    assert run.line.state().dead_meters == []


@pytest.mark.parametrize("back", [12, 1])
def test_after_a_silence_of_the_whole_line_all_come_back_in_a_tick_and_one_time_out_is_the_most(back: int) -> None:
    line = sim(*[SDM] * 12)

    async def act() -> None:
        await run.until(1)
        line.cut, now_s = True, time.monotonic()
        for n, meter in enumerate(run.line.meters):
            meter.health = replace(meter.health, dead=True, failures=3, probe_at_s=now_s + 100 * n)
        for silent in list(line.meters.values())[back:]:
            silent.device.dead = True
        await run.until(2)
        line.cut = False
        run.line.meters[0].health = replace(run.line.meters[0].health, probe_at_s=now_s)
        await run.until(3)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port, timeout_s=0.1))
        run.during(act)
    _, cut, after = (readings for _, readings in sorted(run.ticks.items()))
    one_silent = [{Quality.NO_ANSWER}] + [{Quality.BACKED_OFF}] * 11
    assert [of(cut, meter) for meter in line.meters] == one_silent
    assert [of(after, meter) for meter in line.meters] == [{Quality.GOOD}] * back + one_silent[: 12 - back]


def test_a_lost_answer_is_asked_for_again_within_the_tick() -> None:
    line = sim(SDM)

    async def act() -> None:
        await run.until(1)
        line.meters["m-1"].device.garble_ratio = 0.3
        await run.until(4)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port, timeout_s=0.1))
        run.during(act)
        assert bus.overhead.answers > 2 * len(run.ticks)
    values = [reading.value for readings in run.ticks.values() for reading in readings]
    assert sum(value is None for value in values) < len(values) / 2


def test_an_overloaded_line_says_so_and_cuts_no_one_off_for_ever() -> None:
    line = sim(*["ls_gimac1000"] * 12)
    with RtuBus(line, Wire(baud=9600, turnaround_s=0.02)) as bus:
        run = Run(config(line, port=bus.port))
        run.during(lambda: run.until(4))
        state = run.line.state()
    assert state.overloaded
    assert state.use_ratio > 0.5
    for readings in run.ticks.values():
        qualities = [of(readings, meter) for meter in line.meters]
        assert {Quality.OVERLOAD} in qualities
        assert {Quality.GOOD} in qualities
    counts = [
        sum(of(readings, meter) == {Quality.GOOD} for readings in run.ticks.values()) for meter in sorted(line.meters)
    ]
    assert max(counts) - min(counts) <= 1
    assert max(run.ticks) - min(run.ticks) == len(run.ticks) - 1


def test_a_meter_that_refuses_holes_is_read_whole_from_the_first_tick_on() -> None:
    line = sim("eastron_sdm630", holes_readable=False)
    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        run.during(lambda: run.until(1))
        asked = bus.overhead.answers
        assert [of(readings, "m-1") for readings in run.ticks.values()] == [{Quality.GOOD}]
        run.during(lambda: run.until(2))
        assert bus.overhead.answers - asked < asked


def test_a_register_that_the_meter_lacks_is_an_exception_and_is_asked_rarely() -> None:
    lacking = MeterConfig(name="m-1", model="eastron_sdm630", unit=1)
    line = sim(SDM, holes_readable=False)  # it has neither phases 2 and 3 nor a sum of apparent energy
    with RtuBus(line) as bus:
        run = Run(LineConfig(name="line-1", meter=[lacking], port=bus.port))

        async def act() -> None:
            await run.until(1)
            asked = bus.overhead.answers
            await run.until(2)
            assert bus.overhead.answers - asked <= 6

        run.during(act)
    _, readings = sorted(run.ticks.items())[1]
    by_quantity = {reading.quantity: reading.quality for reading in readings}
    assert by_quantity["electricity_voltage_l1_v"] is Quality.GOOD
    assert by_quantity["electricity_voltage_l2_v"] is Quality.EXCEPTION
    assert by_quantity["electricity_apparent_kvah"] is Quality.EXCEPTION


def test_a_meter_that_refuses_everything_while_it_boots_is_read_again_at_once() -> None:
    line = sim("eastron_sdm630")
    line.meters["m-1"].device.exception = 2

    async def act() -> None:
        await run.until(1)
        first = bus.overhead.answers
        await run.until(3)
        assert first <= 12
        assert 2 <= bus.overhead.answers - first <= 6
        line.meters["m-1"].device.exception = 0
        await run.until(4)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        run.during(act)
    assert [of(readings, "m-1") for readings in run.ticks.values()] == [{Quality.EXCEPTION}] * 3 + [{Quality.GOOD}]


def test_a_meter_that_lacks_the_first_registers_is_found_out_all_the_same() -> None:
    model = load_model("eastron_sdm630")
    lacking = {register.quantity for register in model.register if register.address < 0x0C}
    there = tuple(register for register in model.register if register.quantity not in lacking)
    meter = SimMeter("m-1", msgspec.structs.replace(model, register=there), 1, steady)
    with RtuBus(SimLine("line-1", [meter], holes_readable=False)) as bus:
        settings = MeterConfig(name="m-1", model="eastron_sdm630", unit=1)
        run = Run(LineConfig(name="line-1", meter=[settings], port=bus.port))
        run.during(lambda: run.until(5))
    readings = run.ticks[max(run.ticks)]
    assert {reading.quantity for reading in readings if reading.quality is Quality.EXCEPTION} == lacking
    assert len(readings) == len(model.register)


def test_a_port_that_is_missing_is_said_in_every_reading_and_is_opened_when_it_comes(tmp_path: Path) -> None:
    line = sim(SDM)
    link = tmp_path / "tty"
    run = Run(config(line, port=str(link)))

    async def act() -> None:
        await run.until(1)
        assert not run.line.state().up
        with RtuBus(line, link=link):
            await run.wait(lambda: run.line.state().up)
            await run.until(len(run.taken_at_s) + 1)

    run.during(act)
    seen = [of(readings, "m-1") for _, readings in sorted(run.ticks.items())]
    assert seen[0] == {Quality.LINE_DOWN}
    assert seen[-1] == {Quality.GOOD}


def test_a_clock_that_is_set_neither_stalls_the_line_nor_makes_it_spin() -> None:
    line = sim(SDM)
    offset_s = 0.0

    async def act() -> None:
        nonlocal offset_s
        for count, offset in ((1, 0.0), (3, 7200.0), (5, -7200.0), (7, -0.5)):
            offset_s = offset
            await run.until(count)

    started_s = time.monotonic()
    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port), now_s=lambda: time.time() + offset_s)
        run.during(act)
        state: LineState = run.line.state()
    gaps = [after - before for before, after in zip(run.taken_at_s, run.taken_at_s[1:], strict=False)]
    assert max(gaps) < 2.6
    assert len(run.taken_at_s) <= time.monotonic() - started_s + 4
    assert state.ticks_missed <= 1
    assert all(-1000 <= reading.at_ms <= 2000 for readings in run.ticks.values() for reading in readings)


def test_a_tick_that_may_not_be_is_not_taken() -> None:
    line = sim(SDM)

    async def act() -> None:
        await asyncio.sleep(1.3)
        assert run.ticks == {}
        assert bus.overhead.answers == 0
        run.may = True
        await run.until(1)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        run.may = False
        run.during(act)


def test_ticks_that_pass_while_a_line_is_restarted_are_counted() -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError

    async def twice() -> None:
        with pytest.raises(ArithmeticError):
            await run.line.run(lambda _name, _tick: True, fail)
        await asyncio.sleep(2.0)
        running = asyncio.create_task(run.line.run(lambda _name, _tick: True, run.take))
        await run.until(1)
        await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    line = sim(SDM)
    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        asyncio.run(twice())
    assert run.line.state().ticks_missed == 2


def test_a_technician_reads_between_the_ticks() -> None:
    line = sim(SDM, SDM)

    async def act() -> None:
        await run.until(1)
        readings = await run.line.read_now("m-2")
        assert {reading.value is None for reading in readings} == {False}
        with pytest.raises(Problem, match="line 'line-1' has no meter 'm-9'"):
            await run.line.read_now("m-9")
        await run.until(2)

    with RtuBus(line) as bus:
        run = Run(config(line, port=bus.port))
        run.during(act)


def test_a_dead_unit_behind_a_gateway_leaves_the_others_readable() -> None:
    line = sim(SDM, SDM, SDM)

    async def act() -> None:
        await run.until(1)
        line.meters["m-1"].device.dead = True
        await run.until(3)

    with TcpServer(line, answers_for_silent=True, gateway_timeout_s=0.25) as server:
        run = Run(config(line, host="127.0.0.1", tcp_port=server.port, timeout_s=0.4))
        run.during(act)
    for readings in list(run.ticks.values())[1:]:
        assert of(readings, "m-1") <= {Quality.NO_ANSWER, Quality.BACKED_OFF}
        assert of(readings, "m-2") == of(readings, "m-3") == {Quality.GOOD}
        # it was waited for while the gateway still waited for the other, and needed no second question
        assert all(reading.at_ms < 400 for reading in readings if reading.meter == "m-2")


def test_a_silent_unit_that_the_gateway_reports_is_no_answer() -> None:
    line = sim(SDM)
    line.meters["m-1"].device.dead = True
    with TcpServer(line, answers_for_silent=True) as server:
        run = Run(config(line, host="127.0.0.1", tcp_port=server.port))
        run.during(lambda: run.until(1))
    assert [of(readings, "m-1") for readings in run.ticks.values()] == [{Quality.NO_ANSWER}]
