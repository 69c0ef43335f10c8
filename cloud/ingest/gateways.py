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
    ]
)

MAX_HELD_SPANS = 1000  # of one gateway; a state that names more is cut


@dataclass(frozen=True)
class Gateway:
    """`held` is what its outbox still holds, by run, or None before its first state; `heard_s` is the cloud's time
    of the last message, `stated_s` of the last state; `delay_s` is the age of its latest batch at arrival.
    """

    site: str | None = None
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
        self._put(name, replace(self.get(name), site=birth.site, heard_s=now_s))

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
        with self._lock:
            found = [(name, self._found.get(name, NOBODY)) for name in known]
        return pa.Table.from_pylist([_row(name, gateway) for name, gateway in found], GATEWAYS)

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
    state = gateway.state
    return {
        "gateway": name,
        "site": gateway.site,
        "online": state is not None and state.status != "offline",
        "state_time_s": _int64(state.time_s) if state is not None and state.time_s else None,
        "outbox_batches": _int64(state.outbox_batches) if state is not None else None,
        "warnings": state.warnings if state is not None else [],
        "delay_s": gateway.delay_s,
    }


def _int64(number: int) -> int:
    """JSON has numbers of any length, a table has not."""
    return max(-(2**63), min(number, 2**63 - 1))
