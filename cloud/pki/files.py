"""Files that are there whole or not at all, and belong to whom their folder belongs to."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.problems import Problem

SECRET, OPEN = 0o600, 0o644
LOCK = ".lock"


def write_file(path: Path, data: bytes, mode: int) -> None:
    """Replace the file in one step, on disk when this returns. Raises Problem; the old one is then untouched."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = path.parent.stat()
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, SECRET)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
                if os.geteuid() == 0:
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise Problem(
            f"{path}: 쓸 수 없습니다: {error.strerror}", f"{path}: cannot be written: {error.strerror}"
        ) from error


def exists(path: Path) -> bool:
    """Raises Problem where we may not look."""
    try:
        return path.exists()
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error


def read_file(path: Path) -> bytes:
    """Raises Problem."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time issues or takes back. Raises Problem."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SECRET)
    except OSError as error:
        raise Problem(
            f"{folder}: 쓸 수 없습니다: {error.strerror}", f"{folder}: cannot be written: {error.strerror}"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
