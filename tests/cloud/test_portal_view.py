"""What the page says, in both languages, of every state that a figure, a gateway or an area can be in."""

from dataclasses import replace

import pytest

from cloud.portal.live import gateways as gw
from cloud.portal.live.frame import AreaStatus, status
from cloud.portal.live.rules import DAY, NOW, Snapshot, Tick
from cloud.portal.live.sums import Figure
from cloud.portal.live.view import CITY, Cell, age, cells, date, number
from cloud.portal.texts import say_in
from tests.cloud.portal_area import MIDNIGHT_S, NOW_S, gateway, gateway_table

KO, EN = say_in("ko"), say_in("en")
NOTHING = dict.fromkeys(
    [*NOW.values(), *DAY.values(), "electricity_import_power_kw", "electricity_export_power_kw"], Figure()
)
FULL = Figure(21228.4, expected=3, counted=3, newest_s=NOW_S, oldest_s=NOW_S)
FULL_DAY = replace(FULL, since_first_s=MIDNIGHT_S, since_last_s=MIDNIGHT_S)


def shown(
    now: Figure,
    day: Figure = FULL_DAY,
    utility: str = "gas",
    offline: bool = False,
    more: dict[str, Figure] | None = None,
) -> tuple[Cell, Cell]:
    """The city's cell in Korean and in English."""
    city = NOTHING | {NOW[utility]: now, DAY[utility]: day} | (more or {})
    snap = Snapshot(NOW_S + 1.0, MIDNIGHT_S, (), city, None, 0)
    of = frozenset({CITY}) if offline else frozenset()
    ko, en = (cells(snap, (), of, say)[f"{CITY}/{utility}"] for say in (KO, EN))
    return ko, en


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.001, "0.00"),
        (0.1234, "0.12"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1234567.8, "1,234,568"),
        (-1234.5, "−1,234"),
    ],
)
def test_numbers_have_three_digits_and_separators(value: float, text: str) -> None:
    assert number(value) == text


def test_a_full_figure_is_a_number_with_its_meters() -> None:
    ko, en = shown(FULL)
    assert (ko.now, ko.day, ko.state, ko.day_state) == ("21,228", "21,228", "ok", "ok")
    assert (ko.note, en.note) == ("계량기 3대", "meters: 3")
    assert (ko.day_note, ko.extra, ko.number, ko.meters) == ("", "", 21230.0, 3)


def test_a_partial_figure_says_how_much_is_there_and_why_the_rest_is_not() -> None:
    ko, en = shown(replace(FULL, counted=2, derived=1, oldest_s=NOW_S - 70, reason="no-answer"))
    assert ko.note == "계량기 3대 중 2대 · 1대 응답 없음 · 평균값 · 1분 전"
    assert en.note == "2 of 3 meters · 1: no answer · averaged · 1 min ago"
    assert ko.state == "partial"


def test_nothing_is_no_zero() -> None:
    ko, en = shown(Figure(expected=2, reason="backed-off"), Figure(expected=2, reason="register-fell"))
    assert (ko.now, en.now, ko.state, ko.number) == ("자료 없음", "no data", "missing", None)
    assert (ko.day, ko.day_state, ko.day_note) == ("자료 없음", "missing", "검침값 감소, 확인 필요")
    assert ko.note == "응답 없음(재시도 대기)"
    off, _ = shown(Figure(expected=2, reason="stale"), offline=True)
    assert off.note == "게이트웨이 연결 끊김"
    none, _ = shown(Figure())
    assert (none.now, none.state, none.number) == ("계량기 없음", "none", None)


def test_a_day_says_what_it_does_not_cover() -> None:
    late = replace(FULL_DAY, since_first_s=NOW_S - 7200, since_last_s=NOW_S - 3600)
    assert shown(FULL, late)[0].day_note == "10:13부터"
    some = replace(FULL_DAY, since_last_s=NOW_S - 3600)
    assert shown(FULL, some)[1].day_note == "some since 10:13"
    behind = replace(FULL_DAY, counted=2, oldest_s=NOW_S - 3600, reason="no-midnight-register")
    assert shown(FULL, behind)[0].day_note == "3대 중 2대 · 일부 10:13까지"


def test_electricity_tells_grid_from_sun() -> None:
    made = replace(FULL, value=100.0)
    extra = {NOW["production"]: made}
    ko, en = shown(replace(FULL, value=400.0), utility="electricity", more=extra)
    assert (ko.extra, en.extra) == ("전력망에서 300 kW", "from the grid: 300 kW")
    assert shown(replace(FULL, value=60.0), utility="electricity", more=extra)[0].extra == "전력망으로 40.0 kW"
    sunny, _ = shown(made, utility="production", more={NOW["electricity"]: replace(FULL, value=400.0)})
    assert sunny.extra == "사용 전력의 25%"
    unsure, _ = shown(made, utility="production", more={NOW["electricity"]: replace(FULL, counted=2)})
    assert unsure.extra == ""


def test_ages_and_dates_are_said_as_people_say_them() -> None:
    assert [age(s, KO) for s in (-3, 0.2, 59, 61, 3599, 7300)] == ["1초", "1초", "59초", "1분", "59분", "2시간"]
    assert date(NOW_S, KO) == "2026년 11월 23일 (월)"
    assert date(NOW_S, EN) == "Monday 23 November 2026"


@pytest.mark.parametrize(
    ("age_s", "answering", "state", "text"),
    [
        (0.5, True, "live", "1초 전 자료입니다"),
        (40, True, "late", "새 자료가 들어오지 않고 있습니다. 40초 전 자료입니다."),
        (5, False, "late", "수집 서버(main)가 응답하지 않습니다. 5초 전 자료입니다."),
        (None, True, "none", "아직 받은 자료가 없습니다. 자료가 들어오면 바로 보여 드립니다."),
        (None, False, "none", "수집 서버(main)가 응답하지 않습니다. 아직 받은 자료가 없습니다."),
    ],
)
def test_the_page_says_how_fresh_it_is(age_s: float | None, answering: bool, state: str, text: str) -> None:
    tick = None if age_s is None else Tick(NOW_S, 1, NOW_S * 1000, round((NOW_S + 1 - age_s) * 1000), age_s)
    snap = Snapshot(NOW_S + 1.0, MIDNIGHT_S, (), NOTHING, tick, 0)
    said = status(snap, (AreaStatus("main", answering, None),), 30, KO)
    assert (said.state, said.text) == (state, text)


def test_gateways_tell_what_somebody_must_look_at() -> None:
    known = gw.gateways(
        gateway_table(
            gateway("g1", "a"),
            gateway("g2", "a", online=False),
            gateway("g3", "b", online=False, state_time_s=None),
            gateway("g4", "c", warnings=["outbox-dropped", "x" * 900], outbox_batches=1234),
        )
    )
    assert gw.offline_sites(known) == {"b"}
    assert gw.summary(known, KO) == "게이트웨이 4대 중 2대 연결됨"
    assert gw.summary([], EN) == "No gateway has reported yet."
    assert gw.troubles(known, 5, KO) == [
        "g2: 연결 끊김(마지막 상태 11:13)",
        "g3: 아직 연결되지 않음",
        "g4: 보낼 자료가 쌓여 오래된 자료를 버렸습니다",
        f"g4: {'x' * 40}",
        "g4: 보내지 못한 묶음 1,234개",
        "시설 목록에 없는 계측 항목이 5개 들어오고 있습니다.",
    ]
    many = gw.gateways(gateway_table(*(gateway(f"g{i}", "a", online=False) for i in range(50))))
    assert gw.troubles(many, 0, EN)[-1] == "and 30 more"
