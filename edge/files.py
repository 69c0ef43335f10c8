"""TOML files as typed values: an unknown key or a wrong type is one line that names file, place and key."""

import re
import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec

from contract.problems import Problem

_T = TypeVar("_T")
_PLACE = re.compile(r" - at `\$\.?(?P<place>[^`]*)`$")
# msgspec's complaints, which exist in English only, and the same in Korean.
_KOREAN = (
    (re.compile(r"Object contains unknown field `(.+)`"), r"'\1'은(는) 없는 설정입니다"),
    (re.compile(r"Object missing required field `(.+)`"), r"'\1' 설정이 빠졌습니다"),
    (re.compile(r"Invalid enum value (.+)"), r"쓸 수 없는 값입니다: \1"),
)
_TYPES = re.compile(r"Expected `(.+)`, got `(.+)`")
_KOREAN_TYPES = {
    "str": "문자열",
    "int": "정수",
    "float": "실수",
    "bool": "참/거짓",
    "array": "배열",
    "object": "표",
    "date": "날짜",
    "time": "시각",
    "datetime": "날짜와 시각",
}


def read_toml(path: Path, shape: type[_T]) -> _T:
    """The file as `shape`, a msgspec.Struct with `forbid_unknown_fields`. Raises Problem."""
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, a number too long, brackets too deep
        raise Problem(f"{path}: TOML 형식이 아닙니다: {error}", f"{path}: no TOML: {error}") from error
    try:
        return msgspec.convert(read, shape)
    except msgspec.ValidationError as error:
        ko, en = _told(str(error))
        raise Problem(f"{path}: {ko}", f"{path}: {en}") from error


def _told(complaint: str) -> tuple[str, str]:
    """A complaint of msgspec's in Korean and English, its place first: "line[0].meter[2]: …"."""
    found = _PLACE.search(complaint)
    place = f"{found['place']}: " if found and found["place"] else ""
    english = _PLACE.sub("", complaint)
    korean = next((shape.sub(text, english) for shape, text in _KOREAN if shape.search(english)), english)
    if types := _TYPES.fullmatch(english):
        korean = _types_in_korean(*types.groups())
    return place + korean, place + english[0].lower() + english[1:]


def _types_in_korean(expected: str, got: str) -> str:
    # TOML has no null: "float | null" is a setting that may be left out
    names = [_KOREAN_TYPES.get(name, name) for name in expected.split(" | ") if name != "null"]
    return f"{' 또는 '.join(names)}{_be(names[-1])}야 하는데 {_KOREAN_TYPES.get(got, got)}입니다"


def _be(noun: str) -> str:
    """이어 after a final consonant, 여 after a vowel."""
    last = ord(noun[-1]) - ord("가")
    return "이어" if 0 <= last <= ord("힣") - ord("가") and last % 28 else "여"
