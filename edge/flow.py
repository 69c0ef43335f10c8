"""PURE: which batches go out now, and which again. Time is an argument, in seconds of a monotonic clock.

Live data first, newest first; what waits from before goes beside it, oldest first, as far as the window of
batches without receipt and a rate allow. Where the cloud says nothing at all, one batch at a time is tried.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

from contract.messages import Ranges
from contract.topics import BatchId, parse_batch

WINDOW = 32  # batches without receipt in flight, at most
FIRST_WINDOW = 4  # after a connection; grows by one a receipt, so that a city that reconnects is let in slowly
RETRY_S = 30.0
RETRY_CAP_S = 300.0
BACKLOG_PER_S = 20.0
BACKLOG_BURST = 8.0
LIVE = 64  # just taken and not sent yet; older ones join the backlog
PARKED = 256  # sent, timed out and waiting to be sent again
LOOKAHEAD = WINDOW + LIVE + PARKED + int(BACKLOG_BURST)

LARGEST_N = 10**15 - 1  # what a topic can carry
SPANS = 256
EMPTIES = 1000
HELD_AT_ONCE = 20


class Sent(NamedTuple):
    """In flight until `late_s`; from `again_s` on to be sent again. `tries` counts the sendings before this one."""

    sent_s: float
    late_s: float
    again_s: float
    tries: int


class Flow:
    """The window of one connection. `sent` is what has been published and not receipted, by batch."""

    def __init__(self, random: Callable[[], float]) -> None:
        """`random` gives numbers from 0 to 1, for the jitter."""
        self._random = random
        self.sent: dict[int, Sent] = {}
        self._live: deque[int] = deque(maxlen=LIVE)
        self._window = FIRST_WINDOW
        self._silences = 0
        self._heard_s = 0.0
        self._tokens, self._tokens_s = BACKLOG_BURST, 0.0
        self.starved = False

    def unheard_s(self, now_s: float) -> float:
        """For how long the cloud has said nothing on this connection."""
        return now_s - self._heard_s

    def reset(self, now_s: float) -> None:
        """A connection begins or has ended: all that has no receipt is backlog again."""
        self.sent.clear()
        self._live.clear()
        self._window, self._silences, self._heard_s = FIRST_WINDOW, 0, now_s

    def offer(self, batches: Sequence[int]) -> None:
        """Just taken: these go before the backlog."""
        self._live.extend(batches)

    def receipted(self, batches: Sequence[int], now_s: float) -> None:
        """The cloud has spoken, and these are done with."""
        self._heard_s, self._silences = now_s, 0
        self._window = min(WINDOW, max(self._window, FIRST_WINDOW) + len(batches))
        self.forget(batches)

    def forget(self, batches: Sequence[int]) -> None:
        """These need no sending any more."""
        for batch in batches:
            self.sent.pop(batch, None)

    def pick(self, now_s: float, waiting: Sequence[int]) -> list[int]:
        """What to publish now, noted as sent. `waiting`: the LOOKAHEAD oldest without receipt, oldest first."""
        self._expire(now_s)
        in_flight = sum(sent.late_s > now_s for sent in self.sent.values())
        room = self._window - in_flight
        live = [self._live.pop() for _ in range(min(room, len(self._live)))]
        room -= len(live) + self._window // 4  # a part of the window is for live data only
        again = [batch for batch, sent in self.sent.items() if sent.again_s <= now_s]
        known = self.sent.keys() | set(self._live) | set(live)
        rest = again + [batch for batch in waiting if batch not in known]
        allowed = rest[: max(0, room)]
        chosen = live + [batch for batch in allowed if self.token(now_s)]
        self.starved = len(chosen) < len(live) + len(allowed)
        for batch in chosen:
            self._note(batch, now_s)
        return chosen

    def token(self, now_s: float) -> bool:
        """Whether one more message that is not live may go out now."""
        self._tokens = min(BACKLOG_BURST, self._tokens + (now_s - self._tokens_s) * BACKLOG_PER_S)
        self._tokens_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _note(self, batch: int, now_s: float) -> None:
        before = self.sent.pop(batch, None)
        tries = before.tries + 1 if before else 0
        late_s = now_s + self._timeout_s(self._silences)
        self.sent[batch] = Sent(now_s, late_s, max(late_s, now_s + self._timeout_s(tries)), tries)

    def _timeout_s(self, doublings: int) -> float:
        return min(RETRY_CAP_S, RETRY_S * 2.0 ** min(doublings, 10)) * (0.75 + 0.5 * self._random())

    def _expire(self, now_s: float) -> None:
        late = [sent for sent in self.sent.values() if sent.late_s <= now_s]
        if any(sent.sent_s >= self._heard_s for sent in late):
            # not one batch is missing, the cloud is: it is not sent copies of all, but asked with one at a time
            self.sent.clear()
            self._silences += 1
            self._window = 1
        for batch in list(islice(self.sent, max(0, len(self.sent) - WINDOW - PARKED))):
            del self.sent[batch]


class Span(NamedTuple):
    """Numbers of one run, both ends included."""

    run: str
    first: int
    last: int


class Asks:
    """Batches that the cloud asks for again, as spans: these may be absurdly long, and are never written out."""

    def __init__(self) -> None:
        self._spans: deque[Span] = deque()
        self._empties: deque[Span] = deque()

    def add(self, asked: Ranges, own_run: str, last_n: int) -> None:
        """Note what is asked. Numbers that `own_run` has not used yet will be used, and are never answered."""
        for run, ranges in islice(asked.items(), SPANS):
            for first, last in islice(ranges, SPANS):
                span = Span(run, max(first, 1), min(last, last_n if run == own_run else LARGEST_N))
                answerable = span.first <= span.last and parse_batch(f"{run}-{span.first}")
                if answerable and span not in self._spans and len(self._spans) < SPANS:
                    self._spans.append(span)

    @property
    def open(self) -> bool:
        """Whether something is not answered yet."""
        return bool(self._spans or self._empties)

    def next_span(self) -> Span | None:
        """The span to look up: which of its first HELD_AT_ONCE batches held are there."""
        return self._spans[0] if self._spans else None

    def found(self, held: Sequence[int]) -> None:
        """The answer for `next_span`: numbers held, ascending. The others are answered with empty batches."""
        run, first, last = self._spans.popleft()
        if len(held) >= HELD_AT_ONCE:
            if held[-1] < last:
                self._spans.appendleft(Span(run, held[-1] + 1, last))
            last = held[-1]
        for number in [*held, last + 1]:
            self._add_empties(run, first, number - 1)
            first = number + 1

    def later(self) -> None:
        """`next_span` could not be looked up: it is the last now."""
        self._spans.rotate(-1)

    def _add_empties(self, run: str, first: int, last: int) -> None:
        # the cloud asks again for what is left out here
        room = EMPTIES - sum(span.last - span.first + 1 for span in self._empties)
        last = min(last, first + room - 1)
        if first <= last:
            self._empties.append(Span(run, first, last))

    def next_empty(self) -> BatchId | None:
        """A batch that is no longer held, to be answered with an empty one; each is given once."""
        if not self._empties:
            return None
        run, first, last = self._empties.popleft()
        if first < last:
            self._empties.appendleft(Span(run, first + 1, last))
        return BatchId(run, first)
