"""Upgrades, and the way back: what is older is kept beside what it became, and its program goes on with it."""

import shutil
import sqlite3
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import inspect

from cloud.registry import database
from cloud.registry.connecting import connect
from cloud.registry.database import init_database, migrate, open_database, url_of, writing
from cloud.registry.models import Base
from cloud.store.duck import DuckStore
from cloud.store.parquet import TotalsReader, TotalsWriter
from cloud.store.tables import READINGS, SCHEMA
from contract.problems import Problem
from simulators.servers_pg import Postgresql
from tests.totals.some_atoms import many

SECOND = '''
"""A table more."""
import sqlalchemy as sa
from alembic import op
revision = "next"
down_revision = "{before}"
branch_labels = None
depends_on = None
def upgrade() -> None:
    op.create_table("more", sa.Column("n", sa.BigInteger(), primary_key=True))
def downgrade() -> None:
    op.drop_table("more")
'''


def old_file(path: Path) -> None:
    """An area's file of the first schema, with a reading."""
    with duckdb.connect(path) as old:
        old.execute(READINGS)
        old.execute("INSERT INTO area VALUES (1, 7, 0)")
        old.execute("INSERT INTO readings VALUES (1, 60, 7, 2.5, 0, 0)")


def test_an_older_areas_file_is_kept_beside_the_one_it_became(tmp_path: Path) -> None:
    path = tmp_path / "main.duckdb"
    old_file(path)
    DuckStore(path).close()
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("SELECT schema, commits FROM area").fetchall() == [(SCHEMA, 7)]
    kept = tmp_path / "main.duckdb.schema-1"
    with duckdb.connect(kept, read_only=True) as connection:
        assert connection.execute("SELECT schema, commits FROM area").fetchall() == [(1, 7)]
        assert connection.execute("SELECT value FROM readings").fetchall() == [(2.5,)]
        assert not connection.execute("SELECT * FROM duckdb_tables() WHERE table_name = 'usage'").fetchall()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["main.duckdb", "main.duckdb.schema-1"]
    kept.unlink()
    DuckStore(path).close()
    assert not kept.exists()  # only where something was upgraded


def test_without_room_for_that_nothing_is_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "main.duckdb"
    old_file(path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage._replace(free=1000))
    with pytest.raises(Problem, match="no room for a copy before it is upgraded"):
        DuckStore(path)
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("SELECT schema FROM area").fetchall() == [(1,)]


def test_an_older_registry_is_kept_and_the_program_of_before_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, kept = url_of(tmp_path), tmp_path / "registry.sqlite.revision-"
    engine = init_database(url)
    with writing(engine) as connection:
        connection.exec_driver_sql("INSERT INTO gateways VALUES ('g1', 'main', NULL)")
    engine.dispose()
    assert list(tmp_path.iterdir()) == [tmp_path / "registry.sqlite"]
    before, migrations = _head(url), tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, migrations)
    (migrations / "versions" / "next.py").write_text(SECOND.replace("{before}", before), "utf-8")
    with monkeypatch.context() as newer:
        newer.setattr(database, "MIGRATIONS", migrations)
        init_database(url).dispose()
        assert _head(url) == "next"
    with pytest.raises(Problem, match=r"made by a newer program \(revision next\); upgrade this program"):
        open_database(url)
    shutil.move(f"{kept}{before}", tmp_path / "registry.sqlite")
    engine = open_database(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT gateway FROM gateways").fetchall() == [("g1",)]
    engine.dispose()


def _head(url: str) -> str:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        ((version,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    connection.close()
    return str(version)


@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_migrations_go_both_ways(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url, password_file = url_of(tmp_path), None
    if where == "postgresql":
        server: Postgresql = request.getfixturevalue("server")
        url, password_file = server.create("both-ways"), server.password_file
    ours = set(Base.metadata.tables)
    init_database(url, password_file).dispose()
    engine = connect(url, password_file)
    for revision, there in (("base", set[str]()), ("head", ours)):
        with writing(engine) as connection:
            migrate(connection, revision)
        with engine.connect() as connection:
            assert set(inspect(connection).get_table_names()) - {"alembic_version"} == there
    engine.dispose()


def test_old_slots_of_totals_are_dropped_and_their_days_stay(tmp_path: Path) -> None:
    writer = TotalsWriter(tmp_path)
    writer.write_days({day: many(day, 1) for day in (20_000, 20_001, 20_002)})
    assert writer.forget_slots(20_002) == 2
    assert writer.forget_slots(20_002) == 0
    reader = TotalsReader([tmp_path])
    assert [len(one.files) for one in reader.slot_files(20_000, 20_003)] == [1]
    assert writer.read_day(20_001).num_rows == 0
    assert writer.read_day(20_002).num_rows
    (months,) = reader.day_files(20_000, 20_003)
    assert months.files
    assert TotalsWriter(tmp_path).forget_slots(20_002) == 0
