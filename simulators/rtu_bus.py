"""A Modbus RTU bus over a pseudo-terminal: one thread a line, bytes that take their time, and who talks over whom.

A pseudo-terminal hands over all bytes of a request at once. The bus takes that moment as the first bit's, reckons
when the last would have passed, and only then hears silence. An answer is handed over at once too, at the moment
at which its last byte would have arrived:

    request ─────── 3.5 characters ── turnaround ── answer ───────╮ 3.5 characters ── next request
    ╰ all bytes come here                             they go here╯

Two that talk at the same time garble each other: a request into a (late) answer, or sooner than 3.5 characters
after the last byte, is heard by nobody.
"""

import contextlib
import os
import select
import termios
import threading
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from simulators import frames
from simulators.line import Exchange, Line

# The last stretch of a wait is spun: a sleep on Linux ends some 0.06 ms late, and later on a busy machine.
_SPIN_S = 0.0004
_LONGEST_FRAME_BYTES = 4096
# As fast as possible there is no silence that ends a frame; a part of a request waits this long for the rest.
_REST_S = 0.02


@dataclass(frozen=True)
class Wire:
    """`baud` 0 is as fast as possible, without gaps. Above 19200 baud the gap is 1.75 ms, as the standard has it."""

    baud: int = 0
    bits_per_char: int = 10
    turnaround_s: float = 0.0

    @property
    def char_s(self) -> float:
        """How long a byte takes."""
        return self.bits_per_char / self.baud if self.baud else 0.0

    @property
    def gap_s(self) -> float:
        """The silence between frames."""
        return 0.00175 if self.baud > 19200 else 3.5 * self.char_s

    def transaction_s(self, request_bytes: int, answer_bytes: int) -> float:
        """The shortest time from one request to the next: both frames (with unit and CRC), gaps, turnaround."""
        return (request_bytes + answer_bytes) * self.char_s + 2 * self.gap_s + self.turnaround_s


@dataclass
class Overhead:
    """How much later than reckoned the bus delivered its answers."""

    answers: int = 0
    total_s: float = 0.0

    def add(self, late_s: float) -> None:
        """Count one answer."""
        self.answers += 1
        self.total_s += late_s

    @property
    def mean_s(self) -> float:
        """Per answer."""
        return self.total_s / self.answers if self.answers else 0.0


@dataclass
class _Request:
    start_s: float
    end_s: float
    data: bytes
    garbled: bool


@dataclass
class _Answer:
    start_s: float
    end_s: float
    frame: bytes
    exchange: Exchange
    garbled: bool


@dataclass
class RtuBus:
    """Runs from `with` on. `port` is the device file for the master; `link`, if given, a symlink to it. With `echo`
    the master's adapter hears what it sends itself.
    """

    line: Line
    wire: Wire = field(default_factory=Wire)
    link: Path | None = None
    echo: bool = False
    overhead: Overhead = field(default_factory=Overhead)
    port: str = ""

    def __enter__(self) -> Self:
        self._bus, self._slave = os.openpty()
        # the bus holds the far end open as well, or it would hang up whenever no master is there
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._bus, False)
        self.port = os.ttyname(self._slave)
        if self.link:
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self.port)
        self._wake_read, self._wake_write = os.pipe()
        self._request: _Request | None = None
        self._answers: list[_Answer] = []
        self._quiet_from_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"bus-{self.line.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        os.write(self._wake_write, b"x")
        self._thread.join()
        if self.link:
            self.link.unlink(missing_ok=True)
        for one in (self._bus, self._slave, self._wake_read, self._wake_write):
            os.close(one)

    def _run(self) -> None:
        if self.wire.baud:
            # a wire does not wait for a busy machine either; without the right to this the bus is only less exact
            with contextlib.suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        while True:
            ready = self._wait(self._due_s())
            if self._wake_read in ready:
                return
            if self._bus in ready:
                self._hear(os.read(self._bus, _LONGEST_FRAME_BYTES), time.monotonic())
            elif self._request and self._due_s() == self._request_due_s(self._request):
                self._end_request(self._request)
            else:
                self._deliver(self._answers.pop(0))

    def _due_s(self) -> float | None:
        due = [self._answers[0].end_s - _SPIN_S] if self._answers else []
        due += [self._request_due_s(self._request)] if self._request else []
        return min(due, default=None)

    def _request_due_s(self, request: _Request) -> float:
        if self.wire.baud:
            return request.end_s + self.wire.gap_s
        whole = len(request.data) >= (frames.rtu_request_bytes(request.data) or frames.MAX_ADU_BYTES)
        return request.end_s if whole else request.end_s + _REST_S

    def _wait(self, until_s: float | None) -> list[int]:
        timeout_s = None if until_s is None else max(until_s - time.monotonic(), 0.0)
        return select.select([self._bus, self._wake_read], [], [], timeout_s)[0]

    def _hear(self, data: bytes, at_s: float) -> None:
        if self.echo:
            os.write(self._bus, data)
        end_s = at_s + len(data) * self.wire.char_s
        if self._request:
            self._request.end_s = max(self._request.end_s, at_s) + len(data) * self.wire.char_s
            self._request.data += data
        else:
            self._request = _Request(at_s, end_s, data, garbled=at_s < self._quiet_from_s)
        for answer in self._answers:
            if answer.start_s < self._request.end_s and answer.end_s > self._request.start_s:
                answer.garbled = self._request.garbled = True

    def _end_request(self, request: _Request) -> None:
        self._request = None
        self._quiet_from_s = max(self._quiet_from_s, request.end_s + self.wire.gap_s)
        found = None if request.garbled else frames.from_rtu(request.data)
        if found is None or found[0] == 0:  # to unit 0 the master talks to all, and none answers
            return
        exchange = self.line.exchange(*found)
        if exchange.pdu is None:
            self.line.log_now(exchange)
            return
        frame = frames.to_rtu(exchange.unit, exchange.pdu)
        start_s = request.end_s + self.wire.gap_s + self.wire.turnaround_s + exchange.slow_s
        answer = _Answer(start_s, start_s + len(frame) * self.wire.char_s, frame, exchange, garbled=False)
        for other in self._answers:
            if other.start_s < answer.end_s and other.end_s > answer.start_s:
                other.garbled = answer.garbled = True
        self._answers = sorted([*self._answers, answer], key=lambda one: one.end_s)

    def _deliver(self, answer: _Answer) -> None:
        at_ns = time.time_ns() + round((answer.end_s - time.monotonic()) * 1e9)
        self.line.log(answer.exchange, at_ns, garbled=answer.garbled)
        damaged = answer.garbled or answer.exchange.garbled
        frame = self.line.damaged(answer.frame) if damaged else answer.frame
        while time.monotonic() < answer.end_s:
            pass
        with contextlib.suppress(BlockingIOError):  # nobody has read the port for long: a wire keeps no bytes either
            os.write(self._bus, frame)
        self.overhead.add(time.monotonic() - answer.end_s)
        self._quiet_from_s = max(self._quiet_from_s, answer.end_s + self.wire.gap_s)
