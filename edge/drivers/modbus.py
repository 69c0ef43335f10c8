"""Modbus RTU on a serial port, Modbus TCP, and RTU frames over TCP: reads of registers.

    question ───── answer ─────╮ 3.5 characters ─ next question
             ╰ timeout_s ╯     ╰ late bytes are dropped here

The port stays open whatever the units do. When it fails itself it is opened again, ever more rarely; a line on
which nobody answers any more opens it anew for each probe.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.quality import Quality
from edge.config import LineConfig
from edge.drivers import frames
from edge.drivers.driver import Answer, Question
from edge.drivers.stream import Stream, open_serial, open_tcp

CONNECT_TIMEOUT_S = 3.0
REOPEN_STEP_S = 1.0
REOPEN_CAP_S = 30.0
# An answer that has begun is over when nothing more comes for so long: USB adapters hand bytes over in packets.
IDLE_S = 0.05
# So long may a unit come out with an answer that was given up. RTU answers do not say what they answer.
OWED_S = 10.0
# epoll counts whole milliseconds, upwards: what is left of the last one is spun.
_COARSE_S = 0.001


class Timing(NamedTuple):
    """How long a character takes, and the silence between frames; both 0 where packets carry them."""

    char_s: float
    gap_s: float


def timing(config: LineConfig) -> Timing:
    """Of a serial line: above 19200 baud the silence is 1.75 ms, as the standard has it."""
    if not config.port:
        return Timing(0.0, 0.0)
    char_s = character_bits(config) / config.baud
    return Timing(char_s, 0.00175 if config.baud > 19200 else 3.5 * char_s)


def character_bits(config: LineConfig) -> int:
    """Start bit, data, parity, stop bits."""
    return 1 + 8 + (config.parity != "N") + config.stop_bits


def transaction_s(config: LineConfig, words: int, turnaround_s: float) -> float:
    """From one question's first bit to the next one's, on a serial line that is never kept waiting."""
    char_s, gap_s = timing(config)
    return (frames.REQUEST_BYTES + frames.rtu_answer_bytes(words)) * char_s + 2 * gap_s + turnaround_s


@dataclass
class ModbusDriver:
    """Opened by its first read."""

    open: Callable[[], Awaitable[Stream]]
    timing: Timing
    rtu: bool
    error: OSError | None = None
    _stream: Stream | None = None
    _free_s: float = 0.0
    _reopen_s: float = 0.0
    _reopen_wait_s: float = 0.0
    _transaction: int = 0
    # By unit: which answers it owes, by (table, words), and until when they may come.
    _owed: dict[int, dict[tuple[str, int], float]] = field(default_factory=dict)

    async def read(self, question: Question, timeout_s: float) -> Answer:
        """Ask once. A unit that owes an answer of the same form is first asked one that it cannot be taken for."""
        if self.rtu and (other := self._distinct(question)):
            answer = await self._attempt(other, timeout_s)
            if answer.quality not in (Quality.GOOD, Quality.EXCEPTION):
                return answer
        return await self._attempt(question, timeout_s)

    def rest(self, pause_s: float) -> None:
        """Send nothing for so long from now on."""
        self._free_s = max(self._free_s, time.monotonic() + pause_s)

    def close(self) -> None:
        """Give the port back."""
        if self._stream:
            self._stream.close()
            self._stream = None

    def _distinct(self, question: Question) -> Question | None:
        now_s = time.monotonic()
        owed = self._owed.get(question.unit, {})
        late = {words for (table, words), until_s in owed.items() if table == question.table and until_s > now_s}
        if question.words not in late:
            return None
        return question._replace(words=next(words for words in range(1, 126) if words not in late))

    async def _attempt(self, question: Question, timeout_s: float) -> Answer:
        reused = self._stream is not None
        answer = await self._once(question, timeout_s)
        if answer.quality is Quality.LINE_DOWN and reused and not self.timing.char_s:
            # gateways hang up on connections that were idle for a while: that is no reason to lose a reading
            return await self._once(question, timeout_s)
        return answer

    async def _once(self, question: Question, timeout_s: float) -> Answer:
        stream = await self._opened()
        if stream is None:
            now_s = time.monotonic()
            return Answer(Quality.LINE_DOWN, sent_s=now_s, ended_s=now_s)
        await _until(self._free_s)
        sent_s = time.monotonic()
        try:
            answer = await self._exchange(stream, question, timeout_s)
        except OSError as error:
            self._fail(error)
            return Answer(Quality.LINE_DOWN, sent_s=sent_s, ended_s=time.monotonic())
        self._reopen_wait_s, self.error = 0.0, None
        self._settle(question, answer)
        return answer

    async def _opened(self) -> Stream | None:
        if self._stream and self._stream.closed:
            self.close()
        if self._stream is None and time.monotonic() >= self._reopen_s:
            try:
                self._stream = await self.open()
            except OSError as error:
                self._fail(error)
            self._owed.clear()
        return self._stream

    def _fail(self, error: OSError) -> None:
        """Open again at once the first time, then ever later."""
        self.error = error
        self.close()
        self._reopen_s = time.monotonic() + self._reopen_wait_s
        self._reopen_wait_s = min(self._reopen_wait_s * 2 or REOPEN_STEP_S, REOPEN_CAP_S)

    async def _exchange(self, stream: Stream, question: Question, timeout_s: float) -> Answer:
        sent_s = time.monotonic()
        if self.rtu:
            stream.heard.clear()
            request = frames.rtu_request(question)
        else:
            self._transaction = self._transaction % 0xFFFF + 1
            request = frames.tcp_request(question, self._transaction)
        stream.write(request)
        bytes_s = (len(request) + frames.rtu_answer_bytes(question.words)) * self.timing.char_s
        deadline_s = sent_s + bytes_s + timeout_s
        found = await self._await_answer(stream, question, deadline_s)
        if stream.closed and found is None:
            raise ConnectionResetError
        ended_s = time.monotonic()
        came = bool(stream.heard) if self.rtu else stream.last_s > sent_s
        self._free_s = (stream.last_s if came else ended_s) + self.timing.gap_s
        if found is None:
            return Answer(Quality.GARBLED if came else Quality.NO_ANSWER, sent_s=sent_s, ended_s=ended_s)
        response_s = max(0.0, stream.last_s - sent_s - bytes_s)
        quality = Quality.GOOD if found.words else Quality.EXCEPTION  # a broken unit may say exception 0
        return Answer(quality, found.words, found.code, sent_s, ended_s, response_s)

    async def _await_answer(self, stream: Stream, question: Question, deadline_s: float) -> frames.Found | None:
        find = self._find_rtu if self.rtu else self._find_tcp
        last_s = deadline_s + 2.0  # whoever babbles longer is not listened to
        while (found := find(stream, question)) is None and not stream.closed:
            until_s = deadline_s
            if self.rtu and frames.rtu_begun(bytes(stream.heard), question):
                until_s = stream.last_s + IDLE_S
            if time.monotonic() >= min(until_s, last_s):
                break
            await stream.wait(min(until_s, last_s))
        return found

    def _find_rtu(self, stream: Stream, question: Question) -> frames.Found | None:
        echo = frames.rtu_request(question)
        if stream.heard.startswith(echo):  # an adapter that hears itself
            del stream.heard[: len(echo)]
        return frames.rtu_answer(bytes(stream.heard), question)

    def _find_tcp(self, stream: Stream, question: Question) -> frames.Found | None:
        while True:
            try:
                following = frames.tcp_next(bytes(stream.heard))
            except ValueError as error:
                raise ConnectionAbortedError(str(error)) from error
            if following is None:
                return None
            transaction, pdu, used = following
            del stream.heard[:used]
            if transaction == self._transaction:
                return frames.tcp_answer(pdu, question)

    def _settle(self, question: Question, answer: Answer) -> None:
        if answer.quality in (Quality.GOOD, Quality.EXCEPTION):
            # units answer in order: with this one, what it owed is past
            self._owed.pop(question.unit, None)
        else:
            owed = self._owed.setdefault(question.unit, {})
            owed[question.table, question.words] = answer.ended_s + OWED_S


def modbus_driver(config: LineConfig) -> ModbusDriver:
    """The driver that a line's settings ask for."""

    async def opened() -> Stream:
        if config.port:
            return await open_serial(config.port, config.baud, config.parity, config.stop_bits)
        return await open_tcp(config.host, config.tcp_port, CONNECT_TIMEOUT_S)

    return ModbusDriver(opened, timing(config), rtu=bool(config.port) or config.framing == "rtu")


async def _until(moment_s: float) -> None:
    """To the moment itself, since the gap comes once in each transaction."""
    rest_s = moment_s - time.monotonic()
    if rest_s > _COARSE_S:
        await asyncio.sleep(rest_s - _COARSE_S)
    _spin(moment_s)


def _spin(moment_s: float) -> None:
    """Half a millisecond, mostly: to be woken once more would take as long, and longer on a busy machine."""
    while time.monotonic() < moment_s:
        pass
