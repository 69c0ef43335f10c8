"""Readings straight into tables: the registers, tick by tick, with exactly the faults that are listed."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cloud.store.protocol import APPEND
from simulators.city import City, registers
from simulators.city_build import build
from simulators.city_faults import Faults, Kind, draw
from simulators.city_history import readings
from simulators.shapes import EPOCH_S

START_S = EPOCH_S + 100 * 86_400
TICK_S = 300
END_S = START_S + 6 * 3600
SHARES = dict.fromkeys(Kind, 0.02)


@pytest.fixture(scope="module")
def city() -> City:
    return build(5000, 96)


@pytest.fixture(scope="module")
def faults(city: City) -> Faults:
    return draw(city, START_S, END_S, TICK_S, SHARES)


@pytest.fixture(scope="module")
def rows(city: City, faults: Faults) -> pa.Table:
    """All that arrives, with the place of arrival."""
    tables = list(readings(city, numbers(city), START_S, END_S, TICK_S, faults))
    whole = pa.concat_tables(tables)
    return whole.append_column("arrival", pa.array(range(whole.num_rows)))


def numbers(city: City) -> npt.NDArray[np.int32]:
    return (np.arange(len(city.series.meter)) * 2 + 7).astype(np.int32)


def of(rows: pa.Table, series: int) -> list[tuple[int, float | None]]:
    picked = rows.filter(pc.equal(rows.column("series"), series * 2 + 7))
    return list(zip(picked.column("time_s").to_pylist(), picked.column("value").to_pylist(), strict=True))


def true_rows(city: City, series: int) -> list[tuple[int, int]]:
    one = np.array([series])
    return [(time_s, int(registers(city, time_s, one)[0])) for time_s in range(START_S, END_S, TICK_S)]


def listed(faults: Faults, kind: Kind) -> list[tuple[int, int, int, int]]:
    at = faults.of(kind)
    return list(
        zip(
            *(column[at].tolist() for column in (faults.series, faults.from_s, faults.to_s, faults.amount)), strict=True
        )
    )


def test_without_faults_every_register_comes_each_tick(city: City) -> None:
    tables = list(readings(city, numbers(city), START_S, START_S + 3 * TICK_S, TICK_S))
    whole = pa.concat_tables(tables)
    assert whole.schema == APPEND
    count = len(city.series.meter)
    assert whole.num_rows == 3 * count
    for tick in range(3):
        one = whole.slice(tick * count, count)
        assert one.column("series").to_pylist() == numbers(city).tolist()
        assert set(one.column("time_s").to_pylist()) == {START_S + tick * TICK_S}
        shown = registers(city, START_S + tick * TICK_S)
        assert (np.rint(one.column("value").to_numpy() * 1000) == shown).all()


def test_as_many_faults_as_wanted_one_a_series(city: City, faults: Faults) -> None:
    for kind in Kind:
        assert len(faults.of(kind)) == round(0.02 * len(city.series.meter))
    assert len(np.unique(faults.series)) == len(faults.series)
    assert ((faults.from_s > START_S) & (faults.from_s < END_S) & (faults.to_s > faults.from_s)).all()


def test_series_without_a_fault_are_untouched(city: City, faults: Faults, rows: pa.Table) -> None:
    whole = np.setdiff1d(np.arange(len(city.series.meter)), faults.series)
    for series in whole[::200].tolist():
        assert of(rows, series) == [(time_s, shown / 1000) for time_s, shown in true_rows(city, series)]


def test_missing_absent_and_doubled_readings(faults: Faults, rows: pa.Table) -> None:
    for series, from_s, to_s, _ in listed(faults, Kind.MISSING)[:10]:
        for time_s, value in of(rows, series):
            assert (value is None) == (from_s <= time_s < to_s)
    gone = {int(code) for code in rows.filter(rows.column("value").is_null()).column("quality").to_pylist()}
    assert gone == {16}
    for series, from_s, to_s, _ in listed(faults, Kind.ABSENT)[:10]:
        assert [time_s for time_s, _ in of(rows, series)] == [
            time_s for time_s in range(START_S, END_S, TICK_S) if not from_s <= time_s < to_s
        ]
    for series, from_s, to_s, _ in listed(faults, Kind.DUPLICATE)[:10]:
        times = [time_s for time_s, _ in of(rows, series)]
        for time_s in range(START_S, END_S, TICK_S):
            assert times.count(time_s) == (2 if from_s <= time_s < to_s else 1)


def test_late_readings_come_all_and_late(city: City, faults: Faults, rows: pa.Table) -> None:
    by_time = rows.group_by("time_s").aggregate([("arrival", "min")]).to_pydict()
    began = dict(zip(by_time["time_s"], by_time["arrival_min"], strict=True))
    for series, from_s, to_s, amount in listed(faults, Kind.LATE)[:10]:
        picked = rows.filter(pc.equal(rows.column("series"), series * 2 + 7)).to_pylist()
        assert sorted((row["time_s"], row["value"]) for row in picked) == [
            (time_s, shown / 1000) for time_s, shown in true_rows(city, series)
        ]
        due_s = min(to_s + amount, END_S - TICK_S)
        for row in picked:
            if from_s <= row["time_s"] < to_s:
                assert row["arrival"] > began[due_s]


def test_registers_that_go_wrong_do_so_as_listed(city: City, faults: Faults, rows: pa.Table) -> None:
    for kind in (Kind.ROLLOVER, Kind.RESET, Kind.STUCK, Kind.SPIKE, Kind.NEGATIVE):
        for series, from_s, to_s, amount in listed(faults, kind)[:10]:
            end = 1000 * 10 ** int(city.meters.digits[city.series.meter[series]])
            at_from, at_to = (
                int(registers(city, min(at_s, END_S + 86_400), np.array([series]))[0]) for at_s in (from_s, to_s)
            )
            expected = []
            for time_s, shown in true_rows(city, series):
                lasting, begun = from_s <= time_s < to_s, time_s >= from_s
                value = {
                    Kind.ROLLOVER: shown - at_from if begun else end - (at_from - shown),
                    Kind.RESET: shown - at_from if begun else shown,
                    Kind.STUCK: at_from if lasting else shown,
                    Kind.SPIKE: shown + amount if lasting else shown,
                    Kind.NEGATIVE: shown - 2 * (min(shown, at_to) - at_from) if begun else shown,
                }[kind]
                expected.append((time_s, value % end / 1000 if kind is Kind.ROLLOVER else value / 1000))
            assert of(rows, series) == expected, kind


def test_a_spike_is_more_than_any_meter_can_take(city: City, faults: Faults) -> None:
    for series, from_s, to_s, amount in listed(faults, Kind.SPIKE):
        meter = city.series.meter[series]
        assert to_s - from_s == TICK_S
        assert amount * city.meters.multiplier[meter] > 40_000 * city.meters.max_per_h[meter] * TICK_S / 3600
