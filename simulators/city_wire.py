"""Thousands of MQTT connections in one loop, each a gateway's own. Nothing here blocks but `poll`."""

import contextlib
import errno
import resource
import select
import socket
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from contract.problems import Problem
from simulators import mqtt_packets

FILES_BESIDE = 200  # descriptors of a process that are no gateway's connection
READ_BYTES = 65_536
UNHEARD_LIMIT = 60_000  # packets without PUBACK; a number stands for one packet at a time

Kind = Literal["open", "closed", "message"]


class Happened(NamedTuple):
    """To connection `number`: it may be published on, it is gone, or something came on the one topic it reads."""

    number: int
    kind: Kind
    payload: bytes = b""


class _Connection:
    __slots__ = ("count", "greeted", "incoming", "number", "outgoing", "stream", "unheard", "writing")

    def __init__(self, number: int, stream: socket.socket) -> None:
        self.number, self.stream = number, stream
        self.incoming = b""
        self.outgoing = bytearray()
        self.greeted = False
        self.writing = True
        self.count = 0
        self.unheard: set[bytes] = set()  # numbers of packets without PUBACK


class Connections:
    """To one broker. `hello` gives what connection number n sends first (CONNECT and SUBSCRIBE); a connection is
    open once both are granted. A lost one stays lost until `open` is called again.
    """

    def __init__(self, host: str, port: int, hello: Callable[[int], bytes]) -> None:
        self._address, self._hello = (host, port), hello
        self._poll = select.epoll()
        self._by_file: dict[int, _Connection] = {}
        self._by_number: dict[int, _Connection] = {}
        self._happened: list[Happened] = []
        self.acknowledged = 0

    def open(self, number: int) -> None:
        """Begin to connect."""
        stream = socket.socket()
        stream.setblocking(False)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(number, stream)
        connection.outgoing += self._hello(number)
        self._by_file[stream.fileno()] = self._by_number[number] = connection
        self._poll.register(stream, select.EPOLLIN | select.EPOLLOUT)
        if stream.connect_ex(self._address) not in (0, errno.EINPROGRESS):
            self._lose(connection)

    def publish(self, number: int, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """With QoS 1; False where there is no open connection, or its broker acknowledges nothing any more."""
        connection = self._by_number.get(number)
        if connection is None or not connection.greeted or len(connection.unheard) >= UNHEARD_LIMIT:
            return False
        connection.count = connection.count % 0xFFFF + 1
        packet = mqtt_packets.publish(topic, payload, connection.count, retain=retain)
        connection.unheard.add(connection.count.to_bytes(2, "big"))
        self._send(connection, packet)
        return True

    def poll(self, timeout_s: float) -> list[Happened]:
        """Wait for the network, and tell what happened since the last call."""
        for file, events in self._poll.poll(0 if self._happened else timeout_s):
            connection = self._by_file.get(file)
            if connection is None:
                continue
            if events & (select.EPOLLERR | select.EPOLLHUP) and not events & select.EPOLLIN:
                self._lose(connection)
                continue
            if events & select.EPOLLIN:
                self._read(connection)
            if events & select.EPOLLOUT and connection.number in self._by_number:
                self._send(connection, b"")
        happened, self._happened = self._happened, []
        return happened

    def close(self, farewell_s: float = 5.0) -> None:
        """Send what is waiting to be sent, then drop all."""
        until_s = time.monotonic() + farewell_s
        while any(connection.outgoing for connection in self._by_file.values()) and time.monotonic() < until_s:
            self.poll(0.1)
        for connection in list(self._by_file.values()):
            self._lose(connection)
        self._poll.close()

    def _send(self, connection: _Connection, data: bytes) -> None:
        connection.outgoing += data
        try:
            while connection.outgoing:
                sent = connection.stream.send(connection.outgoing)
                del connection.outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._lose(connection)
            return
        if bool(connection.outgoing) != connection.writing:
            connection.writing = not connection.writing
            self._poll.modify(connection.stream, select.EPOLLIN | (select.EPOLLOUT if connection.writing else 0))

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.stream.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose(connection)
            return
        packets, connection.incoming = mqtt_packets.split(connection.incoming + data)
        for kind, body in packets:
            self._take(connection, kind, body)

    def _take(self, connection: _Connection, kind: int, body: bytes) -> None:
        match kind & 0xF0:
            case mqtt_packets.PUBACK:
                connection.unheard.discard(body)
                self.acknowledged += 1
            case mqtt_packets.PUBLISH:
                _, payload, number = mqtt_packets.received(kind, body)
                if number:
                    self._send(connection, mqtt_packets.puback(number))
                self._happened.append(Happened(connection.number, "message", payload))
            case mqtt_packets.CONNACK | mqtt_packets.SUBACK if body[-1] > 2:  # refused; 0 to 2 is the granted QoS
                self._lose(connection)
            case mqtt_packets.SUBACK:
                connection.greeted = True
                self._happened.append(Happened(connection.number, "open"))

    def _lose(self, connection: _Connection) -> None:
        if self._by_number.get(connection.number) is not connection:
            return
        del self._by_number[connection.number], self._by_file[connection.stream.fileno()]
        with contextlib.suppress(OSError):
            self._poll.unregister(connection.stream)
        connection.stream.close()
        self._happened.append(Happened(connection.number, "closed"))


def allow_files(needed: int) -> None:
    """Let this process, and those that it starts, have so many files open. Raises Problem."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Problem(
            f"프로세스마다 파일 {needed:,}개가 필요한데 {hard:,}개까지만 열 수 있습니다 (ulimit -Hn)",
            f"each process needs {needed:,} open files, but only {hard:,} are allowed (ulimit -Hn)",
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
