"""A clock of our own that is wrong refuses nothing for good."""

import time
from pathlib import Path

import pytest

from cloud.ingest.doubt import MEMORY_S, Opinions
from cloud.ingest.link import Arrived
from contract.reading import Reading
from contract.refusals import IMPLAUSIBLE_CLOCK
from contract.senml import encode_batch
from tests.cloud.ingest_area import KWH, Gateway, eventually, fetch, raw_rows, running, settings, start_broker

NOW_S = 1_795_392_000
HOUR_S = 3600


def sent(gateway: str, sent_s: float, clock: str = "ntp") -> Arrived:
    payload = encode_batch([Reading(f"{gateway}-e01", KWH, int(sent_s), 1.0)], sent_s, clock)
    return Arrived(1, 1, 1, f"bitgoeul/v1/main/{gateway}/readings/r-1", payload, 0.0)


@pytest.mark.parametrize(
    ("messages", "doubtful"),
    [
        ([], False),
        ([sent("a", NOW_S), sent("b", NOW_S + 500)], False),
        ([sent("a", NOW_S + HOUR_S)], True),
        ([sent("a", NOW_S + HOUR_S, "system")], False),
        ([sent("a", NOW_S + HOUR_S), sent("b", NOW_S)], False),
        ([sent("a", NOW_S + HOUR_S), sent("b", NOW_S), sent("c", NOW_S + HOUR_S)], True),
        # what waits from before agrees with a clock that is slow, and its gateway does not
        ([sent("a", NOW_S + HOUR_S * n) for n in (-1, 1, 0)], True),
    ],
)
def test_most_gateways_that_are_synchronised_are_believed(messages: list[Arrived], doubtful: bool) -> None:
    assert Opinions().doubt(messages, NOW_S, 0.0) is doubtful
    one_by_one = Opinions()
    for message in messages:
        one_by_one.doubt([message], NOW_S, 0.0)
    if len(messages) == len({message.topic for message in messages}):
        assert one_by_one.doubt([], NOW_S, 0.0) is doubtful


def test_an_opinion_is_held_for_a_while_and_changed_by_a_clock_that_is_set() -> None:
    opinions, messages = Opinions(), [sent("a", NOW_S + HOUR_S)]
    assert opinions.doubt(messages, NOW_S, 0.0)
    assert not opinions.doubt(messages, NOW_S + HOUR_S, 1.0)
    assert opinions.doubt(messages, NOW_S, 2.0)
    assert not opinions.doubt([], NOW_S, 2.0 + MEMORY_S + 1)


def test_a_topic_that_is_none_is_survived() -> None:
    assert not Opinions().doubt([sent("a", NOW_S)._replace(topic="")], NOW_S, 0.0)


def test_in_1970_everything_waits() -> None:
    assert Opinions().doubt([sent("a", NOW_S)], 1000.0, 0.0)


def test_nothing_is_judged_by_a_clock_in_doubt(tmp_path: Path) -> None:
    ahead_s = time.time() + HOUR_S
    with start_broker(tmp_path / "broker") as broker:
        chosen = settings(tmp_path, broker)
        with Gateway("g1", broker) as g1, Gateway("g2", broker) as g2, running(chosen) as area:
            g1.send(1, sent("g1", ahead_s).payload)
            eventually(lambda: area.worker.clock_doubtful)
            assert "clock is behind" in fetch(area, "/healthz")[1]
            assert not g1.receipts
            # another agrees with us: it is the gateway that is wrong
            g2.send(1, sent("g2", time.time()).payload)
            eventually(lambda: g2.stored() == {1} and g1.refused() == {"r-1": {IMPLAUSIBLE_CLOCK: 1}})
            assert "clock is behind" not in fetch(area, "/healthz")[1]
    assert raw_rows(chosen.file).rows == 1
