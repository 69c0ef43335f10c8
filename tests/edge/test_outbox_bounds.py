"""A full outbox: what goes first, what goes last, and that it is said."""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.quality import Quality
from contract.quantities import QUANTITIES, Kind
from contract.reading import Reading
from contract.senml import Resolved, resolve
from edge.alarms import Alarms
from edge.outbox import DROPPED, THINNED, Outbox

pytestmark = pytest.mark.long

T = 1_795_392_000
MAX_BYTES = 2**20

Make = Callable[..., Outbox]
Readings = Callable[..., list[Reading]]


def take(outbox: Outbox, ticks: int, readings_at: Readings, step_s: int = 60, meters: int = 40) -> list[int]:
    first_s = outbox.last_s("a") + step_s or T
    first_s = max(first_s, T)
    seconds = [first_s + i * step_s for i in range(ticks)]
    return [id_ for s in seconds for id_ in outbox.take("a", s, readings_at(s, meters), s, "ntp")]


def kinds(outbox: Outbox, batches: list[int]) -> list[tuple[int, set[Kind]]]:
    """(tick, kinds of quantity) of these batches."""
    found = []
    for batch in batches:
        message = outbox.message(batch)
        assert message is not None
        records = [record for record in resolve(message.payload) if isinstance(record, Resolved)]
        found.append((records[0].time_s, {QUANTITIES[r.name.split("/")[1]].kind for r in records}))
    return found


def test_receipted_batches_go_before_anything_else(make_outbox: Make, readings_at: Readings, alarms: Alarms) -> None:
    outbox = make_outbox(max_mb=1)
    take(outbox, 900, readings_at)
    outbox.done({outbox.run: [(1, 10**6)]})
    take(outbox, 400, readings_at)
    assert len(outbox.waiting(1000)) == 400
    assert (outbox.readings_thinned, alarms.codes()) == (0, [])
    assert outbox.held()[outbox.run][0][0] > 1


def test_instants_go_first_then_registers_off_the_grid_then_the_oldest(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path
) -> None:
    outbox = make_outbox(max_mb=1)
    seen: list[str] = []
    for _ in range(160):
        newest = take(outbox, 20, readings_at, step_s=300, meters=200)[-1:]
        if outbox.readings_thinned and "instants" not in seen:
            seen.append("instants")
            assert outbox.readings_dropped == 0
            assert kinds(outbox, outbox.waiting(1)) == [(T, {"register"})]
            assert kinds(outbox, newest)[0][1] == {"register", "instant"}
        ticks = [tick for tick, _ in kinds(outbox, outbox.waiting(3))] if "instants" in seen else []
        if any(b - a == 900 for a, b in itertools.pairwise(ticks)) and "grid" not in seen:
            seen.append("grid")
            assert ticks[0] == T
            assert outbox.readings_dropped == 0
        if outbox.readings_dropped:
            seen.append("oldest")
            break
    assert seen == ["instants", "grid", "oldest"]
    ticks = [tick for tick, _ in kinds(outbox, outbox.waiting(50))]
    assert ticks[0] > T
    assert [b - a for a, b in itertools.pairwise(ticks)] == [900] * 49
    assert alarms.codes() == [DROPPED, THINNED]
    assert (tmp_path / "outbox.db").stat().st_size < MAX_BYTES * 1.1


def test_a_batch_that_loses_content_gets_a_new_identity(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox(max_mb=1)
    payloads: dict[str, bytes] = {}
    while outbox.readings_thinned == 0:
        for batch in take(outbox, 20, readings_at, meters=20):
            message = outbox.message(batch)
            if message is not None:
                payloads[str(message.batch)] = message.payload
    again = [message for batch in outbox.waiting(10_000) if (message := outbox.message(batch))]
    assert all(payloads.get(str(message.batch), message.payload) == message.payload for message in again)
    assert any(str(message.batch) not in payloads for message in again)
    identities = [message.batch for message in again]
    assert len(set(identities)) == len(identities)


def test_readings_of_a_thinned_batch_are_what_they_were(make_outbox: Make, readings_at: Readings) -> None:
    outbox = make_outbox(max_mb=1)
    while outbox.readings_thinned == 0:
        take(outbox, 20, readings_at, meters=20)
    message = outbox.message(outbox.waiting(1)[0])
    assert message is not None
    registers = [r for r in readings_at(T, 20) if QUANTITIES[r.quantity].kind == "register"]
    assert resolve(message.payload) == [
        Resolved(f"{r.meter}/{r.quantity}", r.time_s, r.value, int(r.quality), r.at_ms) for r in registers
    ]


def test_of_each_register_a_slot_keeps_the_first_tick_with_a_value(make_outbox: Make) -> None:
    outbox = make_outbox(max_mb=1)
    register = "electricity_import_kwh"
    for k in range(2600):
        tick_s = T + 60 * k
        silent = k % 15 < 2  # a meter that gives nothing in the first two minutes of a slot
        readings = [Reading(f"o{i:02}", register, tick_s, (k * 7919 + i * 104729) % 99991 / 7) for i in range(60)]
        readings.append(Reading("m", register, tick_s, None if silent else float(k), Quality(16 if silent else 0)))
        outbox.take("a", tick_s, readings, tick_s, "ntp")
    assert outbox.readings_dropped == 0
    thinned = [message for batch in outbox.waiting(60) if (message := outbox.message(batch))]
    found = [r for message in thinned for r in resolve(message.payload) if isinstance(r, Resolved)]
    slots = range(T, max(r.time_s for r in found) - 900, 900)
    assert len(slots) > 10
    for slot_s in slots:
        rows = [r for r in found if slot_s <= r.time_s < slot_s + 900 and r.value is not None]
        expected = {f"o{i:02}/{register}": slot_s for i in range(60)} | {f"m/{register}": slot_s + 120}
        assert sorted((r.name, r.time_s) for r in rows) == sorted(expected.items())


def test_a_damaged_batch_counts_as_dropped_not_as_thinned(
    make_outbox: Make, readings_at: Readings, tmp_path: Path
) -> None:
    outbox = make_outbox(max_mb=1)
    take(outbox, 1, readings_at, meters=20)
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as db:
        db.execute("UPDATE body SET payload = zeroblob(length(payload))")
    while outbox.readings_thinned == 0:
        take(outbox, 1, readings_at, meters=20)
    assert outbox.readings_dropped == len(readings_at(T, 20))


def test_what_is_in_flight_is_left_alone(make_outbox: Make, readings_at: Readings) -> None:
    in_flight: set[int] = set()
    outbox = make_outbox(in_flight=in_flight, max_mb=1)
    in_flight |= set(take(outbox, 10, readings_at, meters=20)[3:5])
    before = [outbox.message(batch) for batch in sorted(in_flight)]
    while outbox.readings_dropped == 0:
        take(outbox, 20, readings_at, step_s=300, meters=200)
    assert [outbox.message(batch) for batch in sorted(in_flight)] == before
    assert None not in before


def test_what_was_lost_is_said_over_restarts_until_it_is_reported(
    make_outbox: Make, readings_at: Readings, alarms: Alarms
) -> None:
    outbox = make_outbox(max_mb=1)
    while outbox.readings_dropped == 0:
        take(outbox, 20, readings_at, step_s=300, meters=200)
    lost = outbox.readings_thinned, outbox.readings_dropped
    outbox.close()
    for code in alarms.codes():
        alarms.clear(code)
    outbox = make_outbox(max_mb=1)
    assert (outbox.readings_thinned, outbox.readings_dropped) == lost
    assert alarms.codes() == [DROPPED, THINNED]
    outbox.reported(lost[0], lost[1] - 1)
    assert (outbox.readings_thinned, outbox.readings_dropped) == lost
    outbox.close()
    for code in alarms.codes():
        alarms.clear(code)
    outbox = make_outbox(max_mb=1)
    assert (outbox.readings_thinned, outbox.readings_dropped) == (0, 1)
    assert alarms.codes() == [DROPPED]


def test_an_outbox_from_before_losses_were_counted_opens(
    make_outbox: Make, readings_at: Readings, tmp_path: Path
) -> None:
    outbox = make_outbox()
    batches = take(outbox, 3, readings_at)
    outbox.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as db:
        db.execute("DROP TABLE lost")
    assert make_outbox().waiting(10) == batches
