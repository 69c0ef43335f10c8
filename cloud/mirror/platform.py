"""The platform about itself: ingest, settling, services, disks, the portal and the mirror."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from cloud.mirror.points import Field, Point
from cloud.mirror.scraping import Answer, Change

AREA = "area-"  # how an area's service is called


def service_point(service: str, answer: Answer, now_s: float) -> Point:
    """Whether it is there and well, and what it takes."""
    totals = answer.samples.totals
    rss, began_s = totals.get("process_resident_memory_bytes"), totals.get("process_start_time_seconds")
    fields: dict[str, Field] = {
        "up": int(answer.up),
        "well": int(answer.well),
        "rss_mb": None if rss is None else rss / 1e6,
        "cpu_s_total": totals.get("process_cpu_seconds_total"),
        "uptime_s": None if began_s is None else now_s - began_s,
        "trouble": answer.trouble,
    }
    return Point("platform_service", {"service": service}, fields)


def figures(service: str, change: Change) -> Iterator[Point]:
    """What a service's own figures are worth: whose they are is seen by their names."""
    names = change.now.totals.keys()
    if "bitgoeul_ingest_readings_total" in names:
        yield Point("platform_ingest", {"area": service.removeprefix(AREA)}, _ingest(change))
    if "bitgoeul_portal_requests_total" in names:
        yield Point("platform_portal", {"service": service}, _portal(change))


def _ingest(change: Change) -> dict[str, Field]:
    def whole(name: str) -> int | None:
        return change.now.whole(f"bitgoeul_ingest_{name}")

    return {
        "readings_total": whole("readings_total"),
        "readings_per_s": change.per_s("bitgoeul_ingest_readings_total"),
        "batches_total": whole("batches_total"),
        "duplicate_batches_total": whole("duplicate_batches_total"),
        "conflicting_batches_total": whole("conflicting_batches_total"),
        "refused_readings_total": whole("quarantined_readings_total") or 0,
        "lag_p95_s": change.p95("bitgoeul_ingest_lag_seconds"),
        "commit_p95_s": change.p95("bitgoeul_ingest_commit_seconds"),
        "queue_messages": whole("queue_messages"),
        "broker_connected": whole("broker_connected"),
        "store_available": whole("store_available"),
        "quarantine_rows": whole("quarantine_held_rows") or 0,
    }


def _portal(change: Change) -> dict[str, Field]:
    return {
        "listeners": change.now.whole("bitgoeul_portal_listeners"),
        "requests_total": change.now.whole("bitgoeul_portal_requests_total"),
        "requests_per_s": change.per_s("bitgoeul_portal_requests_total"),
        "errors_total": change.now.whole("bitgoeul_portal_errors_total") or 0,
        "latency_p95_s": change.p95("bitgoeul_portal_request_seconds"),
    }


def mirror_point(change: Change, newest_s: int | None, now_s: float) -> Point:
    """Of this process."""
    fields: dict[str, Field] = {
        "points_total": change.now.whole("bitgoeul_mirror_points_total"),
        "lag_s": None if newest_s is None else now_s - newest_s,
        "write_p95_s": change.p95("bitgoeul_mirror_write_seconds"),
        "errors_total": change.now.whole("bitgoeul_mirror_errors_total"),
    }
    return Point("platform_mirror", {"service": "mirror"}, fields)


def settle_point(area: str, table: pa.Table, now_s: float) -> Point:
    """Of an area's table "settle"."""
    (row,) = table.to_pylist()
    fields: dict[str, Field] = {
        "settled_age_s": None if row["settled_s"] is None else now_s - row["settled_s"],
        "marks": row["marks"],
        "stale": row["stale"],
        "slot_took_s": row["slot_took_s"],
        "sums_took_s": row["sums_took_s"],
        "waiting": row["waiting"] if row["doing"] else 0,
        "well": int(not row["trouble"]),
        "trouble": row["trouble"],
    }
    return Point("platform_settle", {"area": area}, fields)


def disk_points(disks: Mapping[str, Path]) -> Iterator[Point]:
    """How full each is; one that cannot be looked at is not told."""
    for name, folder in disks.items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        fields: dict[str, Field] = {"used_ratio": 1 - usage.free / usage.total, "free_gb": usage.free / 1e9}
        yield Point("platform_disk", {"volume": name}, fields)
