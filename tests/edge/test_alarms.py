"""Alarms are said once an hour, and hold as long as they are true."""

import logging

import pytest

from edge.alarms import Alarms


def test_an_alarm_is_logged_once_an_hour_and_holds_a_day(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 100.0
    alarms = Alarms(lambda: now_s)
    with caplog.at_level(logging.WARNING):
        alarms.sound("outbox-thinned", "readings=5\nx=1")
        alarms.sound("outbox-thinned", "readings=6")
        alarms.sound("another", "", lasts_s=10)
    assert [record.getMessage() for record in caplog.records] == [
        "alarm=outbox-thinned readings=5 x=1",
        "alarm=another ",
    ]
    assert alarms.codes() == ["another", "outbox-thinned"]
    now_s += 3_600
    assert alarms.codes() == ["outbox-thinned"]
    with caplog.at_level(logging.WARNING):
        alarms.sound("outbox-thinned", "readings=7")
    assert caplog.records[-1].getMessage() == "alarm=outbox-thinned readings=7"
    now_s += 86_400
    assert alarms.codes() == []


def test_a_cleared_alarm_is_over(caplog: pytest.LogCaptureFixture) -> None:
    alarms = Alarms()
    alarms.clear("never-raised")
    alarms.sound("line-down", "")
    alarms.clear("line-down")
    assert alarms.codes() == []
    assert [record.getMessage() for record in caplog.records] == ["alarm=line-down ", "alarm=line-down over"]


def test_an_alarm_that_comes_back_after_it_was_over_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    alarms = Alarms(lambda: 100.0)
    alarms.sound("line-down", "a=1")
    alarms.clear("line-down")
    alarms.sound("line-down", "a=2")
    assert caplog.messages == ["alarm=line-down a=1", "alarm=line-down over", "alarm=line-down a=2"]
