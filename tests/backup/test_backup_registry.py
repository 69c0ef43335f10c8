"""The registry and imported figures, out of one database and into another, unchanged."""

from pathlib import Path

import pytest
from sqlalchemy import select, text

from cloud.imports import store
from cloud.imports import tables as imports
from cloud.registry import snapshot
from cloud.registry.bulk import load_table
from cloud.registry.change import Registry, publish
from cloud.registry.connecting import connect
from cloud.registry.database import open_database, url_of
from cloud.registry.models import Base
from cloud.registry.opening import init_registry
from commands.__main__ import main
from simulators.servers_pg import Postgresql
from tests.imports.reading_files import kepco, read, terms
from tests.registry.city import city

Rows = dict[str, list[dict[str, object]]]


def keep_figures(url: str, password_file: Path | None = None, kwh: int = 7) -> int:
    """Import two files; the number of the latter."""
    engine = imports.open_database(url, password_file)
    for file in (kepco(f"202401,동구,주택용,3,{kwh}"), kepco(f"202402,동구,주택용,3,{kwh}")):
        under = terms()
        origin = store.Origin("kepco", under.mapping, "f.csv", file, under.recipe, "kim", 1_700_000_000)
        store.keep(engine, origin, read(file))
    with imports.looking(engine) as connection:
        (latest,) = connection.execute(
            select(imports.IMPORTS.c.import_id).order_by(-imports.IMPORTS.c.import_id).limit(1)
        )
    engine.dispose()
    return int(latest[0])


def everything(url: str, figures: str, password_file: Path | None = None) -> Rows:
    """All rows of all tables."""
    found: Rows = {}
    engine = open_database(url, password_file)
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            rows = load_table(connection, table)
            found[table.name] = rows.sort_by([(key.name, "ascending") for key in table.primary_key]).to_pylist()
    engine.dispose()
    one = imports.open_database(figures, password_file)
    with imports.looking(one) as connection:
        for table in imports.metadata.sorted_tables:
            rows_of = connection.execute(select(table).order_by(*table.primary_key)).mappings()
            found[table.name] = [dict(row) for row in rows_of]
    one.dispose()
    return found


@pytest.fixture
def made(tmp_path: Path) -> Registry:
    """A small city with figures, in SQLite."""
    registry = city(tmp_path / "made")
    publish(registry)
    registry.engine.dispose()
    assert keep_figures(imports.url_of(registry.folder)) == 2
    return registry


def test_from_sqlite_to_postgresql_and_back(
    made: Registry,
    server: Postgresql,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    source = everything(url_of(made.folder), imports.url_of(made.folder))
    assert len(source["meters"]) == 1
    assert len(source["agency_figures"]) == 2
    url, there = server.create("restored"), tmp_path / "there"
    # the compose file makes the tables, with the regions that are shipped, before anybody restores
    init_registry(there, url, server.password_file).engine.dispose()
    database = ["--database", url, "--database-password-file", str(server.password_file)]
    assert main(["backup", "--to", str(tmp_path / "one"), "--registry", str(made.folder)]) == 0
    assert main(["restore", str(tmp_path / "one"), "--registry", str(there), *database]) == 0
    assert everything(url, url, server.password_file) == source
    assert snapshot.version(there) == snapshot.version(made.folder)
    assert keep_figures(url, server.password_file, kwh=8) == 4
    moved = everything(url, url, server.password_file)
    assert main(["backup", "--to", str(tmp_path / "two"), "--registry", str(there), *database]) == 0
    assert main(["backup", "check", str(tmp_path / "two")]) == 0
    back = tmp_path / "back"
    assert main(["restore", str(tmp_path / "two"), "--registry", str(back)]) == 0
    assert everything(url_of(back), imports.url_of(back)) == moved
    assert snapshot.version(back) == snapshot.version(made.folder)
    assert not list(back.glob(".restoring*"))
    capsys.readouterr()


def test_what_is_there_is_refused_or_set_aside(
    made: Registry,
    server: Postgresql,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    url, there = server.create("used"), tmp_path / "there"
    database = ["--database", url, "--database-password-file", str(server.password_file)]
    assert main(["backup", "--to", str(tmp_path / "to"), "--registry", str(made.folder)]) == 0
    restore = ["restore", str(tmp_path / "to"), "--registry"]
    assert main([*restore, str(there), *database]) == 0
    keep_figures(url, server.password_file, kwh=8)
    used = everything(url, url, server.password_file)
    capsys.readouterr()
    for place in ([str(made.folder)], [str(there), *database]):
        assert main([*restore, *place]) == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert "not empty; give --replace to set it aside and restore" in said
        assert "pw" not in said
        assert main([*restore, *place, "--replace"]) == 0
    (aside,) = there.glob(".before-restore-*")
    assert everything(url_of(aside), imports.url_of(aside)) == used
    source = everything(url_of(made.folder), imports.url_of(made.folder))
    assert everything(url, url, server.password_file) == source
    (aside,) = made.folder.glob(".before-restore-*")
    assert sorted(path.name for path in aside.iterdir()) == ["imports.sqlite", "registry.sqlite"]


def test_a_database_of_a_newer_program_is_refused_before_anything_is_moved(
    made: Registry,
    server: Postgresql,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    url, there, totals = server.create("newer"), tmp_path / "there", tmp_path / "totals" / "main"
    init_registry(there, url, server.password_file).engine.dispose()
    engine = connect(url, server.password_file)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'next'"))
    engine.dispose()
    totals.mkdir(parents=True)
    (totals / "old").touch()
    place = ["--registry", str(made.folder), "--totals", f"main={totals}"]
    assert main(["backup", "--to", str(tmp_path / "to"), *place]) == 0
    database = ["--database", url, "--database-password-file", str(server.password_file)]
    again = ["restore", str(tmp_path / "to"), "--registry", str(there), "--totals", str(totals.parent), *database]
    assert main([*again, "--replace"]) == 1
    assert "made by a newer program (revision next)" in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in totals.iterdir()] == ["old"]
