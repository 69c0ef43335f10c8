"""Receipts, births and states: everything on the wire that is not a batch of readings. JSON, by msgspec."""

from typing import TypeVar

import msgspec

from contract.problems import Problem
from contract.topics import BatchId

VERSION = 1

_T = TypeVar("_T")

# Runs of consecutive batch numbers, [first, last] both included, by run.
Ranges = dict[str, list[tuple[int, int]]]


class Receipt(msgspec.Struct, omit_defaults=True):
    """From the cloud to a gateway: what the store has on disk, what was refused and why, what is asked again.

    `stored` and `refused` together say which batches are done with; a batch in `refused` lies in quarantine,
    whole or in part, and `refused` maps `{run}-{n}` to reasons with the number of readings each took.
    `resend` asks for batches that the cloud misses; what the gateway no longer holds it answers with an empty
    batch of that number.
    """

    time_s: int
    stored: Ranges = {}
    refused: dict[str, dict[str, int]] = {}
    resend: Ranges = {}


class BirthMeter(msgspec.Struct, omit_defaults=True):
    """One meter of the catalogue that a gateway publishes at every connection."""

    name: str
    model: str
    quantities: list[str]
    line: str
    unit: int


class Birth(msgspec.Struct, omit_defaults=True):
    """Retained. What hangs on the gateway and what it runs; no reading waits for it."""

    gateway: str
    site: str
    time_s: int
    software: str
    contract: int = VERSION
    tick_s: int = 60
    clock: str = "system"
    meters: list[BirthMeter] = []


class LineState(msgspec.Struct, omit_defaults=True):
    """How busy a line is and who on it is silent. `use_ratio` is bus time over time, since the last state."""

    use_ratio: float = 0.0
    overloaded: bool = False
    up: bool = True
    dead_meters: list[str] = []
    ticks_missed: int = 0


class State(msgspec.Struct, omit_defaults=True):
    """Retained, and the last will with `status` "offline". Published at every connection and each minute.

    `held` says, by run, the first and last batch that the outbox still holds, so that a cloud restored from
    back-up can ask for what it misses. `warnings` are the loud ones: codes such as "outbox-thinned".
    """

    status: str
    time_s: int = 0
    clock: str = ""
    outbox_batches: int = 0
    outbox_bytes: int = 0
    outbox_oldest_s: int = 0
    readings_thinned: int = 0
    readings_dropped: int = 0
    held: Ranges = {}
    lines: dict[str, LineState] = {}
    warnings: list[str] = []


OFFLINE = msgspec.json.encode(State(status="offline"))

_receipts = msgspec.json.Decoder(Receipt)
_births = msgspec.json.Decoder(Birth)
_states = msgspec.json.Decoder(State)


def encode(message: Receipt | Birth | State) -> bytes:
    """The payload of a message."""
    return msgspec.json.encode(message)


def decode_receipt(payload: bytes) -> Receipt:
    """Raises Problem for anything that is not a receipt."""
    return _decode(_receipts, payload, "receipt")


def decode_birth(payload: bytes) -> Birth:
    """Raises Problem for anything that is not a birth."""
    return _decode(_births, payload, "birth")


def decode_state(payload: bytes) -> State:
    """Raises Problem for anything that is not a state."""
    return _decode(_states, payload, "state")


def _decode(decoder: msgspec.json.Decoder[_T], payload: bytes, what: str) -> _T:
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(f"{what} 메시지를 읽을 수 없습니다: {error}", f"{what} message: {error}") from error


def to_ranges(batches: list[BatchId]) -> Ranges:
    """Batches, in any order, as the shortest runs of consecutive numbers."""
    ranges: Ranges = {}
    for run, n in sorted(set(batches)):
        spans = ranges.setdefault(run, [])
        if spans and spans[-1][1] == n - 1:
            spans[-1] = (spans[-1][0], n)
        else:
            spans.append((n, n))
    return ranges
