"""The simulated TCP meters: frames, silence, refusals, and what damage looks like."""

import asyncio
import contextlib
import random
import socket
import struct
import time

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient, ModbusTcpClient
from pymodbus.exceptions import ModbusException

from contract.problems import Problem
from edge.models import load_model
from simulators import frames
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.tcp_server import Framing, TcpServer

MODEL = load_model("eastron_sdm630")
POWER = 0x0034


def line_of(units: int) -> Line:
    return Line("line-1", [SimMeter(f"m-{n}", MODEL, n, lambda _q, _t, n=n: float(n)) for n in range(1, units + 1)])


def client_of(server: TcpServer, timeout_s: float = 2.0) -> ModbusTcpClient:
    framer = FramerType.SOCKET if server.framing == "tcp" else FramerType.RTU
    client = ModbusTcpClient("127.0.0.1", port=server.port, timeout=timeout_s, retries=0, framer=framer)
    assert client.connect()  # type: ignore[no-untyped-call]  # pymodbus
    return client


def power_kw(client: ModbusTcpClient, unit: int) -> float | None:
    """None for silence, for what is no answer and for an exception."""
    try:
        answer = client.read_input_registers(POWER, count=2, device_id=unit)
    except ModbusException:
        return None
    if answer.isError() or len(answer.registers) != 2:
        return None
    (watts,) = struct.unpack(">f", struct.pack(">HH", *answer.registers))
    return float(watts) / 1000


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_several_units_answer_behind_one_address(framing: Framing) -> None:
    with TcpServer(line_of(3), framing) as server:
        client = client_of(server)
        assert [power_kw(client, unit) for unit in (1, 2, 3, 1)] == [1.0, 2.0, 3.0, 1.0]
        client.close()  # type: ignore[no-untyped-call]  # pymodbus
        client = client_of(server, 0.15)
        assert power_kw(client, 9) is None
        client.close()  # type: ignore[no-untyped-call]  # pymodbus


def exchange(server: TcpServer, request: bytes, timeout_s: float = 2.0) -> bytes:
    """What comes back within the time."""
    with socket.create_connection((server.host, server.port), timeout=timeout_s) as raw:
        raw.sendall(request)
        with contextlib.suppress(TimeoutError, ConnectionError):
            return raw.recv(300)
    return b""


def test_an_answer_is_byte_for_byte_the_standards() -> None:
    with TcpServer(line_of(1)) as server:
        answer = exchange(server, bytes.fromhex("abcd 0000 0006 01 04 0034 0002"))
    assert answer == bytes.fromhex("abcd 0000 0007 01 04 04 447a0000")


def test_a_silent_unit_is_silent_or_told_of() -> None:
    request = frames.to_tcp(1, 9, bytes.fromhex("0400340002"))
    with TcpServer(line_of(1)) as server:
        assert exchange(server, request, 0.15) == b""
    with TcpServer(line_of(1), answers_for_silent=True) as server:
        assert exchange(server, request) == frames.to_tcp(1, 9, bytes([0x84, frames.TARGET_SILENT]))
        server.line.meters["m-1"].device.dead = True
        request = frames.to_tcp(2, 1, bytes.fromhex("0400340002"))
        assert exchange(server, request)[-2:] == bytes([0x84, frames.TARGET_SILENT])
        server.line.cut = True
        assert exchange(server, request, 0.15) == b""


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_a_garbled_answer_is_never_taken_for_a_value(framing: Framing) -> None:
    with TcpServer(line_of(1), framing) as server:
        server.line.meters["m-1"].device.garble_ratio = 1.0
        for _ in range(8):
            client = client_of(server, 0.1)
            assert power_kw(client, 1) is None
            client.close()  # type: ignore[no-untyped-call]  # pymodbus


def test_connections_are_refused_and_taken_again_at_the_same_port() -> None:
    with TcpServer(line_of(1)) as server:
        port = server.port
        client = client_of(server)
        assert power_kw(client, 1) == 1.0
        server.refuse(refused=True)
        assert power_kw(client, 1) is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=0.5)
        server.refuse(refused=True)
        server.refuse(refused=False)
        client.close()  # type: ignore[no-untyped-call]  # pymodbus
        client = client_of(server)
        assert power_kw(client, 1) == 1.0
        client.close()  # type: ignore[no-untyped-call]  # pymodbus
    assert server.port == port


def test_a_slow_unit_answers_late_and_in_order() -> None:
    with TcpServer(line_of(2), turnaround_s=0.02) as server:
        server.line.meters["m-1"].device.slow_s = 0.1
        start_s = time.monotonic()
        assert exchange(server, frames.to_tcp(7, 1, bytes.fromhex("0400340002")))[:2] == b"\0\7"
        assert 0.12 <= time.monotonic() - start_s < 1.5


def test_clients_do_not_wait_for_each_other() -> None:
    async def read(server: TcpServer) -> float:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=1, retries=0)
        assert await client.connect()
        start_s = time.monotonic()
        assert not (await client.read_input_registers(POWER, count=2, device_id=1)).isError()
        client.close()
        return time.monotonic() - start_s

    async def read_all(server: TcpServer) -> list[float]:
        return await asyncio.gather(*(read(server) for _ in range(5)))

    with TcpServer(line_of(1), turnaround_s=0.1) as server:
        assert max(asyncio.run(read_all(server))) < 0.45  # one after the other they would take 0.5 s


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_any_bytes_leave_the_server_alive(framing: Framing) -> None:
    chance = random.Random(5)
    with TcpServer(line_of(1), framing) as server:
        for _ in range(40):
            exchange(server, chance.randbytes(chance.randrange(1, 40)), 0.005)
        exchange(server, frames.to_tcp(1, 1, b""), 0.005)
        client = client_of(server)
        assert power_kw(client, 1) == 1.0
        client.close()  # type: ignore[no-untyped-call]  # pymodbus


def test_a_taken_port_is_one_line_that_names_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(Problem, match=rf"127\.0\.0\.1:{taken.getsockname()[1]}: "),
        TcpServer(line_of(1), port=taken.getsockname()[1]),
    ):
        pass


def test_meters_must_not_share_a_unit() -> None:
    meters = [SimMeter(name, MODEL, 1, lambda _q, _t: 1.0) for name in ("m-1", "m-2")]
    with pytest.raises(Problem, match="line 'line-1', unit 1: meters collide: m-1, m-2"):
        Line("line-1", meters)
