"""Rows out of InfluxDB: InfluxQL of the portable subset, answers as CSV into Arrow, none of them unbounded."""

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from cloud.store.influx_http import InfluxConnection
from cloud.store.lines import any_of, real_name, safe_name
from cloud.store.protocol import ROWS, StoreUnavailable
from contract.quality import FIRST_MISSING

ANSWER_ROWS = 200_000  # what an answer is steered towards
FIRST_GUESS_TICK_S = 10
ASK_CHARACTERS = 6000  # proxies refuse longer addresses
END_S = 2**33  # InfluxDB's 64 bits of nanoseconds end in 2262

_CSV = pyarrow.csv.ConvertOptions(
    include_columns=["tags", "time", "value", "quality", "at_ms"],
    column_types={
        "tags": pa.dictionary(pa.int32(), pa.string()),
        "time": pa.int64(),
        "value": pa.float64(),
        "quality": pa.uint8(),
        "at_ms": pa.int32(),
    },
)
_FOUND = pa.schema([("place", pa.int32()), *list(ROWS)[2:]])


class _Question(NamedTuple):
    quantity: str
    condition: str
    start_s: int
    end_s: int
    meters: int

    def select(self, what: str, start_s: int, end_s: int) -> str:
        window = f"time >= {start_s}s AND time < {end_s}s"
        # InfluxQL's bind parameters are not portable; all names in here went through safe_name
        return f'SELECT {what} FROM "{self.quantity}" WHERE {window}{self.condition}'  # noqa: S608


def read_rows(influx: InfluxConnection, picked: pa.Table, start_s: int, end_s: int, *, by_meter: bool) -> pa.Table:
    """ROWS of the series in `picked` (as `books.pick_series` has them); `by_meter` asks for no meters but these."""
    found = [_FOUND.empty_table()]
    for quantity in picked.column("quantity").unique().to_pylist():
        series = picked.filter(pc.equal(picked.column("quantity"), quantity))
        names = [safe_name(meter) for meter in series.column("meter").to_pylist()]
        for meters, condition in _conditions(names) if by_meter else [(len(names), "")]:
            question = _Question(safe_name(quantity), condition, max(start_s, 0), min(end_s, END_S), meters)
            found += [_placed(answer, series) for answer in _answers(influx, question)]
    return _in_order(pa.concat_tables(found), picked)


def _conditions(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The meters in groups, each with how many it has, so that an address stays short enough."""
    group: list[str] = []
    length = 0
    for name in names:
        if length + len(name) > ASK_CHARACTERS:
            yield len(group), " AND " + any_of("meter", group)
            group, length = [], 0
        group.append(name)
        length += len(name) + 3  # `|` takes three characters in an address
    if group:
        yield len(group), " AND " + any_of("meter", group)


def _answers(influx: InfluxConnection, question: _Question) -> Iterator[pa.Table]:
    """Windows of time, one after the other, sized by what the last one brought; spans without rows are skipped."""
    window_s = max(1, ANSWER_ROWS * FIRST_GUESS_TICK_S // question.meters)
    start_s, promised = question.start_s, False
    while start_s < question.end_s:
        end_s = min(question.end_s, start_s + window_s)
        csv = influx.csv(question.select('"value", "quality", "at_ms"', start_s, end_s) + ' GROUP BY "meter"')
        if csv:
            answer = _parsed(csv, influx.settings.url)
            yield answer
            window_s = max(1, min(window_s * 4, window_s * ANSWER_ROWS // max(1, answer.num_rows)))
            start_s, promised = end_s, False
            continue
        if promised:
            raise StoreUnavailable(f"{influx.settings.url}: no answer where there are rows of {question.quantity}")
        # the CSV of an error is empty as well; asked in JSON the two differ
        first_s = influx.first_s(question.select('first("quality")', start_s, question.end_s))
        if first_s is None:
            return
        promised = first_s < end_s
        start_s = max(start_s, first_s)


def _parsed(csv: bytes, url: str) -> pa.Table:
    try:
        return pyarrow.csv.read_csv(io.BytesIO(csv), convert_options=_CSV)
    except (pa.ArrowInvalid, KeyError) as error:
        said = csv[:200].decode("utf-8", "replace")
        raise StoreUnavailable(f"{url}: an answer that is not ours: {error}: {said}") from error


def _placed(answer: pa.Table, series: pa.Table) -> pa.Table:
    """The answer with the places of its series instead of tags, without meters that are not among `series`."""
    tags = answer.column("tags").unify_dictionaries().combine_chunks()
    meters = [real_name(tag.removeprefix("meter=")) for tag in tags.dictionary.to_pylist()]
    known = pc.index_in(pa.array(meters, pa.string()), series.column("meter").combine_chunks())
    place = series.column("place").combine_chunks().take(known).take(tags.indices)
    quality = pc.fill_null(answer.column("quality"), 0)
    value = pc.if_else(pc.less(quality, FIRST_MISSING), answer.column("value"), None)
    columns = [place, answer.column("time"), value, quality, pc.fill_null(answer.column("at_ms"), 0)]
    return pa.table(columns, schema=_FOUND).filter(pc.is_valid(place))


def _in_order(found: pa.Table, picked: pa.Table) -> pa.Table:
    """ROWS by meter, quantity and time."""
    key = found.column("place").to_numpy().astype(np.int64) << 36 | found.column("time_s").to_numpy()
    found = found.take(pa.array(np.argsort(key, kind="stable")))
    place = found.column("place")
    names = [picked.column(name).take(place) for name in ("meter", "quantity")]
    return pa.table([*names, *found.columns[1:]], ROWS.names).cast(ROWS)
