"""Where InfluxDB holds the readings, a backup has them in files that any engine reads."""

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from cloud.store.copying import Copies
from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxSettings
from cloud.store.protocol import APPEND, LEDGER, Commit
from commands.__main__ import main
from contract.problems import Problem
from simulators import servers

IMPORT, WATER = "electricity_import_kwh", "water_volume_m3"
NAMES = [("a", IMPORT), ("b", IMPORT), ("b", WATER)]
START = int(time.time()) // 86_400 * 86_400 - 10 * 86_400 - 9 * 3600
END = START + 3 * 86_400


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    try:
        server = servers.influxdb(tmp_path_factory.mktemp("influx"))
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        servers.create_database(server, "first")
        servers.create_database(server, "second")
        yield server


def opened(influx: servers.Server, database: str, file: Path) -> InfluxStore:
    file.parent.mkdir(exist_ok=True)
    return InfluxStore(InfluxSettings(f"http://127.0.0.1:{influx.port}", database), DuckStore(file))


def commit(store: InfluxStore, batch: int, first: int, count: int) -> None:
    """Readings of all meters, one an hour; one of them is missing."""
    series = store.series([meter for meter, _ in NAMES], [quantity for _, quantity in NAMES])
    times = [START + 3600 * n for n in range(first, first + count)]
    rows: list[tuple[int, int, float | None, int, int]] = [
        (number, time_s, 0.1 * time_s, 0, 7) for time_s in times for number in series.tolist()
    ]
    rows[-1] = (*rows[-1][:2], None, 17, 0)
    ledger = pa.table([["g"], ["r"], [batch], [batch]], schema=LEDGER)
    columns = [list(column) for column in zip(*rows, strict=True)]
    store.commit(Commit(pa.table(columns, schema=APPEND), ledger=ledger))


def test_readings_come_back_with_the_books_that_know_them(
    influx: servers.Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    store = opened(influx, "first", tmp_path / "first" / "main.duckdb")
    commit(store, 1, 0, 60)
    copies, to, there = Copies(store.file, tmp_path / "none", store.earliest_s), tmp_path / "to", tmp_path / "second"
    with AreaServer(tmp_path / "s", store, copies.tables()):
        assert main(["backup", "--to", str(to), "--area", f"main={tmp_path / 's'}"]) == 0
    assert main(["backup", "check", str(to)]) == 0
    files = sorted(to.rglob("*.parquet"))
    assert [path.stem for path in files] == [
        time.strftime("%Y-%m-%d", time.gmtime(START + n * 86_400)) for n in range(4)
    ]
    assert sum(parquet.read_metadata(path).num_rows for path in files) == 180
    restore = ["restore", str(to), "--data", str(there)]
    assert main(restore) == 1
    assert "its readings were in InfluxDB; expected --influx-url" in capsys.readouterr().err
    restore += ["--influx-url", f"http://127.0.0.1:{influx.port}", "--influx-db"]
    assert main([*restore, "first"]) == 1
    assert "'first': has readings already; give --replace to add to them" in capsys.readouterr().err
    assert not (there / "main.duckdb").exists()
    assert main([*restore, "second"]) == 0
    other = opened(influx, "second", there / "main.duckdb")
    assert other.rows(0, END).equals(store.rows(0, END))
    assert other.ledger().equals(store.ledger())
    # what came after the backup comes again from its gateway
    for one in (store, other):
        commit(one, 2, 60, 10)
    assert other.rows(0, END).num_rows == 210
    assert other.rows(0, END).equals(store.rows(0, END))
    store.close()
    other.close()
