"""What is missing is asked for once it has been missing for a while, and never without measure."""

import itertools

from cloud.ingest.gaps import GONE_AFTER_S, MAX_ASKED, MAX_WAIT_S, Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.ledger import Ledger
from contract.messages import Ranges, State
from contract.topics import BatchId

WAIT_S = 60.0


class Cloud:
    """A ledger, what gateways say, and a clock."""

    def __init__(self) -> None:
        self.ledger, self.gateways = Ledger(), Gateways()
        self.gaps = Gaps(self.ledger, self.gateways, WAIT_S)
        self.now_s = 1000.0

    def batches(self, *numbers: int, run: str = "r") -> None:
        for n in numbers:
            self.ledger.judge("g1", BatchId(run, n), 0, self.now_s)
        self.gateways.heard("g1", self.now_s, None)
        self.gaps.noted("g1", self.now_s)

    def state(self, held: Ranges) -> None:
        self.gateways.stated("g1", State(status="online", held=held), self.now_s)
        self.gaps.noted("g1", self.now_s)

    def after(self, seconds: float) -> Ranges:
        self.now_s += seconds
        return self.gaps.look(self.now_s).get("g1", {})


def test_a_gap_is_asked_for_at_the_second_look() -> None:
    cloud = Cloud()
    cloud.batches(1, 2, 5, 9)
    assert cloud.after(WAIT_S - 1) == {}
    assert cloud.after(1) == {}
    cloud.batches(6)
    assert cloud.after(WAIT_S) == {"r": [(3, 4), (7, 8)]}
    cloud.batches(3, 4, 7, 8)
    assert cloud.after(WAIT_S) == {}
    assert cloud.after(10 * WAIT_S) == {}


def test_what_was_only_late_is_not_asked_for() -> None:
    cloud = Cloud()
    cloud.batches(2)
    assert cloud.after(WAIT_S) == {}
    cloud.batches(1, 4)
    assert cloud.after(WAIT_S) == {}


def test_a_question_in_vain_is_repeated_ever_more_rarely() -> None:
    cloud = Cloud()
    cloud.batches(2)
    asked = []
    for minute in range(60 * 6):
        cloud.gateways.heard("g1", cloud.now_s, None)
        if cloud.after(WAIT_S):
            asked.append(minute)
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert pauses == sorted(pauses)
    assert pauses[-1] * WAIT_S == MAX_WAIT_S
    assert 5 < len(asked) < 15


def test_an_absurd_number_is_asked_for_in_small_portions() -> None:
    cloud = Cloud()
    cloud.batches(10**14)
    cloud.after(WAIT_S)
    assert cloud.after(WAIT_S) == {"r": [(1, MAX_ASKED)]}
    cloud.state({"r": [(5, 10**14)], "s": [(-3, 10**14), (9, 2)]})
    cloud.after(WAIT_S)
    question = cloud.after(2 * WAIT_S)
    assert question == {"r": [(5, 5 + MAX_ASKED - 1)]}


def test_a_cloud_restored_from_back_up_learns_whole_runs_and_tails_from_the_state() -> None:
    cloud = Cloud()
    cloud.batches(*range(1, 11), run="old")
    cloud.now_s += 10
    cloud.state({"old": [(6, 20)], "unheard": [(1, 3)]})
    assert cloud.after(WAIT_S) == {}
    assert cloud.after(WAIT_S) == {"old": [(11, 20)], "unheard": [(1, 3)]}
    cloud.batches(*range(11, 21), run="old")
    # it answers: what is left is asked for sooner
    assert cloud.after(WAIT_S) == {"unheard": [(1, 3)]}
    cloud.batches(1, 2, run="unheard")
    assert cloud.after(WAIT_S / 4) == {"unheard": [(3, 3)]}


def test_what_is_held_no_longer_is_not_asked_for() -> None:
    cloud = Cloud()
    cloud.batches(1, 4, 8)
    cloud.batches(3, run="gone")
    cloud.now_s += 1
    cloud.state({"r": [(6, 9)]})
    cloud.after(WAIT_S)
    assert cloud.after(WAIT_S) == {"r": [(6, 7), (9, 9)]}


def test_an_older_state_closes_nothing_that_came_after_it() -> None:
    cloud = Cloud()
    cloud.state({"r": [(1, 4)]})
    cloud.now_s += 1
    cloud.batches(1, 2, 3, 4, 5, 7)
    cloud.batches(2, run="new")
    cloud.after(WAIT_S)
    assert cloud.after(WAIT_S) == {"r": [(6, 6)], "new": [(1, 1)]}


def test_a_gateway_that_has_gone_silent_is_asked_when_it_is_back() -> None:
    cloud = Cloud()
    cloud.batches(2)
    cloud.after(WAIT_S)
    assert cloud.after(GONE_AFTER_S) == {}
    cloud.batches(3)
    cloud.after(WAIT_S)
    assert cloud.after(WAIT_S) == {"r": [(1, 1)]}
