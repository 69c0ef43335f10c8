"""One installation with its broker for the tests that do not stop it."""

from collections.abc import Iterator

import pytest

from tests.pki.installation import NO_MOSQUITTO, Installation, install


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    if NO_MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    made = install(tmp_path_factory.mktemp("installation"))
    with made.broker:
        yield made
