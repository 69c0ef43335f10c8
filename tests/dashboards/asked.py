"""Every question that the boards and the alarms ask, with Grafana's variables filled in as it does."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

SEOUL = ZoneInfo("Asia/Seoul")
POINTS = 1000  # as wide as a panel of half a screen
SOURCE_LEAST_S = 10  # the data source's own shortest interval
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# the intervals that Grafana rounds to
ROUND_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)

# what was chosen: a value, or several
Chosen = Mapping[str, str | list[str]]


@dataclass(frozen=True)
class Asked:
    """A question, of whom, in a range of time (epoch ms); `everything` are the values that `All` stands for."""

    where: str
    text: str
    from_ms: int
    to_ms: int
    interval_s: int = 60


def of_board(board: Mapping[str, Any], now: datetime) -> Iterator[Asked]:
    """Of its panels and annotations."""
    own = _range(board["time"]["from"], board["time"]["to"], now)
    for panel in board["panels"]:
        since, until = _own_time(panel["timeFrom"], now) if "timeFrom" in panel else own
        interval_s = _interval_s(since, until, panel.get("interval", ""))
        for target in panel.get("targets", []):
            where = f"{board['uid']} / {panel['title']} / {target['refId']}"
            yield Asked(where, target["query"], since, until, interval_s)
    for annotation in board["annotations"]["list"]:
        yield Asked(f"{board['uid']} / annotation {annotation['name']}", annotation["query"], *own)


def of_rules(path: Path, now: datetime) -> Iterator[Asked]:
    """Of the alarms in a provisioning file."""
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            for data in rule["data"]:
                if "query" in data["model"]:
                    back_ms = data["relativeTimeRange"]["from"] * 1000
                    now_ms = int(now.timestamp() * 1000)
                    yield Asked(f"alarm {rule['uid']}", data["model"]["query"], now_ms - back_ms, now_ms)


def filled(asked: Asked, chosen: Chosen) -> str:
    """As it goes to InfluxDB. Raises KeyError for a variable that the board has not."""
    text = asked.text.replace("$timeFilter", f"time >= {asked.from_ms}ms and time <= {asked.to_ms}ms")
    text = text.replace("${__from}", str(asked.from_ms))
    text = re.sub(r"\$__interval\b|\$interval\b", f"{asked.interval_s}s", text)
    return re.sub(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)", lambda found: _value(found, chosen), text)


def parsed(answer: list[str], regex: str) -> list[tuple[str, str]]:
    """A variable's answers as (words, value), as its regex takes them apart."""
    if not regex:
        return [(text, text) for text in answer]
    pattern = re.compile(regex.strip("/").replace("(?<", "(?P<"))
    found = [pattern.search(text) for text in answer]
    return [(match["text"], match["value"]) for match in found if match]


def board_files(folder: Path, language: str = "*") -> list[dict[str, Any]]:
    """Every generated board."""
    return [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob(f"boards/{language}/*.json"))]


def _value(found: re.Match[str], chosen: Chosen) -> str:
    name, form = found[1] or found[3], found[2] or "regex"
    value = chosen[name]
    if form == "raw":
        return value if isinstance(value, str) else ",".join(value)
    assert form == "regex", f"${{{name}:{form}}} is a form that this does not know"
    if value == ".*":  # the board's own word for all goes in as it is
        return ".*"
    if isinstance(value, str):
        return _escaped(value)
    return _escaped(value[0]) if len(value) == 1 else f"({'|'.join(_escaped(one) for one in value)})"


def _escaped(text: str) -> str:
    return re.sub(r"[\\^$*+?.()|[\]{}/]", lambda found: f"\\{found[0]}", text)


def _range(since: str, until: str, now: datetime) -> tuple[int, int]:
    return _moment(since, now, up=False), _moment(until, now, up=True)


def _own_time(text: str, now: datetime) -> tuple[int, int]:
    """A panel's: `31d` until now, or what begins at a bound, as `now/d`."""
    return _range(text if text.startswith("now") else f"now-{text}", "now", now)


def _moment(text: str, now: datetime, *, up: bool) -> int:
    found = re.fullmatch(r"now(?:-(\d+)([smhdw]))?(/d)?", text)
    assert found, text
    moment = now - timedelta(seconds=int(found[1]) * UNITS_S[found[2]]) if found[1] else now
    if found[3]:
        local = moment.astimezone(SEOUL).replace(hour=0, minute=0, second=0, microsecond=0)
        moment = local + timedelta(days=1, milliseconds=-1) if up else local
    return int(moment.timestamp() * 1000)


def _interval_s(from_ms: int, to_ms: int, least: str) -> int:
    wanted = (to_ms - from_ms) / 1000 / POINTS
    rounded = next((step for step in ROUND_S if step >= wanted), ROUND_S[-1])
    least_s = int(least[:-1]) * UNITS_S[least[-1]] if least else SOURCE_LEAST_S
    return max(rounded, least_s)
