"""What a cell's text means, one at a time and a column at a time. Times without an offset are Korean."""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cloud.registry.boundaries import boundary_text
from cloud.registry.columns import KINDS, Column, Kind
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from contract.problems import Problem, Text
from contract.quantities import QUANTITIES
from contract.topics import NAME

Value = str | int | float | bool | None
SEOUL = timezone(timedelta(hours=9))
ARROW: Mapping[Kind, pa.DataType] = {
    "name": pa.string(),
    "text": pa.string(),
    "words": pa.string(),
    "choice": pa.string(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "yesno": pa.bool_(),
    "from": pa.int64(),
    "to": pa.int64(),
    "shape": pa.string(),
}
SHOWN = 60  # characters of a refused cell
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?(Z|[+-]\d\d:?\d\d)?")
_EPOCH = re.compile(r"\d{9,11}")  # since 1973; fewer digits are rather a date written otherwise
_WHOLE = re.compile(r"-?\d{1,15}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_YES_NO = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


def parse_cell(column: Column, text: str) -> Value:
    """The value of a cell that is not empty, or None where it is none that the column can have."""
    value = _PARSERS[column.kind](column, text)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    in_range = column.kind not in ("whole", "number") or (
        isinstance(value, int | float) and column.low <= value <= column.high
    )
    return value if in_range else None


def parse_value(column: Column, text: str) -> Value:
    """The value of a cell as a person gave it; empty is what the column has by default. Raises Problem."""
    stripped = text.strip() or column.default
    if not stripped:
        return empty_value(column)
    value = parse_cell(column, stripped)
    if value is None:
        found = complaint(column, text)
        raise Problem(found.ko, found.en)
    return value


def empty_value(column: Column) -> Value:
    """What an empty cell means: an open bound, the default, or nothing."""
    if column.kind in ("from", "to"):
        return OPEN_FROM_S if column.kind == "from" else OPEN_TO_S
    return parse_cell(column, column.default) if column.default else None


def parse_time(text: str) -> int:
    """A moment, as in files. Raises Problem."""
    found = parse_value(Column("time", "from", Text("", "")), text)
    assert isinstance(found, int)
    return found


def show_time(time_s: int) -> str:
    """As it may be read back: ISO with Korea's offset; empty where open."""
    if time_s in (OPEN_FROM_S, OPEN_TO_S):
        return ""
    return datetime.fromtimestamp(time_s, UTC).astimezone(SEOUL).isoformat()


def complaint(column: Column, text: str) -> Text:
    """Why a cell is refused."""
    more = f" ({', '.join(column.choices)})" if column.choices else ""
    if column.kind in ("whole", "number"):
        more = f" ({column.low:g}~{column.high:g})"
    kind, name = KINDS[column.kind], column.name
    shown = "".join(c if c.isprintable() else " " for c in text[:SHOWN]) + "…" * (len(text) > SHOWN)
    return Text(f"{name} '{shown}': {kind.ko}{more}이어야 합니다", f"{name} '{shown}': expected {kind.en}{more}")


def parse_column(
    path: Path, column: Column, texts: pa.ChunkedArray, lines: pa.ChunkedArray
) -> tuple[pa.Array, list[Text]]:
    """The values of a column, null where the cell is empty, and what is wrong with it."""
    trimmed = pc.utf8_trim_whitespace(texts).combine_chunks()
    trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    if column.kind == "name":
        values = pc.if_else(pc.match_substring_regex(trimmed, f"^(?:{NAME.pattern})$"), trimmed, None)
    else:
        encoded = trimmed.dictionary_encode()
        different = [parse_cell(column, text) for text in encoded.dictionary.to_pylist()]
        values = pa.array(different, ARROW[column.kind]).take(encoded.indices)
    bad = pc.and_(pc.is_null(values), pc.is_valid(trimmed))
    found = []
    if pc.any(bad).as_py():
        for text, line in zip(trimmed.filter(bad)[:21].to_pylist(), lines.filter(bad)[:21].to_pylist(), strict=True):
            why = complaint(column, text)
            found.append(Text(f"{path}:{line}: {why.ko}", f"{path}:{line}: {why.en}"))
    return values, found


def _name(_: Column, text: str) -> Value:
    return text if NAME.fullmatch(text) else None


def _text(_: Column, text: str) -> Value:
    return text if len(text) <= 200 and not _CONTROL.search(text) else None


def _words(_: Column, text: str) -> Value:
    words = list(dict.fromkeys(text.split()))
    return " ".join(words) if words and all(word in QUANTITIES for word in words) else None


def _choice(column: Column, text: str) -> Value:
    return text if text in column.choices else None


def _whole(_: Column, text: str) -> Value:
    return int(text) if _WHOLE.fullmatch(text) else None


def _number(_: Column, text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return None


def _yesno(_: Column, text: str) -> Value:
    return _YES_NO.get(text.lower())


def _time(_: Column, text: str) -> Value:
    if _EPOCH.fullmatch(text):
        return int(text)
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=SEOUL)).timestamp())
    except (ValueError, OverflowError):
        return None


def _shape(_: Column, text: str) -> Value:
    try:
        return boundary_text(json.loads(text))
    except (ValueError, Problem):
        return None


_PARSERS: Mapping[Kind, Callable[[Column, str], Value]] = {
    "name": _name,
    "text": _text,
    "words": _words,
    "choice": _choice,
    "whole": _whole,
    "number": _number,
    "yesno": _yesno,
    "from": _time,
    "to": _time,
    "shape": _shape,
}
