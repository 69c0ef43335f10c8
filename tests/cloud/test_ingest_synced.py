"""Seen by strace: the store's file is synced to disk before a receipt leaves, and the receipt before the PUBACK."""

import re
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cloud.ingest_area import Gateway, Process, batch, eventually, settings, start_broker

NOW_S = int(time.time()) // 60 * 60
BATCHES = 10

ARRIVED = re.compile(r"recvfrom\(.*bitgoeul/v1/main/g1/readings/r-(\d+)")
SYNCED = re.compile(r"(?:fsync|fdatasync)\(\d+<[^>]*/main\.duckdb(?:\.wal)?>\)\s+= 0")
SYNC_BEGUN = re.compile(r"^(\d+) .*(?:fsync|fdatasync)\(\d+<[^>]*/main\.duckdb(?:\.wal)?> <unfinished")
SYNC_ENDED = re.compile(r"^(\d+) .*<\.\.\. (?:fsync|fdatasync) resumed>\)\s+= 0")
RECEIPT = re.compile(r'sendto\(.*bitgoeul/v1/main/g1/receipts.*\\"stored\\":\{\\"r\\":\[\[(\d+),(\d+)\]\]')
PUBACK = re.compile(r'sendto\(\d+<[^>]*>, "@\\2')


def events(trace: Path) -> list[tuple[str, int]]:
    """What happened, in order: a batch arrived, the store was synced, a receipt or a PUBACK left."""
    found: list[tuple[str, int]] = []
    syncing = set()
    for line in trace.read_text("utf-8", "replace").splitlines():
        if begun := SYNC_BEGUN.match(line):
            syncing.add(begun[1])
        elif (ended := SYNC_ENDED.match(line)) and ended[1] in syncing:
            syncing.discard(ended[1])
            found.append(("synced", 0))
        elif SYNCED.search(line):
            found.append(("synced", 0))
        elif arrived := ARRIVED.search(line):
            found.append(("arrived", int(arrived[1])))
        elif receipt := RECEIPT.search(line):
            found.append(("receipt", int(receipt[2])))
        elif PUBACK.search(line):
            found.append(("puback", 0))
    return found


def receipted(gateway: Gateway, n: int) -> bool:
    return n in gateway.stored()


def test_synced_then_receipted_then_acknowledged(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace: not installed (apt-get install strace)")
    trace = tmp_path / "trace"
    # -D: the area, not strace, is our child, and gets our signals
    options = ["-D", "-f", "-y", "-s", "200", "-e", "trace=fsync,fdatasync,recvfrom,sendto", "-o", str(trace)]
    command = [strace, *options, sys.executable, "-m", "commands", "cloud", "area", "main"]
    with start_broker(tmp_path / "broker") as broker, Gateway("g1", broker) as g1:
        chosen = settings(tmp_path, broker)
        with Process(chosen, *command) as area:
            for n in range(1, BATCHES + 1):
                g1.send(n, batch("g1", NOW_S + n))
                eventually(partial(receipted, g1, n))
            assert area.end() == 0
    # strace is the last to know
    ended = re.compile(rf"^{area.pid} +\+\+\+ exited with 0", re.MULTILINE)
    eventually(lambda: ended.search(trace.read_text("utf-8", "replace")))
    seen = events(trace)
    for n in range(1, BATCHES + 1):
        arrived, receipt = seen.index(("arrived", n)), seen.index(("receipt", n))
        assert ("synced", 0) in seen[arrived:receipt]
        assert ("puback", 0) in seen[receipt:]
        assert ("puback", 0) not in seen[arrived:receipt]
