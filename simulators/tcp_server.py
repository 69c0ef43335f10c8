"""A line that is reached over TCP: a meter, or several units behind one address; one thread a server.

Requests of a connection are answered one after the other. What a client sends that is no frame closes its
connection, as real servers do; nothing it sends can do more.
"""

import asyncio
import contextlib
import random
import socket
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Self

from contract.problems import Problem
from simulators import frames
from simulators.line import Exchange, Line

Framing = Literal["tcp", "rtu"]

# RTU frames in a stream have no silence between them; a part of one waits this long for the rest.
_REST_S = 0.05


@dataclass
class TcpServer:
    """Runs from `with` on, on loopback; `port` is chosen by the system when 0, and kept while refused.

    `answers_for_silent`: like a gateway to a serial line, it answers exception 0x0B for a unit that is silent
    (after `gateway_timeout_s`); else it is silent too.
    """

    line: Line
    framing: Framing = "tcp"
    port: int = 0
    turnaround_s: float = 0.0
    answers_for_silent: bool = False
    gateway_timeout_s: float = 0.0
    host: str = "127.0.0.1"
    _connections: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(started)), name=f"tcp-{self.line.name}", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except OSError as error:
            raise Problem(
                f"{self.host}:{self.port}: 열 수 없습니다: {error.strerror}",
                f"{self.host}:{self.port}: cannot be opened: {error.strerror}",
            ) from error
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def refuse(self, *, refused: bool) -> None:
        """Refuse connections and end those that are open, or accept again."""
        asyncio.run_coroutine_threadsafe(self._refuse(refused), self._loop).result()

    async def _run(self, started: "Future[None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._server: asyncio.Server | None = None
        try:
            self._socket = self._bind()
            await self._listen()
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await self._stop.wait()
        await self._hang_up()
        self._socket.close()

    def _bind(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.host, self.port))
        except OSError:
            bound.close()
            raise
        self.port = bound.getsockname()[1]
        return bound

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._socket)

    async def _hang_up(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for task, writer in self._connections.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _refuse(self, refused: bool) -> None:
        if refused and self._server:
            await self._hang_up()
            # bound and not listening: connections are refused, and nobody else gets the port meanwhile
            self._socket = self._bind()
        elif not refused and not self._server:
            await self._listen()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serve = self._serve_tcp if self.framing == "tcp" else self._serve_rtu
        task = asyncio.current_task()
        assert task
        self._connections[task] = writer
        # the client may go away, or send what is no frame; `_hang_up` cancels
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await serve(reader, writer)
        del self._connections[task]
        writer.close()

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            header = frames.read_mbap(await reader.readexactly(frames.MBAP_BYTES))
            if header.protocol != 0 or not 2 <= header.length <= frames.MAX_ADU_BYTES:
                return
            pdu = await reader.readexactly(header.length - 1)
            exchange = await self._ask(header.unit, pdu)
            if exchange and exchange.pdu:
                answer = frames.to_tcp(header.transaction, exchange.unit, exchange.pdu)
                writer.write(_damaged(answer) if exchange.garbled else answer)

    async def _serve_rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(frames.MAX_ADU_BYTES):
            rest = frames.rtu_request_bytes(data) - len(data)
            if rest > 0:
                try:
                    data += await asyncio.wait_for(reader.readexactly(rest), _REST_S)
                except TimeoutError:
                    continue
            found = frames.from_rtu(data)
            exchange = await self._ask(*found) if found and found[0] else None
            if exchange and exchange.pdu:
                answer = frames.to_rtu(exchange.unit, exchange.pdu)
                writer.write(self.line.damaged(answer) if exchange.garbled else answer)

    async def _ask(self, unit: int, pdu: bytes) -> Exchange | None:
        exchange = self.line.exchange(unit, pdu)
        if exchange.pdu is None and self.answers_for_silent and not self.line.cut:
            await asyncio.sleep(self.gateway_timeout_s)
            silent = frames.exception(pdu[0], frames.TARGET_SILENT)
            exchange = Exchange(unit, silent, f"exception-{frames.TARGET_SILENT}", exchange.read)
        wait_s = self.turnaround_s + exchange.slow_s
        if wait_s:
            await asyncio.sleep(wait_s)
        self.line.log_now(exchange)
        return exchange


def _damaged(frame: bytes) -> bytes:
    """A frame that shows its damage: TCP has no check sum of its own, so a wrong value would pass for a right one."""
    transaction, _, _, unit = frames.read_mbap(frame[: frames.MBAP_BYTES])
    pdu = frame[frames.MBAP_BYTES :]
    return random.choice(
        [
            frames.to_tcp(transaction ^ 0x5A5A, unit, pdu),
            frame[:2] + b"\xa5\xa5" + frame[4:],
            frames.to_tcp(transaction, unit, pdu[:-1]),
        ]
    )
