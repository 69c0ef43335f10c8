"""When a part is well, wants a look, or is bad."""

from typing import Any

import pytest

from cloud.mirror.scraping import parse
from commands import status_rules as rules
from commands.status_rules import AreaSaid, Line

NOW_S = 1_800_000_000.0
DAY_S = 86_400.0
SETTLED = {"trouble": "", "settled_s": NOW_S - 1000, "stale": 0}


def area(**changes: object) -> dict[str, Line]:
    """Lines by key, of an area that is well but for this."""
    gateways = [
        {"gateway": f"g{n}", "online": True, "state_time_s": NOW_S, "meters": 10, "dead_meters": 0} for n in range(10)
    ]
    said: dict[str, Any] = {"settle": SETTLED, "gateways": gateways, "quarantine": []}
    return {line.key: line for line in rules.area_lines("main", AreaSaid(**said | changes), NOW_S)}


def figures(text: str) -> dict[str, Line]:
    return {line.key: line for line in rules.figure_lines("x", parse(text, NOW_S), NOW_S)}


@pytest.mark.parametrize(
    ("change", "state", "words"),
    [
        ({}, "ok", "until 17 min ago"),
        ({"settled_s": NOW_S - 3000}, "warn", "until 50 min ago"),
        ({"settled_s": NOW_S - 4 * DAY_S}, "bad", "until 4 d ago"),
        ({"settled_s": None}, "warn", "nothing settled yet"),
        ({"trouble": "store away"}, "bad", "waits: store away"),
        ({"stale": 9}, "warn", "until 17 min ago, sums of 9 slots to be made"),
    ],
)
def test_settling(change: dict[str, object], state: str, words: str) -> None:
    line = area(settle=SETTLED | change)["settle"]
    assert (line.state, line.words.en) == (state, words)


def test_gateways_that_are_away_are_named_the_first_of_them() -> None:
    unheard = {"state_time_s": NOW_S - 600, "meters": None, "dead_meters": None}
    rows = [unheard | {"gateway": f"g{n}", "online": n >= 3} for n in range(4)]
    rows += [row | {"gateway": f"h{n}", "online": True, "state_time_s": NOW_S} for n, row in enumerate(rows + rows[:2])]
    line = area(gateways=rows)["gateways"]
    assert (line.state, line.words.en) == ("warn", "6 of 10 online; away: g0, g1, g2 …")
    assert area(gateways=[row | {"online": False} for row in rows])["gateways"].state == "bad"
    assert area(gateways=rows)["meters"].words.en == "0 of 0 do not answer"
    dead = [{"gateway": "g", "online": True, "state_time_s": NOW_S, "meters": 10, "dead_meters": n} for n in (0, 1)]
    assert [area(gateways=dead)["meters"].state, area(gateways=dead[1:] * 1)["meters"].state] == ["warn", "warn"]
    assert area(gateways=[dead[0] | {"dead_meters": 9}])["meters"].state == "bad"


def test_a_gateway_that_is_yet_to_be_installed_is_no_alarm() -> None:
    there = {"gateway": "g", "online": True, "state_time_s": NOW_S, "meters": 1, "dead_meters": 0}
    planned = {"gateway": "new", "online": False, "state_time_s": None, "meters": None, "dead_meters": None}
    line = area(gateways=[there] + [planned] * 50)["gateways"]
    assert (line.state, line.words.en) == ("ok", "1 of 1 online, 50 never heard yet")


def test_lag_is_that_of_the_last_batches_of_who_is_there() -> None:
    def line(*delays_s: float | None, online: bool = True) -> Line | None:
        row = {"gateway": "g", "online": online, "state_time_s": NOW_S, "meters": 1, "dead_meters": 0}
        rows = [row | {"delay_s": delay_s} for delay_s in delays_s]
        return area(gateways=rows).get("lag")

    assert line(None) is None
    assert line(5.0, online=False) is None
    found = [line(*[0.2] * 19, 500.0), line(*[0.2] * 18, 100.0, 500.0), line(1000.0)]
    assert [one and one.state for one in found] == ["ok", "warn", "bad"]
    assert found[0]
    assert found[0].words.en == "p95 1 s"


def test_quarantine_that_had_no_room_is_bad() -> None:
    held = [{"gateway": "g", "held": 3, "dropped": 0}]
    assert area(quarantine=held)["quarantine"].state == "warn"
    line = area(quarantine=[held[0] | {"dropped": 2}])["quarantine"]
    assert (line.state, line.words.en) == ("bad", "3 readings refused, 2 lost for want of room")


def test_quarantine_that_was_emptied_is_well_and_still_tells_what_was_lost() -> None:
    line = area(quarantine=[{"gateway": "g", "held": 0, "dropped": 2}])["quarantine"]
    assert (line.state, line.words.en) == ("ok", "0 readings refused, 2 lost for want of room")
    # of another gateway something is held, and nothing of it was lost
    rows = [{"gateway": "g", "held": 0, "dropped": 2}, {"gateway": "h", "held": 1, "dropped": 0}]
    assert area(quarantine=rows)["quarantine"].state == "warn"


def test_figures_tell_whose_they_are() -> None:
    ingest = (
        "bitgoeul_ingest_readings_total 100\nbitgoeul_ingest_broker_connected 0\nbitgoeul_ingest_store_available {}\n"
    )
    assert figures(ingest.format(0))["ingest"].state == "bad"
    assert figures(ingest.format(1))["broker"].state == "bad"
    assert figures(ingest.format(1))["ingest"].state == "ok"
    stored = "bitgoeul_ingest_stored_seconds {}\n"
    lines = [figures(ingest.format(1) + stored.format(NOW_S - age_s))["ingest"] for age_s in (70, 700, 2000)]
    assert [line.state for line in lines] == ["ok", "warn", "bad"]
    assert lines[0].words.en == "100 readings, the last 70 s ago"
    portal = "bitgoeul_portal_listeners 3\nbitgoeul_portal_feed_age_seconds {}\nbitgoeul_portal_silent_areas {}\n"
    assert figures(portal.format(1, 0))["portal"].words.en == "3 watching, 0 errors, page 1 s old"
    assert [figures(portal.format(*given))["portal"].state for given in ((20, 0), (90, 0), (1, 1))] == [
        "warn",
        "bad",
        "bad",
    ]
    mirror = "bitgoeul_mirror_newest_slot_seconds {}\n"
    assert [figures(mirror.format(NOW_S - age_s))["mirror"].state for age_s in (900, 4000, DAY_S)] == [
        "ok",
        "warn",
        "bad",
    ]


def test_disks_backups_and_certificates() -> None:
    assert [rules.disk_line("d", free, 100).state for free in (50, 10, 1)] == ["ok", "warn", "bad"]
    ages = (3600, 30 * 3600, 4 * DAY_S)
    assert [rules.backup_line(NOW_S - age_s, NOW_S).state for age_s in ages] == ["ok", "warn", "bad"]
    assert rules.backup_line(None, NOW_S).state == "bad"
    ends = {"ca.crt": NOW_S + 900 * DAY_S, "g1": NOW_S + 40 * DAY_S}
    assert rules.certificate_line(ends, NOW_S).words.en == "2, the first ends in 40 d"
    line = rules.certificate_line(ends | {"g2": NOW_S + 20 * DAY_S}, NOW_S)
    assert (line.state, line.words.en) == ("warn", "20 d left: g2")
    line = rules.certificate_line(ends | {"g3": NOW_S - 1}, NOW_S)
    assert (line.state, line.words.en) == ("bad", "expired: g3")
