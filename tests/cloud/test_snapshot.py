"""The registry's snapshot: what is written is read, whole, and only what changed is written anew."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.registry import snapshot
from contract.problems import Problem

SITE = {"site": "hanam", "name_ko": "하남", "name_en": "Hanam", "kind": "other", "region": 3, "live": True}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    sites = pa.Table.from_pylist([SITE], snapshot.SITES)
    version = snapshot.write(tmp_path, {"sites": sites})
    read = snapshot.load(tmp_path)
    assert read.sites.equals(sites)
    assert read.spans.schema.equals(snapshot.SPANS)
    assert read.version == version == snapshot.version(tmp_path)


def test_a_change_gives_another_version_and_leaves_no_old_file(tmp_path: Path) -> None:
    first = snapshot.write(tmp_path, {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)})
    second = snapshot.write(tmp_path, {"sites": pa.Table.from_pylist([SITE | {"live": False}], snapshot.SITES)})
    assert first != second
    assert len(list(tmp_path.glob("sites-*.arrow"))) == 1
    third = snapshot.write(tmp_path, {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)})
    assert third == first


def test_no_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no registry snapshot"):
        snapshot.load(tmp_path)
    (tmp_path / snapshot.CURRENT).write_text("{")
    with pytest.raises(Problem, match="cannot be read"):
        snapshot.load(tmp_path)
    assert snapshot.version(tmp_path) == ""


def test_a_damaged_snapshot_is_one_line_and_the_next_mends_it(tmp_path: Path) -> None:
    tables = {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)}
    good = snapshot.write(tmp_path, tables)
    for damaged in ('{"spans": ', (tmp_path / snapshot.CURRENT).read_text("utf-8").replace(".arrow", ".lost")):
        (tmp_path / snapshot.CURRENT).write_text(damaged, "utf-8")
        with pytest.raises(Problem, match="cannot be read") as caught:
            snapshot.load(tmp_path)
        assert "\n" not in caught.value.text.en
        assert snapshot.write(tmp_path, tables) == good
        assert snapshot.load(tmp_path).version == good


@pytest.mark.parametrize("damage", [lambda content: content[:-200], lambda content: b"\0" * len(content)])
def test_a_damaged_table_is_mended_by_the_next(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    tables = {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)}
    good = snapshot.write(tmp_path, tables)
    (table,) = tmp_path.glob("sites-*.arrow")
    table.write_bytes(damage(table.read_bytes()))
    with pytest.raises(Problem, match="cannot be read"):
        snapshot.load(tmp_path)
    assert snapshot.write(tmp_path, tables) == good
    assert snapshot.load(tmp_path).sites.equals(tables["sites"])


def test_a_whole_table_is_not_written_again(tmp_path: Path) -> None:
    tables = {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)}
    snapshot.write(tmp_path, tables)
    (table,) = tmp_path.glob("sites-*.arrow")
    before = table.stat().st_ino
    snapshot.write(tmp_path, tables)
    assert table.stat().st_ino == before


def test_a_registrys_own_folder_leads_to_its_snapshot(tmp_path: Path) -> None:
    written = snapshot.write(tmp_path / "snapshot", {"sites": pa.Table.from_pylist([SITE], snapshot.SITES)})
    assert snapshot.version(tmp_path) == snapshot.load(tmp_path).version == written
