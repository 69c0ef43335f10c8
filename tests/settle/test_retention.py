"""What is dropped with time changes nothing that was settled: ticks first, then whole days, sealed."""

from pathlib import Path

import numpy as np
import pytest

from cloud.metering.calendar import day_of
from cloud.settle.retention import seal_until, usage_hash
from tests.settle.small_city import START, City, Reading, span

pytestmark = pytest.mark.long

IMPORT = "electricity_import_kwh"
SLOTS = 100  # a day, and an hour of the next


@pytest.fixture
def city(tmp_path: Path) -> City:
    """A meter without a fault, one that is silent now and then, and one that turns over, dips and is reset."""
    town = City(tmp_path, [span("good", IMPORT), span("gaps", IMPORT), span("odd", IMPORT, digits=3)])
    chance = np.random.default_rng(5)
    rows: list[Reading] = []
    for second in range(0, SLOTS * 900 + 1, 300):
        rows.append(("good", IMPORT, second, round(second / 900 + chance.random() / 100, 3)))
        if second % 20_000 > 6_000:
            rows.append(("gaps", IMPORT, second, round(second / 450, 3)))
        shown = (second / 20) % 1000 if second < 60_000 else (second - 60_000) / 50
        rows.append(("odd", IMPORT, second, 0.0 if chance.random() < 0.02 else round(shown, 3)))
    town.read(*rows)
    town.settle(SLOTS * 900)
    return town


def test_ticks_go_and_a_rebuild_gives_the_same(city: City) -> None:
    before = city.everything()
    rows = city.store.rows(0, 2**40).num_rows
    city.store.forget_ticks(START, START + SLOTS * 900)
    kept = city.store.rows(0, 2**40)
    # of the plain meter only slot bounds are left, and of the others what their slots rest on
    assert kept.num_rows < 0.7 * rows
    bounds = [row["time_s"] % 900 for row in kept.to_pylist() if row["meter"] == "good"]
    assert bounds == [0] * (SLOTS + 1)
    city.rebuild()
    after = city.everything()
    assert before[0].equals(after[0])
    assert before[1].equals(after[1])
    assert all(one.equals(other) for one, other in zip(before[2], after[2], strict=True))


def test_a_sealed_day_stays_as_it_is(city: City) -> None:
    settled = city.store.settled
    day = int(day_of(np.array([START]))[0])
    rows, digest = usage_hash(settled, day)
    assert rows == 3 * 96
    assert seal_until(settled, START + 86_399, lambda: True) == START
    assert settled.seals().num_rows == 0
    sealed_s = seal_until(settled, START + 2 * 86_400, lambda: True)
    assert sealed_s == START + 86_400
    assert [(row["day"], row["rows"], row["hash"]) for row in settled.seals().to_pylist()] == [(day, rows, digest)]
    usage = city.usage("good", IMPORT)
    city.store.forget_before(sealed_s)
    city.rebuild()
    assert usage_hash(settled, day) == (rows, digest)
    assert city.usage("good", IMPORT) == usage
    # what is marked before the seal is no longer settled
    city.edit("good", IMPORT, 3, 1)
    city.settle(SLOTS * 900)
    assert usage_hash(settled, day) == (rows, digest)


def test_another_content_has_another_hash(city: City) -> None:
    settled = city.store.settled
    day = int(day_of(np.array([START]))[0])
    before = usage_hash(settled, day)
    city.edit("good", IMPORT, 3, 1)
    city.settle(SLOTS * 900)
    assert usage_hash(settled, day) != before
