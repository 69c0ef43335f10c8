"""The thread that settles: from readings to totals, over restarts and other registries, and what is asked of it."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cloud.metering.codes import SLOT_S
from cloud.registry import snapshot
from cloud.settle.worker import Settler, SettleSettings
from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer
from cloud.store.parquet import TotalsWriter
from cloud.store.protocol import APPEND, Commit
from commands.processes import bitgoeul
from tests.settle.small_city import AREA, span

pytestmark = pytest.mark.long

IMPORT = "electricity_import_kwh"
NOW_S = int(time.time())
LAST_S = NOW_S // SLOT_S * SLOT_S
FIRST_S = LAST_S - 8 * SLOT_S


def until(holds: Callable[[], object], patience_s: float = 60.0) -> None:
    end_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)


def publish(folder: Path, *rows: dict[str, Any]) -> None:
    spans = pa.Table.from_pylist([dict(row) for row in rows], snapshot.SPANS)
    snapshot.write(folder / "registry", {"spans": spans})


def read(store: DuckStore, meter: str, first_s: int, last_s: int, step: float) -> None:
    """A reading each five minutes."""
    times = np.arange(first_s, last_s + 1, 300)
    (series,) = store.series([meter], [IMPORT])
    values = 100 + step * (times - FIRST_S) / 300
    columns = [np.full(len(times), series), times, values, np.zeros(len(times)), np.zeros(len(times))]
    table = pa.table({name: pa.array(one) for name, one in zip(APPEND.names, columns, strict=True)}).cast(APPEND)
    store.commit(Commit(readings=table))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckStore]:
    store = DuckStore(tmp_path / "area.duckdb")
    yield store
    store.close()


def settler(store: DuckStore, folder: Path) -> Settler:
    return Settler(store, SettleSettings(AREA, folder / "registry", folder / "totals", folder / "applied", delay_s=0.0))


def status(settling: Settler) -> dict[str, Any]:
    return dict(settling.table().to_pylist()[0])


def total(folder: Path) -> int:
    """All use in the files."""
    atoms = TotalsWriter(folder / "totals")
    days = {(second + 9 * 3600) // 86_400 for second in range(FIRST_S, LAST_S, SLOT_S)}
    rows = [row for day in days for row in atoms.read_day(day).to_pylist()]
    return sum(row["total"] for row in rows if row["direction"] == 3)


def settled(settling: Settler) -> bool:
    row = status(settling)
    done = row["settled_s"] is not None and row["settled_s"] >= LAST_S
    return done and not row["marks"] and not row["stale"]


def test_slots_that_are_over_are_settled_and_summed(store: DuckStore, tmp_path: Path) -> None:
    publish(tmp_path, span("a", IMPORT))
    read(store, "a", FIRST_S, LAST_S, 0.5)
    settling = settler(store, tmp_path)
    settling.start()
    until(lambda: settled(settling))
    assert total(tmp_path) == 8 * 1500
    assert settling.problems() == []
    settling.stop(10)
    assert settling.problems() == ["settling ended"]


def test_a_restart_goes_on_and_another_registry_settles_again(store: DuckStore, tmp_path: Path) -> None:
    publish(tmp_path, span("a", IMPORT))
    read(store, "a", FIRST_S, LAST_S - 2 * SLOT_S, 0.5)
    first = settler(store, tmp_path)
    first.start()
    until(lambda: settled(first))
    first.stop(10)
    assert total(tmp_path) == 6 * 1500
    read(store, "a", LAST_S - 2 * SLOT_S + 300, LAST_S, 0.5)
    publish(tmp_path, span("a", IMPORT, multiplier=2.0))
    second = settler(store, tmp_path)
    second.start()
    until(lambda: settled(second) and total(tmp_path) == 8 * 3000)
    second.stop(10)


def test_it_waits_for_a_registry_that_is_no_good(store: DuckStore, tmp_path: Path) -> None:
    settling = settler(store, tmp_path)
    settling.start()
    until(settling.problems)
    assert "no registry snapshot" in settling.problems()[0]
    settling.stop(20)


def test_totals_that_are_damaged_are_rebuilt(store: DuckStore, tmp_path: Path) -> None:
    publish(tmp_path, span("a", IMPORT))
    read(store, "a", FIRST_S, LAST_S, 0.5)
    settling = settler(store, tmp_path)
    settling.start()
    until(lambda: settled(settling))
    files = {path: path.read_bytes() for path in (tmp_path / "totals").glob("*.parquet")}
    for number, (path, content) in enumerate(sorted(files.items())):
        path.write_bytes(content[: number * 100])
    settling.rebuild()
    until(lambda: settled(settling) and {path: path.read_bytes() for path in files} == files)
    assert total(tmp_path) == 8 * 1500
    assert settling.problems() == []
    settling.stop(10)


def test_the_command_line_asks_it(store: DuckStore, tmp_path: Path) -> None:
    publish(tmp_path, span("a", IMPORT))
    read(store, "a", FIRST_S, LAST_S, 0.5)
    settling = settler(store, tmp_path)
    settling.start()
    until(lambda: settled(settling))
    with AreaServer(tmp_path / "s", store, settling.tables()):
        answer = ask("settle", "status", "--json", "--socket", tmp_path / "s")
        assert json.loads(answer.stdout)["settled_s"] >= LAST_S
        words = ask("settle", "status", "--socket", tmp_path / "s")
        assert "settled until" in words.stdout
        span_of_time = ["--from", iso(FIRST_S), "--to", iso(LAST_S)]
        again = ask("settle", "again", *span_of_time, "--wait", "--socket", tmp_path / "s")
        assert "1 registers are settled again" in again.stdout
        nobody = ask("settle", "again", *span_of_time, "--meter", "nobody", "--socket", tmp_path / "s")
        assert "no such meter" in nobody.stderr
        assert nobody.returncode == 1
        ask("settle", "rebuild", "--wait", "--json", "--socket", tmp_path / "s")
        until(lambda: settled(settling))
        assert total(tmp_path) == 8 * 1500
    settling.stop(10)
    away = ask("settle", "status", "--socket", tmp_path / "away")
    assert away.returncode == 1
    assert "does not answer" in away.stderr
    assert len(away.stderr.strip().splitlines()) == 1


def iso(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).isoformat()


def ask(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        bitgoeul("cloud", *map(str, arguments)),
        capture_output=True,
        text=True,
        check=False,
        env={"BITGOEUL_LANG": "en", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
