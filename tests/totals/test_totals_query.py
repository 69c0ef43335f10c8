"""Questions to totals: every figure is conserved exactly, and what is missing is missing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from cloud.metering import factors
from cloud.metering.figures import SUMS
from cloud.registry import facts, regions
from cloud.store.parquet import MANIFEST, TotalsWriter
from cloud.store.totals_schema import SLOT_ATOMS
from cloud.totals.query import By, Facts, Level, Question, Resolution, Totals
from contract.problems import Problem
from tests.totals.some_atoms import DAY, ELECTRICITY, GAS, USE, many, slot_s, table

DAYS = range(DAY, DAY + 4)  # 30 January to 2 February
DISTRICTS = pa.table({"dong": pa.array(range(1, 8), pa.int32()), "region": pa.array([11] * 3 + [12] * 4, pa.int32())})
CITY = pa.table({"dong": pa.array(range(1, 8), pa.int32()), "region": pa.array([100] * 7, pa.int32())})
TYPES = pa.table({"use": pa.array([1, 2, 3, 4], pa.uint8()), "type": pa.array([1, 1, 2, 2], pa.uint8())})
FACTS = Facts({"district": DISTRICTS, "city": CITY}, TYPES)
KEYS = {"region", "use", "type", "utility", "direction", "slot_s", "day"}


@pytest.fixture(scope="module", params=["one area", "an area a district"])
def folders(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same atoms, in one area and in two."""
    place = tmp_path_factory.mktemp("totals")
    areas = [range(1, 8)] if request.param == "one area" else [range(1, 4), range(4, 8)]
    for number, dongs in enumerate(areas):
        writer = TotalsWriter(place / str(number))
        writer.write_days({day: _of(many(day, 1), dongs) for day in DAYS})
    return [place / str(number) for number in range(len(areas))]


def _of(atoms: pa.Table, dongs: range) -> pa.Table:
    return atoms.filter(np.isin(atoms["region"].to_numpy(), list(dongs)))


def _sums(rows: pa.Table, *keys: str) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The integers of an answer summed by some of its keys; null is nothing."""
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for row in rows.to_pylist():
        key = tuple(row[name] for name in keys)
        figures = tuple(row[name] or 0 for name in SUMS)
        found[key] = tuple(map(sum, zip(found.get(key, (0,) * len(SUMS)), figures, strict=True)))
    return found


def _plainly(day: int) -> dict[tuple[int, ...], tuple[int, ...]]:
    """The same by utility and direction, from the atoms of a day and Python's own integers."""
    names = {"total": "total_milli", "estimated": "estimated_milli"}
    atoms = many(day, 1)
    return _sums(atoms.rename_columns([names.get(name, name) for name in atoms.column_names]), "utility", "direction")


def test_dongs_districts_and_city_conserve_uses_types_slots_hours_days_and_months(folders: list[Path]) -> None:
    totals = Totals(folders)
    expected: dict[tuple[int, ...], tuple[int, ...]] = {}
    for day in DAYS:
        for key, figures in _plainly(day).items():
            expected[key] = tuple(map(sum, zip(expected.get(key, (0,) * len(SUMS)), figures, strict=True)))
    for level in get_args(Level):
        for by in get_args(By):
            for resolution in get_args(Resolution):
                rows = totals.ask(Question(level, DAYS.start, DAYS.stop, resolution, by), FACTS)
                assert _sums(rows, "utility", "direction") == expected, (level, by, resolution)
                keys = [name for name in rows.column_names if name in KEYS]
                assert (
                    rows.select(keys).to_pylist()
                    == rows.select(keys).sort_by([(k, "ascending") for k in keys]).to_pylist()
                )
                assert rows.select(keys).group_by(keys).aggregate([]).num_rows == rows.num_rows


def test_each_district_is_the_sum_of_its_dongs_in_each_hour_and_type(folders: list[Path]) -> None:
    totals = Totals(folders)
    dongs = totals.ask(Question("dong", DAY, DAY + 2, "hour", "use"), FACTS)
    of_dong = dict(zip(DISTRICTS["dong"].to_pylist(), DISTRICTS["region"].to_pylist(), strict=True))
    above = pa.array([of_dong[dong] for dong in dongs["region"].to_pylist()], pa.int32())
    kinds = pa.array([{1: 1, 2: 1, 3: 2, 4: 2}.get(use, 0) for use in dongs["use"].to_pylist()], pa.uint8())
    mapped = dongs.drop_columns("region").append_column("region", above).append_column("type", kinds)
    keys = ("slot_s", "region", "type", "utility", "direction")
    districts = totals.ask(Question("district", DAY, DAY + 2, "hour", "type"), FACTS)
    assert _sums(districts, *keys) == _sums(mapped, *keys)
    assert districts.num_rows == len(_sums(mapped, *keys))


def test_a_part_is_what_the_whole_has_of_it(folders: list[Path]) -> None:
    totals = Totals(folders)
    asked: dict[Level, int] = {"dong": 2, "district": 12, "city": 100}
    for level, region in asked.items():
        for by in get_args(By):
            whole = totals.ask(Question(level, DAYS.start, DAYS.stop, "day", by), FACTS)
            part = totals.ask(Question(level, DAY + 1, DAY + 3, "day", by, (region,), ELECTRICITY, USE), FACTS)
            wanted = {"region": region, "utility": ELECTRICITY, "direction": USE}
            rows = [row for row in whole.to_pylist() if row.items() >= wanted.items()]
            assert part.to_pylist() == [row for row in rows if DAY + 1 <= row["day"] < DAY + 3]
            assert part.num_rows


def test_dongs_of_no_known_district_and_uses_of_no_type_are_counted_under_0(folders: list[Path]) -> None:
    facts = Facts({"district": DISTRICTS.slice(0, 3)}, TYPES)
    rows = Totals(folders).ask(Question("district", DAY, DAY + 1, "day", "type"), facts)
    assert set(rows["region"].to_pylist()) == {0, 11}
    assert set(rows["type"].to_pylist()) == {0, 1, 2}
    assert _sums(rows, "utility", "direction") == _plainly(DAY)
    only = Totals(folders).ask(Question("district", DAY, DAY + 1, "day", "type", (0,)), facts)
    assert only.to_pylist() == [row for row in rows.to_pylist() if row["region"] == 0]


def test_missing_is_null_and_zero_is_zero(tmp_path: Path) -> None:
    TotalsWriter(tmp_path).write_day(
        DAY,
        table(
            {"slot_s": slot_s(DAY, 0), "counted": 0, "expected": 4},
            {"slot_s": slot_s(DAY, 1), "counted": 4, "expected": 4},
            {
                "slot_s": slot_s(DAY, 2),
                "total": 1500,
                "estimated": 500,
                "counted": 3,
                "expected": 4,
                "estimated_count": 1,
            },
        ),
    )
    slots = Totals([tmp_path]).ask(Question("dong", DAY, DAY + 1, "slot")).to_pylist()
    shown = ("total_milli", "estimated_milli", "counted", "value", "coverage", "estimated_share")
    assert [tuple(row[name] for name in shown) for row in slots] == [
        (None, None, 0, None, 0.0, None),
        (0, 0, 4, 0.0, 1.0, 0.0),
        (1500, 500, 3, 1.5, 0.75, 1 / 3),
    ]
    (hour,) = Totals([tmp_path]).ask(Question("dong", DAY, DAY + 1, "hour")).to_pylist()
    assert hour == {
        "slot_s": slot_s(DAY, 0), "region": 1, "utility": 0, "direction": USE, "total_milli": 1500,
        "estimated_milli": 500, "counted": 7, "expected": 12, "estimated_count": 1, "value": 1.5,
        "coverage": 7 / 12, "estimated_share": 1 / 7,
    }  # fmt: skip


def test_slots_belong_to_hours_and_days_of_korea(tmp_path: Path) -> None:
    rows = [{"slot_s": slot_s(DAY, slot), "total": 10**slot} for slot in (0, 3, 4)]
    writer = TotalsWriter(tmp_path)
    writer.write_days({DAY: table(*rows), DAY + 1: table({"slot_s": slot_s(DAY + 1, 0), "total": 7})})
    totals = Totals([tmp_path])
    hours = totals.ask(Question("dong", DAY, DAY + 1, "hour"))
    assert hours["slot_s"].to_pylist() == [slot_s(DAY, 0), slot_s(DAY, 4)]
    assert hours["total_milli"].to_pylist() == [1001, 10_000]
    days = totals.ask(Question("dong", DAY, DAY + 2))
    assert (days["day"].to_pylist(), days["total_milli"].to_pylist()) == ([DAY, DAY + 1], [11_001, 7])
    (month,) = totals.ask(Question("dong", DAY, DAY + 2, "month")).to_pylist()
    assert (month["day"], month["total_milli"]) == (DAY - 29, 11_008)  # 1 January


def test_a_factor_that_changes_within_the_period_holds_by_day(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    days = {day: table({"slot_s": slot_s(day, 0), "total": 10_000, "counted": day % 4 and 1}) for day in DAYS}
    writer.write_days(days)  # 10 kWh a day; on one day, 1 February, nothing counted
    silent = [day for day in DAYS if day % 4 == 0]
    factor = pa.table(
        {
            "day": pa.array(DAYS, pa.int32()),
            "utility": pa.array([ELECTRICITY] * 4, pa.uint8()),
            "value": pa.array([0.5, 0.25, 0.25, None]),
        }
    )
    facts = Facts(factors={"kgco2eq": factor})
    totals = Totals([tmp_path])
    assert silent == [DAY + 1]
    days_told = totals.ask(Question("dong", DAYS.start, DAYS.stop), facts)
    assert days_told["kgco2eq"].to_pylist() == [5.0, None, 2.5, None]
    # 30 January has 10 kWh x 0.5, the 31st nothing; in February one day has no factor, so the month has none
    months = totals.ask(Question("dong", DAYS.start, DAYS.stop, "month"), facts)
    assert (months["value"].to_pylist(), months["kgco2eq"].to_pylist()) == ([10.0, 20.0], [5.0, None])
    (january,) = totals.ask(Question("dong", DAY, DAY + 2, "month"), facts)["kgco2eq"].to_pylist()
    assert january == 5.0
    slot = totals.ask(Question("dong", DAY, DAY + 1, "slot"), facts)
    assert slot["kgco2eq"].to_pylist() == [5.0]


def test_the_shipped_regions_types_and_factors_fit(tmp_path: Path) -> None:
    """The factor of electricity became 0.4173 kgCO2eq/kWh on 18 December 2025; until then it was 0.4541."""
    last = (date(2025, 12, 17) - factors.EPOCH).days
    days = np.arange(last, last + 2)
    city = regions.roll_up(facts.shipped_regions(), facts.shipped_memberships(), "city", last)
    dong, number = city["dong"][0].as_py(), city["region"][0].as_py()
    rows = {day: table({"slot_s": slot_s(day, 0), "region": dong, "use": 2, "total": 10_000}) for day in days.tolist()}
    TotalsWriter(tmp_path).write_days(rows)
    co2 = factors.by_day(facts.shipped_factors(), "co2", days)
    known = Facts({"city": city}, facts.uses().select(["use", "type"]), {"kgco2eq": co2})
    totals = Totals([tmp_path])
    by_day = totals.ask(Question("city", last, last + 2, "day", "type", (number,)), known)
    assert by_day["kgco2eq"].to_pylist() == pytest.approx([4.541, 4.173])
    assert set(by_day["type"].to_pylist()) == {facts.uses()["type"][2].as_py()}
    (december,) = totals.ask(Question("city", last, last + 2, "month"), known).to_pylist()
    assert december["kgco2eq"] == pytest.approx(8.714)
    assert (december["region"], december["value"]) == (number, 20.0)


def test_ranking_has_the_greatest_first_and_the_unknown_last(tmp_path: Path) -> None:
    figures = [(1, 5, 1), (2, 9, 1), (3, 0, 0), (4, 5, 1), (5, 0, 1)]
    rows = [{"slot_s": slot_s(DAY, 0), "region": r, "total": t, "counted": c} for r, t, c in figures]
    other = {"slot_s": slot_s(DAY, 0), "region": 1, "utility": GAS, "total": 77}
    TotalsWriter(tmp_path).write_days(
        {DAY: table(*rows, other), DAY + 1: table({"slot_s": slot_s(DAY + 1, 0), "total": 99})}
    )
    ranking = Totals([tmp_path]).ranking(DAY, ELECTRICITY, USE)
    assert ranking["region"].to_pylist() == [2, 1, 4, 5, 3]
    assert ranking["value"].to_pylist() == [0.009, 0.005, 0.005, 0.0, None]
    assert ranking["coverage"].to_pylist() == [1.0, 1.0, 1.0, 1.0, 0.0]


def test_what_settles_later_is_answered_at_once(tmp_path: Path) -> None:
    totals, question = Totals([tmp_path]), Question("dong", DAY, DAY + 1)
    nothing = totals.ask(question)
    assert nothing.num_rows == 0
    writer = TotalsWriter(tmp_path)
    for total in (3, 4):
        writer.write_day(DAY, table({"slot_s": slot_s(DAY, 0), "total": total}))
        answer = totals.ask(question)
        assert answer["total_milli"].to_pylist() == [total]
        assert answer.schema == nothing.schema
    assert totals.ask(Question("dong", DAY, DAY)).num_rows == 0
    assert totals.ask(Question("dong", DAY, DAY + 1, regions=())).num_rows == 0


def test_after_a_late_rewrite_of_a_day_all_resolutions_still_agree(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days({day: many(day, 1) for day in DAYS})
    writer.write_day(DAY + 1, many(DAY + 1, 1, dongs=2, slots=50))
    totals = Totals([tmp_path])
    whole = Question("dong", DAYS.start, DAYS.stop, "slot", "use")
    expected = _sums(totals.ask(whole), "region", "utility", "direction")
    for by in ("none", "use"):
        for resolution in get_args(Resolution):
            rows = totals.ask(replace(whole, by=by, resolution=resolution))
            assert _sums(rows, "region", "utility", "direction") == expected, (by, resolution)
    late = totals.ask(Question("dong", DAY + 1, DAY + 2, "hour"))
    assert set(late["region"].to_pylist()) == {1, 2}
    assert len(set(late["slot_s"].to_pylist())) == 13


def test_threads_that_ask_while_totals_are_settled_see_all_of_a_settling_or_nothing(tmp_path: Path) -> None:
    writer, question = TotalsWriter(tmp_path), Question("dong", DAY, DAY + 4)
    totals, settling = Totals([tmp_path]), threading.Event()

    def watch() -> int:
        seen = 0
        while not settling.is_set():
            amounts = totals.ask(question)["total_milli"].to_pylist()
            assert len(set(amounts)) <= 1, amounts
            seen += 1
        return seen

    with ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(watch) for _ in range(3)]
        try:
            for total in range(8):  # over the end of a month, so in two files
                writer.write_days({day: table({"slot_s": slot_s(day, 0), "total": total}) for day in DAYS})
        finally:
            settling.set()
    assert all(watcher.result() for watcher in watchers)
    assert totals.ask(question)["total_milli"].to_pylist() == [7] * 4


@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, fault: str) -> None:
    TotalsWriter(tmp_path).write_day(DAY, table({"slot_s": slot_s(DAY, 0)}))
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
        if fault == "damaged":
            path.write_bytes(b"PAR1 of a file that is none")
    with pytest.raises(Problem, match=MANIFEST):
        Totals([tmp_path]).ask(Question("dong", DAY, DAY + 1))


def test_an_answer_over_nothing_has_its_columns(tmp_path: Path) -> None:
    rows = Totals([tmp_path]).ask(Question("city", DAY, DAY + 40, "month", "type"), FACTS)
    assert rows.column_names[:5] == ["day", "region", "type", "utility", "direction"]
    assert rows.column_names[5:] == [*SUMS, "value", "coverage", "estimated_share"]
    assert SLOT_ATOMS.names[0] in Totals([tmp_path]).ask(Question("dong", DAY, DAY + 1, "hour")).column_names
