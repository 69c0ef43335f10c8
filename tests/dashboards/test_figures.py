"""What boards make of known series in a real InfluxDB: figures that would mislead, each asked as its panel asks it."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from contract.problems import Problem
from dashboards.build import GENERATED
from simulators.servers import create_database, influxdb
from tests.dashboards.asked import SEOUL, Chosen, filled, of_board

Row = dict[str, Any]
SUM = "estimated=2,counted=8i,expected=10i,quality=1i"
NOBODY = "coverage_ratio=0,quality=16i"


def _midnight_s() -> int:
    """The last one in Seoul."""
    return int(datetime.now(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _lines(now_s: int) -> Iterator[str]:
    midnight_s = _midnight_s()
    slot_s = max(now_s - 1200, midnight_s)  # the begin of the newest settled slot of today
    # what lies nowhere is both a district and a dong
    yield f"usage_electricity_kwh_daily,level=district,region=0,type=all value=30,{SUM} {midnight_s}"
    yield f"usage_electricity_kwh_daily,level=dong,region=0,type=all value=40,{SUM} {midnight_s}"
    yield f"usage_electricity_kwh_daily,level=district,region=6,type=all value=50,{SUM} {midnight_s}"
    yield f"usage_electricity_kwh_daily,level=city,region=1,type=all value=50,{SUM} {midnight_s}"
    yield f"quality_slot,level=district,region=0,utility=electricity coverage_ratio=0.5,quality=0i {slot_s}"
    yield f"quality_slot,level=dong,region=0,utility=electricity coverage_ratio=0.9,quality=0i {slot_s}"
    # a dong of which nothing is counted any more, and one that was mirrored hours ago
    dong = 'dong_now,region={},district=6 name_en="{}",name_ko="{}",latitude=35.1,longitude=126.8'
    for name, number, ago_s in (("Silent", 601, 900), ("Old", 602, 7200)):
        begin = dong.format(number, name, name)
        yield f"{begin},usage_today_electricity_kwh=7,coverage_ratio=1,quality=0i {slot_s - ago_s}"
    yield f"{dong.format(601, 'Silent', 'Silent')},usage_today_electricity_kwh=7,{NOBODY} {slot_s}"
    # of two sites one reports nothing
    site = 'site_now,site={},kind=industrial-complex,region=601,district=6 name_en="{}",name_ko="{}"'
    yield f"{site.format('alive', 'A', 'A')},electricity_power_kw=3,live=2i,meters=2i,quality=0i {now_s - 5}"
    yield f"{site.format('mute', 'M', 'M')},live=0i,meters=2i,quality=16i {now_s - 5}"
    # the city now
    yield f"electricity_power_kw,level=city value=80,quality=0i,live=3i,meters=4i {now_s - 5}"
    outages = (
        ("site", "alive", "alive"),
        ("site", "mute", "mute"),
        ("meter", "mute", "mute-e"),
        ("gateway", "mute", "gw"),
    )
    for scope, site, name in outages:
        yield f'outages,scope={scope},site={site},name={name} text_en="{name}",text_ko="{name}",open=1i {now_s - 60}'
    # two gateways with a line of the same name, and one that was never heard
    for number, online, heard in ((1, 1, 1), (2, 0, 1), (3, 0, 0)):
        yield f"gateway_state,gateway=gw-{number},site=alive online={online}i,heard={heard}i {now_s - 20}"
    for number, ratio in ((1, 0.2), (2, 0.9)):
        yield f"line_state,gateway=gw-{number},line=bus use_ratio={ratio},up=1i,dead_meters=1i {now_s - 20}"
    # an area of 600 readings a minute, all at once
    for ago_s in range(900, 0, -10):
        yield f"platform_ingest,area=main readings_total={(now_s - ago_s) // 60 * 600 % 10**7}i {now_s - ago_s}"


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, with these series in it."""
    try:
        server = influxdb(tmp_path_factory.mktemp("figures"))
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        create_database(server, "boards")
        url = f"http://{server.host}:{server.port}"
        body = "\n".join(_lines(int(time.time()))).encode()
        with closing(urllib.request.urlopen(f"{url}/write?db=boards&precision=s", body, timeout=20)):  # noqa: S310  # a loopback server
            pass
        yield url


def _board(name: str) -> Any:
    return json.loads((GENERATED / f"boards/en/{name}.json").read_text("utf-8"))


def _rows(url: str, board: str, where: str, chosen: Chosen) -> list[Row]:
    """What is shown at a place of a board, `Title / refId`."""
    asked = of_board(_board(board), datetime.now(UTC))
    (text,) = {filled(one, chosen) for one in asked if one.where.partition(" / ")[2] == where}
    words = urllib.parse.urlencode({"db": "boards", "q": text, "epoch": "s"})
    with urllib.request.urlopen(f"{url}/query?{words}", timeout=20) as response:  # noqa: S310  # a loopback server
        (result,) = json.load(response)["results"]
    assert "error" not in result, (text, result)
    return [
        series.get("tags", {}) | dict(zip(series["columns"], values, strict=True))
        for series in result.get("series", [])
        for values in series["values"]
    ]


def _values(rows: Sequence[Row]) -> list[float]:
    return [value for row in rows for name, value in row.items() if name != "time" and isinstance(value, int | float)]


def test_what_lies_nowhere_is_not_doubled(influx: str) -> None:
    chosen = {"region": "0"}
    days = _rows(influx, "region", "Electricity by day (31 days) / A", chosen)
    assert _values(days) == [40]
    assert _values(_rows(influx, "region", "Electricity today / A", chosen)) == [40]
    assert _values(_rows(influx, "region", "Data coverage / A", chosen)) == [0.9]
    assert _values(_rows(influx, "region", "Electricity today / A", {"region": "6"})) == [50]


def test_what_is_estimated_stands_beside_what_was_used(influx: str) -> None:
    chosen = {"region": "6"}
    assert _values(_rows(influx, "region", "Electricity by day (31 days) / B", chosen)) == [2]
    assert _values(_rows(influx, "region", "Electricity today / B", chosen)) == [4]
    assert _values(_rows(influx, "city", "Electricity now / B", {})) == [75]
    shares = [target["query"] for panel in _board("city")["panels"] for target in panel["targets"]]
    assert sum("estimated" in query for query in shares) == 5


def test_a_dong_without_data_has_no_coverage(influx: str) -> None:
    for board, title in (("region", "Dongs / A"), ("city", "Today by dong / A")):
        (row,) = _rows(influx, board, title, {"region": "6"})
        assert (row["name"], row["coverage"], row["usage"]) == ("Silent", 0, 7)
    (row,) = _rows(influx, "quality", "Dongs with the least data / A", {})
    assert (row["name"], row["coverage"]) == ("Silent", 0)


def test_a_site_that_reports_nothing_stays_in_the_lists(influx: str) -> None:
    for board, chosen in (("region", {"region": "6"}), ("industry", {})):
        rows = {row["site"]: row for row in _rows(influx, board, "Sites / A", chosen)}
        assert (rows["mute"]["name"], rows["mute"]["live"], rows["mute"]["power"]) == ("M", 0, None)
        assert rows["alive"]["power"] == 3
    assert {row["site"] for row in _rows(influx, "industry", "Electricity today, by site / A", {})} == {"alive", "mute"}


def test_outages_are_those_of_what_is_chosen(influx: str) -> None:
    def named(board: str, **chosen: str) -> list[str]:
        return sorted(row["name"] for row in _rows(influx, board, "annotation Outages", chosen))

    assert named("site", site="alive") == ["alive"]
    assert named("site", site="mute") == ["gw", "mute", "mute-e"]
    assert named("meter", site="mute", meter="mute-e") == ["mute", "mute-e"]
    assert named("meter", site="mute", meter="mute-g") == ["mute"]
    assert named("meter", site="alive", meter="alive-e") == ["alive"]


def test_gateways_that_were_never_heard_are_counted_by_themselves(influx: str) -> None:
    counts = [
        _values(_rows(influx, "fleet", f"{title} / A", {"gateway": ".*"}))
        for title in ("Online", "Offline", "Never heard")
    ]
    assert counts == [[1], [1], [1]]


def test_lines_of_one_name_are_told_apart(influx: str) -> None:
    chosen = {"gateway": ".*"}
    used = _rows(influx, "fleet", "Line use / A", chosen)
    assert {row["gateway"]: row["max"] for row in used if row["max"]} == {"gw-1": 0.2, "gw-2": 0.9}
    assert sorted((row["gateway"], row["dead"]) for row in _rows(influx, "fleet", "Lines / A", chosen)) == [
        ("gw-1", 1),
        ("gw-2", 1),
    ]


def test_what_comes_in_once_a_minute_has_a_rate(influx: str) -> None:
    for title in ("Coming in", "Coming in, by area"):
        found = _rows(influx, "platform", f"{title} / A", {})
        rates = [value for row in found for name, value in row.items() if name not in ("time", "area")]
        # of five minutes a burst more or less, and of the last minute only what has passed
        assert rates
        assert all(7.9 <= rate <= 10.1 for rate in rates), rates


def test_a_reading_is_never_called_an_estimate() -> None:
    for board, title in (("site", "Meters"), ("meter", "State"), ("meter", "When there were values")):
        (panel,) = (panel for panel in _board(board)["panels"] if panel["title"] == title)
        said = json.dumps(panel["fieldConfig"])
        assert "clock not confirmed" in said
        assert "estimate" not in said
