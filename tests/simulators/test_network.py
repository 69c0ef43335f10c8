"""The cut network: open, cut, silent, and open again."""

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from simulators.network import Link


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1000):
            self.request.sendall(data)


@pytest.fixture
def link() -> Iterator[Link]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Link(*server.server_address) as opened:
                yield opened
        finally:
            server.shutdown()
            thread.join()


def _connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=2)


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_bytes_pass_while_it_is_open(link: Link) -> None:
    with _connect(link) as connection:
        connection.sendall(b"x" * 100_000)
        received = 0
        while received < 100_000:
            received += len(connection.recv(65_536))


def test_a_cut_drops_what_is_connected_and_what_comes(link: Link) -> None:
    with _connect(link) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        link.set("cut")
        assert _ended(connection)
    with _connect(link) as refused:
        assert _ended(refused)
    link.set("open")
    with _connect(link) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"


def test_silence_keeps_the_connection_and_loses_the_bytes(link: Link) -> None:
    with _connect(link) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        link.set("silent")
        connection.sendall(b"b")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        link.set("open")
        connection.settimeout(2)
        assert _ended(connection)
