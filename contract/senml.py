"""Batches of readings on the wire: SenML JSON (RFC 8428) with the fields `q`, `at`, `sent` and `clock`.

A batch is *plain* when its first record carries the one base name, the one absolute base time and the header,
and no other record carries any of these: all that our gateways send is plain, and is decoded in one call.
Everything else that RFC 8428 allows goes through `resolve`, which is slower and judges record by record.

    [{"bn":"hanam-","bt":1795392000,"sent":1795392000.412,"clock":"ntp","n":"e01/electricity_import_kwh","v":10.5},
     {"n":"e01/electricity_power_kw","v":3.2,"at":0.125}, {"n":"w01/water_volume_m3","vs":"no-answer"}]
"""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contract.quality import FIRST_MISSING, REASON_OF, REASONS, Quality
from contract.quantities import QUANTITIES
from contract.reading import Reading
from contract.refusals import IMPLAUSIBLE_CLOCK, NAN, NOT_JSON, NOT_SENML, TOO_LARGE, WRONG_TYPE

MAX_BATCH_BYTES = 128_000
MAX_RECORDS = 10_000  # more fit into a batch only where nothing is in them
ABSOLUTE_FROM_S = 2**28  # RFC 8428 section 4.5.3: a smaller time is relative to now
LATEST_S = 2**36  # beyond any clock; keeps arithmetic on times within 64 bits
FUTURE_TOLERANCE_S = 600  # a reading further ahead of the cloud's clock is refused
AT_LIMIT_S = 86_400
LONGEST_INTEGER = 400  # digits; a double ends at 309
LONGEST_BASE = 200  # characters; no name of ours is longer
LARGEST_BASE = 1e18  # of numbers; no time and no register of ours is larger


class Record(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """One record of a plain batch. The header fields stand in the first record only."""

    bn: str = ""
    bt: float = 0
    sent: float = 0
    clock: str = ""
    n: str = ""
    v: float | None = None
    vs: str | None = None
    t: float = 0
    q: int = 0
    at: float = 0


class Resolved(NamedTuple):
    """A record with its base fields applied: `name` is `{meter}/{quantity}`."""

    name: str
    time_s: int
    value: float | None
    quality: int
    at_ms: int


class Refused(NamedTuple):
    """A record that cannot be a reading, and why (a code of `contract.refusals`)."""

    reason: str
    record: str


_encoder = msgspec.json.Encoder()
_plain = msgspec.json.Decoder(list[Record])


def encode_batch(readings: Sequence[Reading], sent_s: float, clock: str) -> bytes:
    """One plain batch of at least one reading. `sent_s` is UTC epoch seconds, `clock` how far it is trusted."""
    names = [f"{reading.meter}/{reading.quantity}" for reading in readings]
    base_name = _common_prefix(names) if len(names) > 1 else ""
    base_time_s = readings[0].time_s
    skip = len(base_name)
    records = [_record(reading, name[skip:], base_time_s) for reading, name in zip(readings, names, strict=True)]
    first = records[0]
    first.bn, first.bt, first.sent, first.clock = base_name, base_time_s, round(sent_s, 3), clock
    return _encoder.encode(records)


def _common_prefix(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def _record(reading: Reading, name: str, base_time_s: int) -> Record:
    at = reading.at_ms / 1000 if reading.at_ms else 0  # a default is omitted only when it is the same object
    t = reading.time_s - base_time_s
    if reading.value is None:
        return Record(n=name, vs=REASON_OF[reading.quality], t=t, at=at)
    return Record(n=name, v=reading.value, q=int(reading.quality), t=t, at=at)


def decode_plain(payload: bytes) -> list[Record] | None:
    """The records of a plain batch, or None where `resolve` must look closer. An empty batch is plain.

    An escaped key could hide a second base field from the count, so any backslash means a closer look.
    """
    base_names = payload.count(b'"bn"')
    if base_names > 1 or payload.count(b'"bt"') > 1 or b"\\" in payload:
        return None
    try:
        records = _plain.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if records and not ABSOLUTE_FROM_S <= records[0].bt < LATEST_S:
        return None
    if records and base_names and not records[0].bn:  # it stands in a later record
        return None
    return records


def resolve(payload: bytes) -> list[Resolved | Refused]:
    """Every record of a batch of any RFC 8428 form, in order, each as a reading or as a refusal.

    What is no JSON, or no array, is one refusal. Of two values for one field the later wins, as JSON has it. Text
    that is no UTF-8 and numbers beyond all bounds are refused where they stand.
    """
    try:
        # json.loads, unlike a strict decoder, reads NaN and Infinity: they are then refused by name
        records = json.loads(payload.decode("utf-8", "replace"), parse_int=_whole)
    except (ValueError, RecursionError):
        return [Refused(NOT_JSON, payload[:200].decode("utf-8", "replace"))]
    if not isinstance(records, list):
        return [Refused(NOT_SENML, payload[:200].decode("utf-8", "replace"))]
    if len(records) > MAX_RECORDS:
        return [Refused(TOO_LARGE, payload[:200].decode("utf-8", "replace"))]
    base: dict[str, object] = {}
    return [_resolve_record(record, base) for record in records]


def _whole(digits: str) -> int | float:
    # Python refuses to read an integer of more digits, and all its neighbours with it
    return int(digits) if len(digits) < LONGEST_INTEGER else math.inf


_BASES = ("bn", "bt", "bv", "bu")
_OTHER_VALUES = ("vb", "vd", "s", "bs")


def _resolve_record(record: object, base: dict[str, object]) -> Resolved | Refused:
    if not isinstance(record, dict) or any(str(key).endswith("_") for key in record):
        return Refused(NOT_SENML, _shown(record))
    base.update({key: record[key] if _is_base(record[key]) else None for key in _BASES if key in record})
    whole = base | record  # with its base fields beside it a refused record can be tried again by itself
    name, base_time, base_value = base.get("bn", ""), base.get("bt", 0), base.get("bv", 0)
    own, t = record.get("n", ""), record.get("t", 0)
    if not (isinstance(name, str) and isinstance(own, str) and all(map(_is_number, (base_time, base_value, t)))):
        return Refused(WRONG_TYPE, _shown(whole))
    if not _right_unit(name + own, record.get("u", base.get("bu"))):
        return Refused(WRONG_TYPE, _shown(whole))
    moment = _moment(base_time, t, record.get("at", 0))
    if isinstance(moment, str):
        return Refused(moment, _shown(whole))
    value = _value(record, base_value)
    if isinstance(value, str):
        return Refused(value, _shown(whole))
    return Resolved(name + own, moment[0], *value, moment[1])


def _is_base(value: object) -> bool:
    """A base field stands beside every refused record after it: a long one must not be multiplied."""
    if isinstance(value, str):
        return len(value) <= LONGEST_BASE
    return _is_number(value) and abs(_float(value)) <= LARGEST_BASE


def _right_unit(name: str, unit: object) -> bool:
    """The quantity's name carries the unit; a gateway of another make that says one as well must say the same."""
    quantity = QUANTITIES.get(name.rpartition("/")[2])
    return unit is None or quantity is None or unit == quantity.unit


def _moment(base_time: object, t: object, at: object) -> tuple[int, int] | str:
    """(tick in s, moment of reading in ms after it), or the reason for refusing."""
    if not _is_number(at) or not abs(_float(at)) <= AT_LIMIT_S:
        return WRONG_TYPE
    time_s = _float(base_time) + _float(t)
    if not ABSOLUTE_FROM_S <= time_s < LATEST_S:
        return IMPLAUSIBLE_CLOCK
    tick_s = math.floor(time_s)
    # a gateway of another make may stamp between whole seconds: the rest is when it read
    return tick_s, round((time_s - tick_s + _float(at)) * 1000)


def _value(record: dict[str, object], base_value: object) -> tuple[float | None, int] | str:
    """(value, quality), or the reason for refusing."""
    quality = record.get("q", 0)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 0 <= quality < FIRST_MISSING:
        return WRONG_TYPE
    if "v" in record:
        if not _is_number(record["v"]):
            return WRONG_TYPE
        value = _float(record["v"]) + _float(base_value)
        return (value, quality) if math.isfinite(value) else NAN
    if "vs" in record:
        reason = REASONS.get(str(record["vs"]))
        return (None, int(reason)) if reason else WRONG_TYPE
    return WRONG_TYPE if any(key in record for key in _OTHER_VALUES) else NOT_SENML


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # callers have checked that it is a number
    except OverflowError:
        return math.inf


def _shown(record: object) -> str:
    return json.dumps(record)


def missing_quality(reason: str | None) -> Quality | None:
    """The quality of a missing value from its `vs`, or None if the text is no reason of ours."""
    return REASONS.get(reason) if reason is not None else None
