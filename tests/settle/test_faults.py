"""No fault of the simulated city, in any mix, makes a total negative or leaves an estimate unmarked."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.metering.codes import ESTIMATED, SLOT_S, Grade
from cloud.store.protocol import Commit
from simulators.city import City as SimCity
from simulators.city import registers
from simulators.city_build import build
from simulators.city_faults import Kind, draw
from simulators.city_history import readings
from simulators.city_registry import snapshot_tables
from tests.settle.small_city import START, City

pytestmark = pytest.mark.long

Numbers = npt.NDArray[Any]

METERS = 2000
SLOTS = 14
TICK_S = 300
MEASURED = (Grade.A, Grade.V, Grade.Q)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shares=st.lists(st.floats(0, 0.1), min_size=len(Kind), max_size=len(Kind)), seed=st.integers(1, 1000))
def test_any_mix_of_faults(tmp_path_factory: pytest.TempPathFactory, shares: list[float], seed: int) -> None:
    city = build(METERS, seed=seed)
    town = City(tmp_path_factory.mktemp("city"), snapshot_tables(city)["spans"].to_pylist())
    numbers = town.store.series(*city.series_names())
    end_s = START + SLOTS * SLOT_S
    faults = draw(city, START, end_s, TICK_S, dict(zip(Kind, shares, strict=True)))
    for table in readings(city, numbers, START, end_s + 1, TICK_S, faults):
        town.store.commit(Commit(readings=table))
    town.settle(SLOTS * SLOT_S)
    usage, _, atoms = town.everything()
    totals = pa.concat_tables(atoms)
    assert totals.num_rows > 0
    for name in ("total", "estimated", "counted", "estimated_count"):
        assert pc.min(totals[name]).as_py() >= 0
    assert pc.all(pc.less_equal(totals["counted"], totals["expected"])).as_py()
    _check_marks(town, usage)
    _check_truth(usage, city, np.setdiff1d(np.arange(len(numbers)), faults.series), numbers)


def _check_marks(town: City, usage: pa.Table) -> None:
    """A value without a mark has a reading within each slot; what has none is marked, missing, or proven zero."""
    rows = town.store.numbered(START, START + SLOTS * SLOT_S + 1, usage["series"].unique().to_numpy())
    rows = rows.filter(pc.less(rows["quality"], 16))
    second = rows["time_s"].to_numpy() - START
    there = set(zip(rows["series"].to_pylist(), ((second - 1) // SLOT_S).tolist(), strict=True))
    for row in usage.to_pylist():
        slot = (row["slot_s"] - START) // SLOT_S
        if row["grade"] in MEASURED and row["milli"] > 0:
            assert (row["series"], slot) in there, row
        assert (row["milli"] is None) == (row["grade"] in (Grade.N, Grade.X))
    assert all(
        Grade(grade) in (*MEASURED, *ESTIMATED, Grade.N, Grade.X) for grade in usage["grade"].unique().to_pylist()
    )


def _check_truth(usage: pa.Table, city: SimCity, sound: Numbers, numbers: Numbers) -> None:
    """Registers without a fault sum to their difference exactly."""
    first, last = (registers(city, time_s) for time_s in (START, START + SLOTS * SLOT_S))
    multiplier = city.meters.multiplier[city.series.meter]
    sums = usage.group_by("series").aggregate([("milli", "sum"), ("milli", "count")])
    found = dict(zip(sums["series"].to_pylist(), sums["milli_sum"].to_pylist(), strict=True))
    counts = dict(zip(sums["series"].to_pylist(), sums["milli_count"].to_pylist(), strict=True))
    for at in sound.tolist():
        if counts[numbers[at]] == SLOTS:
            assert found[numbers[at]] == (last[at] - first[at]) * multiplier[at]
