"""The driver on a simulated bus and on simulated TCP servers: what it hears, and what it is not taken in by."""

import asyncio
import itertools
import os
import socket
import statistics
import termios
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.quality import Quality
from edge.config import LineConfig
from edge.drivers.driver import Answer, Question
from edge.drivers.modbus import ModbusDriver, modbus_driver, transaction_s
from edge.drivers.stream import Stream, as_os_error, connect
from edge.models import Model, Register
from simulators import frames
from simulators.line import Exchange, Line
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus, Wire
from simulators.tcp_server import TcpServer

# Each register says its own address, so that a word tells where it comes from.
QUANTITIES = [
    "electricity_power_kw",
    "electricity_frequency_hz",
    "electricity_voltage_l1_v",
    "electricity_current_l1_a",
]
MODEL = Model(
    maker="m",
    model="x",
    manual="none",
    utility="electricity",
    register=tuple(
        Register(quantity=quantity, table=table, address=10 * i, type="uint16", name="r")
        for i, quantity in enumerate(QUANTITIES)
        for table in ("holding", "input")
    ),
)


def says_its_address(quantity: str, time_s: float) -> float:
    del time_s
    return 10.0 * QUANTITIES.index(quantity)


@pytest.fixture
def units() -> Line:
    return Line("line-1", [SimMeter(f"m-{unit}", MODEL, unit, says_its_address) for unit in (1, 2, 3)])


@pytest.fixture
def bus(units: Line) -> Iterator[RtuBus]:
    with RtuBus(units) as running:
        yield running


def asking(
    config: LineConfig, ask: Callable[[ModbusDriver], Awaitable[list[Answer]]]
) -> tuple[list[Answer], list[Stream]]:
    """The answers that `ask` gets from a driver, and the streams that it opened."""

    async def asked() -> tuple[list[Answer], list[Stream]]:
        opened: list[Stream] = []
        plain = modbus_driver(config)

        async def counted() -> Stream:
            opened.append(await plain.open())
            return opened[-1]

        driver = replace(plain, open=counted)
        try:
            return await ask(driver), opened
        finally:
            driver.close()

    return asyncio.run(asked())


def on(port: str) -> LineConfig:
    return LineConfig(name="line-1", meter=[], port=port)


def at(port: int, framing: str = "tcp") -> LineConfig:
    return LineConfig(name="line-1", meter=[], host="127.0.0.1", tcp_port=port, framing=framing)  # type: ignore[arg-type]  # "tcp" or "rtu"


def reads(*questions: Question, timeout_s: float = 0.3) -> Callable[[ModbusDriver], Awaitable[list[Answer]]]:
    async def ask(driver: ModbusDriver) -> list[Answer]:
        return [await driver.read(question, timeout_s) for question in questions]

    return ask


def test_words_come_from_both_tables_of_every_unit(bus: RtuBus) -> None:
    answers, _ = asking(on(bus.port), reads(Question(1, "holding", 10, 1), Question(3, "input", 20, 11)))
    assert [answer.quality for answer in answers] == [Quality.GOOD, Quality.GOOD]
    assert answers[0].words == (10,)
    assert (answers[1].words[0], answers[1].words[10]) == (20, 30)
    assert 0 <= answers[0].response_s < 0.1


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_words_come_over_tcp_in_both_framings(units: Line, framing: str) -> None:
    with TcpServer(units, framing=framing) as server:  # type: ignore[arg-type]  # "tcp" or "rtu"
        answers, opened = asking(at(server.port, framing), reads(*[Question(2, "holding", 30, 1)] * 5))
    assert [answer.words for answer in answers] == [(30,)] * 5
    assert len(opened) == 1


def test_a_silent_unit_costs_its_timeout_and_the_port_stays_open(bus: RtuBus, units: Line) -> None:
    units.meters["m-2"].device.dead = True
    started_s = time.monotonic()
    asked = [Question(2, "holding", 0, 1)] * 6 + [Question(1, "holding", 0, 1)]
    answers, opened = asking(on(bus.port), reads(*asked, timeout_s=0.1))
    assert [answer.quality for answer in answers] == [Quality.NO_ANSWER] * 6 + [Quality.GOOD]
    assert 0.6 < time.monotonic() - started_s < 1.5
    assert len(opened) == 1


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_silent_unit_behind_a_gateway_does_not_close_the_others_connection(units: Line, framing: str) -> None:
    units.meters["m-2"].device.dead = True
    asked = [Question(2, "holding", 0, 1), Question(1, "holding", 0, 1)] * 6
    with TcpServer(units, framing=framing) as server:  # type: ignore[arg-type]  # "tcp" or "rtu"
        answers, opened = asking(at(server.port, framing), reads(*asked, timeout_s=0.3))
    assert [answer.quality for answer in answers] == [Quality.NO_ANSWER, Quality.GOOD] * 6
    assert len(opened) == 1


def test_a_gateways_word_for_a_silent_unit_is_an_exception(units: Line) -> None:
    units.meters["m-2"].device.dead = True
    with TcpServer(units, answers_for_silent=True) as server:
        answers, _ = asking(at(server.port), reads(Question(2, "holding", 0, 1)))
    assert (answers[0].quality, answers[0].code) == (Quality.EXCEPTION, 0x0B)


def test_garbled_answers_are_told_from_silence(bus: RtuBus, units: Line) -> None:
    units.meters["m-1"].device.garble_ratio = 1.0
    answers, _ = asking(on(bus.port), reads(*[Question(1, "holding", 0, 31)] * 8, timeout_s=0.1))
    assert {answer.quality for answer in answers} == {Quality.GARBLED}


def test_an_adapter_that_hears_itself_is_no_answer_and_no_noise(units: Line) -> None:
    units.meters["m-1"].device.slow_s = 0.15  # later than an answer that had begun would be waited for
    units.meters["m-2"].device.dead = True
    asked = [Question(1, "holding", 10, 1), Question(2, "holding", 10, 1)]
    with RtuBus(units, echo=True) as running:
        answers, _ = asking(on(running.port), reads(*asked, timeout_s=0.5))
    assert [answer.quality for answer in answers] == [Quality.GOOD, Quality.NO_ANSWER]
    assert answers[0].words == (10,)


def test_what_comes_while_nobody_asks_is_not_kept_for_ever() -> None:
    async def heard() -> tuple[int, bytes]:
        here, there = socket.socketpair()
        stream = Stream(here.fileno(), here.close)
        with there:
            for _ in range(100):
                there.sendall(b"x" * 1000)
                await asyncio.sleep(0)
            there.sendall(b"end")
            while not stream.heard.endswith(b"end"):
                await stream.wait(time.monotonic() + 1)
        stream.close()
        return len(stream.heard), bytes(stream.heard[-3:])

    length, end = asyncio.run(heard())
    assert (length <= 4096, end) == (True, b"end")


def test_an_exception_has_its_code(bus: RtuBus) -> None:
    answers, _ = asking(on(bus.port), reads(Question(1, "holding", 500, 1), Question(1, "holding", 0, 1)))
    assert [(answer.quality, answer.code) for answer in answers] == [(Quality.EXCEPTION, 2), (Quality.GOOD, 0)]


class Zero(Line):
    """Unit 2 answers with an exception whose code is 0, which Modbus does not have."""

    def exchange(self, unit: int, pdu: bytes) -> Exchange:
        if unit == 2:
            return Exchange(unit, frames.exception(pdu[0], 0), "exception-0")
        return super().exchange(unit, pdu)


@pytest.mark.parametrize("how", ["bus", "tcp", "rtu"])
def test_an_exception_without_a_code_is_one_all_the_same(how: str) -> None:
    line = Zero("line-1", [SimMeter(f"m-{unit}", MODEL, unit, says_its_address) for unit in (1, 2)])
    ask = reads(Question(2, "holding", 10, 1), Question(1, "holding", 10, 1))
    if how == "bus":
        with RtuBus(line) as running:
            answers, _ = asking(on(running.port), ask)
    else:
        with TcpServer(line, framing=how) as server:  # type: ignore[arg-type]  # "tcp" or "rtu"
            answers, _ = asking(at(server.port, how), ask)
    assert [(answer.quality, answer.words) for answer in answers] == [(Quality.EXCEPTION, ()), (Quality.GOOD, (10,))]


@pytest.mark.parametrize("how", ["bus", "tcp", "rtu"])
def test_a_late_answer_is_never_taken_for_the_next_questions(units: Line, how: str) -> None:
    units.meters["m-1"].device.slow_s = 0.25

    async def ask(driver: ModbusDriver) -> list[Answer]:
        first = await driver.read(Question(1, "holding", 0, 1), 0.1)
        return [first, await driver.read(Question(1, "holding", 20, 1), 0.6)]

    if how == "bus":
        with RtuBus(units) as running:
            answers, _ = asking(on(running.port), ask)
    else:
        with TcpServer(units, framing=how) as server:  # type: ignore[arg-type]  # "tcp" or "rtu"
            answers, _ = asking(at(server.port, how), ask)
    assert [answer.quality for answer in answers] == [Quality.NO_ANSWER, Quality.GOOD]
    assert answers[1].words == (20,)


def test_the_silence_between_frames_is_kept_and_hardly_more(units: Line) -> None:
    wire = Wire(baud=19200, turnaround_s=0.005)
    with RtuBus(units, wire) as running:
        config = LineConfig(name="line-1", meter=[], port=running.port, baud=19200)
        answers, _ = asking(config, reads(*[Question(1, "holding", 0, 31)] * 25))
    assert {answer.quality for answer in answers} == {Quality.GOOD}
    # the median: a loaded machine holds some of them up
    took_s = statistics.median(after.sent_s - before.sent_s for before, after in itertools.pairwise(answers))
    bound_s = transaction_s(config, 31, 0.005)
    assert bound_s == pytest.approx(wire.transaction_s(8, 67))
    assert bound_s <= took_s < 1.3 * bound_s  # the bench says how near it comes


def test_a_port_that_goes_and_comes_is_opened_again(units: Line, tmp_path: Path) -> None:
    link = tmp_path / "tty"

    async def ask(driver: ModbusDriver) -> list[Answer]:
        question = Question(1, "holding", 10, 1)
        absent = await driver.read(question, 0.1)
        with RtuBus(units, link=link):
            there = await driver.read(question, 0.1)
        gone = [await driver.read(question, 0.1) for _ in range(3)]
        with RtuBus(units, link=link):
            await asyncio.sleep(1.1)
            return [absent, there, *gone, await driver.read(question, 0.1)]

    answers, opened = asking(on(str(link)), ask)
    assert [answer.quality for answer in answers[:2]] == [Quality.LINE_DOWN, Quality.GOOD]
    assert {answer.quality for answer in answers[2:5]} == {Quality.LINE_DOWN}
    assert answers[5].quality is Quality.GOOD
    assert len(opened) == 2


def test_a_server_that_hung_up_meanwhile_costs_no_reading(units: Line) -> None:
    async def ask(driver: ModbusDriver) -> list[Answer]:
        question = Question(1, "holding", 10, 1)
        first = await driver.read(question, 0.2)
        server.refuse(refused=True)
        server.refuse(refused=False)
        second = await driver.read(question, 0.2)
        server.refuse(refused=True)
        return [first, second, await driver.read(question, 0.2)]

    with TcpServer(units) as server:
        answers, opened = asking(at(server.port), ask)
    assert [answer.quality for answer in answers] == [Quality.GOOD, Quality.GOOD, Quality.LINE_DOWN]
    assert len(opened) == 2


def test_no_server_is_a_line_that_is_down_and_is_not_hammered() -> None:
    started_s = time.monotonic()
    answers, opened = asking(at(1), reads(*[Question(1, "holding", 0, 1)] * 50))
    assert {answer.quality for answer in answers} == {Quality.LINE_DOWN}
    assert time.monotonic() - started_s < 2.0
    assert opened == []


def test_rest_keeps_the_line_quiet(bus: RtuBus) -> None:
    async def ask(driver: ModbusDriver) -> list[Answer]:
        first = await driver.read(Question(1, "holding", 0, 1), 0.2)
        driver.rest(0.1)
        return [first, await driver.read(Question(1, "holding", 0, 1), 0.2)]

    answers, _ = asking(on(bus.port), ask)
    assert answers[1].sent_s - answers[0].ended_s >= 0.099


@pytest.mark.parametrize("where", [{"host": "meters..example"}, {"host": "a" * 64}, {"port": "/dev/a\0b"}])
def test_a_name_that_cannot_be_is_a_line_that_is_down(where: dict[str, str]) -> None:
    answers, _ = asking(LineConfig(name="line-1", meter=[], **where), reads(Question(1, "holding", 0, 1)))  # type: ignore[arg-type]  # by name
    assert [answer.quality for answer in answers] == [Quality.LINE_DOWN]


def test_a_terminal_that_fails_is_an_os_error() -> None:
    ends = os.pipe()
    with pytest.raises(OSError, match="Inappropriate ioctl"), as_os_error():
        termios.tcflush(ends[0], termios.TCIFLUSH)
    for end in ends:
        os.close(end)


def test_every_address_of_a_name_is_tried() -> None:
    async def reached(*ports: int) -> None:
        (await connect([(socket.AF_INET, ("127.0.0.1", port)) for port in ports], 1.0)).close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        there = server.getsockname()[1]
        asyncio.run(reached(1, there))
        asyncio.run(reached(there, 1))
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(reached(1, 1))
