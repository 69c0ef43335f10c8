"""How a full outbox makes room, mildest first: forget what has its receipt, thin out, drop the oldest.

Thinning takes the instantaneous values out of the oldest batches that are not in flight, then of each register
all values but the first of a 15-minute slot. A batch that loses content gets a new identity, since the old
content may have been published under the old one.
"""

import sqlite3
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.quality import Quality
from contract.quantities import QUANTITIES
from contract.reading import Reading
from contract.senml import FUTURE_TOLERANCE_S, decode_plain, encode_batch, missing_quality
from edge.outbox_file import DONE, NO_INSTANTS, REFUSED, SPARSE, WAITING, WHOLE

SLOT_S = 900
STEPS = 32  # per call, so that no tick waits long; each tick adds a batch or two
FORGOTTEN_AT_ONCE = 4


@dataclass
class Room:
    """What the outbox may take, and what was lost to that, in readings: `reported` are (thinned, dropped) thereof.

    `kept` says, for each line, the first tick of the slot that is being thinned, and which registers have a value
    there by now. To forget it costs nothing but a little room.
    """

    max_bytes: int
    keep_s: int
    thinned: int = 0
    dropped: int = 0
    reported: tuple[int, int] = (0, 0)
    kept: dict[int, tuple[int, set[tuple[str, str]]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """What a step works with: the open transaction, what must be left alone, and a new identity (run, n) on call."""

    db: sqlite3.Connection
    in_flight: Collection[int]
    new_identity: Callable[[], tuple[int, int]]


class Content(NamedTuple):
    """A batch's readings, when they were sent and how far the clock was trusted then."""

    readings: list[Reading]
    sent_s: float
    clock: str


def make_room(desk: Desk, room: Room, now_s: float, is_enough: Callable[[], bool], mildly: bool = True) -> bool:
    """Forget what was kept long enough; then a bounded number of steps until there is enough; whether any was done.

    Not mildly, the oldest is dropped as it is.
    """
    forget(desk.db, FORGOTTEN_AT_ONCE, kept=range(int(now_s) - room.keep_s, int(now_s) + FUTURE_TOLERANCE_S))
    for step in range(STEPS):
        if is_enough():
            return step > 0
        done = (
            forget(desk.db, FORGOTTEN_AT_ONCE)
            or (mildly and (_drop_instants(desk, room) or _drop_off_grid(desk, room)))
            or _drop_oldest(desk, room)
        )
        if not done:
            return step > 0
    return True


def forget(db: sqlite3.Connection, batches: int, kept: range = range(0)) -> bool:
    """Delete some of the oldest that have their receipt, but for ticks in `kept`; whether any was.

    What lies in a future that the cloud refused is done with: it would be the oldest until that comes.
    """
    sql = "SELECT id, tick_s FROM batch WHERE state = ? ORDER BY id LIMIT ?"
    rows = sorted(row for state in (DONE, REFUSED) for row in db.execute(sql, (state, batches)))[:batches]
    ids = [(batch_id,) for batch_id, tick_s in rows if tick_s not in kept]
    _delete(db, ids)
    return bool(ids)


def unpack(body: bytes) -> bytes | None:
    """The payload of a stored body, or None where the disk has changed it (zlib carries a check sum)."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return None


def read_lost(db: sqlite3.Connection) -> tuple[int, int]:
    """Readings (thinned, dropped) that have not been reported, as the file has them."""
    row: tuple[int, int] | None = db.execute("SELECT thinned, dropped FROM lost").fetchone()
    return row or (0, 0)


def write_lost(db: sqlite3.Connection, room: Room) -> None:
    """Note in the file what has not been reported, where that is another number than before."""
    lost = room.thinned - room.reported[0], room.dropped - room.reported[1]
    if lost != read_lost(db):
        db.execute("INSERT OR REPLACE INTO lost (id, thinned, dropped) VALUES (1, ?, ?)", lost)


def _delete(db: sqlite3.Connection, ids: list[tuple[int]]) -> None:
    db.executemany("DELETE FROM batch WHERE id = ?", ids)
    db.executemany("DELETE FROM body WHERE id = ?", ids)


def _oldest(desk: Desk, state: int) -> tuple[int, int, int, int] | None:
    """(id, line, tick_s, readings) of the oldest batch of that state that is not in flight."""
    rows = desk.db.execute(
        "SELECT id, line, tick_s, readings FROM batch WHERE state = ? ORDER BY id LIMIT ?",
        (state, len(desk.in_flight) + 1),
    )
    return next((row for row in rows if row[0] not in desk.in_flight), None)


def _drop_instants(desk: Desk, room: Room) -> bool:
    def registers(_line: int, _tick_s: int, readings: list[Reading]) -> list[Reading]:
        return [reading for reading in readings if _is_register(reading.quantity)]

    return _thin(desk, room, (WHOLE, NO_INSTANTS), registers)


def _is_register(quantity: str) -> bool:
    known = QUANTITIES.get(quantity)
    return known is None or known.kind == "register"


def _drop_off_grid(desk: Desk, room: Room) -> bool:
    """Keep the first tick of a line and slot, and of each register that has no value in it the first that has.

    The register at the slot's bound is interpolated from these.
    """

    def on_grid(line: int, tick_s: int, readings: list[Reading]) -> list[Reading]:
        first_s, seen = room.kept.get(line, (0, set()))
        if tick_s // SLOT_S != first_s // SLOT_S:
            first_s, seen = tick_s, set()
            room.kept[line] = first_s, seen
        kept = [r for r in readings if tick_s == first_s or (r.value is not None and _register(r) not in seen)]
        seen |= {_register(reading) for reading in kept if reading.value is not None}
        return kept

    return _thin(desk, room, (NO_INSTANTS, SPARSE), on_grid)


def _register(reading: Reading) -> tuple[str, str]:
    return reading.meter, reading.quantity


def _thin(
    desk: Desk, room: Room, states: tuple[int, int], choose: Callable[[int, int, list[Reading]], list[Reading]]
) -> bool:
    """From one state to the next: the oldest batch loses what is not chosen by line, tick and readings."""
    found = _oldest(desk, states[0])
    if found is None:
        return False
    batch_id, line, tick_s, count = found
    content = _content(desk.db, batch_id)
    if content is None:
        room.dropped += count
        _delete(desk.db, [(batch_id,)])
        return True
    kept = choose(line, tick_s, content.readings)
    room.thinned += count - len(kept)
    if not kept:
        _delete(desk.db, [(batch_id,)])
    elif len(kept) == count:
        desk.db.execute("UPDATE batch SET state = ? WHERE id = ?", (states[1], batch_id))
    else:
        body, (run, n) = zlib.compress(encode_batch(kept, content.sent_s, content.clock), 1), desk.new_identity()
        desk.db.execute(
            "UPDATE batch SET state = ?, run = ?, n = ?, readings = ?, bytes = ? WHERE id = ?",
            (states[1], run, n, len(kept), len(body), batch_id),
        )
        desk.db.execute("UPDATE body SET payload = ? WHERE id = ?", (body, batch_id))
    return True


def _content(db: sqlite3.Connection, batch_id: int) -> Content | None:
    """What a batch says, or None where it is damaged."""
    (body,) = db.execute("SELECT payload FROM body WHERE id = ?", (batch_id,)).fetchone()
    payload = unpack(body)
    records = decode_plain(payload) if payload is not None else None
    if not records:
        return None if records is None else Content([], 0.0, "")
    first = records[0]
    readings = []
    for record in records:
        meter, quantity = (first.bn + record.n).rsplit("/", 1)
        quality = Quality(record.q) if record.v is not None else missing_quality(record.vs)
        time_s = int(first.bt + record.t)
        readings.append(Reading(meter, quantity, time_s, record.v, quality or Quality.GOOD, round(record.at * 1000)))
    return Content(readings, first.sent, first.clock)


def _drop_oldest(desk: Desk, room: Room) -> bool:
    found = min((row for state in WAITING if (row := _oldest(desk, state))), default=None)
    if found is None:
        return False
    room.dropped += found[3]
    _delete(desk.db, [(found[0],)])
    return True
