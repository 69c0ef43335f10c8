"""Messages to readings and refusals. Pure: the clock is handed in, and any bytes give an answer.

A plain batch costs one decode and a few comprehensions; its readings are judged together with those of all other
messages, as arrays. A message with anything in it that is not right is judged again, alone, record by record, so
that what is valid in it is stored and the rest is refused by name.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.ingest.known import Known
from cloud.store.protocol import APPEND
from contract.quality import FIRST_MISSING, REASON_OF, REASONS, Quality
from contract.refusals import IMPLAUSIBLE_CLOCK, TOO_LARGE, TOO_OLD, UNKNOWN_GATEWAY
from contract.senml import (
    AT_LIMIT_S,
    FUTURE_TOLERANCE_S,
    MAX_BATCH_BYTES,
    Refused,
    Resolved,
    decode_plain,
    resolve,
)

PLAUSIBLE_FROM_S = 1_577_836_800  # 2020-01-01: a clock before it was never set
TOO_LARGE_KEPT = 4096  # characters of a message too large that quarantine shows
MAX_REFUSED_CHARACTERS = 1_000_000  # of one message: eight times its size
NOT_KEPT = '"not kept: too much of the message was refused"'


class Message(NamedTuple):
    """One message of readings, as it came from `gateway`."""

    gateway: str
    payload: bytes


class Bounds(NamedTuple):
    """Which ticks are taken now: oldest_s <= time_s <= latest_s."""

    oldest_s: int
    latest_s: int

    @classmethod
    def at(cls, now_s: float, keep_days: int) -> "Bounds":
        """What is still kept open at that moment."""
        return cls(int(now_s) - keep_days * 86_400, int(now_s) + FUTURE_TOLERANCE_S)

    def judge(self, time_s: int) -> str | None:
        """Why a tick is refused, or None."""
        if not PLAUSIBLE_FROM_S <= time_s <= self.latest_s:
            return IMPLAUSIBLE_CLOCK
        return TOO_OLD if time_s < self.oldest_s else None


class Refusal(NamedTuple):
    """What was refused of message number `message`: `readings` of them, for one reason; `record` can be replayed
    where it is whole.
    """

    message: int
    reason: str
    record: str
    readings: int = 1


@dataclass(frozen=True)
class Checked:
    """`readings` (APPEND) in the order of arrival, of which each message brought as many as `counts` says. `sent_s`
    has one time a message, NaN where none was said.
    """

    readings: pa.Table
    counts: npt.NDArray[np.int64]
    refusals: list[Refusal]
    sent_s: npt.NDArray[np.float64]


@dataclass
class _Columns:
    """What plain messages say, one list a column, and by message its number, base time and count of readings."""

    row: list[int] = field(default_factory=list)
    offset_s: list[float] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    base_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)


class _Rows(NamedTuple):
    """Readings as arrays of one length; `message` ascends. NaN stands for a missing value."""

    message: npt.NDArray[np.int32]
    series: npt.NDArray[np.int32]
    time_s: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]
    at_ms: npt.NDArray[np.int32]


def check(messages: Sequence[Message], known: Known, bounds: Bounds) -> Checked:
    """Every reading of every message, taken or refused."""
    columns, sent_s = _Columns(), np.full(len(messages), np.nan)
    doubtful = [n for n, message in enumerate(messages) if not _take(columns, n, message, known, sent_s)]
    rows, failed = _judge(columns, known, bounds)
    refusals: list[Refusal] = []
    closer = sorted(doubtful + failed)
    if closer:
        looked = [_look_closer(n, messages[n], known, bounds, refusals) for n in closer]
        rows = _merge([rows, *(_as_arrays(n, found) for n, found in zip(closer, looked, strict=True))])
    return Checked(_table(rows), np.bincount(rows.message, minlength=len(messages)), refusals, sent_s)


def _take(columns: _Columns, number: int, message: Message, known: Known, sent_s: npt.NDArray[np.float64]) -> bool:
    """Whether the message is plain and names known meters only: then its readings stand in `columns`."""
    if len(message.payload) > MAX_BATCH_BYTES:
        return False
    records = decode_plain(message.payload)
    if not records:
        return records is not None
    header = records[0]
    sent_s[number] = header.sent or np.nan
    rows = list(map(known.names(message.gateway, header.bn).get, [record.n for record in records]))
    values = [record.v for record in records]
    quality = [record.q for record in records]
    if None in rows or (any(quality) and not 0 <= min(quality) <= max(quality) < FIRST_MISSING):
        return False
    if None in values:
        quality = [
            record.q if record.v is not None else REASONS.get(record.vs or "", Quality.GOOD) for record in records
        ]
        if any(value is None and code < FIRST_MISSING for value, code in zip(values, quality, strict=True)):
            return False
    columns.row += rows  # type: ignore[arg-type]  # None was looked for above
    columns.value += values
    columns.quality += quality
    columns.offset_s += [record.t for record in records]
    columns.at_s += [record.at for record in records]
    columns.messages.append(number)
    columns.base_s.append(header.bt)
    columns.counts.append(len(records))
    return True


def _judge(columns: _Columns, known: Known, bounds: Bounds) -> tuple[_Rows, list[int]]:
    """The readings of all messages of which every reading may be taken, and the numbers of the others."""
    counts = np.array(columns.counts, np.int64)
    message = np.repeat(np.array(columns.messages, np.int32), counts)
    row = np.array(columns.row, np.int64)
    value = np.array(columns.value, np.float64)
    quality = np.array(columns.quality, np.uint8)
    at_s = np.array(columns.at_s, np.float64)
    moment_s = np.repeat(np.array(columns.base_s, np.float64), counts) + np.array(columns.offset_s, np.float64)
    good = (moment_s >= max(PLAUSIBLE_FROM_S, bounds.oldest_s)) & (moment_s < bounds.latest_s + 1)
    good &= (moment_s >= known.valid_from_s[row]) & (moment_s < known.valid_to_s[row])
    good &= (np.abs(at_s) <= AT_LIMIT_S) & (np.isfinite(value) | (quality >= FIRST_MISSING))
    failed: list[int] = []
    if not good.all():
        failed = np.unique(message[~good]).tolist()
        kept = ~np.isin(message, failed)
        message, row, value, quality = message[kept], row[kept], value[kept], quality[kept]
        moment_s, at_s = moment_s[kept], at_s[kept]
    tick_s = np.floor(moment_s)
    at_ms = np.rint((moment_s - tick_s + at_s) * 1000).astype(np.int32)
    return _Rows(message, known.series[row], tick_s.astype(np.int64), value, quality, at_ms), failed


def _look_closer(
    number: int, message: Message, known: Known, bounds: Bounds, refusals: list[Refusal]
) -> list[tuple[int, Resolved]]:
    """(series, record) for each record that may be taken; the others are added to `refusals`."""
    if len(message.payload) > MAX_BATCH_BYTES:
        shown = message.payload[:TOO_LARGE_KEPT].decode("utf-8", "replace")
        refusals.append(Refusal(number, TOO_LARGE, shown))
        return []
    records = resolve(message.payload)
    if not known.knows(message.gateway):
        whole = message.payload.decode("utf-8", "replace")
        refusals.append(Refusal(number, UNKNOWN_GATEWAY, whole, max(1, len(records))))
        return []
    taken: list[tuple[int, Resolved]] = []
    if len(records) == 1 and isinstance(records[0], Refused):
        # as it came: what it says can still be mended and replayed
        whole = message.payload.decode("utf-8", "replace")
        refusals.append(Refusal(number, records[0].reason, whole))
        return []
    refused: list[Refused] = []
    for record in records:
        if isinstance(record, Refused):
            refused.append(record)
            continue
        found = bounds.judge(record.time_s) or known.judge(message.gateway, record.name, record.time_s)
        if isinstance(found, str):
            refused.append(Refused(found, as_record(record)))
        else:
            taken.append((int(known.series[found]), record))
    refusals += _bounded(number, refused)
    return taken


def _bounded(number: int, refused: Sequence[Refused]) -> Iterator[Refusal]:
    """One each while there is room for their texts; of the rest only how many there were, by reason.

    Each text carries its base fields, so that a message of empty records could come out a hundred times as large.
    """
    ends = list(accumulate(len(one.record) for one in refused))
    fit = bisect_right(ends, MAX_REFUSED_CHARACTERS)
    for one in refused[:fit]:
        yield Refusal(number, one.reason, one.record)
    for reason, count in Counter(one.reason for one in refused[fit:]).items():
        yield Refusal(number, reason, NOT_KEPT, count)


def as_record(record: Resolved) -> str:
    """The record as SenML that needs no other to be read."""
    shown: dict[str, object] = {"n": record.name, "t": record.time_s}
    if record.value is None:
        shown["vs"] = REASON_OF[Quality(record.quality)]
    else:
        shown |= {"v": record.value, "q": record.quality}
    return json.dumps(shown | {"at": record.at_ms / 1000})


def _as_arrays(number: int, found: Sequence[tuple[int, Resolved]]) -> _Rows:
    values = [record.value for _, record in found]
    return _Rows(
        np.full(len(found), number, np.int32),
        np.array([series for series, _ in found], np.int32),
        np.array([record.time_s for _, record in found], np.int64),
        np.array(values, np.float64),
        np.array([record.quality for _, record in found], np.uint8),
        np.array([record.at_ms for _, record in found], np.int32),
    )


def _merge(parts: Sequence[_Rows]) -> _Rows:
    """All parts, in the order of their messages."""
    joined = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return _Rows(*(column[order] for column in joined))


def _table(rows: _Rows) -> pa.Table:
    missing = rows.quality >= FIRST_MISSING
    value = pa.array(rows.value, pa.float64(), mask=missing) if missing.any() else pa.array(rows.value)
    return pa.table([rows.series, rows.time_s, value, rows.quality, rows.at_ms], schema=APPEND)
