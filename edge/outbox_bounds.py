"""How a full outbox makes room, mildest first: forget what has its receipt, thin out, drop the oldest.

Thinning takes the instantaneous values out of the oldest batches that are not in flight, then all batches but
one a line and 15-minute slot. A batch that loses content gets a new identity, since the old content may have
been published under the old one.
"""

import sqlite3
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from contract.quality import Quality
from contract.quantities import QUANTITIES
from contract.reading import Reading
from contract.senml import decode_plain, encode_batch, missing_quality
from edge.outbox_file import DONE, NO_INSTANTS, SPARSE, WAITING, WHOLE

SLOT_S = 900
STEPS = 32  # per call, so that no tick waits long; each tick adds a batch or two
FORGOTTEN_AT_ONCE = 4


@dataclass
class Room:
    """What the outbox may take, and what was lost to that, in readings.

    `kept` says, for each line, the last tick that was left in its slot.
    """

    max_bytes: int
    keep_s: int
    thinned: int = 0
    dropped: int = 0
    kept: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Desk:
    """What a step works with: the open transaction, what must be left alone, and a new identity (run, n) on call."""

    db: sqlite3.Connection
    in_flight: Collection[int]
    new_identity: Callable[[], tuple[int, int]]


def make_room(desk: Desk, room: Room, used_bytes: Callable[[], int], now_s: float) -> None:
    """Forget what was kept long enough; then a bounded number of steps towards `room.max_bytes`."""
    forget(desk.db, FORGOTTEN_AT_ONCE, before_s=now_s - room.keep_s)
    for _ in range(STEPS):
        if used_bytes() <= room.max_bytes:
            return
        done = (
            forget(desk.db, FORGOTTEN_AT_ONCE)
            or _drop_instants(desk, room)
            or _drop_off_grid(desk, room)
            or _drop_oldest(desk, room)
        )
        if not done:
            return


def forget(db: sqlite3.Connection, batches: int, before_s: float | None = None) -> bool:
    """Delete some of the oldest that have their receipt, with `before_s` only ticks before it; whether any was."""
    sql = "SELECT id, tick_s FROM batch WHERE state = ? ORDER BY id LIMIT ?"
    rows = db.execute(sql, (DONE, batches)).fetchall()
    ids = [(batch_id,) for batch_id, tick_s in rows if before_s is None or tick_s < before_s]
    _delete(db, ids)
    return bool(ids)


def unpack(body: bytes) -> bytes | None:
    """The payload of a stored body, or None where the disk has changed it (zlib carries a check sum)."""
    try:
        return zlib.decompress(body)
    except zlib.error:
        return None


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
    found = _oldest(desk, WHOLE)
    if found is None:
        return False
    batch_id, _, _, readings = found
    kept, payload = _registers_only(desk.db, batch_id)
    room.thinned += readings - kept
    if kept == 0:
        _delete(desk.db, [(batch_id,)])
    elif kept == readings:
        desk.db.execute("UPDATE batch SET state = ? WHERE id = ?", (NO_INSTANTS, batch_id))
    else:
        run, n = desk.new_identity()
        body = zlib.compress(payload, 1)
        desk.db.execute(
            "UPDATE batch SET state = ?, run = ?, n = ?, readings = ?, bytes = ? WHERE id = ?",
            (NO_INSTANTS, run, n, kept, len(body), batch_id),
        )
        desk.db.execute("UPDATE body SET payload = ? WHERE id = ?", (body, batch_id))
    return True


def _registers_only(db: sqlite3.Connection, batch_id: int) -> tuple[int, bytes]:
    """How many readings of registers the batch has, and the payload of these alone."""
    (body,) = db.execute("SELECT payload FROM body WHERE id = ?", (batch_id,)).fetchone()
    payload = unpack(body)
    records = decode_plain(payload) if payload is not None else None
    if not records:
        return 0, b"[]"
    first = records[0]
    kept = []
    for record in records:
        meter, quantity = (first.bn + record.n).rsplit("/", 1)
        known = QUANTITIES.get(quantity)
        if known is None or known.kind == "register":
            quality = Quality(record.q) if record.v is not None else missing_quality(record.vs)
            time_s = int(first.bt + record.t)
            kept.append(Reading(meter, quantity, time_s, record.v, quality or Quality.GOOD, round(record.at * 1000)))
    return len(kept), encode_batch(kept, first.sent, first.clock) if kept else b"[]"


def _drop_off_grid(desk: Desk, room: Room) -> bool:
    """Keep one tick a line and slot, the first: the register at the slot's bound is interpolated from these."""
    found = _oldest(desk, NO_INSTANTS)
    if found is None:
        return False
    batch_id, line, tick_s, readings = found
    kept_s = room.kept.get(line, 0)
    if tick_s == kept_s or tick_s // SLOT_S != kept_s // SLOT_S:
        room.kept[line] = tick_s
        desk.db.execute("UPDATE batch SET state = ? WHERE id = ?", (SPARSE, batch_id))
    else:
        room.thinned += readings
        _delete(desk.db, [(batch_id,)])
    return True


def _drop_oldest(desk: Desk, room: Room) -> bool:
    found = min((row for state in WAITING if (row := _oldest(desk, state))), default=None)
    if found is None:
        return False
    room.dropped += found[3]
    _delete(desk.db, [(found[0],)])
    return True
