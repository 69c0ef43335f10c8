"""What other processes may ask the process that owns an area: rows and named tables, over Arrow Flight.

The door is a Unix socket that only the owner's user may open (mode 0600). A ticket is the name of a table, a JSON
array of such a name and the arguments for it, or a JSON object with the arguments of `rows`.
"""

import contextlib
import os
import socket as sockets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import msgspec
import pyarrow as pa
from pyarrow import flight

from cloud.store.protocol import ROWS, Rows, StoreUnavailable
from contract.problems import Problem

ROWS_TIMEOUT_S = 60.0
TABLE_TIMEOUT_S = 2.0
BATCH_ROWS = 65_536  # one message holds one batch, and gRPC's end at 2 GB
MAX_PATH_BYTES = 107  # what the kernel has room for in a socket's address

Tables = Mapping[str, Callable[..., pa.Table]]
Argument = str | int | None

_umask = threading.Lock()


class _Question(msgspec.Struct, forbid_unknown_fields=True):
    start_s: int
    end_s: int
    meters: list[str] | None = None
    quantities: list[str] | None = None


class AreaServer:
    """Answers from its own threads until `close`; a context manager. `rows` and `tables` are called from these.

    Raises Problem when the socket cannot be made, or another process answers on it.
    """

    def __init__(self, socket: Path, store: Rows, tables: Tables | None = None) -> None:
        self.socket = socket
        _remove_stale(socket)
        with _umask:
            before = os.umask(0o177)  # there is no moment at which others may open the socket
            try:
                self._server = _Server(_location(socket), store, dict(tables or {}))
            except (pa.ArrowException, OSError) as error:
                raise Problem(f"{socket}: 소켓을 만들 수 없습니다: {error}", f"{socket}: {error}") from error
            finally:
                os.umask(before)

    def close(self) -> None:
        """Finish what is being answered and remove the socket."""
        self._server.shutdown()
        self.socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FlightStore:
    """Rows of another process's area. Any thread may call; StoreUnavailable when that process does not answer."""

    def __init__(self, socket: Path, timeout_s: float = ROWS_TIMEOUT_S) -> None:
        self.socket, self.timeout_s = socket, timeout_s

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        """See Rows."""
        named = [None if names is None else list(names) for names in (meters, quantities)]
        ticket = msgspec.json.encode(_Question(start_s, end_s, *named))
        return _get(self.socket, ticket, self.timeout_s).cast(ROWS)


def fetch_table(socket: Path, name: str, timeout_s: float = TABLE_TIMEOUT_S, **arguments: Argument) -> pa.Table:
    """The named table of the process behind `socket`. Raises StoreUnavailable."""
    ticket = msgspec.json.encode((name, arguments)) if arguments else name.encode()
    return _get(socket, ticket, timeout_s)


def _get(socket: Path, ticket: bytes, timeout_s: float) -> pa.Table:
    try:
        # a new connection each time: an old one waits long before it tries a process that was restarted
        with flight.connect(_location(socket)) as client:
            return client.do_get(flight.Ticket(ticket), flight.FlightCallOptions(timeout=timeout_s)).read_all()
    except (flight.FlightError, pa.ArrowException, OSError) as error:
        raise StoreUnavailable(f"{socket}: {str(error).partition(chr(10))[0]}") from error


def _location(socket: Path) -> str:
    # a relative path's first folder would be taken for a host, and what is no URL for a mistake
    return f"grpc+unix://{quote(os.fspath(socket.absolute()))}"


class _Server(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow ships no types
    def __init__(self, location: str, store: Rows, tables: Tables) -> None:
        super().__init__(location)
        self._store, self._tables = store, tables

    def do_get(self, _context: object, ticket: flight.Ticket) -> flight.RecordBatchStream:
        with _as_flight_errors():
            table = self._table(ticket.ticket)
        return flight.RecordBatchStream(table.to_reader(BATCH_ROWS))

    def _table(self, ticket: bytes) -> pa.Table:
        if ticket.startswith(b"{"):
            question = msgspec.json.decode(ticket, type=_Question)
            return self._store.rows(question.start_s, question.end_s, question.meters, question.quantities)
        name, arguments = ticket.decode("utf-8", "replace"), dict[str, Argument]()
        if ticket.startswith(b"["):
            name, arguments = msgspec.json.decode(ticket, type=tuple[str, dict[str, Argument]])
        if name not in self._tables:
            known = ", ".join(sorted(self._tables)) or "none"
            raise flight.FlightServerError(f"no table '{name}'; expected one of {known}")
        return self._tables[name](**arguments)


@contextlib.contextmanager
def _as_flight_errors() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise flight.FlightUnavailableError(str(error)) from error
    except msgspec.DecodeError as error:
        raise flight.FlightServerError(f"ticket: {error}") from error


def _remove_stale(socket: Path) -> None:
    """Remove a socket that a killed process left behind; anything else in its place stays."""
    if len(os.fsencode(socket)) > MAX_PATH_BYTES:
        raise Problem(
            f"{socket}: 소켓 경로가 너무 깁니다 (최대 {MAX_PATH_BYTES}바이트)",
            f"{socket}: too long for a socket's path; expected at most {MAX_PATH_BYTES} bytes",
        )
    try:
        if not stat.S_ISSOCK(socket.lstat().st_mode):
            raise Problem(f"{socket}: 소켓이 아닌 파일이 있습니다", f"{socket}: there is a file that is no socket")
    except FileNotFoundError:
        return
    with sockets.socket(sockets.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(socket))
        except OSError:
            socket.unlink(missing_ok=True)
            return
    raise Problem(f"{socket}: 다른 프로세스가 쓰고 있습니다", f"{socket}: another process answers there")
