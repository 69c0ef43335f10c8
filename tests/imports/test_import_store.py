"""Imports kept: whole or not at all, once, revised, undone; and a kill in the middle of one."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cloud.imports import store
from cloud.imports.store import Done, Origin
from cloud.imports.tables import FILE, open_database, url_of
from contract.problems import Problem
from tests.imports.reading_files import JANUARY, kepco, read, save, terms

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(url_of(tmp_path))
    yield opened
    opened.dispose()


def origin(text: str, part: str = "", **changes: object) -> Origin:
    under = terms(**changes)  # type: ignore[arg-type]  # settings of a mapping
    return Origin("kepco", under.mapping, f"{len(text)}.csv", text, under.recipe, "kim", 1_700_000_000, part)


def keep(engine: Engine, *rows: str, part: str = "", **changes: object) -> Done:
    text = kepco(*rows)
    return store.keep(engine, origin(text, part, **changes), read(text))


def standing(engine: Engine) -> dict[tuple[str, int, str], int]:
    rows = store.current(engine).to_pylist()
    return {(f"{row['month']:%Y-%m}", row["region"], row["kind"]): row["quantity_milli"] for row in rows}


def test_what_was_imported_stands_with_all_that_is_known_of_it(engine: Engine) -> None:
    assert keep(engine, "202401,동구,주택용,3,7.5", "202401,서구,주택용,2,*", "202401,서구,x,2,(1)") == Done(
        1, False, ()
    )
    assert store.current(engine).to_pylist()[0] == {
        "import_id": 1,
        "source": "kepco-contract",
        "agency_ko": "한국전력공사",
        "agency_en": "KEPCO",
        "utility": "electricity",
        "month": JANUARY,
        "months": 1,
        "level": "district",
        "region": 2,
        "kind": "주택용",
        "unit": "kWh",
        "quantity_milli": 7_500,
        "customers": 3,
        "rows": 1,
        "missing": 0,
    }
    assert standing(engine) == {("2024-01", 2, "주택용"): 7_500, ("2024-01", 3, "주택용"): None}
    (listed,) = store.listing(engine)
    assert (listed.rows, listed.items, listed.refused, listed.who, listed.undone_at_s) == (3, 2, 1, "kim", None)
    assert (listed.months, listed.standing, listed.replaces, listed.replaced_by) == ((JANUARY,), (JANUARY,), (), ())
    assert store.current(engine, "gas").num_rows == 0


def test_the_same_file_again_changes_nothing_but_read_otherwise_it_is_a_revision(engine: Engine) -> None:
    rows = ("202401,동구,주택용,3,7.5",)
    assert keep(engine, *rows) == Done(1, False, ())
    assert keep(engine, *rows) == Done(1, True, ())
    assert len(store.listing(engine)) == 1
    again = keep(engine, *rows, unit="MWh")
    assert (again.import_id, again.already, again.replaced[0].import_id) == (2, False, 1)


def test_a_corrected_file_replaces_the_earlier_which_is_kept_and_comes_back(engine: Engine) -> None:
    keep(engine, "202401,동구,주택용,3,7", "202401,서구,주택용,3,8", "202402,동구,주택용,3,9")
    done = keep(engine, "202401,동구,주택용,3,70")
    assert [(each.import_id, each.months, each.regions_lost) for each in done.replaced] == [(1, (JANUARY,), (3,))]
    assert standing(engine) == {("2024-01", 2, "주택용"): 70_000, ("2024-02", 2, "주택용"): 9_000}
    first, second = store.listing(engine)
    assert (first.replaced_by, len(first.standing), second.replaces) == ((2,), 1, (1,))
    assert store.undo(engine, None, "lee", 1_700_000_100).import_id == 2
    assert standing(engine) == {
        ("2024-01", 2, "주택용"): 7_000,
        ("2024-01", 3, "주택용"): 8_000,
        ("2024-02", 2, "주택용"): 9_000,
    }
    first, second = store.listing(engine)
    assert (first.replaced_by, second.undone_by, second.undone_at_s) == ((), "lee", 1_700_000_100)
    assert keep(engine, "202401,동구,주택용,3,70").import_id == 3


def test_looking_says_what_would_be_done_and_does_nothing(engine: Engine) -> None:
    keep(engine, "202401,동구,주택용,3,7")
    text = kepco("202401,동구,주택용,3,8")
    seen = store.look(engine, origin(text), read(text))
    assert (seen.import_id, seen.already, seen.replaced[0].import_id) == (0, False, 1)
    assert len(store.listing(engine)) == 1


def test_undoing_what_is_not_there_names_what_is(engine: Engine) -> None:
    with pytest.raises(Problem, match="no import  to undo; those that stand: -"):
        store.undo(engine, None, "kim", 0)
    keep(engine, "202401,동구,주택용,3,7")
    store.undo(engine, 1, "kim", 0)
    with pytest.raises(Problem, match="no import 1 to undo"):
        store.undo(engine, 1, "kim", 0)


def test_parts_of_a_month_stand_beside_each_other_but_never_say_the_same_twice(engine: Engine) -> None:
    keep(engine, "202401,동구,주택용,3,7", part="east")
    keep(engine, "202401,서구,주택용,3,8", part="west")
    assert standing(engine) == {("2024-01", 2, "주택용"): 7_000, ("2024-01", 3, "주택용"): 8_000}
    with pytest.raises(Problem, match="kepco-contract 2024-01 region 2: in part 'east' and in part 'west'"):
        keep(engine, "202401,동구,주택용,3,9", part="west")
    assert len(store.listing(engine)) == 2
    keep(engine, "202401,북구,주택용,3,1", part="east")
    keep(engine, "202401,동구,주택용,3,9", part="west")
    with pytest.raises(Problem, match="region 2: in part 'east' and in part 'west'"):
        store.undo(engine, 3, "kim", 0)
    assert standing(engine) == {("2024-01", 5, "주택용"): 1_000, ("2024-01", 2, "주택용"): 9_000}


def test_a_database_of_another_version_or_kind_is_refused_in_one_line(tmp_path: Path) -> None:
    url = url_of(tmp_path)
    open_database(url).dispose()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE agency_schema SET version = 99")
    connection.close()
    save(tmp_path / "text.sqlite", "no database at all, but long enough to look like one" * 50)
    for wrong, says in (
        (url, "imported figures of version 99; this program's is 1"),
        (f"sqlite:///{tmp_path}/text.sqlite", "the database cannot be used: file is not a database"),
        (f"sqlite:///{tmp_path}/none/x.sqlite", "the database cannot be used: unable to open database file"),
        ("nonsense", "expected sqlite:////FOLDER/FILE or postgresql+pg8000://"),
        ("nodb://x", "expected sqlite:////FOLDER/FILE or postgresql+pg8000://"),
    ):
        with pytest.raises(Problem) as caught:
            open_database(wrong)
        assert says in caught.value.text.en
        assert "\n" not in caught.value.text.en


def test_a_kill_in_the_middle_of_an_import_leaves_the_earlier_state(tmp_path: Path) -> None:
    save(tmp_path / "small.csv", kepco("202401,동구,주택용,3,7"))
    save(tmp_path / "large.csv", kepco(*(f"202401,동구,k{n},1,{n}" for n in range(2000))))
    command = [sys.executable, "-m", "commands", "cloud", "import", "run", "--mapping", "kepco-contract"]
    command += ["--registry", str(tmp_path)]
    subprocess.run([*command, str(tmp_path / "small.csv")], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM agency_figures").fetchone()  # while it looks, nobody can commit
    journal = tmp_path / f"{FILE}-journal"
    killed = subprocess.Popen([*command, str(tmp_path / "large.csv")], cwd=ROOT, stdout=subprocess.DEVNULL)
    while not (journal.exists() and journal.stat().st_size):  # there from a transaction's first page to its commit
        assert killed.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)  # most likely it has written all by now, and waits to commit
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    reader.close()
    engine = open_database(url_of(tmp_path))
    assert standing(engine) == {("2024-01", 2, "주택용"): 7_000}
    assert len(store.listing(engine)) == 1
    engine.dispose()
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("SELECT count(*) FROM agency_figures").fetchone() == (1,)
    connection.close()


def test_a_file_without_any_figure_is_no_import(engine: Engine) -> None:
    with pytest.raises(Problem, match="nothing that could be imported"):
        keep(engine, "202401,동구,주택용,3,(1)")
    assert store.listing(engine) == []
