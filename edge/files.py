"""TOML files as typed values: an unknown key or a wrong type is one line that names file, place and key."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from contract.problems import Problem

_T = TypeVar("_T")


def read_toml(path: Path, shape: type[_T]) -> _T:
    """The file as `shape`, a msgspec.Struct with `forbid_unknown_fields`. Raises Problem."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), shape)
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Problem(f"{path}: {error}", f"{path}: {error}") from error
