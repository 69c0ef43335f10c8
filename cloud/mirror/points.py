"""PURE: points as InfluxDB lines, a few from records and many from tables, and what differs from what is there.

A table of points has the columns `tags` ("level=dong,region=101", by name), `time_s` and a column a field; a field
that is null is not written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from contract.quality import FIRST_MISSING

TAGS, TIME, QUALITY = "tags", "time_s", "quality"
MISSING = FIRST_MISSING  # of a point that has no value

Field = float | int | str | None


@dataclass(frozen=True)
class Point:
    """One point; tags that are empty and fields that are None are left out."""

    measurement: str
    tags: Mapping[str, str]
    fields: Mapping[str, Field]


@dataclass(frozen=True)
class Sheet:
    """All points that there should be of a measurement from `start_s` until before `end_s` at these `levels`, each
    with all of these tags, by name. What is there of the sites `elsewhere` is left as it is.
    """

    measurement: str
    levels: tuple[str, ...]
    tags: tuple[str, ...]
    start_s: int
    end_s: int
    rows: pa.Table
    elsewhere: frozenset[str] = frozenset()


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One array: joining strings takes no chunked ones."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def tagged(size: int, tags: Mapping[str, str | pa.Array]) -> pa.Array:
    """The column of tags, by name."""
    parts: list[pa.Array] = []
    for name in sorted(tags):
        value = tags[name]
        values = pa.repeat(pa.scalar(tag(value)), size) if isinstance(value, str) else _escaped_tags(value)
        parts.append(pc.binary_join_element_wise(f"{name}=", values, ""))
    return pc.binary_join_element_wise(*parts, ",")


def tag(text: str) -> str:
    """A tag's value as it stands in a line."""
    plain = " ".join(text.split())
    return plain.replace("\\", "/").replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def few(points: Iterable[Point], time_s: int) -> bytes:
    """The lines of a handful of points of one moment; one that would have no field is left out."""
    return b"".join(_line(point, time_s) for point in points)


def many(measurement: str, rows: pa.Table) -> pa.StringArray:
    """A line for each row that has a field at all, with its line feed."""
    parts = [_field(name, whole(rows[name])) for name in rows.column_names if name not in (TAGS, TIME)]
    fields = pc.binary_join_element_wise(*parts, "")
    there = pc.not_equal(fields, "")
    lines = pc.binary_join_element_wise(
        f"{measurement},",
        whole(rows[TAGS]),
        " ",
        pc.utf8_slice_codeunits(fields, 1),
        " ",
        whole(rows[TIME]).cast(pa.string()),
        "\n",
        "",
    )
    return lines if pc.all(there).as_py() in (True, None) else lines.filter(there)


def different(rows: pa.Table, there: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Which of `rows` are not `there` as they should be, and what is there with a value and should not be."""
    if not there.num_rows:
        return rows, there
    keys, known = _keys(rows), _keys(there)
    at = pc.index_in(keys, known)
    same = pc.is_valid(at)
    for name in rows.column_names:
        if name not in (TAGS, TIME):
            same = pc.and_(same, _equal(name, rows, there, at))
    gone = pc.and_(pc.is_null(pc.index_in(known, keys)), pc.less(whole(there[QUALITY]), MISSING))
    return rows.filter(pc.invert(same)), there.filter(gone)


def outside(rows: pa.Table, sites: frozenset[str]) -> pa.Table:
    """Those that are of none of these sites."""
    if not sites:
        return rows
    site = pc.struct_field(pc.extract_regex(whole(rows[TAGS]), "(?:^|,)site=(?P<site>[^,]*)"), "site")
    return rows.filter(pc.invert(pc.is_in(site, pa.array(sorted(sites), pa.string()))))


def emptied(rows: pa.Table) -> pa.Table:
    """The same points without a value."""
    quality = pa.repeat(pa.scalar(MISSING, pa.int64()), rows.num_rows)
    return pa.table({TAGS: rows[TAGS], TIME: rows[TIME], QUALITY: quality})


def _keys(rows: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(whole(rows[TAGS]), whole(rows[TIME]).cast(pa.string()), " ")


def _equal(name: str, rows: pa.Table, there: pa.Table, at: pa.Array) -> pa.Array:
    """A field that should be null may be anything: what was written stays when a point is written without it."""
    wanted = whole(rows[name])
    found = whole(there[name]).take(at).cast(wanted.type)
    return pc.or_(pc.is_null(wanted), pc.fill_null(pc.equal(wanted, found), False))


def _field(name: str, column: pa.Array) -> pa.Array:
    if pa.types.is_integer(column.type):
        text = pc.binary_join_element_wise(f",{name}=", column.cast(pa.string()), "i", "")
    elif pa.types.is_floating(column.type):
        finite = pc.if_else(pc.is_finite(column), column, None)
        text = pc.binary_join_element_wise(f",{name}=", finite.cast(pa.string()), "")
    else:
        escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
        text = pc.binary_join_element_wise(f',{name}="', pc.replace_substring(escaped, "\n", " "), '"', "")
    return pc.fill_null(text, "")


def _escaped_tags(values: pa.Array) -> pa.Array:
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    words = pa.array([tag(str(word)) for word in coded.dictionary.to_pylist()], pa.string())
    return words.take(coded.indices)


def _line(point: Point, time_s: int) -> bytes:
    fields = ",".join(f"{name}={_value(value)}" for name, value in point.fields.items() if value is not None)
    tags = ",".join(f"{name}={tag(value)}" for name, value in sorted(point.tags.items()) if value)
    return f"{point.measurement}{',' if tags else ''}{tags} {fields} {time_s}\n".encode() if fields else b""


def _value(value: float | str) -> str:
    if isinstance(value, str):
        plain = " ".join(value.split("\n")).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{plain}"'
    return repr(value) if isinstance(value, float) else f"{int(value)}i"


def names_of(values: Sequence[str]) -> pa.Array:
    """Strings as a column."""
    return pa.array(values, pa.string())
