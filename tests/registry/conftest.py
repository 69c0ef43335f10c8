"""Both databases that a registry may stand in: tests marked `each_database` run on either."""

from collections.abc import Iterator

import pytest

from contract.problems import Problem
from simulators.servers_pg import Postgresql, postgresql
from tests.registry import city


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """One PostgreSQL for all tests."""
    try:
        made = postgresql(tmp_path_factory.mktemp("postgres"), settings=["max_connections=300"])
    except Problem as problem:
        pytest.skip(problem.text.en)
    with made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where `city.empty_registry` makes its registries."""
    chosen = request.getfixturevalue("server") if request.param == "postgresql" else None
    city.chosen.append(chosen)
    before = len(city.opened)
    yield
    city.chosen.remove(chosen)
    while len(city.opened) > before:
        city.opened.pop().engine.dispose()
