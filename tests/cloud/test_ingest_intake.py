"""From messages to commits and receipts, without a broker or a store."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.check import Bounds
from cloud.ingest.gaps import Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.intake import Books, Prepared, prepare
from cloud.ingest.known import Known
from cloud.ingest.ledger import Ledger, content_hash
from cloud.ingest.link import Arrived
from cloud.ingest.metrics import Metrics
from cloud.store.duck import DuckStore
from contract.messages import Birth, Receipt, State, decode_birth, decode_receipt, decode_state, encode
from contract.problems import Problem
from contract.reading import Reading
from contract.refusals import NOT_SENML, UNKNOWN_METER
from contract.senml import encode_batch
from contract.topics import LEAVES
from tests.cloud.ingest_area import Row, known, spans_of

NOW_S = 1_795_392_000
KWH = "electricity_import_kwh"
ROWS = [Row(gateway, f"{gateway}-e1", KWH) for gateway in ("g1", "g2")]
BASE = "bitgoeul/v1/main"


class Desk:
    """The books, and a count of messages."""

    def __init__(self, what: Known | None = None) -> None:
        ledger, gateways = Ledger(), Gateways()
        self.books = Books(ledger, gateways, Gaps(ledger, gateways, 60.0), Metrics())
        self.known = what or known(ROWS)
        self.mid = 0

    def prepare(self, *messages: tuple[str, bytes]) -> Prepared:
        arrived = []
        for name, payload in messages:
            self.mid += 1
            arrived.append(Arrived(1, self.mid, 1, f"{BASE}/{name}", payload, NOW_S + 1.0))
        return prepare(arrived, "main", self.known, self.books, Bounds.at(NOW_S, 400))


def batch(gateway: str, time_s: int = NOW_S, meter: str = "e1") -> bytes:
    return encode_batch([Reading(f"{gateway}-{meter}", KWH, time_s, 1.0)], NOW_S + 0.5, "ntp")


def test_one_receipt_a_gateway_with_ranges_and_reasons() -> None:
    done = Desk().prepare(
        ("g1/readings/r-1", batch("g1")),
        ("g2/readings/x-7", batch("g2")),
        ("g1/readings/r-2", batch("g1", NOW_S + 1)),
        ("g1/readings/r-3", batch("g1", meter="e9")),
        ("g1/readings/s-1", b"[]"),
    )
    assert done.receipts == {
        "g1": Receipt(NOW_S + 1, {"r": [(1, 2)], "s": [(1, 1)]}, {"r-3": {UNKNOWN_METER: 1}}),
        "g2": Receipt(NOW_S + 1, {"x": [(7, 7)]}),
    }
    assert done.commit.readings["series"].to_pylist() == [0, 1, 0]
    assert [row["n"] for row in done.commit.ledger.to_pylist()] == [1, 7, 2, 3, 1]
    assert done.commit.ledger["hash"][0].as_py() == content_hash(batch("g1"))
    assert done.commit.quarantine.to_pylist()[0]["batch"] == "r-3"
    assert len(done.arrived) == 5


def test_a_second_copy_beside_the_first_is_stored_once_and_both_are_acknowledged() -> None:
    desk = Desk()
    done = desk.prepare(("g1/readings/r-1", batch("g1")), ("g1/readings/r-1", batch("g1")))
    assert done.commit.readings.num_rows == done.commit.ledger.num_rows == 1
    assert len(done.arrived) == 2
    again = desk.prepare(("g1/readings/r-1", batch("g1")))
    assert again.commit.ledger.num_rows == again.commit.readings.num_rows == 0
    assert again.receipts["g1"].stored == {"r": [(1, 1)]}


def test_topics_that_are_not_ours_are_acknowledged_and_left() -> None:
    done = Desk().prepare(("g1/readings/r-x", b""), ("g1/receipts", b""), ("G1/readings", b""), ("g1/other", b""))
    assert len(done.arrived) == 4
    commit = done.commit
    assert not any((commit.readings, commit.ledger, commit.quarantine, done.receipts))


def test_births_and_states_of_strangers_and_nonsense_leave_nothing() -> None:
    desk = Desk()
    birth = encode(Birth("g9", "site", NOW_S, "1"))
    huge = encode(State(status="online", outbox_batches=10**30, time_s=-(10**30)))
    desk.prepare(("g9/birth", birth), ("g1/birth", b"\xff"), ("g1/state", b"[]"), ("g2/state", b" " * 200_000))
    liar = encode(Birth("g2", "site", NOW_S, "1"))
    desk.prepare(("g1/birth", liar))
    assert [desk.books.gateways.get(name).birth for name in ("g9", "g1", "g2")] == [None, None, None]
    assert all(row["state_time_s"] is None for row in desk.books.gateways.table(["g1", "g2"]).to_pylist())
    desk.prepare(("g1/state", huge))
    (row,) = desk.books.gateways.table(["g1"]).to_pylist()
    assert (row["online"], row["outbox_batches"], row["state_time_s"]) == (True, 2**63 - 1, -(2**63))


def test_the_last_will_says_gone_and_forgets_nothing() -> None:
    desk = Desk()
    desk.prepare(("g1/state", encode(State(status="online", time_s=NOW_S, outbox_batches=3, held={"r": [(1, 9)]}))))
    desk.prepare(("g1/state", encode(State(status="offline"))))
    (row,) = desk.books.gateways.table(["g1"]).to_pylist()
    assert (row["online"], row["outbox_batches"], row["state_time_s"]) == (False, 3, NOW_S)
    held = desk.books.gateways.get("g1").held
    assert held is not None
    assert list(held["r"]) == [(1, 9)]


def test_an_empty_message_that_clears_what_was_retained_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.prepare(("g1/state", encode(State(status="offline"))), ("g1/birth", b""), ("g1/state", b""))
    (row,) = desk.books.gateways.table(["g1"]).to_pylist()
    assert row["online"] is False
    assert caplog.records == []


class Poisoned(Known):
    """As if there were a mistake in the code that only one gateway's messages meet."""

    def names(self, gateway: str, base_name: str) -> Mapping[str, int]:
        if gateway == "g2":
            raise ZeroDivisionError
        return super().names(gateway, base_name)


def test_a_mistake_of_ours_costs_the_message_that_meets_it_and_no_other() -> None:
    desk = Desk(Poisoned(spans_of(ROWS), np.arange(2, dtype=np.int32)))
    messages = [(f"g1/readings/r-{n}", batch("g1", NOW_S + n)) for n in range(1, 8)]
    done = desk.prepare(*messages[:3], ("g2/readings/r-1", batch("g2")), *messages[3:])
    assert done.commit.readings["time_s"].to_pylist() == [NOW_S + n for n in range(1, 8)]
    assert done.receipts["g1"].stored == {"r": [(1, 7)]}
    assert done.receipts["g2"].refused == {"r-1": {NOT_SENML: 1}}
    assert done.commit.quarantine["record"].to_pylist() == [batch("g2").decode()]


DEEP = b'{"status":"online","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
TEXTS = st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["n", "v", "vs", "bn", "bt", "t", "at", "sent", "status", "held", "r"]), inner
        )
    ),
    max_leaves=8,
).map(lambda found: json.dumps(found).encode())


@pytest.mark.parametrize("decode", [decode_state, decode_birth, decode_receipt])
def test_deep_nesting_is_a_problem_like_any_other(decode: Callable[[bytes], object]) -> None:
    with pytest.raises(Problem):
        decode(DEEP)


@pytest.mark.parametrize("leaf", ["readings", "readings/r-1", "receipts", "birth", "state"])
def test_deep_nesting_is_survived_on_every_leaf(leaf: str, tmp_path: Path) -> None:
    done = Desk().prepare((f"g1/{leaf}", DEEP), (f"g1/{leaf}", b"[" * 60_000 + b"]" * 60_000))
    assert len(done.arrived) == 2
    store = DuckStore(tmp_path / "area.duckdb")
    store.commit(done.commit)
    store.close()


@given(st.lists(st.tuples(st.sampled_from(LEAVES), st.binary(max_size=40) | TEXTS | JSON), max_size=8))
def test_any_bytes_on_every_leaf_are_judged_and_every_batch_is_receipted(messages: list[tuple[str, bytes]]) -> None:
    desk = Desk()
    named = [
        (f"g1/{leaf}" + (f"/r-{n}" if leaf == "readings" else ""), payload)
        for n, (leaf, payload) in enumerate(messages, start=1)
    ]
    done = desk.prepare(*named)
    assert len(done.arrived) == len(messages)
    receipt = done.receipts.get("g1", Receipt(0))
    stored = {n for first, last in receipt.stored.get("r", []) for n in range(first, last + 1)}
    refused = {int(batch.removeprefix("r-")) for batch in receipt.refused}
    assert stored | refused == {n for n, (leaf, _) in enumerate(messages, start=1) if leaf == "readings"}
    desk.books.gateways.table(["g1"])
    for look_s in (NOW_S + 100, NOW_S + 200):
        for question in desk.books.gaps.look(look_s).values():
            encode(Receipt(NOW_S, resend=question))


def test_what_cannot_be_a_batch_is_not_asked_for() -> None:
    desk = Desk()
    said = b'{"status":"online","held":{"r":[[1,2],[3,99999999999999999999999]],"R!":[[1,9]]}}'
    desk.prepare(("g1/state", said))
    desk.books.gaps.look(NOW_S + 100)
    assert desk.books.gaps.look(NOW_S + 200) == {"g1": {"r": [(1, 2)]}}
