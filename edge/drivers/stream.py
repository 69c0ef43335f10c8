"""A serial port or a TCP connection as a stream of bytes that remembers when the last one came."""

import asyncio
import contextlib
import os
import socket
import termios
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import serial

_CHUNK = 4096
# No answer is longer. What comes while nobody asks is kept no further back.
_KEPT = 4096


class Stream:
    """`heard` grows as bytes come; `last_s` is when the last came (monotonic). `closed`: the far end is gone."""

    def __init__(self, descriptor: int, shut: Callable[[], None]) -> None:
        self.heard = bytearray()
        self.last_s = 0.0
        self.closed = False
        self._descriptor = descriptor
        self._shut = shut
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # a cable was pulled, or the other side hung up
            self.closed = True
            self._loop.remove_reader(self._descriptor)
        self.heard += data
        del self.heard[:-_KEPT]
        self.last_s = self._loop.time()
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def write(self, data: bytes) -> None:
        """Send a frame whole. Raises OSError when the port is gone or takes no more."""
        if os.write(self._descriptor, data) != len(data):
            raise BlockingIOError("the port takes no more bytes")

    async def wait(self, until_s: float) -> None:
        """Return when something has come, the far end is gone, or the time (monotonic) has."""
        if self.closed:
            return
        self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until_s, self._wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def close(self) -> None:
        """Close the port."""
        self.closed = True
        self._loop.remove_reader(self._descriptor)
        self._shut()


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """Raise OSError for what pyserial and name resolution raise beside it: a caller has one error to expect."""
    try:
        yield
    except termios.error as error:  # what a port that goes away while it is set up raises
        raise OSError(*error.args) from error
    except UnicodeError as error:  # a label of a host name is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    except ValueError as error:
        raise OSError(str(error)) from error


async def open_serial(port: str, baud: int, parity: str, stop_bits: int) -> Stream:
    """Raises OSError (serial.SerialException is one) when the port cannot be had."""
    with as_os_error():
        opened = serial.Serial(port, baud, parity=parity, stopbits=stop_bits, timeout=0, exclusive=True)
        try:
            # USB adapters keep bytes back for up to 16 ms to fill a packet, unless they are told not to
            with contextlib.suppress(OSError, ValueError, AttributeError):
                opened.set_low_latency_mode(True)
            opened.reset_input_buffer()
            return Stream(opened.fileno(), opened.close)
        except BaseException:
            opened.close()
            raise


async def open_tcp(host: str, port: int, timeout_s: float) -> Stream:
    """Raises OSError (TimeoutError is one) when no connection comes about by any address of the host's name."""
    async with asyncio.timeout(timeout_s):
        with as_os_error():
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return await connect([(family, address) for family, _, _, _, address in found], timeout_s)


async def connect(addresses: Sequence[tuple[int, tuple[Any, ...]]], timeout_s: float) -> Stream:
    """To the first of the (family, address) that accepts; each has its share of the time. Raises the last's OSError."""
    for family, address in addresses[:-1]:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(timeout_s / len(addresses)):
                return await _connected(family, address)
    return await _connected(*addresses[-1])


async def _connected(family: int, address: tuple[Any, ...]) -> Stream:
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return Stream(connection.fileno(), connection.close)
