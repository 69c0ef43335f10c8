"""The registry and the imported figures out of whatever database they are in into SQLite files, and back."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, Table, func, inspect, select, text

from cloud.imports import tables as imports
from cloud.registry import change, database
from cloud.registry.bulk import insert_rows, load_table
from cloud.registry.connecting import connect, reached
from cloud.registry.models import Act, Base
from cloud.registry.opening import open_registry
from commands.backup_folder import Tell, sync
from contract.problems import Problem, Text

ROWS = 10_000
FIGURES = [table for table in imports.metadata.sorted_tables if table is not imports.SCHEMA]


@dataclass(frozen=True)
class Where:
    """The registry's folder, and its database where that is elsewhere."""

    folder: Path
    url: str = ""
    password_file: Path | None = None

    @property
    def registry_url(self) -> str:
        return self.url or database.url_of(self.folder)

    @property
    def imports_url(self) -> str:
        return self.url or imports.url_of(self.folder)


def dump(where: Where, to: Path, tell: Tell) -> str:
    """Write registry.sqlite, and imports.sqlite where there are any; the revision. Raises Problem."""
    engine = open_registry(where.folder, where.url, where.password_file).engine
    with _disposed(engine), reached(where.registry_url), engine.connect() as source, source.begin():
        revision = MigrationContext.configure(source).get_current_revision() or ""
        _dump_registry(source, to, tell)
        if where.url and inspect(source).has_table(imports.IMPORTS.name):
            _dump_imports(source, to)
    if not where.url and (where.folder / imports.FILE).is_file():
        one = imports.open_database(where.imports_url)
        with _disposed(one), imports.looking(one) as source:
            _dump_imports(source, to)
    return revision


def upgrade_dump(folder: Path) -> None:
    """Bring a dump to this program's version. Raises Problem for one of a newer program."""
    database.init_database(database.url_of(folder)).dispose()
    if (folder / imports.FILE).is_file():
        imports.open_database(imports.url_of(folder)).dispose()


def is_fresh(where: Where) -> bool:
    """Whether nothing is there but what `init` makes. Raises Problem."""
    if not where.url and not (where.folder / database.FILE).is_file():
        return not (where.folder / imports.FILE).is_file()
    engine = connect(where.registry_url, where.password_file)
    with _disposed(engine), reached(where.registry_url), engine.connect() as connection:
        tables = set(inspect(connection).get_table_names())
        entered = Act.__tablename__ in tables and connection.scalar(
            select(func.count()).select_from(Act).where(Act.source != "init")
        )
        imported = imports.IMPORTS.name in tables and connection.scalar(
            select(func.count()).select_from(imports.IMPORTS)
        )
    return not entered and not imported and (bool(where.url) or not (where.folder / imports.FILE).is_file())


def refuse_newer(where: Where) -> None:
    """Raises Problem where the database that `where.url` names is of a newer program: nothing can be put into it."""
    engine = connect(where.url, where.password_file)
    with _disposed(engine), database.looking(engine) as connection:
        database.refuse_newer(where.url, connection)


def load(where: Where, dumped: Path, tell: Tell) -> None:
    """Put what was dumped in place of all that is in the database that `where.url` names, in one transaction."""
    engine = database.init_database(where.url, where.password_file)
    imports.open_database(where.url, where.password_file).dispose()
    with _disposed(engine), database.writing(engine) as target:
        for table in [*reversed(FIGURES), *reversed(Base.metadata.sorted_tables)]:
            target.execute(table.delete())
        _load_registry(database.open_database(database.url_of(dumped)), target, tell)
        if (dumped / imports.FILE).is_file():
            one = imports.open_database(imports.url_of(dumped))
            with _disposed(one), imports.looking(one) as source:
                _copy_rows(source, target, FIGURES)
            _count_on(target)


def publish(where: Where, tell: Tell) -> str:
    """Write the snapshot of what is there now; its version."""
    registry = open_registry(where.folder, where.url, where.password_file)
    with _disposed(registry.engine):
        return change.publish(registry, tell)


@contextlib.contextmanager
def _disposed(engine: Engine) -> Iterator[None]:
    """Close all connections at the end: SQLite then leaves no files beside its own."""
    try:
        yield
    finally:
        engine.dispose()


def _dump_registry(source: Connection, to: Path, tell: Tell) -> None:
    to.mkdir(parents=True, exist_ok=True)
    engine = database.init_database(database.url_of(to))
    with _disposed(engine), database.writing(engine) as target:
        for table in Base.metadata.sorted_tables:
            rows = load_table(source, table)
            insert_rows(target, table, rows)
            if rows.num_rows:
                tell(
                    Text(f"등록부 {table.name}: {rows.num_rows:,}줄", f"registry {table.name}: {rows.num_rows:,} rows")
                )
    sync(to / database.FILE)


def _load_registry(engine: Engine, target: Connection, tell: Tell) -> None:
    with _disposed(engine), engine.connect() as source:
        for table in Base.metadata.sorted_tables:
            rows = load_table(source, table)
            insert_rows(target, table, rows)
            if rows.num_rows:
                tell(
                    Text(f"등록부 {table.name}: {rows.num_rows:,}줄", f"registry {table.name}: {rows.num_rows:,} rows")
                )


def _dump_imports(source: Connection, to: Path) -> None:
    engine = imports.open_database(imports.url_of(to))
    with _disposed(engine), imports.writing(engine) as target:
        _copy_rows(source, target, FIGURES)
    sync(to / imports.FILE)


def _copy_rows(source: Connection, target: Connection, tables: Sequence[Table]) -> None:
    for table in tables:
        result = source.execution_options(yield_per=ROWS).execute(select(table))
        for rows in _dictionaries(result.mappings().partitions()):
            target.execute(table.insert(), rows)


def _dictionaries(parts: Iterable[Sequence[object]]) -> Iterable[list[dict[str, object]]]:
    for part in parts:
        yield [dict(row) for row in part]  # type: ignore[call-overload]  # each is a mapping


def _count_on(target: Connection) -> None:
    """Have the next import numbered after those that came with their numbers."""
    if target.dialect.name == "postgresql":
        target.execute(
            text(
                "SELECT setval(pg_get_serial_sequence('agency_imports', 'import_id'),"
                " (SELECT coalesce(max(import_id), 0) + 1 FROM agency_imports), false)"
            )
        )


def refuse_used(where: Where) -> None:
    """Raises Problem where there is more than a registry that was just made."""
    if not is_fresh(where):
        name = where.registry_url.rpartition("@")[2].removeprefix("sqlite:///")
        raise Problem(
            f"등록부 {name}: 비어 있지 않습니다. 밀어 두고 되살리려면 --replace를 주십시오",
            f"registry {name}: not empty; give --replace to set it aside and restore",
        )
