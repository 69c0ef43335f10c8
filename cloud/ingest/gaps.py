"""Which batches the cloud misses and a gateway may still hold, and when to ask for them again. Pure.

A number is missing when a higher one of its run came, or when the gateway's state says that its outbox holds it.
What the state says is held no longer is not asked for; it is not noted as done either, since a state is old when
it is read: should the batch come after all, it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.ingest.gateways import Gateway, Gateways
from cloud.ingest.ledger import Ledger
from cloud.ingest.spans import Span, Spans
from contract.messages import Ranges

MAX_ASKED = 256  # batches in one question to one gateway
MAX_NOTED = 2048  # batches that one look takes note of
GONE_AFTER_S = 900.0  # a gateway that has been silent for so long is not asked
MAX_WAIT_S = 3600.0
NOTHING = Spans()


@dataclass(frozen=True)
class Asking:
    """What was missing at the last look at a gateway, and when to look again."""

    missing: Mapping[str, list[Span]]
    look_s: float
    wait_s: float
    asked: bool = False


class Gaps:
    """Asks for what was missing at two looks, `timeout_s` apart; rarer and rarer while nothing comes of it."""

    def __init__(self, ledger: Ledger, gateways: Gateways, timeout_s: float) -> None:
        self._ledger = ledger
        self._gateways = gateways
        self._timeout_s = timeout_s
        self._asking: dict[str, Asking] = {}

    def noted(self, gateway: str, now_s: float) -> None:
        """Something came from the gateway: look at it in a while, if that is not planned."""
        if gateway not in self._asking:
            self._asking[gateway] = Asking({}, now_s + self._timeout_s, self._timeout_s)

    def look(self, now_s: float) -> dict[str, Ranges]:
        """What is to be asked now, by gateway."""
        questions: dict[str, Ranges] = {}
        for name in [name for name, asking in self._asking.items() if asking.look_s <= now_s]:
            last, gateway = self._asking.pop(name), self._gateways.get(name)
            now_missing = missing(name, gateway, self._ledger)
            if gateway.heard_s < now_s - GONE_AFTER_S or not now_missing:
                continue
            question = _first(_in_both(last.missing, now_missing), MAX_ASKED)
            if question:
                questions[name] = question
            wait_s = self._wait_s(last, now_missing)
            self._asking[name] = Asking(now_missing, now_s + wait_s, wait_s, asked=bool(question))
        return questions

    def _wait_s(self, last: Asking, now_missing: Mapping[str, list[Span]]) -> float:
        if not last.asked:
            return self._timeout_s
        if last.missing == now_missing:
            return min(2 * last.wait_s, MAX_WAIT_S)
        # the gateway answers: the rest may be asked for at once
        return self._timeout_s / 4


def missing(name: str, gateway: Gateway, ledger: Ledger) -> dict[str, list[Span]]:
    """By run, what the gateway may still hold and the ledger lacks, lowest first, at most MAX_NOTED in all."""
    found: dict[str, list[Span]] = {}
    left = MAX_NOTED
    runs = ledger.runs(name)
    for run in sorted({*runs, *(gateway.held or {})}):
        done = runs.get(run, NOTHING)
        for first, last in _may_hold(gateway, run, done, ledger.seen_s(name, run)):
            for span in done.missing(first, last, left):
                found.setdefault(run, []).append(span)
                left -= span[1] - span[0] + 1
    return found


def _may_hold(gateway: Gateway, run: str, done: Spans, seen_s: float) -> list[Span]:
    """The numbers of a run that the gateway may hold: what its state says, and what came after that."""
    if gateway.held is None:
        return [(1, done.highest)] if seen_s else []
    held = gateway.held.get(run, NOTHING)
    since = [(held.highest + 1, done.highest)] if seen_s > gateway.stated_s else []
    return [*held, *since]


def _in_both(before: Mapping[str, list[Span]], after: Mapping[str, list[Span]]) -> Ranges:
    both = {run: _overlap(before.get(run, []), spans) for run, spans in after.items()}
    return {run: spans for run, spans in both.items() if spans}


def _overlap(one: list[Span], other: list[Span]) -> list[Span]:
    """What is in both, of two lists that ascend."""
    found: list[Span] = []
    i = j = 0
    while i < len(one) and j < len(other):
        first, last = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if first <= last:
            found.append((first, last))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def _first(ranges: Ranges, limit: int) -> Ranges:
    """The first `limit` numbers."""
    kept: Ranges = {}
    for run, spans in ranges.items():
        for first, last in spans:
            until = min(last, first + limit - 1)
            if first <= until:
                kept.setdefault(run, []).append((first, until))
                limit -= until - first + 1
    return kept
