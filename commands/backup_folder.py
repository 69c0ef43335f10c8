"""A backup on disk: a folder of its own, of which a manifest, written last, names every file with its hash."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from contract.problems import Problem, Text
from contract.version import VERSION

MANIFEST = "manifest.json"
FORMAT = 1
AREAS, TOTALS, REGISTRY, SNAPSHOT, PKI = "areas", "totals", "registry", "snapshot", "pki"
_PARTIAL = ".partial"

Tell = Callable[[Text], None]


class CopiedFile(msgspec.Struct):
    """A file of the backup."""

    bytes: int
    sha256: str


class CopiedArea(msgspec.Struct):
    """`store` is where its readings were: in the area's own file, or in files beside it, from InfluxDB."""

    commits: int
    schema: int
    store: str


class Manifest(msgspec.Struct):
    """What a backup holds. `files` are by their path in the backup; `left_out` are secrets."""

    program: str
    begun_s: float
    ended_s: float = 0.0
    format: int = FORMAT
    areas: dict[str, CopiedArea] = {}
    totals: list[str] = []
    registry_revision: str = ""
    registry_snapshot: str = ""
    left_out: list[str] = []
    files: dict[str, CopiedFile] = {}


@contextlib.contextmanager
def new_backup(to: Path) -> Iterator[Path]:
    """A folder in `to` for a backup, under its final name only once all went well; then the manifest is in it."""
    before = os.umask(0o077)  # what is in it is as private as what it was made from
    try:
        with told(to):
            to.mkdir(parents=True, exist_ok=True)
        with _alone(to), told(to):
            for left in to.glob(f"*{_PARTIAL}"):
                shutil.rmtree(left)
            folder = to / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}{_PARTIAL}"
            folder.mkdir()
            try:
                yield folder
                folder.rename(folder.with_suffix(""))
                sync(to)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.umask(before)


def seal(folder: Path, manifest: Manifest, tell: Tell) -> None:
    """Write the manifest, after all that it names is on disk."""
    manifest.files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        manifest.files[name] = CopiedFile(path.stat().st_size, sha256(path))
        sync(path)
    for inner in folder.rglob("*"):
        if inner.is_dir():
            sync(inner)
    manifest.ended_s = time.time()
    path = folder / MANIFEST
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    sync(path)
    sync(folder)
    size_mb = sum(file.bytes for file in manifest.files.values()) / 1e6
    tell(Text(f"파일 {len(manifest.files)}개, {size_mb:,.1f} MB", f"{len(manifest.files)} files, {size_mb:,.1f} MB"))


def read_manifest(backup: Path) -> Manifest:
    """Raises Problem for one that is none, or that a newer program made."""
    try:
        manifest = msgspec.json.decode((backup / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise Problem(
            f"{backup}: 백업이 아닙니다. 끝까지 쓰인 백업에는 {MANIFEST}이 있습니다: {error}",
            f"{backup}: no backup; one that was written to its end has a {MANIFEST}: {error}",
        ) from error
    if manifest.format > FORMAT or _numbers(manifest.program) > _numbers(VERSION):
        raise Problem(
            f"{backup}: 새 프로그램({manifest.program})의 백업입니다. 이 프로그램({VERSION})을 올리십시오",
            f"{backup}: made by a newer program ({manifest.program}); upgrade this one ({VERSION})",
        )
    return manifest


def backups(folder: Path) -> list[Path]:
    """Those that count, oldest first; a folder that is one itself is all there is."""
    if (folder / MANIFEST).is_file():
        return [folder]
    with told(folder):
        names = sorted(path for path in folder.iterdir() if not path.name.endswith(_PARTIAL))
        return [path for path in names if (path / MANIFEST).is_file()]


def latest(folder: Path) -> Path:
    """The backup that the folder is, or the latest one in it. Raises Problem."""
    found = backups(folder)
    if not found:
        raise Problem(f"{folder}: 백업이 없습니다 ({MANIFEST})", f"{folder}: no backup in it (no {MANIFEST})")
    return found[-1]


def keep_latest(to: Path, count: int) -> list[Path]:
    """Drop all but so many; which were dropped."""
    dropped = backups(to)[:-count]
    with told(to):
        for backup in dropped:
            (backup / MANIFEST).unlink()  # from here on it does not count
            shutil.rmtree(backup)
    return dropped


def damages(backup: Path, manifest: Manifest) -> Iterator[Text]:
    """What differs from the manifest, file by file."""
    for name, expected in manifest.files.items():
        path = backup / name
        try:
            size = path.stat().st_size
            if size != expected.bytes:
                yield Text(
                    f"{path}: {size}바이트 ({expected.bytes}이어야 함)", f"{path}: {size} bytes, not {expected.bytes}"
                )
            elif sha256(path) != expected.sha256:
                yield Text(f"{path}: 내용이 바뀌었습니다", f"{path}: its content has changed")
        except OSError as error:
            yield Text(f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}")


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_file(source: Path, target: Path) -> None:
    """As `copy_look` has it, on disk when this returns."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    copy_look(source, target)
    sync(target)


def copy_folder(source: Path, target: Path) -> None:
    """As `copy_look` has it, without what is in it."""
    target.mkdir(parents=True, exist_ok=True)
    copy_look(source, target)


def copy_look(source: Path, target: Path) -> None:
    """Time and mode, and whose it is where we may."""
    shutil.copystat(source, target)
    if os.geteuid() == 0:
        owner = source.stat()
        os.chown(target, owner.st_uid, owner.st_gid)


def sync(path: Path) -> None:
    """A file's content, or a folder's names, to disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Make a Problem of what a disk says."""
    try:
        yield
    except OSError as error:
        name = error.filename or folder
        raise Problem(
            f"{name}: 읽거나 쓸 수 없습니다: {error.strerror}", f"{name}: cannot be read or written: {error.strerror}"
        ) from error


@contextlib.contextmanager
def _alone(to: Path) -> Iterator[None]:
    with told(to):
        lock = (to / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Problem(
                f"{to}: 다른 백업이 여기에 쓰고 있습니다", f"{to}: another backup is being written here"
            ) from error
        yield


def _numbers(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]
