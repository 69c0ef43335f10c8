"""A stretch of network that can be cut: TCP connections pass through it until it is told otherwise."""

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Literal, Self

Mode = Literal["open", "cut", "silent"]

CHUNK_BYTES = 65_536


class Link:
    """Listens on a free loopback port and forwards to (host, port), in a thread of its own.

    "cut" drops what is connected and whatever comes; "silent" swallows every byte while connections stay
    up, as a network does whose far end has gone; "open" forwards. A connection that was silenced is dead for
    good, since bytes are missing in it: it is dropped when the link opens again.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._mode: Mode = "open"
        self._writers: set[asyncio.StreamWriter] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), name=f"link-{port}", daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def set(self, mode: Mode) -> None:
        """Change the link; returns once the change is in force."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(self._set, mode, done)
        done.wait()

    def forget(self) -> None:
        """As a firewall that lost its table: what is connected now is silent for good, what comes passes."""
        done = threading.Event()

        def note() -> None:
            self._forgotten |= self._writers
            done.set()

        self._loop.call_soon_threadsafe(note)
        done.wait()

    def _set(self, mode: Mode, done: threading.Event) -> None:
        if mode == "cut" or (mode == "open" and self._mode == "silent"):
            for writer in self._writers:
                writer.transport.abort()
        self._mode = mode
        done.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        while self._writers:
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            self._forgotten -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self._mode == "open" and writer not in self._forgotten:
                    writer.write(data)
                    await writer.drain()
        if self._mode != "silent":
            writer.transport.abort()
