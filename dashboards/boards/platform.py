"""The platform itself: what comes in, how late it is, what is refused, whether it settles, and what it runs on."""

from dashboards import influxql as ask
from dashboards.boards.common import RATIO, Desk
from dashboards.grafana import Board, Json, Panel, Query, override, steps, words
from dashboards.palette import BAD, GOOD, PLAIN, WATCH
from dashboards.panels import big, gauges, in_order, lines, states, table

NOW = "2m"
RATE_S = 300  # gateways send once a minute, and all together: the rate of a moment is of a burst, or of a pause
RATE_BUCKETS = 5  # of at least a minute each
PER_SECOND = "suffix: /s"


def board(desk: Desk) -> Board:
    """For whoever has the watch."""
    say = desk.say
    return Board(
        uid=desk.uid("platform"),
        title=say("platform.title"),
        about=say("platform.about"),
        none=say("common.none"),
        tags=desk.tags("operation"),
        links=desk.links("platform"),
        since="now-6h",
        refresh="10s",
        rows=[
            [_rate(desk), _lag(desk), _quarantine(desk), _settled(desk), _broker(desk), _disk(desk)],
            [_services(desk), _running(desk)],
            [_readings(desk), _lags(desk), _refused(desk)],
            [_settling(desk), _disks(desk), _messages(desk)],
            [_portal(desk), _mirror(desk), _memory(desk)],
        ],
    )


def _stat(desk: Desk, key: str, query: str, unit: str, look: Json) -> Panel:
    about = desk.say(f"platform.{key}_about")
    return big(desk.say(f"platform.{key}"), (4, 5), [Query(query)], unit, "", look=look, about=about)


def _rate(desk: Desk) -> Panel:
    query = ask.rate_now("platform_ingest", "readings_total", "area", RATE_S)
    return _stat(desk, "rate", query, PER_SECOND, {"thresholds": steps(PLAIN), "decimals": 0})


def _lag(desk: Desk) -> Panel:
    query = ask.over_all("max", "platform_ingest", "lag_p95_s", "area", within=NOW)
    return _stat(desk, "lag", query, "s", {"thresholds": steps(GOOD, (30, WATCH), (300, BAD)), "decimals": 1})


def _quarantine(desk: Desk) -> Panel:
    query = ask.over_all("sum", "platform_ingest", "quarantine_rows", "area", within=NOW)
    return _stat(desk, "quarantine", query, "short", {"thresholds": steps(GOOD, (1, WATCH))})


def _settled(desk: Desk) -> Panel:
    query = ask.over_all("max", "platform_settle", "settled_age_s", "area", within=NOW)
    return _stat(desk, "settled", query, "s", {"thresholds": steps(GOOD, (2700, WATCH), (7200, BAD)), "decimals": 0})


def _broker(desk: Desk) -> Panel:
    query = ask.over_all("min", "platform_ingest", "broker_connected", "area", within=NOW)
    mappings = words(_1=(desk.say("state.connected"), GOOD), _0=(desk.say("state.away"), BAD))
    return _stat(desk, "broker", query, "none", {"thresholds": steps(BAD, (1, GOOD)), "mappings": mappings})


def _disk(desk: Desk) -> Panel:
    query = ask.over_all("max", "platform_disk", "used_ratio", "volume", within=NOW)
    return _stat(desk, "disk", query, RATIO, {"thresholds": steps(GOOD, (0.8, WATCH), (0.9, BAD)), "decimals": 0})


def _services(desk: Desk) -> Panel:
    say = desk.say
    columns = {"well": "well", "up": "up", "memory": "rss_mb", "uptime": "uptime_s", "trouble": "trouble"}
    query = ask.listing("platform_service", columns, "", ["service"], NOW, good=False)
    shown = [
        override("service", displayName=say("columns.service"), custom__minWidth=110),
        override("well", displayName=say("columns.state"), mappings=_well(desk)),
        override("up", displayName=say("columns.up"), mappings=_up(desk)),
        override("memory", displayName=say("columns.memory"), unit="decmbytes", decimals=0),
        override("uptime", displayName=say("columns.uptime"), unit="s", decimals=0),
        override("trouble", displayName=say("columns.trouble"), noValue=say("columns.none")),
    ]
    return table(
        say("platform.services"),
        (12, 8),
        [Query(query, table=True)],
        shown,
        order=["service", *columns],
        sort=say("columns.service"),
        about=say("platform.services_about"),
    )


def _running(desk: Desk) -> Panel:
    query = ask.course("platform_service", "well", by=["service"], function="min")
    return states(
        desk.say("platform.running"),
        (12, 8),
        [Query(query, "$tag_service")],
        _well(desk),
        least="1m",
        about=desk.say("platform.running_about"),
    )


def _readings(desk: Desk) -> Panel:
    query = ask.smooth_rate("platform_ingest", "readings_total", "area", RATE_BUCKETS)
    return _course(desk, "readings", [Query(query, "$tag_area")], PER_SECOND, least="1m")


def _lags(desk: Desk) -> Panel:
    say = desk.say
    fields = ("lag_p95_s", "commit_p95_s")
    queries = [
        Query(ask.course("platform_ingest", field, function="max"), say(f"platform.{field}")) for field in fields
    ]
    return _course(desk, "lags", queries, "s")


def _refused(desk: Desk) -> Panel:
    say = desk.say
    fields = ("refused_readings_total", "duplicate_batches_total", "conflicting_batches_total")
    queries = [Query(ask.rate("platform_ingest", field), say(f"platform.{field}")) for field in fields]
    return _course(desk, "refused", queries, PER_SECOND)


def _settling(desk: Desk) -> Panel:
    say = desk.say
    fields = ("settled_age_s", "slot_took_s", "sums_took_s")
    queries = [
        Query(ask.course("platform_settle", field, function="max"), say(f"platform.{field}")) for field in fields
    ]
    return _course(desk, "settling", queries, "s")


def _disks(desk: Desk) -> Panel:
    query = f'{ask.newest("platform_disk", "used_ratio", "", NOW)} GROUP BY "volume"'
    look = {"thresholds": steps(GOOD, (0.8, WATCH), (0.9, BAD))}
    return gauges(
        desk.say("platform.disks"),
        (8, 8),
        [Query(query, "$tag_volume")],
        RATIO,
        look=look,
        min=0,
        max=1,
        decimals=0,
        about=desk.say("platform.disk_about"),
    )


def _messages(desk: Desk) -> Panel:
    say = desk.say
    fields = ("messages_received_per_s", "messages_sent_per_s")
    queries = [Query(ask.course("platform_broker", field), say(f"platform.{field}")) for field in fields]
    queries.append(Query(ask.rate("platform_broker", "messages_dropped_total"), say("platform.messages_dropped_total")))
    return _course(desk, "messages", queries, PER_SECOND)


def _portal(desk: Desk) -> Panel:
    say = desk.say
    queries = [
        Query(ask.course("platform_portal", field), say(f"platform.{field}"))
        for field in ("listeners", "requests_per_s")
    ]
    queries.append(Query(ask.course("platform_portal", "latency_p95_s"), say("platform.latency_p95_s")))
    slow = override(say("platform.latency_p95_s"), unit="s", custom__axisPlacement="right")
    return _course(desk, "portal", queries, "short", slow)


def _mirror(desk: Desk) -> Panel:
    say = desk.say
    queries = [
        Query(ask.course("platform_mirror", field, function="max"), say(f"platform.{field}"))
        for field in ("lag_s", "write_p95_s")
    ]
    return _course(desk, "mirror", queries, "s")


def _memory(desk: Desk) -> Panel:
    query = ask.course("platform_service", "rss_mb", by=["service"], function="max")
    return _course(desk, "memory", [Query(query, "$tag_service")], "decmbytes")


def _course(desk: Desk, key: str, queries: list[Query], unit: str, *more: Json, least: str = "10s") -> Panel:
    looks = [*in_order([query.name for query in queries if not query.name.startswith("$")]), *more]
    return lines(
        desk.say(f"platform.{key}"),
        (8, 8),
        queries,
        unit,
        least=least,
        legend=True,
        overrides=looks,
        min=0,
        about=desk.say(f"platform.{key}_about"),
    )


def _well(desk: Desk) -> list[Json]:
    return words(_1=(desk.say("state.well"), GOOD), _0=(desk.say("state.ill"), BAD))


def _up(desk: Desk) -> list[Json]:
    return words(_1=(desk.say("state.running"), GOOD), _0=(desk.say("state.stopped"), BAD))
