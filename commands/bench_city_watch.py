"""What `bench city` looks at while it runs: when readings become readable, how busy the machine is, what grows."""

import os
import re
import statistics
import time
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path

from cloud.store.flight import FlightStore
from cloud.store.protocol import StoreUnavailable
from simulators.city_load import Progress, Published

CORES = 2  # of which a share is to be idle; on a machine with more, as much must be
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)  # fields of /proc/stat: idle, and waiting for the disk
_USED = (11, 12)  # fields of /proc/PID/stat after the name: user and system


@dataclass
class Watch:
    """Takes what the load tells, and asks the area for the readings of its sentinels until they are there."""

    orders: Connection
    store: FlightStore
    progress: Progress = field(default_factory=Progress)
    lags: list[tuple[float, float]] = field(default_factory=list)  # when published (UTC epoch), and for how long unread
    _pending: list[Published] = field(default_factory=list)

    def look(self) -> None:
        """Once: what is new, and what of it can be read."""
        self.hear()
        self._pending.sort(key=lambda one: one.time_s)
        for time_s, group in groupby(list(self._pending), key=lambda one: one.time_s):
            self._read(time_s, list(group))

    def hear(self) -> None:
        """Take what the load has told."""
        while self.orders.poll():
            self.progress = self.orders.recv()
            self._pending += self.progress.published

    def lags_since(self, published_s: float) -> list[float]:
        """Of what was published from then on; what is not readable yet counts with its age."""
        waiting = [(one.published_s, time.time() - one.published_s) for one in self._pending]
        return [lag_s for from_s, lag_s in self.lags + waiting if from_s >= published_s]

    def _read(self, time_s: int, waiting: list[Published]) -> None:
        meters = sorted({one.meter for one in waiting})
        quantities = sorted({one.quantity for one in waiting})
        try:
            rows = self.store.rows(time_s, time_s + 1, meters, quantities)
        except StoreUnavailable:
            return
        now_s = time.time()
        found = set(zip(rows.column("meter").to_pylist(), rows.column("quantity").to_pylist(), strict=True))
        for one in waiting:
            if (one.meter, one.quantity) in found:
                self._pending.remove(one)
                self.lags.append((one.published_s, now_s - one.published_s))


def p95(numbers: list[float]) -> float:
    """The 95th percentile; NaN of nothing."""
    if len(numbers) < 2:
        return numbers[0] if numbers else float("nan")
    return statistics.quantiles(numbers, n=20, method="inclusive")[-1]


def settled_s(log: str) -> list[float]:
    """How long each slot with anything in it took to be settled, as the area's log says."""
    found = re.findall(r"slot settled .*registers=(\d+) .*settle_s=([\d.]+)", log)
    return [float(seconds) for registers, seconds in found if int(registers)]


def busy_s() -> float:
    """Processor time that the whole machine has used, in seconds of one core."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]
    return sum(int(text) for place, text in enumerate(fields) if place not in _IDLE) / _TICKS_PER_S


def process_s(pid: int) -> float:
    """Processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(int(fields[place]) for place in _USED) / _TICKS_PER_S


def folder_bytes(folder: Path) -> int:
    """What its files take on disk; one that vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
