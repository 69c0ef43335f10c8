"""A backup's parts into their places: first all is looked at and copied beside them, then all is put in place."""

import contextlib
import fcntl
import os
import shutil
import socket as sockets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import parquet

from cloud.imports import tables as imports
from cloud.registry import database
from cloud.store.duck import DuckStore
from cloud.store.influx import InfluxStore, earliest_s
from cloud.store.influx_http import InfluxConnection, InfluxSettings
from cloud.store.protocol import APPEND, StoreUnavailable
from cloud.store.tables import SCHEMA
from commands import backup_registry
from commands.backup_area import READINGS
from commands.backup_folder import (
    AREAS,
    PKI,
    REGISTRY,
    SNAPSHOT,
    TOTALS,
    Manifest,
    Tell,
    copy_file,
    copy_folder,
    damages,
    latest,
    read_manifest,
    sync,
    told,
)
from commands.backup_registry import Where
from contract.problems import Problem, Text
from contract.quantities import QUANTITIES

STAGED = ".restoring"


@dataclass(frozen=True)
class Places:
    """Where what goes; `areas` are all where none is named."""

    data: Path | None = None
    totals: Path | None = None
    registry: Where | None = None
    pki: Path | None = None
    areas: tuple[str, ...] = ()
    influx: InfluxSettings | None = None
    replace: bool = False
    aside: str = field(default_factory=lambda: f".before-restore-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")


@dataclass(frozen=True)
class _Part:
    """Files of the backup that become those of a folder; `names` there are in their way, None: all."""

    source: Path
    target: Path
    names: tuple[str, ...] | None = None
    owners: bool = False  # are those of the backup, else who has the folder

    def in_the_way(self) -> list[Path]:
        found = sorted(self.target.iterdir()) if self.target.is_dir() else []
        found = [path for path in found if not path.name.startswith((STAGED, ".before-restore-"))]
        return found if self.names is None else [path for path in found if path.name in self.names]


def restore(given: Path, places: Places, tell: Tell) -> None:
    """All that can be refused is refused, by a Problem, before anything is moved."""
    backup = latest(given)
    manifest = read_manifest(backup)
    tell(Text(f"{backup}: 확인합니다", f"{backup}: looking whether it is whole"))
    for fault in damages(backup, manifest):
        raise Problem(f"손상된 백업: {fault.ko}", f"a damaged backup: {fault.en}")
    parts, names = _parts(backup, manifest, places)
    _refuse(manifest, places, parts, names)
    before = os.umask(0o077)
    try:
        with told(backup), _staged(parts) as staged:
            dumped = _stage_registry(backup, manifest, places)
            for part, folder in staged:
                _put(part, folder, places.aside)
                tell(Text(f"되살림: {part.target}", f"restored: {part.target}"))
        _restore_registry(dumped, places, tell)
        for name in names:
            _restore_readings(backup, manifest, places, (name, tell))
    finally:
        os.umask(before)
    _say_rest(manifest, places, tell)


def _parts(backup: Path, manifest: Manifest, places: Places) -> tuple[list[_Part], list[str]]:
    """All that is copied file by file, and the areas that are."""
    unknown = sorted(set(places.areas) - {*manifest.areas, *manifest.totals})
    if unknown:
        raise Problem(
            f"--area {unknown[0]}: 백업에 없습니다 ({', '.join(manifest.areas)})",
            f"--area {unknown[0]}: not in the backup, which has {', '.join(manifest.areas) or 'none'}",
        )
    names = [name for name in manifest.areas if places.data and (not places.areas or name in places.areas)]
    parts = []
    for name in names:
        assert places.data
        inside = (f"{name}.duckdb", f"{name}.duckdb.wal", f"{name}.registry")
        parts.append(_Part(backup / AREAS / name, places.data, inside))
    if places.totals:
        chosen = [name for name in manifest.totals if not places.areas or name in places.areas]
        parts += [_Part(backup / TOTALS / name, places.totals / name) for name in chosen]
    if places.registry and not manifest.registry_revision and manifest.registry_snapshot:
        parts.append(_Part(backup / SNAPSHOT, places.registry.folder / "snapshot"))
    if places.pki and (backup / PKI).is_dir():
        parts.append(_Part(backup / PKI, places.pki, owners=True))
    return parts, names


def _refuse(manifest: Manifest, places: Places, parts: Sequence[_Part], names: Sequence[str]) -> None:
    for name in names:
        _refuse_area(name, manifest, places)
    if places.registry and places.registry.url and manifest.registry_revision:
        backup_registry.refuse_newer(places.registry)
    if places.replace:
        return
    if places.influx is not None:
        _refuse_used_influx(places.influx)
    for path in (path for part in parts for path in part.in_the_way()):
        raise Problem(
            f"{path}: 이미 있습니다. 밀어 두고 되살리려면 --replace를 주십시오",
            f"{path}: is there already; give --replace to set it aside and restore",
        )
    if places.registry and manifest.registry_revision:
        backup_registry.refuse_used(places.registry)


def _refuse_area(name: str, manifest: Manifest, places: Places) -> None:
    assert places.data
    _refuse_running(name, places.data)
    if manifest.areas[name].schema > SCHEMA:
        raise Problem(
            f"구역 {name}: 더 새로운 프로그램의 형식 {manifest.areas[name].schema}입니다. 프로그램을 올리십시오",
            f"area {name}: of a newer program (schema {manifest.areas[name].schema}); upgrade this one",
        )
    if manifest.areas[name].store != "duckdb" and places.influx is None:
        raise Problem(
            f"구역 {name}: 측정값이 InfluxDB에 있었습니다. --influx-url이 필요합니다",
            f"area {name}: its readings were in InfluxDB; expected --influx-url",
        )


def _refuse_used_influx(settings: InfluxSettings) -> None:
    influx = InfluxConnection(settings)
    try:
        influx.check()
        used = earliest_s(influx, list(QUANTITIES)) is not None
    except StoreUnavailable as unavailable:
        raise Problem(f"InfluxDB {unavailable}", f"InfluxDB {unavailable}") from unavailable
    finally:
        influx.close()
    if used:
        name = f"{settings.url} '{settings.database}'"
        raise Problem(
            f"InfluxDB {name}: 측정값이 이미 있습니다. 더하려면 --replace를 주십시오",
            f"InfluxDB {name}: has readings already; give --replace to add to them",
        )


def _refuse_running(name: str, data: Path) -> None:
    """Another process may have the file open, or answer on the usual socket."""
    with contextlib.suppress(OSError), sockets.socket(sockets.AF_UNIX) as probe:
        probe.settimeout(1.0)
        probe.connect(os.fspath(data / f"{name}.sock"))
        raise _running(name)
    with contextlib.suppress(FileNotFoundError), (data / f"{name}.duckdb").open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise _running(name) from error


def _running(name: str) -> Problem:
    return Problem(
        f"구역 {name}: 프로세스가 돌고 있습니다. 먼저 멈추십시오", f"area {name}: its process is running; stop it first"
    )


@contextlib.contextmanager
def _staged(parts: Sequence[_Part]) -> Iterator[list[tuple[_Part, Path]]]:
    """Copies of the parts beside their places: a disk that is too small is found before anything is moved."""
    staged = []
    try:
        for number, part in enumerate(parts):
            if not part.target.exists():
                part.target.mkdir(parents=True)
                _own(part.target, part.target.parent)
            folder = part.target / f"{STAGED}-{number}"
            shutil.rmtree(folder, ignore_errors=True)
            staged.append((part, folder))
            folder.mkdir()
            for path in sorted(part.source.rglob("*")):
                inside = path.relative_to(part.source)
                if READINGS not in inside.parts[:1]:
                    (copy_folder if path.is_dir() else copy_file)(path, folder / inside)
        yield staged
    finally:
        for _, folder in staged:
            shutil.rmtree(folder, ignore_errors=True)


def _put(part: _Part, staged: Path, aside: str) -> None:
    for path in part.in_the_way():
        (part.target / aside).mkdir(exist_ok=True)
        path.rename(part.target / aside / path.name)
    for path in sorted(staged.iterdir()):
        if not part.owners:
            _own(path, part.target)
        path.rename(part.target / path.name)
    sync(part.target)


def _own(path: Path, folder: Path) -> None:
    """What root restores belongs to whom the folder belongs."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for one in (path, *path.rglob("*")):
            os.chown(one, owner.st_uid, owner.st_gid)


def _stage_registry(backup: Path, manifest: Manifest, places: Places) -> Path | None:
    """A copy of the registry's dump, brought to this program's version."""
    if places.registry is None or not manifest.registry_revision:
        return None
    folder = places.registry.folder / f"{STAGED}-registry"
    shutil.rmtree(folder, ignore_errors=True)
    for path in sorted((backup / REGISTRY).iterdir()):
        copy_file(path, folder / path.name)
    backup_registry.upgrade_dump(folder)
    return folder


def _restore_registry(dumped: Path | None, places: Places, tell: Tell) -> None:
    where = places.registry
    if dumped is None or where is None:
        return
    try:
        if where.url:
            if not backup_registry.is_fresh(where):
                backup_registry.dump(where, where.folder / places.aside, tell)
            backup_registry.load(where, dumped, tell)
        else:
            names = tuple(f"{file}{more}" for file in (database.FILE, imports.FILE) for more in ("", "-wal", "-shm"))
            _put(_Part(dumped, where.folder, names), dumped, places.aside)
        version = backup_registry.publish(where, tell)
        _own(where.folder / "snapshot", where.folder)
        tell(Text(f"되살림: 등록부 (사본 {version})", f"restored: the registry (snapshot {version})"))
    finally:
        shutil.rmtree(dumped, ignore_errors=True)


def _restore_readings(backup: Path, manifest: Manifest, places: Places, for_: tuple[str, Tell]) -> None:
    name, tell = for_
    folder = backup / AREAS / name / READINGS
    if manifest.areas[name].store == "duckdb" or places.influx is None or places.data is None:
        return
    file = places.data / f"{name}.duckdb"
    store = InfluxStore(places.influx, DuckStore(file))
    try:
        for path in sorted(folder.glob("*.parquet")):
            _load_day(store, path)
            tell(Text(f"되살림: {name} {path.stem}", f"restored: {name} {path.stem}"))
    except StoreUnavailable as unavailable:
        raise Problem(f"구역 {name}: {unavailable}", f"area {name}: {unavailable}") from unavailable
    finally:
        store.close()
        _own(file, places.data)


def _load_day(store: InfluxStore, path: Path) -> None:
    with parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number)
            series = store.series(rows["meter"].combine_chunks(), rows["quantity"].combine_chunks())
            store.load(rows.append_column("series", [series]).select(APPEND.names).cast(APPEND))


def _say_rest(manifest: Manifest, places: Places, tell: Tell) -> None:
    has: list[tuple[str, bool, Callable[[], bool]]] = [
        ("--data", bool(manifest.areas), lambda: places.data is None),
        ("--totals", bool(manifest.totals), lambda: places.totals is None),
        ("--registry", bool(manifest.registry_snapshot), lambda: places.registry is None),
        ("--pki", any(name.startswith(f"{PKI}/") for name in manifest.files), lambda: places.pki is None),
    ]
    for option, there, left in has:
        if there and left():
            tell(Text(f"되살리지 않음: {option}이 없어서", f"not restored, for want of {option}"))
    for name in manifest.left_out:
        tell(Text(f"백업에 없는 개인 키: {name}", f"a private key that no backup has: {name}"))
