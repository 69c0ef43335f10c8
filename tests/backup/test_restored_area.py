"""A backup under load, everything killed, restored into an empty folder: the gateways fill the gap."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.ingest.settings import AreaSettings
from cloud.store.flight import FlightStore
from commands.__main__ import main
from simulators.servers import Server
from tests.backup.keeping import SLOT_S, Keeper, settled, totals, usage
from tests.cloud.ingest_area import BATCH_ROWS, Process, eventually, raw_rows, settings, start_broker

BATCHES = 120
QUICK = (sys.executable, "-m", "tests.backup.quick_area")
START_S = int(time.time()) // SLOT_S * SLOT_S - BATCHES * 60 - SLOT_S
END_S = START_S + BATCHES * 60


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    server = start_broker(tmp_path / "broker")
    with server:
        yield server


@contextlib.contextmanager
def keepers(broker: Server) -> Iterator[list[Keeper]]:
    with Keeper("g1", broker, START_S) as g1, Keeper("g2", broker, START_S) as g2:
        yield [g1, g2]


def in_folder(folder: Path, broker: Server) -> AreaSettings:
    folder.mkdir(exist_ok=True)
    return settings(folder, broker)


def until_all_is_there(chosen: AreaSettings, gateways: list[Keeper]) -> None:
    """Until the area has all batches, once, and all is settled."""

    def all_there() -> bool:
        for gateway in gateways:
            gateway.answer()
        found = FlightStore(chosen.socket).rows(START_S, END_S + 60)
        return bool(found.num_rows == len(gateways) * BATCHES * BATCH_ROWS)

    eventually(all_there)
    eventually(lambda: settled(chosen.socket, END_S))


def back_up_under_load(chosen: AreaSettings, to: Path, gateways: list[Keeper]) -> None:
    """While they go on; all that there is, is stored when this returns."""
    going_on = [threading.Thread(target=gateway.send, args=[BATCHES // 3]) for gateway in gateways]
    for thread in going_on:
        thread.start()
    folder = chosen.data / "totals" / "main"
    assert main(["backup", "--to", str(to), "--area", f"main={chosen.socket}", "--totals", str(folder)]) == 0
    for thread in going_on:
        thread.join()
    for gateway in gateways:
        gateway.send(BATCHES - gateway.sent)
    eventually(lambda: all(len(gateway.stored()) == BATCHES for gateway in gateways))


def test_nothing_is_lost_and_nothing_doubled(
    tmp_path: Path, broker: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    first, second = (in_folder(tmp_path / name, broker) for name in ("first", "second"))
    to, rows = tmp_path / "backups", 2 * BATCHES * BATCH_ROWS
    with keepers(broker) as gateways:
        with Process(first, *QUICK) as area:
            for gateway in gateways:
                gateway.send(BATCHES // 3)
            eventually(lambda: settled(first.socket, END_S))
            back_up_under_load(first, to, gateways)
            until_all_is_there(first, gateways)
            area.end(signal.SIGKILL)
            broker.kill()
            broker.wipe()
            broker.start()
        (backup,) = (path for path in to.iterdir() if path.is_dir())
        assert capsys.readouterr().out == f"{backup}\n"
        assert main(["backup", "check", str(to)]) == 0
        assert capsys.readouterr().out == f"{backup}: whole\n"
        assert main(["restore", str(to), "--data", str(second.data)]) == 0
        held_before = raw_rows(second.file).rows
        assert rows // 3 <= held_before < rows
        with Process(second, *QUICK) as area:
            for gateway in gateways:
                gateway.forget()
                gateway.say_held()
            until_all_is_there(second, gateways)
            asked = [len(gateway.answer()) for gateway in gateways]
            assert sum(asked) * BATCH_ROWS == rows - held_before  # and for no more than that
            assert area.end() == 0
    assert raw_rows(second.file) == (rows, rows, 0)
    # the first one was never restored
    expected, whole = usage(first.file, START_S, END_S), totals(first.data / "totals" / "main", START_S, END_S)
    assert expected.num_rows > 2 * 5 * (BATCHES * 60 // SLOT_S - 1)
    assert whole.num_rows >= BATCHES * 60 // SLOT_S - 1
    assert usage(second.file, START_S, END_S).equals(expected)
    assert totals(second.data / "totals" / "main", START_S, END_S).equals(whole)
