"""The door of an area's process: who may open it, what it answers, and what happens when nobody is behind it."""

import socket as sockets
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer, FlightStore, fetch_table
from cloud.store.protocol import ROWS, StoreUnavailable
from contract.problems import Problem

LIVE = pa.table({"meter": ["a"], "value": [1.5]})


class Slow:
    """Rows that do not come."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def rows(self, *_: object) -> pa.Table:
        self.released.wait(10)
        raise StoreUnavailable("the disk is full")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    opened = DuckStore(tmp_path / "area.duckdb")
    yield opened
    opened.close()


def test_a_named_table_is_made_at_each_question(store: DuckStore, tmp_path: Path) -> None:
    answers = [LIVE, LIVE.slice(0, 0)]
    with AreaServer(tmp_path / "s", store, {"live": lambda: answers.pop(0)}):
        assert fetch_table(tmp_path / "s", "live") == LIVE
        assert fetch_table(tmp_path / "s", "live").num_rows == 0


def test_a_table_is_asked_for_with_arguments(store: DuckStore, tmp_path: Path) -> None:
    def asked(gateway: str | None = None, limit: int = 1000) -> pa.Table:
        return pa.table({"gateway": [gateway], "limit": [limit]})

    with AreaServer(tmp_path / "s", store, {"asked": asked}):
        assert fetch_table(tmp_path / "s", "asked", gateway='"g1').to_pylist() == [{"gateway": '"g1', "limit": 1000}]
        assert fetch_table(tmp_path / "s", "asked", gateway=None, limit=2).to_pylist() == [
            {"gateway": None, "limit": 2}
        ]
        with pytest.raises(StoreUnavailable, match="unexpected keyword argument 'where'"):
            fetch_table(tmp_path / "s", "asked", where="1=1")


def test_an_unknown_table_is_named(store: DuckStore, tmp_path: Path) -> None:
    with (
        AreaServer(tmp_path / "s", store, {"live": lambda: LIVE}),
        pytest.raises(StoreUnavailable, match="no table 'lives'; expected one of live"),
    ):
        fetch_table(tmp_path / "s", "lives")


def test_a_ticket_of_nonsense_is_refused(store: DuckStore, tmp_path: Path) -> None:
    with AreaServer(tmp_path / "s", store), flight.connect(f"grpc+unix://{tmp_path}/s") as client:
        for ticket in (b"{", b'{"start_s":1}', b'{"start_s":1,"end_s":2,"where":"1=1"}', b"\xff", b"[", b'["x"]'):
            with pytest.raises(flight.FlightServerError):
                client.do_get(flight.Ticket(ticket)).read_all()


def test_only_the_owner_may_open_it(store: DuckStore, tmp_path: Path) -> None:
    with AreaServer(tmp_path / "s", store):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        (tmp_path / "other").touch()
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) != 0o600  # the umask is back
    assert not (tmp_path / "s").exists()


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with pytest.raises(StoreUnavailable, match=str(tmp_path)):
        FlightStore(tmp_path / "s").rows(0, 1)
    assert time.monotonic() - began_s < 2


def test_what_the_store_cannot_do_now_is_said_as_such(tmp_path: Path) -> None:
    slow = Slow()
    slow.released.set()
    with AreaServer(tmp_path / "s", slow), pytest.raises(StoreUnavailable, match="the disk is full"):
        FlightStore(tmp_path / "s").rows(0, 1)


def test_an_answer_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    slow = Slow()
    with AreaServer(tmp_path / "s", slow):
        with pytest.raises(StoreUnavailable):
            FlightStore(tmp_path / "s", timeout_s=0.2).rows(0, 1)
        slow.released.set()


def test_a_killed_process_leaves_a_socket_that_its_successor_replaces(store: DuckStore, tmp_path: Path) -> None:
    left = tmp_path / "s"
    with sockets.socket(sockets.AF_UNIX) as dead:
        dead.bind(str(left))
    assert left.exists()
    with AreaServer(left, store, {"live": lambda: LIVE}):
        assert fetch_table(left, "live") == LIVE


def test_a_restarted_process_is_found_at_the_next_question(store: DuckStore, tmp_path: Path) -> None:
    client = FlightStore(tmp_path / "s")
    for _ in range(3):
        with AreaServer(tmp_path / "s", store):
            assert client.rows(0, 1).schema == ROWS
        with pytest.raises(StoreUnavailable):
            client.rows(0, 1)


def test_a_living_process_keeps_its_socket(store: DuckStore, tmp_path: Path) -> None:
    with AreaServer(tmp_path / "s", store, {"live": lambda: LIVE}):
        with pytest.raises(Problem, match="another process answers there"):
            AreaServer(tmp_path / "s", store)
        assert fetch_table(tmp_path / "s", "live") == LIVE


def test_a_file_in_its_place_is_left_alone(store: DuckStore, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine", "utf-8")
    with pytest.raises(Problem, match="no socket"):
        AreaServer(tmp_path / "s", store)
    assert (tmp_path / "s").read_text("utf-8") == "mine"


def test_a_path_too_long_for_a_socket_is_said(store: DuckStore, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="at most 107 bytes"):
        AreaServer(tmp_path / ("s" * 108), store)


def test_a_relative_path_is_one(store: DuckStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fol der").mkdir()
    with AreaServer(Path("fol der/s"), store, {"live": lambda: LIVE}):
        assert (tmp_path / "fol der" / "s").is_socket()
        assert fetch_table(Path("fol der/s"), "live") == LIVE


def test_a_folder_that_is_not_there_is_said(store: DuckStore, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="nowhere"):
        AreaServer(tmp_path / "nowhere" / "s", store)
