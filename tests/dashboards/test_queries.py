"""Every question of every board and alarm, put to the real InfluxDB that the demo's city fills."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud.mirror.retention import LIVE
from dashboards.build import GENERATED
from tests.dashboards.answers import Empty, ask, empties, of_boards, unanswered
from tests.dashboards.asked import Asked, Chosen, board_files, of_rules

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BOARDS = "boards"
READY_S = 300  # half a minute on a machine that does nothing else
ALARMS_S = 130  # what grew is known once there are two minutes to compare
# one meter of each utility, so that what a board says of each is asked
METERS = ("hanam-e-main-01", "hanam-g-main-01", "hanam-w-main-01", "hanam-h-main-01", "hanam-pv-01")

pytestmark = pytest.mark.skipif(
    shutil.which("influxd") is None, reason="influxd is not installed (apt-get install influxdb)"
)

# what is there last: the sums of today (right after midnight of yesterday) and of the oldest day's sites, the rates of
# counters, the newest slot, and what the rules found once yesterday was judged
LAST = (
    'SELECT last("estimated") FROM "usage_heat_kwh_daily" WHERE "level" = \'city\' AND time > now() - 25h',
    'SELECT last("value") FROM "emission_co2_kg_daily" WHERE "level" = \'dong\' AND time > now() - 25h',
    'SELECT last("coverage_ratio") FROM "quality_slot" WHERE "level" = \'dong\' AND time > now() - 75m',
    'SELECT last("value") FROM "usage_electricity_kwh_daily" WHERE "site" = \'hanam\' AND time > now() - 25h',
    'SELECT last("use_ratio") FROM "line_state" WHERE time > now() - 1m',
    'SELECT last("value") FROM "usage_electricity_kwh" WHERE "site" = \'hanam\' AND time < now() - 1d',
    'SELECT last("lag_s") FROM "platform_mirror" WHERE time > now() - 1m',
    'SELECT last("requests_per_s") FROM "platform_portal" WHERE time > now() - 1m',
    'SELECT last("messages_sent_per_s") FROM "platform_broker" WHERE time > now() - 1m',
    # a rate over six hours compares buckets of 30 s, of which the first point begins one
    'SELECT last("batches_total") FROM "platform_ingest" WHERE time < now() - 40s',
    'SELECT last("sums_took_s") FROM "platform_settle" WHERE time > now() - 1m',
    'SELECT last("choice_ko") FROM "site_names" WHERE time > now() - 10m',
    'SELECT last("meter_slots") FROM "quality_grade" WHERE time > now() - 2h',
    'SELECT last("findings") FROM "quality_finding" WHERE time > now() - 2d',
)


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo's InfluxDB, once all is mirrored."""
    folder = tmp_path_factory.mktemp("demo")
    argv = [sys.executable, "-m", "commands", "demo", "--boards", "--history-days", "1", "--data", str(folder / "data")]
    environment = os.environ | {"BITGOEUL_LANG": "en"}
    with (folder / "said").open("w") as said:
        demo = subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=said, stderr=said)
    try:
        yield _when_mirrored(folder / "said", demo)
    finally:
        demo.terminate()
        demo.wait(60)


def _when_mirrored(said: Path, demo: "subprocess.Popen[bytes]") -> str:
    deadline_s = time.monotonic() + READY_S
    waits = list(LAST)
    url = ""
    while waits:
        assert demo.poll() is None, said.read_text("utf-8")
        assert time.monotonic() < deadline_s, f"not mirrored in {READY_S} s: {waits}"
        time.sleep(0.5)
        found = re.search(r"InfluxDB: (http://\S+)", said.read_text("utf-8"))
        url = found[1] if found else ""
        waits = [wait for wait in waits if not url or not ask(url, BOARDS, wait).values]
    return url


def _empty_without_reason(answers: dict[str, str], now: datetime) -> dict[str, str]:
    known = empties(HERE / "empty.toml")
    return {
        where: what
        for where, what in answers.items()
        # an error is never by design
        if not what.startswith("nothing") or not any(one.covers(where, now) for one in known)
    }


def test_every_question_of_every_board_is_answered(influx: str) -> None:
    now = datetime.now(UTC)
    boards = board_files(GENERATED, "en")
    asked = of_boards(influx, BOARDS, boards, now, {"site": "hanam"})
    assert len(asked) > 150
    assert _empty_without_reason(unanswered(influx, BOARDS, asked), now) == {}


def test_the_korean_boards_ask_the_same_but_for_their_words(influx: str) -> None:
    now = datetime.now(UTC)
    asked = of_boards(influx, BOARDS, board_files(GENERATED, "ko"), now, {"site": "hanam"})
    english = of_boards(influx, BOARDS, board_files(GENERATED, "en"), now, {"site": "hanam"})
    assert [one.text.replace("_ko", "_en") for one, _ in asked] == [one.text for one, _ in english]
    worded = [(one, chosen) for one, chosen in asked if "_ko" in one.text and "outages" not in one.text]
    assert len(worded) > 8
    known = [
        what
        for what in unanswered(influx, BOARDS, worded).values()
        if "district_now" not in what and "dong_now" not in what
    ]
    assert known == []


@pytest.mark.parametrize("meter", METERS)
def test_the_meters_board_answers_for_each_utility(influx: str, meter: str) -> None:
    now = datetime.now(UTC)
    (board,) = (board for board in board_files(GENERATED, "en") if board["uid"] == "bitgoeul-meter-en")
    asked = of_boards(influx, BOARDS, [board], now, {"site": meter.split("-", maxsplit=1)[0], "meter": meter})
    assert asked[0][1]["meter"] == meter
    assert _empty_without_reason(unanswered(influx, BOARDS, asked), now) == {}


@pytest.mark.parametrize(
    ("panel", "old", "new"),
    [
        (0, '"electricity_power_kw"', '"electricity_power_mw"'),
        (0, "SELECT last", "SELECT lost"),
        (1, "\"level\" = 'city'", "\"level\" = 'town'"),
        (4, '"quality" < 16', '"quality" < 0'),
        (4, "time > now() - 2m", "time > now() + 2m"),
    ],
)
def test_a_broken_question_is_found(influx: str, panel: int, old: str, new: str) -> None:
    board: Any = json.loads((GENERATED / "boards/en/city.json").read_text("utf-8"))
    target = board["panels"][panel]["targets"][0]
    assert old in target["query"]
    now = datetime.now(UTC)
    where = f"bitgoeul-city-en / {board['panels'][panel]['title']} / A"
    assert where not in unanswered(influx, BOARDS, of_boards(influx, BOARDS, [board], now, {}))
    target["query"] = target["query"].replace(old, new)
    assert where in _empty_without_reason(unanswered(influx, BOARDS, of_boards(influx, BOARDS, [board], now, {})), now)


def test_an_error_is_never_empty_by_design(influx: str) -> None:
    now = datetime.now(UTC)
    anything = Empty(board=".*", panel=".*", why="a test")
    assert anything.covers("bitgoeul-city-en / annotation Outages", now)
    board: Any = json.loads((GENERATED / "boards/en/city.json").read_text("utf-8"))
    board["annotations"]["list"][0]["query"] += " AND"
    found = unanswered(influx, BOARDS, of_boards(influx, BOARDS, [board], now, {}))
    assert "bitgoeul-city-en / annotation Outages" in _empty_without_reason(found, now)


def test_each_reason_is_still_needed(influx: str) -> None:
    now = datetime.now(UTC)
    found: dict[str, str] = {}
    for meter in METERS:
        wish = {"site": "hanam", "meter": meter}
        found |= unanswered(influx, BOARDS, of_boards(influx, BOARDS, board_files(GENERATED, "en"), now, wish))
    for reason in empties(HERE / "empty.toml"):
        if not reason.today and not reason.young:
            assert any(reason.covers(where, now) for where in found), reason


def test_of_every_measurement_it_is_decided_how_long_it_stays(influx: str) -> None:
    with urllib.request.urlopen(f"{influx}/query?db={BOARDS}&q=SHOW%20MEASUREMENTS", timeout=20) as answer:  # noqa: S310
        there = [row[0] for row in json.load(answer)["results"][0]["series"][0]["values"]]
    kept = [name for name in there if not LIVE.fullmatch(name)]
    settled = re.compile(
        r"(usage|production|import|export|emission|earlier|quality)_.*|(district|dong)_now|today_compare"
    )
    assert len(there) - len(kept) > 40
    assert [name for name in kept if not settled.fullmatch(name)] == []
    assert len(kept) > 20


def test_every_alarm_is_answered(influx: str) -> None:
    rules: list[tuple[Asked, Chosen]] = [
        (rule, {}) for rule in of_rules(GENERATED / "provisioning/alerting/rules.yaml", datetime.now(UTC))
    ]
    assert len(rules) == 9
    deadline_s = time.monotonic() + ALARMS_S
    while (missing := unanswered(influx, BOARDS, rules)) and time.monotonic() < deadline_s:
        time.sleep(1)
    assert missing == {}
