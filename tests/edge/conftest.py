"""What the tests of the way from readings to receipts share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.quality import Quality
from contract.reading import Reading
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox

MakeOutbox = Callable[..., Outbox]


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def make_outbox(tmp_path: Path, alarms: Alarms) -> Iterator[MakeOutbox]:
    """`make_outbox(path=…, in_flight=…, **settings)`; what it made is closed at the end."""
    made: list[Outbox] = []

    def make(path: Path | None = None, in_flight: set[int] | None = None, **settings: float) -> Outbox:
        config = OutboxConfig(path=str(path or tmp_path / "outbox.db"), **settings)  # type: ignore[arg-type]  # by name
        made.append(Outbox(config, alarms, in_flight if in_flight is not None else set()))
        return made[-1]

    yield make
    for outbox in made:
        outbox.close()


@pytest.fixture
def readings_at() -> Callable[..., list[Reading]]:
    """`readings_at(tick_s, meters)`: a register, an instant and a missing value of each meter."""

    def make(tick_s: int, meters: int = 2) -> list[Reading]:
        return [
            reading
            for number in range(meters)
            for reading in (
                Reading(f"e{number:04}", "electricity_import_kwh", tick_s, tick_s / 7 + number, Quality.GOOD, 12),
                Reading(f"e{number:04}", "electricity_power_kw", tick_s, number / 3, Quality.SUSPECT, 25),
                Reading(f"w{number:04}", "water_volume_m3", tick_s, None, Quality.NO_ANSWER),
            )
        ]

    return make
