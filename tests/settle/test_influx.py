"""Where InfluxDB holds the readings, settling ends where it ends with the area's own file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cloud.settle.engine import Engine
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxSettings
from cloud.store.protocol import APPEND, Commit
from contract.problems import Problem
from simulators import servers
from tests.settle.small_city import START, City, Reading, span

IMPORT = "electricity_import_kwh"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    try:
        server = servers.influxdb(tmp_path_factory.mktemp("influx"))
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        servers.create_database(server, "settle")
        yield server


def test_the_same_readings_give_the_same_usage(tmp_path: Path, influx: servers.Server) -> None:
    spans = [span("a", IMPORT, digits=3), span("b", IMPORT)]
    mine, theirs = City(tmp_path / "duck", spans), City(tmp_path / "influx", spans)
    store = InfluxStore(InfluxSettings(f"http://127.0.0.1:{influx.port}", "settle"), theirs.store)
    theirs.engine = Engine(store, store.settled, theirs.engine.facts)
    chance = np.random.default_rng(3)
    early: list[Reading] = [("a", IMPORT, 60 * n, (990 + n / 4) % 1000) for n in range(121)]
    early += [("b", IMPORT, 300 * n, float(n)) for n in range(25) if chance.random() > 0.3]
    late: list[Reading] = [("b", IMPORT, 300 * n, float(n)) for n in range(25)]
    for city, into in ((mine, mine.store), (theirs, store)):
        for readings in (early, late):
            series = into.series([row[0] for row in readings], [row[1] for row in readings])
            columns = [series, [START + row[2] for row in readings], [row[3] for row in readings]]
            columns += [[0] * len(readings), [0] * len(readings)]
            into.commit(Commit(readings=_table(columns)))
            city.settle(7200)
    assert mine.usage("a", IMPORT) == theirs.usage("a", IMPORT)
    assert mine.usage("b", IMPORT) == theirs.usage("b", IMPORT) == [(3000, "A")] * 5 + [(3000, "Q")] * 3
    assert mine.everything()[0].equals(theirs.everything()[0])


def _table(columns: list[object]) -> pa.Table:
    return pa.table(columns, schema=APPEND)
