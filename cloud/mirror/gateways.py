"""What each gateway says of itself, for the fleet's board."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from cloud.mirror.points import Field, Point


def gateway_points(area: str, table: pa.Table, now_s: float) -> Iterator[Point]:
    """Of an area's table "gateways". `outbox_oldest_s` there is a time, here an age."""
    for row in table.to_pylist():
        tags = {"gateway": row["gateway"], "site": row["site"] or "", "area": area}
        yield Point("gateway_state", tags, _state(row, now_s))


def line_points(table: pa.Table) -> Iterator[Point]:
    """Of an area's table "lines"."""
    for row in table.to_pylist():
        fields: dict[str, Field] = {
            "use_ratio": row["use_ratio"],
            "up": int(row["up"]),
            "overloaded": int(row["overloaded"]),
            "dead_meters": len(row["dead_meters"]),
            "ticks_missed": row["ticks_missed"],
        }
        yield Point("line_state", {"gateway": row["gateway"], "line": row["line"]}, fields)


def _state(row: Mapping[str, Any], now_s: float) -> dict[str, Field]:
    stated_s = row["state_time_s"]
    warnings = row["warnings"] or []
    return {
        "online": int(row["online"]),
        "delay_s": row["delay_s"],
        "outbox_batches": row["outbox_batches"],
        "outbox_mb": None if row.get("outbox_bytes") is None else row["outbox_bytes"] / 1e6,
        "outbox_oldest_s": _age_s(row.get("outbox_oldest_s"), now_s),
        "state_age_s": None if stated_s is None else max(0.0, now_s - stated_s),
        "clock": row.get("clock"),
        "clock_good": None if row.get("clock_good") is None else int(row["clock_good"]),
        "meters": row.get("meters"),
        "dead_meters": row.get("dead_meters"),
        "lines_down": row.get("lines_down"),
        "line_use_ratio_max": row.get("line_use_ratio_max"),
        "ticks_missed": row.get("ticks_missed"),
        "readings_dropped": row.get("readings_dropped"),
        "warnings": len(warnings),
        "warning_text": " ".join(warnings),
        "software": row.get("software"),
    }


def _age_s(oldest_s: int | None, now_s: float) -> float | None:
    return None if oldest_s is None else max(0.0, now_s - oldest_s) if oldest_s else 0.0
