"""What each gateway says of itself, for the fleet's board."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

import pyarrow as pa

from cloud.mirror.points import Field, Point

UNHEARD_S = 300  # a gateway states each minute how it is


def online(table: pa.Table, now_s: float) -> set[str]:
    """Those of an area's table "gateways" that said so, and not long ago: where the broker is away too, nobody says
    that a gateway went.
    """
    heard_s = now_s - UNHEARD_S
    return {row["gateway"] for row in table.to_pylist() if row["online"] and (row["state_time_s"] or 0) >= heard_s}


def gateway_points(area: str, table: pa.Table, now_s: float) -> Iterator[Point]:
    """Of an area's table "gateways". `outbox_oldest_s` there is a time, here an age."""
    there = online(table, now_s)
    for row in table.to_pylist():
        tags = {"gateway": row["gateway"], "site": row["site"] or "", "area": area}
        said = _said(row, now_s) if row["gateway"] in there else {"online": 0}
        yield Point("gateway_state", tags, said | _known(row, now_s))


def line_points(table: pa.Table, there: Container[str]) -> Iterator[Point]:
    """Of an area's table "lines", those of these gateways."""
    for row in table.to_pylist():
        if row["gateway"] not in there:
            continue
        fields: dict[str, Field] = {
            "use_ratio": row["use_ratio"],
            "up": int(row["up"]),
            "overloaded": int(row["overloaded"]),
            "dead_meters": len(row["dead_meters"]),
            "ticks_missed": row["ticks_missed"],
        }
        yield Point("line_state", {"gateway": row["gateway"], "line": row["line"]}, fields)


def _known(row: Mapping[str, Any], now_s: float) -> dict[str, Field]:
    """What stays known of one that is offline; `heard`: whether it ever said a word."""
    stated_s = row["state_time_s"]
    warnings = row["warnings"] or []
    words = (stated_s, row["delay_s"], row.get("software"))
    return {
        "heard": int(any(word is not None for word in words)),
        "outbox_batches": row["outbox_batches"],
        "state_age_s": None if stated_s is None else max(0.0, now_s - stated_s),
        "meters": row.get("meters"),
        "warnings": len(warnings),
        "warning_text": " ".join(warnings),
        "software": row.get("software"),
    }


def _said(row: Mapping[str, Any], now_s: float) -> dict[str, Field]:
    """What counts while it is online."""
    return {
        "online": 1,
        "delay_s": row["delay_s"],
        "outbox_mb": None if row.get("outbox_bytes") is None else row["outbox_bytes"] / 1e6,
        "outbox_oldest_s": _age_s(row.get("outbox_oldest_s"), now_s),
        "clock": row.get("clock"),
        "clock_good": None if row.get("clock_good") is None else int(row["clock_good"]),
        "dead_meters": row.get("dead_meters"),
        "lines_down": row.get("lines_down"),
        "line_use_ratio_max": row.get("line_use_ratio_max"),
        "ticks_missed": row.get("ticks_missed"),
        "readings_dropped": row.get("readings_dropped"),
    }


def _age_s(oldest_s: int | None, now_s: float) -> float | None:
    return None if oldest_s is None else max(0.0, now_s - oldest_s) if oldest_s else 0.0
