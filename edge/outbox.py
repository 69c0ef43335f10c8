"""The outbox: what was taken from the lines and is not yet in the cloud's store, and for some days what is.

One batch is one tick of one line (or a part of it, where it is large), frozen with its identity and payload in
the transaction that takes the tick. Nothing is published that is not in here first.
"""

import logging
import secrets
import sqlite3
import string
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from contract.messages import Ranges
from contract.reading import Reading
from contract.senml import FUTURE_TOLERANCE_S, MAX_BATCH_BYTES, encode_batch
from contract.topics import BatchId
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox_bounds import Desk, Room, make_room, read_lost, unpack, write_lost
from edge.outbox_file import DONE, WAITING, WHOLE, OutboxFile, cannot_open, is_corrupt, is_full
from edge.outbox_receipts import note_refused, note_stored, reopen

log = logging.getLogger(__name__)

RUN_CHARACTERS = string.ascii_lowercase + string.digits
RUNS_REPORTED = 64
NO_LINE = 0
LOW_DISK_TURNS = 64  # for one tick; in the second half of them nothing is thinned any more, but dropped

THINNED = "outbox-thinned"
DROPPED = "outbox-dropped"
FAILING = "outbox-failing"
SET_ASIDE = "outbox-set-aside"

_T = TypeVar("_T")


class Message(NamedTuple):
    """A batch as it goes over the wire."""

    batch: BatchId
    payload: bytes


class Summary(NamedTuple):
    """What waits for its receipt: batches, their bytes in the file, the tick of the oldest (0: none waits)."""

    batches: int
    bytes: int
    oldest_s: int


class Outbox:
    """Owns one outbox file. Batches are known by `id`, which grows in the order of taking.

    No call raises for a failing disk: what cannot be done is said by `alarms`, and what was taken before stays.
    All calls come from one thread, but for `sync`.
    """

    def __init__(self, config: OutboxConfig, alarms: Alarms, in_flight: Collection[int] = ()) -> None:
        """`in_flight` is a live view of the batches that must not be thinned out now.

        Raises Problem where the file cannot be used; a corrupt file is set aside and a new one begun.
        """
        self.run = "".join(secrets.choice(RUN_CHARACTERS) for _ in range(16))
        self._alarms, self._in_flight = alarms, in_flight
        self._file = OutboxFile(Path(config.path))
        self._room = Room(max_bytes=config.max_mb * 2**20, keep_s=round(config.keep_days * 86_400))
        self._syncs_takes = config.sync_s == 0
        self._last_s: dict[str, int] = {}
        self._next_n = self._next_id = 1
        if self._file.set_aside:
            alarms.sound(SET_ASIDE, f"path={config.path}")
        try:
            with self._file.transaction() as db:
                self._room.thinned, self._room.dropped = read_lost(db)
                self._begin(db)
        except sqlite3.Error as error:
            self._file.close()
            raise cannot_open(self._file.path, error) from error
        self._say_lost(0, 0)

    def _begin(self, db: sqlite3.Connection) -> None:
        """Enter this run, and the last ticks known, into the file, which may be a new one."""
        db.execute("DELETE FROM run WHERE NOT EXISTS (SELECT 1 FROM batch WHERE batch.run = run.id)")
        (self._run_id,) = db.execute("INSERT INTO run (name) VALUES (?) RETURNING id", (self.run,)).fetchone()
        for line, last_s in self._last_s.items():
            db.execute("INSERT INTO line (name, last_s) VALUES (?, ?)", (line, last_s))
        self._last_s = dict(db.execute("SELECT name, last_s FROM line"))
        (highest,) = db.execute("SELECT coalesce(max(id), 0) FROM batch").fetchone()
        self._next_id = max(self._next_id, highest + 1)
        write_lost(db, self._room)

    @property
    def last_n(self) -> int:
        """The highest number that this run has used."""
        return self._next_n - 1

    @property
    def readings_thinned(self) -> int:
        """In this run, and in earlier ones as far as these did not report it, as `readings_dropped` is."""
        return self._room.thinned

    @property
    def readings_dropped(self) -> int:
        """Readings that no receipt was seen for and that are gone."""
        return self._room.dropped

    def last_s(self, line: str) -> int:
        """The last tick that was taken from the line, 0 before the first."""
        return self._last_s.get(line, 0)

    def take(self, line: str, tick_s: int, readings: Sequence[Reading], sent_s: float, clock: str) -> list[int]:
        """Freeze one tick of a line and keep it. The batches' ids; none where the tick is not later than the last.

        None either where the disk refuses: these readings are lost, counted and warned of.
        """
        if not readings or tick_s <= self.last_s(line):
            return []
        parts = _encode(readings, sent_s, clock)
        ids = None
        if self._has_room(sent_s):
            ids = self._in_transaction(lambda db: self._insert(db, line, tick_s, parts), None)
        if ids is None:
            self._lost(len(readings), f"line={line} reason=not-written")
            return []
        self._last_s[line] = tick_s
        if self._syncs_takes:
            self._guarded(self.sync, None)
        self._make_room(sent_s, lambda: self._file.used_bytes() <= self._room.max_bytes)
        return ids

    def take_nothing(self, now_s: int) -> list[int]:
        """An empty batch, for the receipt that it brings back."""
        return self._in_transaction(lambda db: self._freeze(db, NO_LINE, now_s, [(b"[]", 0)]), [])

    def _insert(self, db: sqlite3.Connection, line: str, tick_s: int, parts: list[tuple[bytes, int]]) -> list[int]:
        upsert = (
            "INSERT INTO line (name, last_s) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET last_s = excluded.last_s RETURNING id"
        )
        (line_id,) = db.execute(upsert, (line, tick_s)).fetchone()
        return self._freeze(db, line_id, tick_s, parts)

    def _freeze(self, db: sqlite3.Connection, line: int, tick_s: int, parts: list[tuple[bytes, int]]) -> list[int]:
        """Batches of (payload, readings) under new identities, which a failing transaction leaves unused."""
        ids = []
        for payload, readings in parts:
            body, (run, n) = zlib.compress(payload, 1), self._new_identity()
            row = (self._next_id, run, n, line, tick_s, readings, len(body), WHOLE)
            db.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO body VALUES (?, ?)", (self._next_id, body))
            ids.append(self._next_id)
            self._next_id += 1
        return ids

    def _new_identity(self) -> tuple[int, int]:
        self._next_n += 1
        return self._run_id, self._next_n - 1

    def _has_room(self, now_s: float) -> bool:
        """On a disk that others have filled, what is older makes room for a tick, thinned out first, then dropped."""
        lost = self._room.thinned, self._room.dropped
        for turn in range(LOW_DISK_TURNS):
            roomy = self._guarded(self._file.is_roomy, None)
            if roomy is not False or not self._make_room(now_s, self._file.is_roomy, turn < LOW_DISK_TURNS // 2):
                break
        if roomy is False or lost != (self._room.thinned, self._room.dropped):
            self.failed(OSError("the disk is full"))
        return bool(roomy)

    def _make_room(self, now_s: float, is_enough: Callable[[], bool], mildly: bool = True) -> bool:
        thinned, dropped = self._room.thinned, self._room.dropped

        def make() -> bool:
            try:
                with self._file.transaction() as db:
                    desk = Desk(db, self._in_flight, self._new_identity)
                    done = make_room(desk, self._room, now_s, is_enough, mildly)
                    write_lost(db, self._room)
                    return done
            except (OSError, sqlite3.Error):
                # nothing of it was done
                self._room.thinned, self._room.dropped = thinned, dropped
                self._room.kept.clear()
                raise

        done = self._guarded(make, False)
        self._say_lost(thinned, dropped)
        return done

    def _say_lost(self, thinned: int, dropped: int) -> None:
        """Sound the alarms for what is more than this."""
        if self._room.thinned > thinned:
            self._alarms.sound(THINNED, f"readings={self._room.thinned} max_mb={self._room.max_bytes >> 20}")
        if self._room.dropped > dropped:
            self._alarms.sound(DROPPED, f"readings={self._room.dropped} max_mb={self._room.max_bytes >> 20}")

    def _lost(self, readings: int, facts: str) -> None:
        self._room.dropped += readings
        self._alarms.sound(DROPPED, f"readings={readings} {facts}")
        self._in_transaction(lambda db: write_lost(db, self._room), None)

    def reported(self, thinned: int, dropped: int) -> None:
        """These numbers of readings lost have reached the broker: a restart need not say them again."""
        if (thinned, dropped) != self._room.reported:
            self._room.reported = thinned, dropped
            self._in_transaction(lambda db: write_lost(db, self._room), None)

    def waiting(self, limit: int) -> list[int]:
        """The oldest batches that have no receipt, oldest first."""

        def read() -> list[int]:
            sql = "SELECT id FROM batch WHERE state = ? ORDER BY id LIMIT ?"
            return sorted(row[0] for state in WAITING for row in self._file.db.execute(sql, (state, limit)))[:limit]

        return self._guarded(read, [])

    def message(self, batch_id: int) -> Message | None:
        """The batch as it goes over the wire, or None where it has its receipt or was dropped meanwhile."""

        def read() -> Message | None:
            row = self._file.db.execute(
                "SELECT run.name, n, payload, state FROM batch JOIN run ON run.id = run JOIN body USING (id) "
                "WHERE batch.id = ?",
                (batch_id,),
            ).fetchone()
            if row is None or row[3] >= DONE:
                return None
            payload = unpack(row[2])
            if payload is None:
                self._remove_damaged(batch_id)
                return None
            return Message(BatchId(row[0], row[1]), payload)

        return self._guarded(read, None)

    def _remove_damaged(self, batch_id: int) -> None:
        with self._file.transaction() as db:
            (readings,) = db.execute("DELETE FROM batch WHERE id = ? RETURNING readings", (batch_id,)).fetchone()
            db.execute("DELETE FROM body WHERE id = ?", (batch_id,))
        self._lost(readings, "reason=damaged-on-disk")

    def done(self, receipted: Ranges) -> list[int]:
        """Note the receipts; the ids of those batches that still waited for theirs."""
        return self._in_transaction(lambda db: note_stored(db, receipted), []) if receipted else []

    def refused(self, counts: Mapping[BatchId, int]) -> list[int]:
        """Note the refusals, so many readings of each batch; the ids of those that still waited for their receipt.

        A batch of which every reading was refused never waits again: once more judged, on another day, what was
        read by a clock that was wrong might be believed.
        """
        return self._in_transaction(lambda db: note_refused(db, counts), []) if counts else []

    def reopen(self, run: str, first: int, last: int, limit: int) -> list[int] | None:
        """Let the first `limit` batches held between these numbers wait again; the numbers of all of these held.

        None where the disk fails, and it is not known what is held.
        """
        return self._in_transaction(lambda db: reopen(db, run, first, last, limit), None)

    def knows(self, run: str) -> bool:
        """Whether batches of that run were ever taken here, and some may still be held."""

        def read() -> bool:
            return self._file.db.execute("SELECT 1 FROM run WHERE name = ?", (run,)).fetchone() is not None

        return self._guarded(read, False)

    def summary(self) -> Summary:
        """What waits, counted in the index alone."""

        def read() -> Summary:
            db = self._file.db
            sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM batch WHERE state < ?"
            count, size = db.execute(sql, (DONE,)).fetchone()
            oldest = self.waiting(1)
            tick = db.execute("SELECT tick_s FROM batch WHERE id = ?", oldest).fetchone() if oldest else (0,)
            return Summary(count, size, tick[0])

        return self._guarded(read, Summary(0, 0, 0))

    def held(self) -> Ranges:
        """By run, the first and last number that is still held; of very many runs the latest."""

        def read() -> Ranges:
            # two look-ups a run; min and max in one query would scan
            rows = self._file.db.execute(
                "SELECT name, (SELECT min(n) FROM batch WHERE batch.run = run.id), "
                "(SELECT max(n) FROM batch WHERE batch.run = run.id) FROM run ORDER BY id DESC LIMIT ?",
                (RUNS_REPORTED,),
            )
            return {run: [(first, last)] for run, first, last in rows if first is not None}

        return self._guarded(read, {})

    def reset_last(self, now_s: float) -> list[str]:
        """Take ticks again on lines whose last tick lies in a future that the cloud refuses; the lines' names.

        What was taken at times that the cloud accepts stays taken.
        """
        ahead = [line for line, last_s in self._last_s.items() if last_s > now_s + FUTURE_TOLERANCE_S]

        def write() -> list[str]:
            for line in ahead:
                with self._file.transaction() as db:
                    db.execute(
                        "UPDATE line SET last_s = (SELECT max(coalesce(max(tick_s), 0), ?) FROM batch "
                        "WHERE batch.line = line.id AND tick_s <= ?) WHERE name = ?",
                        (int(now_s), int(now_s) + FUTURE_TOLERANCE_S, line),
                    )
            self._last_s |= dict(self._file.db.execute("SELECT name, last_s FROM line"))
            return ahead

        return self._guarded(write, [])

    def lines_ahead(self, now_s: float) -> bool:
        """Whether a line's last tick lies in a future that the cloud refuses."""
        return any(last_s > now_s + FUTURE_TOLERANCE_S for last_s in self._last_s.values())

    def sync(self) -> None:
        """Return once all taken before is safe from a power cut. Raises OSError, sqlite3.Error; for any thread."""
        self._file.sync()

    def close(self) -> None:
        """The object is of no use afterwards."""
        self._file.close()

    def _guarded(self, work: Callable[[], _T], instead: _T) -> _T:
        """The work's result, or `instead` where the disk fails; after what helps, it is tried once more."""
        try:
            return work()
        except (OSError, sqlite3.Error) as error:
            help_it = self._help(error)
            if help_it is None:
                self.failed(error)
                return instead
        try:
            help_it()
            return work()
        except (OSError, sqlite3.Error) as error:
            self.failed(error)
            return instead

    def _in_transaction(self, work: Callable[[sqlite3.Connection], _T], instead: _T) -> _T:
        """The same for what is to be done wholly or not at all."""

        def whole() -> _T:
            with self._file.transaction() as db:
                return work(db)

        return self._guarded(whole, instead)

    def _help(self, error: Exception) -> Callable[[], None] | None:
        if is_full(error):
            return self._file.relieve
        # a closed file is one whose replacement has failed so far
        if is_corrupt(error) or isinstance(error, sqlite3.ProgrammingError):
            return self._replace
        return None

    def _replace(self) -> None:
        self._alarms.sound(SET_ASIDE, f"path={self._file.path}")
        self._file.replace(self._begin)

    def failed(self, error: Exception) -> None:
        """Say that the disk did not do what it was asked."""
        facts = f'path={self._file.path} error="{error}" action=check-the-disk-and-its-free-space'
        self._alarms.sound(FAILING, facts, lasts_s=600)


def _encode(readings: Sequence[Reading], sent_s: float, clock: str) -> list[tuple[bytes, int]]:
    """(payload, readings) of as few batches as the limit of their size allows."""
    payload = encode_batch(readings, sent_s, clock)
    if len(payload) <= MAX_BATCH_BYTES or len(readings) == 1:
        return [(payload, len(readings))]
    half = len(readings) // 2
    return _encode(readings[:half], sent_s, clock) + _encode(readings[half:], sent_s, clock)
