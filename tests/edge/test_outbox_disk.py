"""Files that are no outbox, damaged ones, and disks that fail."""

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.problems import Problem
from contract.reading import Reading
from edge.alarms import Alarms
from edge.outbox import DROPPED, FAILING, SET_ASIDE, Outbox
from edge.outbox_file import OutboxFile

ROOT = Path(__file__).parents[2]
T = 1_795_392_000

Make = Callable[..., Outbox]
Readings = Callable[..., list[Reading]]


def filled(make_outbox: Make, readings_at: Readings, ticks: int = 50) -> None:
    outbox = make_outbox()
    for tick in range(T, T + ticks):
        outbox.take("a", tick, readings_at(tick), tick, "ntp")
    outbox.close()


def test_a_newer_file_is_left_alone_with_one_line(make_outbox: Make, readings_at: Readings, tmp_path: Path) -> None:
    filled(make_outbox, readings_at)
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute("PRAGMA user_version = 7")
    db.close()
    before = (tmp_path / "outbox.db").read_bytes()
    with pytest.raises(Problem, match=r"outbox\.db: outbox of version 7, newer .* update the software") as caught:
        make_outbox()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "outbox.db").read_bytes() == before


def test_another_database_is_left_alone(make_outbox: Make, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute("CREATE TABLE photos (id INTEGER)")
    db.close()
    before = (tmp_path / "outbox.db").read_bytes()
    with pytest.raises(Problem, match=r"outbox\.db: an SQLite file, and no outbox"):
        make_outbox()
    assert (tmp_path / "outbox.db").read_bytes() == before


def test_a_place_that_cannot_hold_it_is_named(make_outbox: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match=r"file/outbox\.db: outbox cannot be kept here"):
        make_outbox(path=tmp_path / "file" / "outbox.db")
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(Problem, match=r"outbox\.db: outbox cannot be opened"):
        make_outbox()


@pytest.mark.parametrize("damage", ["header", "middle", "cut"])
def test_a_corrupt_file_is_set_aside_and_a_new_one_begun(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "outbox.db"
    filled(make_outbox, readings_at)
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:200] = os.urandom(200)
    elif damage == "middle":
        content[1024:] = os.urandom(len(content) - 1024)
    else:
        del content[len(content) // 3 :]
    path.write_bytes(content)
    outbox = make_outbox()
    assert outbox.take("a", T + 100, readings_at(T + 100), T, "ntp")
    assert len(outbox.waiting(1000)) == 1
    (aside,) = [file for file in tmp_path.iterdir() if ".corrupt-" in file.name]
    assert aside.read_bytes() == content
    assert alarms.codes() == [SET_ASIDE]


def test_a_card_that_fails_again_and_again_is_not_filled_with_what_it_spoilt(
    make_outbox: Make, readings_at: Readings, tmp_path: Path
) -> None:
    for _ in range(4):
        filled(make_outbox, readings_at)
        (tmp_path / "outbox.db").write_bytes(os.urandom(5000))
    make_outbox()
    assert len(list(tmp_path.glob("*.corrupt-*[0-9]"))) == 2


def test_damage_found_while_running_costs_no_tick(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path
) -> None:
    filled(make_outbox, readings_at, ticks=3000)
    outbox = make_outbox()
    run = outbox.run
    with (tmp_path / "outbox.db").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for page in range(3, size // 1024 - 20):
            file.seek(page * 1024)
            file.write(os.urandom(1024))
    tick = T + 3000
    for tick in range(T + 3000, T + 3100):
        outbox.waiting(5000)
        assert outbox.take("a", tick, readings_at(tick), tick, "ntp")
    assert SET_ASIDE in alarms.codes()
    assert outbox.run == run
    assert outbox.last_s("a") == tick
    identities = [message.batch for batch in outbox.waiting(1000) if (message := outbox.message(batch))]
    assert len(set(identities)) == len(identities)
    assert {batch.run for batch in identities} == {run}
    assert max(batch.n for batch in identities) == 100


def test_a_batch_that_the_disk_changed_is_dropped_and_said(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path
) -> None:
    outbox = make_outbox()
    (batch,) = outbox.take("a", T, readings_at(T), T, "ntp")
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        db.execute("UPDATE body SET payload = zeroblob(length(payload))")
    db.close()
    assert outbox.message(batch) is None
    assert outbox.waiting(10) == []
    assert outbox.readings_dropped == len(readings_at(T))
    assert alarms.codes() == [DROPPED]


def test_a_look_up_that_fails_is_not_answered_as_nothing_held(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path
) -> None:
    outbox = make_outbox()
    outbox.take("a", T, readings_at(T), T, "ntp")
    outbox.done({outbox.run: [(1, 1)]})
    outbox._file.db.execute("PRAGMA busy_timeout = 10")
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert outbox.reopen(outbox.run, 1, 1, limit=20) is None
    assert alarms.codes() == [FAILING]
    assert outbox.reopen(outbox.run, 1, 1, limit=20) == [1]


def test_a_folder_that_is_gone_is_said_and_raises_nothing(
    make_outbox: Make, readings_at: Readings, alarms: Alarms, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    outbox = make_outbox(path=tmp_path / "gone" / "outbox.db")
    shutil.rmtree(tmp_path / "gone")
    assert outbox.take("a", T, readings_at(T), T, "ntp") == []
    assert outbox.readings_dropped == len(readings_at(T))
    assert alarms.codes() == [DROPPED, FAILING]


def test_a_replacement_that_fails_is_tried_again_and_sets_nothing_aside_twice(
    make_outbox: Make, readings_at: Readings, tmp_path: Path
) -> None:
    filled(make_outbox, readings_at, ticks=300)
    outbox = make_outbox()
    path = tmp_path / "outbox.db"
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(3 * 1024)
        file.write(os.urandom(size - 4 * 1024))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))  # less than any new file takes
    try:
        for tick in range(T + 300, T + 310):
            outbox.waiting(1000)
            assert outbox.take("a", tick, readings_at(tick), tick, "ntp") == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (batch,) = outbox.take("a", T + 310, readings_at(T + 310), T + 310, "ntp")
    assert outbox.message(batch) is not None
    assert outbox.waiting(10) == [batch]
    assert len(list(tmp_path.glob("outbox.db.corrupt-*[0-9]"))) == 1
    outbox.close()
    again = make_outbox()
    assert again.waiting(10) == [batch]
    assert again.take("a", T + 311, readings_at(T + 311), T + 311, "ntp")


def test_a_new_file_that_cannot_be_begun_takes_nothing(tmp_path: Path) -> None:
    file = OutboxFile(tmp_path / "outbox.db")

    def fail(_db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError, match="full"):
            file.replace(fail)
        with pytest.raises(sqlite3.ProgrammingError, match="closed"), file.transaction():
            pass
    file.replace(lambda db: db.execute("INSERT INTO run (name) VALUES ('one')"))
    with file.transaction() as db:
        assert db.execute("SELECT name FROM run").fetchall() == [("one",)]
    assert len(list(tmp_path.glob("*.corrupt-*[0-9]"))) == 1
    file.close()


# takes ticks into a file that may not grow beyond 600 kB, half of the batches with their receipts
FULL_DISK = f"""
import json, os, resource, sys
from contract.reading import Reading
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox
alarms = Alarms()
outbox = Outbox(OutboxConfig(path=sys.argv[1]), alarms)
outbox.sync()
reserved = os.path.exists(sys.argv[1] + ".reserve")
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
taken, lost = [], 0
for tick_s in range({T}, {T} + 3000):
    readings = [Reading(f"e{{i}}", "electricity_import_kwh", tick_s, tick_s / (i + 3)) for i in range(20)]
    ids = outbox.take("a", tick_s, readings, tick_s, "ntp")
    if not ids:
        lost += 1
        continue
    message = outbox.message(ids[0])
    if message.batch.n % 2:
        outbox.done({{outbox.run: [(message.batch.n, message.batch.n)]}})
    else:
        taken.append(str(message.batch))
print(json.dumps({{"taken": taken, "lost": lost, "dropped": outbox.readings_dropped, "alarms": alarms.codes(),
    "reserve": [reserved, os.path.exists(sys.argv[1] + ".reserve")]}}))
"""


def test_a_full_disk_costs_nothing_that_was_taken(make_outbox: Make, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "outbox.db")]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    said = json.loads(answer.stdout)
    # what had its receipt was forgotten first, and its room used again
    assert len(said["taken"]) > 500
    assert said["lost"] > 0
    assert said["dropped"] == said["lost"] * 20
    assert said["alarms"] == ["outbox-dropped", "outbox-failing"]
    assert said["reserve"] == [True, False]
    # one line each, not one for every tick
    assert answer.stderr.count("\n") == 2
    outbox = make_outbox()
    waiting = {str(message.batch) for batch in outbox.waiting(10_000) if (message := outbox.message(batch))}
    assert set(said["taken"]) <= waiting


# takes ticks on a disk of its own, until that is full of what waits
LOW_DISK = f"""
import json, sys
from contract.reading import Reading
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox
alarms = Alarms()
outbox = Outbox(OutboxConfig(path=sys.argv[1]), alarms)
outbox.sync()
lost = []
for tick_s in range({T}, {T} + 60 * 600, 60):
    readings = [Reading(f"e{{i}}", quantity, tick_s, tick_s / (i + 3)) for i in range(90)
        for quantity in ("electricity_import_kwh", "electricity_power_kw", "electricity_power_l1_kw")]
    if not outbox.take("a", tick_s, readings, tick_s, "ntp"):
        lost.append(tick_s)
sizes = [len(outbox.message(batch).payload) for batch in outbox.waiting(10_000)]
print(json.dumps({{"lost": lost, "thinned": outbox.readings_thinned, "dropped": outbox.readings_dropped,
    "alarms": alarms.codes(), "oldest": sizes[0], "newest": sizes[-1]}}))
"""
OWN_DISK = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=18m tmpfs "$1" && shift && exec "$@"', "sh")


def test_on_a_low_disk_the_oldest_instants_go_and_the_newest_tick_is_taken(tmp_path: Path) -> None:
    own_disk = [*OWN_DISK, str(tmp_path)]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*own_disk, "true"], check=False, stderr=subprocess.DEVNULL).returncode
    ):
        pytest.skip("unshare may not mount a file system of its own here")
    command = [*own_disk, sys.executable, "-c", LOW_DISK, str(tmp_path / "outbox.db")]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    said = json.loads(answer.stdout)
    assert (said["lost"], said["dropped"]) == ([], 0)
    assert said["thinned"] > 0
    assert said["oldest"] < said["newest"] / 2
    assert said["alarms"] == ["outbox-failing", "outbox-thinned"]
