"""Files of totals: equal atoms are equal bytes, and a reader sees all of a settling or nothing of it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from cloud.store.parquet import KEEP_OLD_S, MANIFEST, TotalsReader, TotalsWriter, day_name
from cloud.store.totals_schema import DAY_ATOMS, SLOT_ATOMS
from contract.problems import Problem
from tests.totals.some_atoms import DAY, many, slot_s, table


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _atoms(reader: TotalsReader, start_day: int, end_day: int) -> list[str]:
    return [files.atoms for area in reader.slot_files(start_day, end_day) for files in area.files]


def test_what_is_written_is_read_in_its_order(tmp_path: Path) -> None:
    atoms = many(DAY, 1)
    writer = TotalsWriter(tmp_path)
    writer.write_day(DAY, atoms)
    keys = [(name, "ascending") for name in ("utility", "direction", "region", "use", "slot_s")]
    assert writer.read_day(DAY).equals(atoms.sort_by(keys).combine_chunks())
    assert TotalsWriter(tmp_path).read_day(DAY).equals(writer.read_day(DAY))
    assert writer.read_day(DAY + 1).equals(SLOT_ATOMS.empty_table())


def test_day_atoms_are_the_sums_of_their_slots(tmp_path: Path) -> None:
    first = {"total": 2**40, "estimated": 5, "estimated_count": 1, "counted": 2, "expected": 3}
    second = {"total": 7, "counted": 1, "expected": 3}
    TotalsWriter(tmp_path).write_day(
        DAY,
        table(
            {"slot_s": slot_s(DAY, 0)} | first,
            {"slot_s": slot_s(DAY, 95)} | second,
            {"slot_s": slot_s(DAY, 0), "use": 2},
        ),
    )
    (area,) = TotalsReader([tmp_path]).day_files(DAY, DAY + 1)
    usual = {"day": DAY, "region": 1, "utility": 0, "direction": 3}
    assert parquet.read_table(area.files[0].atoms).cast(DAY_ATOMS).to_pylist() == [
        usual | {"use": 1, "total": 2**40 + 7, "estimated": 5, "counted": 3, "estimated_count": 1, "expected": 6},
        usual | {"use": 2, "total": 0, "estimated": 0, "counted": 1, "estimated_count": 0, "expected": 1},
    ]
    assert area.regions == {1}


def test_equal_atoms_are_equal_bytes_whatever_their_order_and_the_way_they_came(tmp_path: Path) -> None:
    one, two = TotalsWriter(tmp_path / "one"), TotalsWriter(tmp_path / "two")
    days = {day: many(day, 1) for day in range(DAY, DAY + 4)}  # over the end of a month
    one.write_days(days)
    for day in reversed(days):
        two.write_day(day, many(day, 2))
    for day, atoms in days.items():
        two.write_day(day, pa.concat_tables([atoms.slice(1000), atoms.slice(0, 1000)]))
    first, second = _content(tmp_path / "one"), _content(tmp_path / "two")
    assert first[MANIFEST] == second[MANIFEST]
    assert len(first) == 1 + 3 * 4 + 3 * 2 + 2
    assert first.items() <= second.items()


def test_a_late_rewrite_of_one_day_touches_only_its_files(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days({day: many(day, 1) for day in range(DAY, DAY + 4)})
    before = set(_content(tmp_path))
    writer.write_day(DAY, many(DAY, 2))
    new = {name.rsplit("-", 1)[0] for name in set(_content(tmp_path)) - before}
    kinds = ("", "-all-uses", "-all-regions")
    files = {f"{period}{kind}" for period in ("slots-2026-01-30", "days-2026-01") for kind in kinds}
    assert new == files | {"hours-2026-01-all-uses"}
    assert before <= set(_content(tmp_path))  # somebody may be reading
    before = set(_content(tmp_path))
    writer.write_day(DAY, many(DAY, 2))
    assert set(_content(tmp_path)) == before


def test_an_empty_day_is_taken_away(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days({DAY: many(DAY, 1), DAY + 1: many(DAY + 1, 1)})
    writer.write_day(DAY, SLOT_ATOMS.empty_table())
    reader = TotalsReader([tmp_path])
    assert _atoms(reader, DAY, DAY + 1) == []
    (area,) = reader.day_files(DAY, DAY + 1)
    assert set(parquet.read_table(area.files[0].atoms)["day"].to_pylist()) == {DAY + 1}
    writer.write_day(DAY + 1, SLOT_ATOMS.empty_table())
    assert reader.day_files(DAY, DAY + 1) == []


@pytest.mark.parametrize(
    ("atoms", "fault"),
    [
        (table({"slot_s": slot_s(DAY, 96)}), "another day"),
        (table({"slot_s": slot_s(DAY, -1)}), "another day"),
        (table({"slot_s": slot_s(DAY, 0)}, {"slot_s": slot_s(DAY, 0)}), "two atoms"),
        (table({"slot_s": slot_s(DAY, 0), "region": -1}), "region"),
    ],
)
def test_atoms_that_cannot_be_are_refused_and_nothing_changes(tmp_path: Path, atoms: pa.Table, fault: str) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_day(DAY, many(DAY, 1))
    before = _content(tmp_path)
    with pytest.raises(ValueError, match=fault):
        writer.write_day(DAY, atoms)
    assert _content(tmp_path) == before


class _Died(BaseException):
    """The process is gone: nothing that was to follow happens."""


def _die(*_: object) -> None:
    raise _Died


@pytest.mark.parametrize("moment", ["before the manifest is written", "before it is renamed"])
def test_death_before_the_manifest_leaves_the_old_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    old, new = many(DAY, 1), many(DAY, 2)
    writer = TotalsWriter(tmp_path)
    writer.write_day(DAY, old)
    kept, manifest = writer.read_day(DAY), (tmp_path / MANIFEST).read_bytes()
    with monkeypatch.context() as patch:
        if moment == "before it is renamed":
            replace: Callable[[Path, Path], Path] = Path.replace
            patch.setattr(Path, "replace", lambda path, to: _die() if to.name == MANIFEST else replace(path, to))
        else:
            patch.setattr(TotalsWriter, "_publish", _die)
        with pytest.raises(_Died):
            writer.write_day(DAY, new)
    assert (tmp_path / MANIFEST).read_bytes() == manifest
    (name,) = _atoms(TotalsReader([tmp_path]), DAY, DAY + 1)
    assert parquet.read_table(name).cast(SLOT_ATOMS).equals(kept)
    # the next process settles again, and in time takes away what is left
    again = TotalsWriter(tmp_path)
    assert again.read_day(DAY).equals(kept)
    again.write_day(DAY, many(DAY, 3))
    _age(tmp_path, KEEP_OLD_S + 60)
    again.write_day(DAY + 1, many(DAY + 1, 3))
    assert len(_content(tmp_path)) == 1 + 3 * 2 + 4 + 4  # the month's files before the last are an hour old at most
    assert again.read_day(DAY).sort_by("slot_s").num_rows == many(DAY, 3).num_rows


def _age(folder: Path, by_s: float) -> None:
    for path in folder.iterdir():
        then = time.time() - by_s
        os.utime(path, (then, then))


def test_old_files_go_an_hour_after_they_were_superseded(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_day(DAY, many(DAY, 1))
    first = set(_content(tmp_path)) - {MANIFEST}
    _age(tmp_path, KEEP_OLD_S * 24)  # written yesterday
    writer.write_day(DAY, many(DAY, 2))
    assert first <= set(_content(tmp_path))
    _age(tmp_path, KEEP_OLD_S - 60)
    writer.write_day(DAY, many(DAY, 2))
    assert first <= set(_content(tmp_path))
    _age(tmp_path, KEEP_OLD_S + 60)
    writer.write_day(DAY, many(DAY, 2))
    assert not first & set(_content(tmp_path))
    assert writer.read_day(DAY).num_rows == many(DAY, 2).num_rows


def test_a_reader_sees_a_new_manifest_and_several_areas(tmp_path: Path) -> None:
    folders = [tmp_path / "east", tmp_path / "west"]
    reader = TotalsReader(folders)
    nothing = reader.version()
    assert _atoms(reader, DAY, DAY + 2) == []
    east = TotalsWriter(folders[0])
    east.write_day(DAY, many(DAY, 1))
    assert len(_atoms(reader, DAY, DAY + 2)) == 1
    TotalsWriter(folders[1]).write_days({DAY: many(DAY, 2), DAY + 2: many(DAY + 2, 2)})
    assert [Path(name).parent.name for name in _atoms(reader, DAY, DAY + 2)] == ["east", "west"]
    before = reader.version()
    assert before != nothing
    east.write_day(DAY, many(DAY, 3))
    assert reader.version() != before
    east.write_day(DAY, many(DAY, 1))
    assert reader.version() == before


def test_a_reader_begins_again_when_a_file_vanished(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_day(DAY, many(DAY, 1))
    reader = TotalsReader([tmp_path])
    seen: list[str] = []

    def read(current: TotalsReader) -> int:
        (name,) = _atoms(current, DAY, DAY + 1)
        seen.append(name)
        if len(seen) == 1:  # between look and read, a settling and an hour pass
            writer.write_day(DAY, many(DAY, 2))
            Path(name).unlink()
        return int(parquet.read_metadata(name).num_rows)

    assert reader.read(read) == many(DAY, 2).num_rows
    assert len(seen) == 2
    Path(seen[1]).unlink()
    with pytest.raises(Problem, match="cannot be read"):
        reader.read(lambda current: parquet.read_metadata(_atoms(current, DAY, DAY + 1)[0]))


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"slots": {"2026-01-30": ["one"]}, "days": {}, "hours": {}, "regions": []}']
)
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(Problem, match=MANIFEST):
        TotalsWriter(tmp_path)
    with pytest.raises(Problem, match=MANIFEST):
        TotalsReader([tmp_path]).read(lambda reader: reader.slot_files(DAY, DAY + 1))


def _three_days() -> dict[int, pa.Table]:
    return {day: many(day, seed) for seed, day in enumerate((DAY, DAY + 1, DAY + 2))}  # the last in another month


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?")])
@pytest.mark.parametrize("name", ["slots-*-all-uses-*", "slots-2026-01-30-????*", "days-*", "hours-*"])
def test_what_is_damaged_is_dropped_and_made_again(tmp_path: Path, name: str, damage: Callable[[Path], object]) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days(_three_days())
    before = _content(tmp_path)
    assert writer.forget_damaged(0) == ([], [])
    for path in tmp_path.glob(name):
        damage(path)
    assert _content(tmp_path) != before
    assert writer.forget_damaged(0)[0]
    writer.write_days(_three_days())
    assert _content(tmp_path) == before


def test_what_is_damaged_of_before_stays_as_it_is(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days(_three_days())
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    assert writer.forget_damaged(DAY + 1) == (["2026-01-31", "2026-02", "2026-02-01"], ["2026-01", "2026-01-30"])
    with pytest.raises(Problem, match="cannot be read"):
        writer.read_day(DAY)
    assert writer.read_day(DAY + 1).num_rows == 0


def test_a_manifest_that_is_gone_is_named_and_nothing_is_taken_away(tmp_path: Path) -> None:
    TotalsWriter(tmp_path).write_days(_three_days())
    (tmp_path / MANIFEST).unlink()
    before = _content(tmp_path)
    with pytest.raises(Problem, match=f"{MANIFEST} is gone"):
        TotalsWriter(tmp_path)
    assert _content(tmp_path) == before


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("")
    with pytest.raises(Problem, match="main: the files of totals"):
        TotalsWriter(tmp_path / "main")


def test_days_have_names() -> None:
    assert [day_name(day) for day in (0, DAY, DAY + 2)] == ["1970-01-01", "2026-01-30", "2026-02-01"]
