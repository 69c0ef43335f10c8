"""The outbox keeps order and content across a crash at any point: kill -9, and power cuts as its setting says."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from contract.quality import Quality
from contract.reading import Reading
from contract.senml import encode_batch
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox

ROOT = Path(__file__).parents[2]
T = 1_795_392_000

# takes ticks and says each once it is taken; every third gets its receipt
CHILD = f"""
import hashlib, os, sys, time
from contract.reading import Reading
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox
path, start, sync_s, ticks = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
outbox = Outbox(OutboxConfig(path=path, sync_s=sync_s), Alarms())
for tick_s in range({T} + start, {T} + start + ticks):
    readings = [Reading(f"e{{i}}", "electricity_import_kwh", tick_s, tick_s / (i + 3)) for i in range(50)]
    [batch] = outbox.take("a", tick_s, readings, tick_s, "ntp")
    message = outbox.message(batch)
    if tick_s % 3 == 0:
        outbox.done({{message.batch.run: [(message.batch.n, message.batch.n)]}})
    if sync_s and tick_s % 10 == 0:
        outbox.sync()
    said = f"taken {{tick_s}} {{message.batch}} {{hashlib.sha256(message.payload).hexdigest()}}\\n"
    os.write(1, said.encode())
"""


def child(path: Path, start: int, sync_s: float, ticks: int, before: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    command = [*before, sys.executable, "-c", CHILD, str(path), str(start), str(sync_s), str(ticks)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def waiting(outbox: Outbox) -> list[tuple[str, str]]:
    """(identity, digest of the payload) of all that waits, in order."""
    found = [outbox.message(batch) for batch in outbox.waiting(10**6)]
    return [(str(m.batch), hashlib.sha256(m.payload).hexdigest()) for m in found if m is not None]


def test_nothing_that_was_taken_is_lost_on_kill_9(tmp_path: Path) -> None:
    path, taken = tmp_path / "outbox.db", []
    for kill in range(6):
        with child(path, kill * 10**6, sync_s=5, ticks=10**6) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            time.sleep(random.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
            said += process.stdout.read()
        taken += [line.split()[1:] for line in said[: said.rindex("\n")].splitlines()]
    outbox = Outbox(OutboxConfig(path=str(path)), Alarms())
    found = waiting(outbox)
    outbox.close()
    expected = [(batch, payload) for tick, batch, payload in taken if int(tick) % 3]
    known = set(expected)
    # what was killed between the taking and the saying is there as well
    assert [entry for entry in found if entry in known] == expected
    assert len(found) - len(expected) <= 6


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("sync_s", [0, 5])
def test_a_power_cut_costs_what_the_setting_says(tmp_path: Path, sync_s: float) -> None:
    trace = tmp_path / "trace"
    strace = ("strace", "-y", "-e", "trace=fsync,fdatasync,write,pwrite64", "-o", str(trace))
    with child(tmp_path / "outbox.db", 1, sync_s, ticks=20, before=strace) as process:
        assert process.wait() == 0
    # for each take the calls on the log, w for a write and s for a sync, up to its being said
    takes = []
    for said in trace.read_text("utf-8").split('"taken ')[1:-1]:
        calls = [line for line in said.splitlines() if "outbox.db-wal" in line]
        takes.append("".join("s" if "sync(" in line else "w" for line in calls))
    assert len(takes) == 19
    for tick, take in enumerate(takes, start=2):
        if sync_s == 0:
            assert re.fullmatch("w+sw*", take), "a take is synced after it is written; a receipt need not be"
        else:
            assert re.fullmatch("w+s" if tick % 10 == 0 else "w+", take), "only sync() syncs"


class Crashes(RuleBasedStateMachine):
    """Compares the outbox with a list; each state since the last sync may be what a power cut leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-"))
        self.path = self.folder / "outbox.db"
        self.copies, self.tick_s, self.synced_bytes = 0, T, 0
        self.model: list[tuple[str, str]] = []
        self.since_sync: list[tuple[list[tuple[str, str]], int]] = []
        self.outbox = Outbox(OutboxConfig(path=str(self.path)), Alarms())
        self.noted(synced=True)

    def state(self) -> tuple[list[tuple[str, str]], int]:
        return waiting(self.outbox), self.outbox.last_s("a")

    def noted(self, *, synced: bool = False) -> None:
        assert waiting(self.outbox) == self.model
        if synced:
            self.synced_bytes = self.wal(self.path).stat().st_size
            self.since_sync = []
        self.since_sync.append(self.state())

    @rule(step_s=st.integers(1, 1000), meters=st.integers(1, 400), value=st.floats(-1e9, 1e9))
    def take(self, step_s: int, meters: int, value: float) -> None:
        self.tick_s += step_s
        tick_s, quantity = self.tick_s, "electricity_import_kwh"
        readings = [Reading(f"e{i}", quantity, tick_s, value / (i + 1), Quality.GOOD) for i in range(meters)]
        n = self.outbox.last_n + 1
        self.outbox.take("a", tick_s, readings, tick_s, "ntp")
        payload = encode_batch(readings, tick_s, "ntp")
        self.model.append((f"{self.outbox.run}-{n}", hashlib.sha256(payload).hexdigest()))
        self.noted()

    @rule(first=st.integers(1, 40), last=st.integers(1, 40))
    def receipt(self, first: int, last: int) -> None:
        run = self.outbox.run
        self.outbox.done({run: [(first, last)]})
        gone = {f"{run}-{n}" for n in range(first, last + 1)}
        self.model = [entry for entry in self.model if entry[0] not in gone]
        self.noted()

    @rule()
    def sync(self) -> None:
        self.outbox.sync()
        self.noted(synced=True)

    @rule()
    def kill(self) -> None:
        before = self.state()
        self.reopen(self.copy())
        assert self.state() == before
        self.noted(synced=True)

    @rule(kept=st.floats(0, 1), torn=st.binary(max_size=64))
    def power_cut(self, kept: float, torn: bytes) -> None:
        path = self.copy()
        size = self.wal(path).stat().st_size
        cut = self.synced_bytes + round((size - self.synced_bytes) * kept)
        with self.wal(path).open("r+b") as wal:
            wal.truncate(cut)
            wal.seek(cut)
            wal.write(torn)
        self.reopen(path)
        assert self.state() in self.since_sync
        self.model = waiting(self.outbox)
        self.noted(synced=True)

    def copy(self) -> Path:
        self.copies += 1
        path = self.folder / str(self.copies) / "outbox.db"
        path.parent.mkdir()
        for source in (self.path, self.wal(self.path)):
            shutil.copy(source, path.with_name(source.name))
        return path

    def reopen(self, path: Path) -> None:
        self.outbox.close()
        self.path = path
        self.outbox = Outbox(OutboxConfig(path=str(path)), Alarms())

    def wal(self, path: Path) -> Path:
        return path.with_name("outbox.db-wal")

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.folder)


Crashes.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestCrashes = Crashes.TestCase
