"""Jobs go on: whatever one cannot do keeps back no other, and a clock that is set stops nothing."""

import threading
import time

import pytest

from cloud.mirror.jobs import Job, each_of
from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem


def test_a_clock_set_back_within_a_turn_stops_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, twice, real = [0.0], threading.Event(), time.time
    day_back_s = 86_400.0

    def turn(now_s: float) -> None:
        turns.append(now_s)
        monkeypatch.setattr(time, "time", lambda: real() - day_back_s)
        if len(turns) > 2:
            twice.set()

    job = Job("clocked", 0.05, turn)
    job.start()
    try:
        assert twice.wait(10)
    finally:
        job.stop()
        job.join(5)
    assert turns[1] - turns[2] > day_back_s / 2


def test_each_has_its_turn_and_the_first_failure_is_told() -> None:
    done = []

    def turn(one: str) -> None:
        if one == "damaged":
            raise Problem("망가짐", "damaged")
        if one == "dead":
            raise StoreUnavailable("dead")
        done.append(one)

    with pytest.raises(StoreUnavailable, match="dead"):
        each_of(["east", "dead", "damaged", "west"], turn)
    assert done == ["east", "west"]
