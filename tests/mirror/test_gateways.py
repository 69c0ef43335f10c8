"""Gateways on the fleet's board: who is online is who said so lately, and who never said a word can be told."""

from collections.abc import Mapping

import pytest

from cloud.ingest.gateways import Gateways
from cloud.mirror.gateways import gateway_points, line_points, online
from contract.messages import Birth, LineState, State
from tests.mirror.served_area import NOW_S, gateways

NAMES = ["gw", "gw2"]
SAID_S = NOW_S - 5
WHILE_ONLINE = {"delay_s", "clock", "clock_good", "outbox_mb", "outbox_oldest_s", "lines_down", "ticks_missed"}


def told(known: Gateways, now_s: float) -> dict[str, Mapping[str, object]]:
    """The fields of each, those left out that are missing."""
    points = gateway_points("main", known.table(NAMES), now_s)
    return {one.tags["gateway"]: {key: is_ for key, is_ in one.fields.items() if is_ is not None} for one in points}


def lines(known: Gateways, now_s: float) -> list[str]:
    """Whose lines are told."""
    there = online(known.table(NAMES), now_s)
    return [point.tags["gateway"] for point in line_points(known.lines(NAMES), there)]


@pytest.mark.parametrize(("silent_s", "there"), [(0, 1), (300, 1), (301, 0), (3 * 86_400, 0)])
def test_where_the_broker_is_dead_too_nobody_stays_online(silent_s: int, there: int) -> None:
    known = gateways()
    known.heard("gw", SAID_S, 0.4)
    found = told(known, SAID_S + silent_s)["gw"]
    assert (found["online"], found["heard"], found["state_age_s"]) == (there, 1, silent_s)
    assert found.get("delay_s") == (0.4 if there else None)
    assert WHILE_ONLINE & found.keys() == (WHILE_ONLINE if there else set())
    assert lines(known, SAID_S + silent_s) == ["gw"] * there


def test_of_one_that_left_only_what_stays_true_is_told() -> None:
    known = gateways()
    known.heard("gw", SAID_S, 0.4)
    known.stated("gw", State(status="offline", time_s=0), NOW_S)
    found = told(known, NOW_S)["gw"]
    assert (found["online"], found["heard"], found["software"]) == (0, 1, "1")
    assert not WHILE_ONLINE & found.keys()


@pytest.mark.parametrize("word", ["birth", "state", "batch", None])
def test_one_that_never_said_a_word_is_no_outage(word: str | None) -> None:
    known = Gateways()
    if word == "birth":
        known.born("gw", Birth(gateway="gw", site="works", time_s=SAID_S, software="1"), SAID_S)
    elif word == "state":
        known.stated("gw", State(status="online", time_s=SAID_S, lines={"bus1": LineState()}), SAID_S)
    elif word == "batch":
        known.heard("gw", SAID_S, 0.4)
    assert (told(known, NOW_S)["gw"]["heard"], told(known, NOW_S)["gw2"]["heard"]) == (int(word is not None), 0)
