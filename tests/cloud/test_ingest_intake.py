"""From messages to commits and receipts, without a broker or a store."""

from collections.abc import Mapping

import numpy as np

from cloud.ingest.check import Bounds
from cloud.ingest.gaps import Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.intake import Books, Prepared, prepare
from cloud.ingest.known import OPEN_FROM_S, OPEN_TO_S, Known, Row
from cloud.ingest.ledger import Ledger, content_hash
from cloud.ingest.link import Arrived
from cloud.ingest.metrics import Metrics
from contract.messages import Birth, Receipt, State, encode
from contract.reading import Reading
from contract.refusals import NOT_SENML, UNKNOWN_METER
from contract.senml import encode_batch

NOW_S = 1_795_392_000
KWH = "electricity_import_kwh"
ROWS = [Row(gateway, f"{gateway}-e1", KWH, OPEN_FROM_S, OPEN_TO_S) for gateway in ("g1", "g2")]
SERIES = np.arange(2, dtype=np.int32)
BASE = "bitgoeul/v1/main"


class Desk:
    """The books, and a count of messages."""

    def __init__(self, known: Known | None = None) -> None:
        ledger, gateways = Ledger(), Gateways()
        self.books = Books(ledger, gateways, Gaps(ledger, gateways, 60.0), Metrics())
        self.known = known or Known(ROWS, SERIES)
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
    assert desk.books.gateways.get("g9").site is None
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


class Poisoned(Known):
    """As if there were a mistake in the code that only one gateway's messages meet."""

    def names(self, gateway: str, base_name: str) -> Mapping[str, int]:
        if gateway == "g2":
            raise ZeroDivisionError
        return super().names(gateway, base_name)


def test_a_mistake_of_ours_costs_the_message_that_meets_it_and_no_other() -> None:
    desk = Desk(Poisoned(ROWS, SERIES))
    messages = [(f"g1/readings/r-{n}", batch("g1", NOW_S + n)) for n in range(1, 8)]
    done = desk.prepare(*messages[:3], ("g2/readings/r-1", batch("g2")), *messages[3:])
    assert done.commit.readings["time_s"].to_pylist() == [NOW_S + n for n in range(1, 8)]
    assert done.receipts["g1"].stored == {"r": [(1, 7)]}
    assert done.receipts["g2"].refused == {"r-1": {NOT_SENML: 1}}
    assert done.commit.quarantine["record"].to_pylist() == [batch("g2").decode()]
