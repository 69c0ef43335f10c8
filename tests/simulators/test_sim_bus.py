"""The simulated RS-485 bus, seen from its port: bytes, times, silence and collisions."""

import os
import resource
import select
import struct
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.client import ModbusSerialClient

from edge.models import load_model
from simulators import frames
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus, Wire
from simulators.served import ServedLog, read_log

MODEL = load_model("eastron_sdm630")
POWER = 0x0034  # two words, float32, W


class Master:
    """The bare port: what is written goes out at once, what comes in is read with its time."""

    def __init__(self, port: str) -> None:
        self.port = os.open(port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.port)

    def send(self, data: bytes) -> float:
        at_s = time.monotonic()
        os.write(self.port, data)
        return at_s

    def hear(self, timeout_s: float) -> tuple[bytes, float]:
        """What comes within the time, and when the last of it came."""
        data, at_s = b"", time.monotonic()
        end_s = at_s + timeout_s
        while select.select([self.port], [], [], max(end_s - time.monotonic(), 0))[0]:
            data += os.read(self.port, 4096)
            at_s = time.monotonic()
            end_s = min(end_s, at_s + 0.02)
        return data, at_s


def request(unit: int, address: int = POWER, count: int = 2, function: int = 4) -> bytes:
    return frames.to_rtu(unit, bytes([function, address >> 8, address & 0xFF, count >> 8, count & 0xFF]))


def power_of(data: bytes) -> float:
    """The power in an answer to `request`, kW, as its bytes say."""
    found = frames.from_rtu(data)
    assert found is not None
    (watts,) = struct.unpack(">f", found[1][2:6])
    return float(watts) / 1000


@contextmanager
def bus_of(units: int, wire: Wire | None = None, log: ServedLog | None = None) -> Iterator[tuple[RtuBus, Master, Line]]:
    meters = [SimMeter(f"m-{unit}", MODEL, unit, lambda _q, _t, unit=unit: float(unit)) for unit in range(1, units + 1)]
    line = Line("line-1", meters, log)
    with RtuBus(line, wire or Wire()) as bus:
        master = Master(bus.port)
        try:
            yield bus, master, line
        finally:
            os.close(master.port)


def test_pymodbus_reads_several_units_on_one_line() -> None:
    with bus_of(3) as (bus, _, _line):
        client = ModbusSerialClient(bus.port, timeout=0.3, retries=0)
        assert client.connect()
        for unit in (1, 2, 3, 1):
            answer = client.read_input_registers(POWER, count=2, device_id=unit)
            assert not answer.isError()
            assert client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32) == 1000 * unit
        refused = client.read_input_registers(0x1000, count=2, device_id=1)
        assert refused.exception_code == frames.ILLEGAL_ADDRESS
        client.close()  # type: ignore[no-untyped-call]  # pymodbus


def test_an_answer_is_byte_for_byte_the_standards() -> None:
    with bus_of(1) as (_, master, _line):
        master.send(bytes.fromhex("01 04 00 34 00 02") + frames.crc16(bytes.fromhex("010400340002")))
        data, _ = master.hear(0.5)
    body = bytes.fromhex("01 04 04 44 7a 00 00")  # 1000.0 W
    assert data == body + frames.crc16(body)


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("01 0000 0001", frames.ILLEGAL_FUNCTION),
        ("06 0000 0001", frames.ILLEGAL_FUNCTION),
        ("10 0000 0001 02 0001", frames.ILLEGAL_FUNCTION),
        ("03 0034 0002", frames.ILLEGAL_FUNCTION),  # this model has no holding registers
        ("04 0034 0000", frames.ILLEGAL_VALUE),
        ("04 0034 007e", frames.ILLEGAL_VALUE),
        ("04 f000 0002", frames.ILLEGAL_ADDRESS),
    ],
)
def test_a_unit_refuses_with_the_exception_of_a_real_one(pdu: str, code: int) -> None:
    with bus_of(1) as (_, master, _line):
        sent = bytes.fromhex(pdu)
        master.send(frames.to_rtu(1, sent))
        data, _ = master.hear(0.5)
    assert data == frames.to_rtu(1, bytes([sent[0] | 0x80, code]))


@pytest.mark.parametrize(
    "garbage",
    [request(9), request(0), request(1)[:-1] + b"\x00", request(1)[:5], b"\xff" * 300, request(1) + request(2)],
    ids=["absent unit", "broadcast", "wrong check sum", "half a request", "noise", "two without a gap"],
)
def test_what_is_no_request_to_a_unit_meets_silence_and_harms_nothing(garbage: bytes) -> None:
    with bus_of(2) as (_, master, _line):
        master.send(garbage)
        assert master.hear(0.1)[0] == b""
        master.send(request(2))
        assert power_of(master.hear(0.5)[0]) == 2.0


def test_a_request_may_come_in_pieces() -> None:
    with bus_of(1) as (_, master, _line):
        master.send(request(1)[:3])
        time.sleep(0.003)
        master.send(request(1)[3:])
        assert power_of(master.hear(0.5)[0]) == 1.0


@pytest.mark.parametrize(("baud", "words"), [(9600, 40), (19200, 40), (115200, 80)])
def test_bytes_take_their_time(baud: int, words: int) -> None:
    wire = Wire(baud, turnaround_s=0.005)
    # from the request's first bit to the answer's last: the gap after it is the master's to keep
    expected_s = wire.transaction_s(8, 5 + 2 * words) - wire.gap_s
    with bus_of(1, wire) as (bus, master, _line):
        taken = []
        for _ in range(5):
            sent_s = master.send(request(1, 0, words))
            data, at_s = master.hear(1.0)
            assert len(data) == 5 + 2 * words
            taken.append(at_s - sent_s)
        assert min(taken) >= expected_s - 0.0005
        assert min(taken) <= expected_s + 0.015  # the bench says how near it comes
        assert bus.overhead.answers == 5


def test_the_gap_is_that_of_the_standard() -> None:
    assert Wire(9600, 11).gap_s == pytest.approx(3.5 * 11 / 9600)
    assert Wire(115200, 10).gap_s == 0.00175
    assert Wire().gap_s == 0
    assert Wire(9600, 10, 0.005).transaction_s(8, 85) == pytest.approx(93 / 960 + 7 / 960 + 0.005)


def test_a_request_within_the_gap_is_heard_by_nobody() -> None:
    wire = Wire(600, turnaround_s=0.005)  # a gap of 58 ms
    with bus_of(1, wire) as (_, master, _line):
        master.send(request(1))
        data, at_s = master.hear(1.0)
        assert power_of(data) == 1.0
        time.sleep(max(at_s + 0.060 - time.monotonic(), 0))
        master.send(request(1))
        assert len(master.hear(1.0)[0]) == 9
        # `hear` has waited 20 ms: 38 ms of the gap are left
        master.send(request(1))
        assert master.hear(0.6)[0] == b""


def test_a_request_into_an_answer_garbles_both(tmp_path: Path) -> None:
    wire = Wire(9600, turnaround_s=0.005)
    log = ServedLog(tmp_path / "log", "line-1")
    with bus_of(2, wire, log) as (_, master, _line):
        master.send(request(1, 0, 80))
        time.sleep(0.05)  # the answer takes 172 ms
        master.send(request(2))
        data, _ = master.hear(0.5)
        assert data
        assert frames.from_rtu(data) is None
        assert master.hear(0.2)[0] == b""
        master.send(request(2))
        assert power_of(master.hear(0.5)[0]) == 2.0
    log.close()
    assert [(entry.unit, entry.answer) for entry in read_log(log.path)] == [(1, "garbled"), (2, "ok")]


def test_a_late_answer_comes_after_its_question_was_given_up() -> None:
    with bus_of(2) as (_, master, line):
        line.meters["m-1"].device.slow_s = 0.6
        master.send(request(1))
        assert master.hear(0.1)[0] == b""
        master.send(request(2))
        assert power_of(master.hear(0.3)[0]) == 2.0
        late, _ = master.hear(1.5)
        assert late[0] == 1
        assert power_of(late) == 1.0


def test_bytes_that_nobody_reads_are_lost_and_the_bus_lives() -> None:
    with bus_of(1) as (_, master, _line):
        for _ in range(60):  # 165 bytes each: more than a terminal keeps
            master.send(request(1, 0, 80))
            time.sleep(0.002)
        master.hear(0.2)
        master.send(request(1))
        assert power_of(master.hear(0.5)[0]) == 1.0


def test_the_port_outlives_its_master_and_has_a_lasting_name(tmp_path: Path) -> None:
    line = Line("line-1", [SimMeter("m-1", MODEL, 1, lambda _q, _t: 1.0)])
    link = tmp_path / "line-1"
    with RtuBus(line, link=link):
        for _ in range(2):
            master = Master(str(link))
            master.send(request(1))
            assert power_of(master.hear(0.5)[0]) == 1.0
            os.close(master.port)
    assert not link.is_symlink()


def test_what_was_served_is_written_down_before_it_arrives(tmp_path: Path) -> None:
    log = ServedLog(tmp_path / "log", "line-1")
    with bus_of(1, log=log) as (_, master, _line):
        before_ns = time.time_ns()
        master.send(request(1))
        master.hear(0.5)
        (entry,) = read_log(log.path)
        assert before_ns <= entry.at_ns <= time.time_ns()
        assert entry.values == {"m-1": {"electricity_power_kw": 1.0}}
        assert (entry.unit, entry.read, entry.answer) == (1, ("input", POWER, 2), "ok")
        master.send(request(5))
        master.hear(0.05)
        assert read_log(log.path)[1].answer == "silent"
    log.close()


def test_the_bus_outlives_a_full_disk(tmp_path: Path) -> None:
    log = ServedLog(tmp_path / "log", "line-1")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with bus_of(1, log=log) as (_, master, _line):
        # no file of this process can grow any more
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.path.stat().st_size, usual[1]))
        try:
            for unit in (1, 5, 1):  # 5 is absent
                master.send(request(unit))
                assert bool(master.hear(0.5)[0]) == (unit == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert log.lost == 3
        master.send(request(1))
        assert power_of(master.hear(0.5)[0]) == 1.0
    log.close()
    assert [entry.answer for entry in read_log(log.path)] == ["ok"]
