"""Words for the boards: what regions, sites and meters are called, and the outages that are known."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import day_of
from cloud.metering.codes import ROLES, UTILITIES
from cloud.mirror.live import MAX_METERS
from cloud.mirror.points import Field, Point
from cloud.mirror.registry import Known
from cloud.portal.live.sites import ALL_HOUSEHOLDS, HOUSEHOLD
from cloud.registry import regions
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S

UNKNOWN = {"name_ko": "지역 모름", "name_en": "Region not known"}
HOMES = {"name_ko": "모든 가정", "name_en": "All homes"}
LEVELS = ("city", "district", "dong")


def names(known: Known, now_s: float, models: Mapping[str, str]) -> Iterator[Point]:
    """Of what there is at that moment; `models` are of meters."""
    yield from _regions(known, now_s)
    for site in known.sites.to_pylist():
        tags = {"site": site["site"], "kind": site["kind"], "region": str(site["region"] or 0)}
        yield Point("site_names", tags, _both(site))
    if known.homes:
        yield Point("site_names", {"site": ALL_HOUSEHOLDS, "kind": HOUSEHOLD, "region": "0"}, HOMES)
    yield from _meters(known.shown(now_s), models)


def regions_now(known: Known, now_s: float) -> pa.Table:
    """REGIONS of the day."""
    return regions.at_day(known.regions, int(day_of(pa.array([int(now_s)]).to_numpy())[0]))


def _regions(known: Known, now_s: float) -> Iterator[Point]:
    there = {row["region"]: row for row in regions_now(known, now_s).to_pylist()}
    for number, row in there.items():
        if row["level"] not in LEVELS:
            continue
        above = there.get(row["parent"], {})
        fields: dict[str, Field] = _both(row) | {
            "parent": str(row["parent"] or 0),
            "parent_name_ko": str(above.get("name_ko") or ""),
            "parent_name_en": str(above.get("name_en") or above.get("name_ko") or ""),
            "latitude": row["latitude"],
            "longitude": row["longitude"],
        }
        yield Point("region_names", {"level": row["level"], "region": str(number)}, fields)
    for level in ("district", "dong"):
        nowhere: dict[str, Field] = {"parent": "0", "parent_name_ko": "", "parent_name_en": ""}
        yield Point("region_names", {"level": level, "region": "0"}, UNKNOWN | nowhere)


def _both(row: Mapping[str, object]) -> dict[str, Field]:
    return {"name_ko": str(row["name_ko"]), "name_en": str(row["name_en"] or row["name_ko"])}


def _meters(spans: pa.Table, models: Mapping[str, str]) -> Iterator[Point]:
    seen: set[str] = set()
    columns = ["meter", "site", "utility", "role", "gateway", "parent"]
    for row in spans.select(columns).to_pylist():
        if row["meter"] in seen or len(seen) >= MAX_METERS:
            continue
        seen.add(row["meter"])
        tags = {"meter": row["meter"], "site": row["site"], "utility": UTILITIES[row["utility"]]}
        fields: dict[str, Field] = {
            "role": ROLES[row["role"]],
            "gateway": row["gateway"] or "",
            "parent": row["parent"] or "",
            "model": models.get(row["meter"], ""),
        }
        yield Point("meter_names", tags, fields)


def outages(known: Known, since_s: int) -> Iterator[tuple[int, Point]]:
    """Those that end after `since_s`, each with its begin."""
    for row in known.outages.filter(pc.greater(known.outages["to_s"], since_s)).to_pylist():
        scope, name = next(
            ((scope, row[scope]) for scope in ("meter", "gateway", "site") if row[scope]),
            ("region", str(row["region"])),
        )
        utility = "all" if row["utility"] is None else UTILITIES[row["utility"]]
        open_end = row["to_s"] >= OPEN_TO_S
        fields: dict[str, Field] = {
            "text_ko": f"{name}: {row['reason']}",
            "text_en": f"{name}: {row['reason']}",
            "end_ms": None if open_end else row["to_s"] * 1000,
            "open": int(open_end),
            "utility": utility,
        }
        yield (
            max(row["from_s"], since_s if row["from_s"] <= OPEN_FROM_S else 0),
            Point("outages", {"scope": scope, "name": name}, fields),
        )
