"""Alarms of the platform's own health, looked at by Grafana, which runs beside the platform and not within it.

A rule that gets no answer, or an error for one, raises its alarm too: silence is what a dead platform gives. Rules
know no variables of a board, so that their times are written out; the same text serves InfluxDB 1.x and 2.x.
"""

from dataclasses import dataclass

from dashboards.grafana import DATASOURCE, Json
from dashboards.texts import catalogue

# ruff: noqa: S608  # written when the boards are built, from this project's own words; nobody's input is in them

RUNBOOK = "docs/operations.md"
BACK = "time > now() - 10m"


@dataclass(frozen=True)
class Rule:
    """`query` looks back `back_s`; its newest value is compared (`gt` or `lt`) with `limit` during `during`."""

    key: str
    query: str
    back_s: int
    above: bool
    limit: float
    during: str


def _worst(function: str, measurement: str, field: str, by: str, where: str = "") -> str:
    """`function` over the newest value of each; one that went silent counts with its last for as long as we look back.

    Nothing is told apart by minutes: in the one that has just begun some of them would have no value yet.
    """
    inner = f'SELECT last("{field}") AS "each" FROM "{measurement}" WHERE {where}{BACK} GROUP BY "{by}"'
    return f'SELECT {function}("each") FROM ({inner}) WHERE {BACK}'


def _grown(function: str, field: str, within: str) -> str:
    """By how much a counter of the areas rose, `function` over them; that one began again at 0 is no rise.

    Each area by itself, since the highest of several would hide the others; and not a rate of the moment, since
    gateways that read once a minute send together, and nothing comes in between.
    """
    rises = f'SELECT non_negative_difference("{field}") AS "rise" FROM "platform_ingest" WHERE time > now() - {within}'
    each = f'SELECT sum("rise") AS "each" FROM ({rises} GROUP BY "area") WHERE time > now() - {within} GROUP BY "area"'
    return f'SELECT {function}("each") FROM ({each}) WHERE time > now() - {within}'


RULES = (
    Rule("no_readings", _grown("min", "readings_total", "10m"), 600, False, 1, "5m"),
    Rule("service", _worst("min", "platform_service", "well", "service"), 600, False, 0.5, "5m"),
    Rule("lag", _worst("max", "platform_ingest", "lag_p95_s", "area"), 600, True, 300, "5m"),
    Rule("quarantine", _grown("sum", "refused_readings_total", "60m"), 3600, True, 100, "5m"),
    Rule("settle", _worst("max", "platform_settle", "settled_age_s", "area"), 600, True, 7200, "5m"),
    Rule("disk", _worst("max", "platform_disk", "used_ratio", "volume"), 600, True, 0.9, "5m"),
    Rule("broker", _worst("min", "platform_ingest", "broker_connected", "area"), 600, False, 0.5, "2m"),
    # those that were never heard wait to be installed, and are no failure
    Rule("gateways", _worst("mean", "gateway_state", "online", "gateway", '"heard" = 1 AND '), 600, False, 0.8, "5m"),
    Rule("mirror", 'SELECT count("points_total") FROM "platform_mirror" WHERE time > now() - 3m', 180, False, 1, "1m"),
)


def rule_json(rule: Rule) -> Json:
    """As file provisioning takes it; both languages, since there is one rule for all."""
    texts = catalogue()
    title, summary = texts[f"alarm.{rule.key}"], texts[f"alarm.{rule.key}_summary"]
    return {
        "uid": f"bitgoeul-{rule.key.replace('_', '-')}",
        "title": f"{title.ko} / {title.en}",
        "condition": "C",
        "for": rule.during,
        "noDataState": "Alerting",
        "execErrState": "Alerting",
        "labels": {"platform": "bitgoeul"},
        "annotations": {
            "summary": f"{summary.ko} / {summary.en}",
            "runbook_url": f"{RUNBOOK}#{anchor(rule)}",
        },
        "data": [_question(rule), _newest(), _compared(rule)],
    }


def anchor(rule: Rule) -> str:
    """Where the runbook says what to do."""
    return f"alarm-{rule.key.replace('_', '-')}"


def _question(rule: Rule) -> Json:
    return {
        "refId": "A",
        "datasourceUid": DATASOURCE["uid"],
        "relativeTimeRange": {"from": rule.back_s, "to": 0},
        "model": {
            "refId": "A",
            "datasource": DATASOURCE,
            "query": rule.query,
            "rawQuery": True,
            "resultFormat": "time_series",
            "intervalMs": 60_000,
            "maxDataPoints": 1000,
        },
    }


def _newest() -> Json:
    return _expression("B", {"type": "reduce", "expression": "A", "reducer": "last", "settings": {"mode": "dropNN"}})


def _compared(rule: Rule) -> Json:
    evaluator = {"type": "gt" if rule.above else "lt", "params": [rule.limit]}
    conditions = [
        {
            "type": "query",
            "evaluator": evaluator,
            "operator": {"type": "and"},
            "query": {"params": ["C"]},
            "reducer": {"type": "last", "params": []},
        }
    ]
    return _expression("C", {"type": "threshold", "expression": "B", "conditions": conditions})


def _expression(name: str, content: Json) -> Json:
    source = {"type": "__expr__", "uid": "__expr__"}
    return {
        "refId": name,
        "datasourceUid": "__expr__",
        "relativeTimeRange": {"from": 0, "to": 0},
        "model": {"refId": name, "datasource": source} | content,
    }
