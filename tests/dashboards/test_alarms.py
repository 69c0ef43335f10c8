"""Which alarms are raised by which state of a platform: known series in a real InfluxDB, and the rules as Grafana
reads them, question and limit.
"""

import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
import yaml

from contract.problems import Problem
from dashboards.build import GENERATED
from simulators.servers import Server, create_database, influxdb
from tests.dashboards.answers import ask

RULES = GENERATED / "provisioning/alerting/rules.yaml"
HISTORY_S = 65 * 60
EVERY_S = 10
TICK_S = 60  # gateways read once a minute, and send together
READINGS = 600  # of a tick
AREAS = ("east", "west")
SERVICES = ("area-east", "area-west", "portal", "mirror")

# A point of a moment `ago_s` before now: its measurement, tags and fields.
Key = tuple[str, str]
Fields = dict[str, float]
Change = Callable[[Key, int, Fields], Fields | None]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty one."""
    try:
        server = influxdb(tmp_path_factory.mktemp("alarms"))
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        yield server


def _healthy(ago_s: int, phase_s: int) -> dict[Key, Fields]:
    """Two areas that store in bursts, seven gateways of which two were never heard, and what they run on."""
    passed_s = HISTORY_S - ago_s + phase_s
    stored = passed_s // TICK_S * READINGS
    points: dict[Key, Fields] = {}
    for place, area in enumerate(AREAS):
        burst = passed_s % TICK_S < EVERY_S
        points["platform_ingest", f"area={area}"] = {
            "readings_total": 1_000_000 * place + stored,
            "readings_per_s": READINGS / EVERY_S if burst else 0,
            "refused_readings_total": 5000 * place,
            "broker_connected": 1,
        } | ({"lag_p95_s": 1.5} if burst else {})
        points["platform_settle", f"area={area}"] = {"settled_age_s": 1800}
    points |= {("platform_service", f"service={name}"): {"up": 1, "well": 1} for name in SERVICES}
    for number in range(7):
        heard = int(number > 1)
        points["gateway_state", f"gateway=gw-{number}"] = {"online": heard, "heard": heard}
    points["platform_disk", "volume=area"] = {"used_ratio": 0.5}
    points["platform_mirror", "service=mirror"] = {"points_total": 10 * stored}
    return points


def _same(_key: Key, _ago_s: int, fields: Fields) -> Fields | None:
    return fields


def _raised(server: Server, database: str, change: Change, phase_s: int = 0) -> set[str]:
    """The alarms that stand, after that was written."""
    create_database(server, database)
    now_s = int(time.time())
    lines = []
    for ago_s in range(HISTORY_S, -1, -EVERY_S):
        for (measurement, tags), fields in _healthy(ago_s, phase_s).items():
            kept = change((measurement, tags), ago_s, fields)
            if kept:
                said = ",".join(f"{name}={value}" for name, value in kept.items())
                lines.append(f"{measurement},{tags} {said} {now_s - ago_s}")
    url = f"http://{server.host}:{server.port}"
    body = "\n".join(lines).encode()
    with closing(urllib.request.urlopen(f"{url}/write?db={database}&precision=s", body, timeout=20)):  # noqa: S310  # a loopback server
        pass
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["uid"].removeprefix("bitgoeul-") for rule in group["rules"] if _stands(url, database, rule)}


def _stands(url: str, database: str, rule: Mapping[str, Any]) -> bool:
    question, newest, limit = (part["model"] for part in rule["data"])
    assert (newest["reducer"], newest["settings"]["mode"]) == ("last", "dropNN")
    answer = ask(url, database, question["query"])
    assert not answer.error, (rule["uid"], answer.error)
    if not answer.values:
        return bool(rule["noDataState"] == "Alerting")
    evaluator = limit["conditions"][0]["evaluator"]
    value, bound = answer.values[-1], evaluator["params"][0]
    return bool(value > bound if evaluator["type"] == "gt" else value < bound)


@pytest.mark.parametrize("phase_s", range(0, TICK_S, EVERY_S))
def test_no_alarm_stands_on_a_healthy_platform(influx: Server, phase_s: int) -> None:
    assert _raised(influx, f"healthy_{phase_s}", _same, phase_s) == set()


def _silent_area(key: Key, ago_s: int, fields: Fields) -> Fields:
    if key == ("platform_ingest", "area=west") and ago_s < 900:
        stopped = _healthy(900, 0)[key]["readings_total"]
        return fields | {"readings_total": stopped, "readings_per_s": 0}
    return fields


def test_an_area_that_began_again_is_no_alarm(influx: Server) -> None:
    def change(key: Key, ago_s: int, fields: Fields) -> Fields:
        if key == ("platform_ingest", "area=west") and ago_s < 300:
            stored = (300 - ago_s) // TICK_S * READINGS
            return fields | {"readings_total": stored, "refused_readings_total": 0}
        return fields

    assert _raised(influx, "restarted", change) == set()


def _set(measurement: str, tags: str, **wanted: float) -> Change:
    """That one point says something else since a quarter of an hour."""

    def change(key: Key, ago_s: int, fields: Fields) -> Fields:
        return fields | wanted if key == (measurement, tags) and ago_s < 900 else fields

    return change


def _refused(key: Key, ago_s: int, fields: Fields) -> Fields:
    """120 within the hour in the area whose count is the lower one."""
    if key == ("platform_ingest", "area=east"):
        return fields | {"refused_readings_total": 120 * (HISTORY_S - ago_s) // HISTORY_S}
    return fields


def _offline(key: Key, ago_s: int, fields: Fields) -> Fields:
    return fields | {"online": 0} if key[1] in ("gateway=gw-2", "gateway=gw-3") and ago_s < 900 else fields


def _gone(measurement: str, tags: str) -> Change:
    def change(key: Key, ago_s: int, fields: Fields) -> Fields | None:
        return None if key == (measurement, tags) and ago_s < 900 else fields

    return change


@pytest.mark.parametrize(
    ("what", "change", "alarm"),
    [
        ("silent_area", _silent_area, "no-readings"),
        ("dead_area", _set("platform_service", "service=area-west", up=0, well=0), "service"),
        ("dead_portal", _set("platform_service", "service=portal", up=0, well=0), "service"),
        ("failed_job", _set("platform_service", "service=mirror", well=0), "service"),
        ("late", _set("platform_ingest", "area=west", lag_p95_s=400), "lag"),
        ("refused", _refused, "quarantine"),
        ("unsettled", _set("platform_settle", "area=east", settled_age_s=8000), "settle"),
        ("full", _set("platform_disk", "volume=area", used_ratio=0.95), "disk"),
        ("no_broker", _set("platform_ingest", "area=east", broker_connected=0), "broker"),
        ("offline", _offline, "gateways"),
        ("no_mirror", _gone("platform_mirror", "service=mirror"), "mirror"),
    ],
)
def test_each_dead_part_raises_its_alarm(influx: Server, what: str, change: Change, alarm: str) -> None:
    assert _raised(influx, what, change) == {alarm}


def test_without_anything_every_alarm_stands(influx: Server) -> None:
    def nothing(_key: Key, ago_s: int, fields: Fields) -> Fields | None:
        return None if ago_s < 3700 else fields

    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    assert len(_raised(influx, "nothing", nothing)) == len(group["rules"])
