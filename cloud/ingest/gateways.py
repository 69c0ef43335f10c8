"""What each gateway said of itself last: its birth, its state, how late its readings come. Shared by threads."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace

import pyarrow as pa

from cloud.ingest.spans import Spans
from contract.messages import Birth, State
from contract.topics import parse_batch

GATEWAYS = pa.schema(
    [
        ("gateway", pa.string()),
        ("site", pa.string()),
        ("online", pa.bool_()),
        ("state_time_s", pa.int64()),
        ("outbox_batches", pa.int64()),
        ("warnings", pa.list_(pa.string())),
        ("delay_s", pa.float64()),
        ("software", pa.string()),  # of its birth, as are tick_s and meters
        ("tick_s", pa.int64()),
        ("meters", pa.int64()),
        ("clock", pa.string()),
        ("clock_good", pa.bool_()),
        ("outbox_bytes", pa.int64()),
        ("outbox_oldest_s", pa.int64()),  # UTC epoch seconds of what waits longest; 0: nothing waits
        ("readings_thinned", pa.int64()),
        ("readings_dropped", pa.int64()),
        ("dead_meters", pa.int64()),
        ("lines", pa.int64()),
        ("lines_down", pa.int64()),
        ("line_use_ratio_max", pa.float64()),
        ("ticks_missed", pa.int64()),
    ]
)

# One row for each line of a gateway that is online.
LINES = pa.schema(
    [
        ("gateway", pa.string()),
        ("line", pa.string()),
        ("up", pa.bool_()),
        ("use_ratio", pa.float64()),
        ("overloaded", pa.bool_()),
        ("dead_meters", pa.list_(pa.string())),
        ("ticks_missed", pa.int64()),
    ]
)

# What hangs on each gateway by its own account.
CATALOGUE = pa.schema([("gateway", pa.string()), ("meter", pa.string()), ("model", pa.string()), ("line", pa.string())])

GOOD_CLOCKS = ("ntp", "system")  # not "holdover", nor "none"

MAX_HELD_SPANS = 1000  # of one gateway; a state that names more is cut


@dataclass(frozen=True)
class Gateway:
    """`held` is what its outbox still holds, by run, or None before its first state; `heard_s` is the cloud's time
    of the last message, `stated_s` of the last state; `delay_s` is the age of its latest batch at arrival.
    """

    birth: Birth | None = None
    state: State | None = None
    held: dict[str, Spans] | None = None
    heard_s: float = 0.0
    stated_s: float = 0.0
    delay_s: float | None = None


NOBODY = Gateway()


class Gateways:
    """By name. Only known gateways are noted, so that strangers cost nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Gateway] = {}

    def get(self, name: str) -> Gateway:
        """What is known of it, which may be nothing."""
        return self._found.get(name, NOBODY)

    def born(self, name: str, birth: Birth, now_s: float) -> None:
        """Take a birth."""
        self._put(name, replace(self.get(name), birth=birth, heard_s=now_s))

    def stated(self, name: str, state: State, now_s: float) -> None:
        """Take a state. The broker's word that a gateway is gone says nothing of what the gateway holds."""
        was = self.get(name)
        if state.status == "offline":
            self._put(name, replace(was, state=_gone(was.state)))
            return
        self._put(name, replace(was, state=state, held=_held(state), heard_s=now_s, stated_s=now_s))

    def heard(self, name: str, now_s: float, delay_s: float | None) -> None:
        """Take note of a batch."""
        was = self.get(name)
        self._put(name, replace(was, heard_s=now_s, delay_s=was.delay_s if delay_s is None else delay_s))

    def table(self, known: Iterable[str]) -> pa.Table:
        """GATEWAYS, one row for each of `known`."""
        return pa.Table.from_pylist([_row(name, gateway) for name, gateway in self._of(known)], GATEWAYS)

    def lines(self, known: Iterable[str]) -> pa.Table:
        """LINES of those of `known` that are online."""
        rows = [
            {
                "gateway": name,
                "line": line,
                "up": state.up,
                "use_ratio": state.use_ratio,
                "overloaded": state.overloaded,
                "dead_meters": state.dead_meters,
                "ticks_missed": _int64(state.ticks_missed),
            }
            for name, gateway in self._of(known)
            if gateway.state is not None
            for line, state in gateway.state.lines.items()
        ]
        return pa.Table.from_pylist(rows, LINES)

    def catalogue(self, known: Iterable[str]) -> pa.Table:
        """CATALOGUE of those of `known` that were born."""
        rows = [
            {"gateway": name, "meter": meter.name, "model": meter.model, "line": meter.line}
            for name, gateway in self._of(known)
            if gateway.birth is not None
            for meter in gateway.birth.meters
        ]
        return pa.Table.from_pylist(rows, CATALOGUE)

    def _of(self, known: Iterable[str]) -> list[tuple[str, Gateway]]:
        with self._lock:
            return [(name, self._found.get(name, NOBODY)) for name in known]

    def _put(self, name: str, gateway: Gateway) -> None:
        with self._lock:
            self._found[name] = gateway


def _gone(state: State | None) -> State:
    last = State(status="") if state is None else state
    return State(
        status="offline",
        time_s=last.time_s,
        outbox_batches=last.outbox_batches,
        warnings=last.warnings,
    )


def _held(state: State) -> dict[str, Spans]:
    held: dict[str, Spans] = {}
    left = MAX_HELD_SPANS
    for run, spans in state.held.items():
        # what cannot be a batch cannot be asked for
        good = [span for span in spans if 1 <= span[0] <= span[1] and parse_batch(f"{run}-{span[1]}")][:left]
        held[run] = Spans(good)
        left -= len(good)
    return held


def _row(name: str, gateway: Gateway) -> dict[str, object]:
    birth, state = gateway.birth, gateway.state
    row: dict[str, object] = {"gateway": name, "online": False, "warnings": [], "delay_s": gateway.delay_s}
    if birth is not None:
        row |= {"site": birth.site, "software": birth.software, "tick_s": _int64(birth.tick_s)}
        row |= {"meters": len(birth.meters)}
    if state is not None:
        row |= {"online": state.status != "offline", "warnings": state.warnings}
        row |= {"state_time_s": _int64(state.time_s) if state.time_s else None}
        row |= {"outbox_batches": _int64(state.outbox_batches)}
    return row | (_said(state) if state is not None and state.status != "offline" else {})


def _said(state: State) -> dict[str, object]:
    """What counts while it is online."""
    lines = state.lines.values()
    return {
        "clock": state.clock,
        "clock_good": state.clock in GOOD_CLOCKS,
        "outbox_bytes": _int64(state.outbox_bytes),
        "outbox_oldest_s": _int64(state.outbox_oldest_s),
        "readings_thinned": _int64(state.readings_thinned),
        "readings_dropped": _int64(state.readings_dropped),
        "dead_meters": sum(len(line.dead_meters) for line in lines),
        "lines": len(lines),
        "lines_down": sum(not line.up for line in lines),
        "line_use_ratio_max": max((line.use_ratio for line in lines), default=None),
        "ticks_missed": _int64(sum(line.ticks_missed for line in lines)),
    }


def _int64(number: int) -> int:
    """JSON has numbers of any length, a table has not."""
    return max(-(2**63), min(number, 2**63 - 1))
