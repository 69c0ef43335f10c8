"""One InfluxDB for all tests of the mirror; each has a database of its own."""

from collections.abc import Iterator

import pytest

from simulators.servers import Server
from tests.mirror.boards_database import running_influxdb


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Running."""
    with running_influxdb(tmp_path_factory.mktemp("influx")) as server:
        yield server
