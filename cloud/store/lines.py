"""Readings as InfluxDB lines, whole columns at a time, and names that are safe in lines and in InfluxQL. Pure.

    electricity_import_kwh,meter=hanam-e01 value=1234.5,quality=0i,at_ms=120i 1795392000

Measurement is the quantity, the one tag the meter. `quality` and `at_ms` are always written and `value` unless
it is missing, so that of two arrivals the later replaces the earlier, but for a value that went missing: who
reads takes `value` only where `quality` is below 16.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# what needs no escape anywhere: in a line, in an InfluxQL string or name, in a CSV field
_SAFE = re.compile(r"[A-Za-z0-9_.~-]+")

_STATUS = pa.array([f"quality={quality}i,at_ms=" for quality in range(256)])


def safe_name(name: str) -> str:
    """The name itself, which is the rule (`[a-z0-9-]+`), or its percent-encoding."""
    return name if _SAFE.fullmatch(name) else quote(name, safe="")


def real_name(name: str) -> str:
    """What `safe_name` was given."""
    return unquote(name) if "%" in name else name


def head(meter: str, quantity: str) -> str:
    """The beginning of each line of a series."""
    return f"{safe_name(quantity)},meter={safe_name(meter)} "


def line_protocol(heads: pa.StringArray, readings: pa.Table) -> pa.StringArray:
    """One line a reading, with its line feed; `heads` is by the number of the series.

    Values are printed with the fewest digits that read back as the same double.
    """
    columns = {name: _whole(readings.column(name)) for name in readings.column_names}
    value = columns["value"].cast(pa.string())
    value = pc.fill_null(pc.binary_join_element_wise("value=", value, ",", ""), "")
    return pc.binary_join_element_wise(
        heads.take(columns["series"]),
        value,
        _STATUS.take(columns["quality"]),
        columns["at_ms"].cast(pa.string()),
        "i ",
        columns["time_s"].cast(pa.string()),
        "\n",
        "",
    )


def body(lines: pa.StringArray) -> memoryview:
    """The lines one after the other, without a copy: in an Arrow array they stand so already."""
    if len(lines) == 0:
        return memoryview(b"")
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]]


def last_of_each(readings: pa.Table) -> npt.NDArray[np.int64] | None:
    """The rows that are the last of their identity, ascending, or None where all are: posts in parallel know no
    order.
    """
    key = readings.column("series").to_numpy().astype(np.int64) << 36 | readings.column("time_s").to_numpy()
    ordered = np.sort(key)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    _, from_end = np.unique(key[::-1], return_index=True)
    return np.sort(len(key) - 1 - from_end)


def any_of(tag: str, names: Sequence[str]) -> str:
    """The InfluxQL condition that `tag` is one of `names` (safe ones)."""
    return f'"{tag}" =~ /^({"|".join(name.replace(".", "[.]") for name in names)})$/'


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """One array: joining strings takes no chunked ones."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
