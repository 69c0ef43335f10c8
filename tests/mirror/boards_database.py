"""A real InfluxDB for the mirror's tests, and what is in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from cloud.mirror.metrics import Metrics
from cloud.mirror.writing import Boards
from cloud.store.influx_http import InfluxConnection, InfluxSettings
from contract.problems import Problem
from simulators.servers import Server, create_database, influxdb

Row = dict[str, Any]


@contextmanager
def running_influxdb(folder: Path) -> Iterator[Server]:
    """Skips the test where InfluxDB is not installed."""
    try:
        server = influxdb(folder)
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        yield server


def settings(server: Server, database: str) -> InfluxSettings:
    """How to reach a database, which is made."""
    create_database(server, database)
    return InfluxSettings(f"http://{server.host}:{server.port}", database, timeout_s=5.0)


def boards(server: Server, database: str) -> Boards:
    """The mirror's way to it."""
    return Boards(InfluxConnection(settings(server, database)), Metrics())


def ask(server: Server, database: str, query: str) -> list[Row]:
    """The rows of all series, tags and fields alike; time in seconds. Fields that are null are left out."""
    words = urlencode({"db": database, "epoch": "s", "q": query})
    answer = urllib3.request("GET", f"http://{server.host}:{server.port}/query?{words}", timeout=60.0, retries=False)
    (result,) = json.loads(answer.data)["results"]
    assert "error" not in result, result
    rows = []
    for series in result.get("series", []):
        for values in series["values"]:
            row = dict(series.get("tags", {})) | dict(zip(series["columns"], values, strict=True))
            rows.append({name: value for name, value in row.items() if value not in (None, "")})
    return rows


def points(server: Server, database: str, measurement: str, condition: str = "") -> list[Row]:
    """All points of a measurement."""
    where = f" WHERE {condition}" if condition else ""
    return ask(server, database, f'SELECT * FROM "{measurement}"{where}')  # noqa: S608  # the test's own words
