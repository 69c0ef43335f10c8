"""Words for the boards: what regions, sites and meters are called, and the outages that are known."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import DAY_S, ROLES, SEOUL_S, UTILITIES
from cloud.mirror.points import Field, Point
from cloud.mirror.registry import MAX_METERS, Known
from cloud.portal.live.sites import ALL_HOUSEHOLDS, HOUSEHOLD
from cloud.registry import regions
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S

UNKNOWN = {"name_ko": "지역 모름", "name_en": "Region not known"}
HOMES = {"name_ko": "모든 가정", "name_en": "All homes"}
LEVELS = ("city", "district", "dong")
UTILITY_WORDS: Mapping[str, tuple[str, str]] = {
    "electricity": ("전기", "electricity"),
    "gas": ("가스", "gas"),
    "water": ("수도", "water"),
    "heat": ("열", "heat"),
}
ROLE_WORDS: Mapping[str, tuple[str, str]] = {
    "main": ("주계량기", "main"),
    "sub": ("세부", "sub-meter"),
    "production": ("발전", "production"),
}

Fields = dict[str, Field]


def names(known: Known, now_s: float, models: Mapping[str, str]) -> Iterator[Point]:
    """Of what there is at that moment; `models` are of meters."""
    yield from _regions(known, now_s)
    for site in known.sites.to_pylist():
        tags = {name: site[name] for name in ("site", "kind", "region", "district")}
        yield Point("site_names", tags, with_choice(both(site), site["site"]))
    if known.homes:
        tags = {"site": ALL_HOUSEHOLDS, "kind": HOUSEHOLD, "region": "0", "district": "0"}
        yield Point("site_names", tags, with_choice(dict(HOMES), ALL_HOUSEHOLDS))
    yield from _meters(known.shown(now_s), models)


def both(row: Mapping[str, object]) -> Fields:
    """The names of a row in both languages."""
    return {"name_ko": str(row["name_ko"]), "name_en": str(row["name_en"] or row["name_ko"])}


def with_choice(fields: Fields, value: str, above: Fields | None = None) -> Fields:
    """Also the words and the value in one field, as a board's variable takes them."""
    more: Fields = {}
    for language in ("ko", "en"):
        words = str(fields[f"name_{language}"])
        if above and above[f"name_{language}"]:
            words += f" ({above[f'name_{language}']})"
        more[f"choice_{language}"] = f"{words.replace('|', '/')}|{value}"
    return fields | more


def meter_words(meter: str, site: str, utility: str) -> Fields:
    """What a meter is called: the part of its name that is its own, and what it measures."""
    own = meter.removeprefix(f"{site}-")
    ko, en = UTILITY_WORDS[utility]
    return {"name_ko": f"{own} · {ko}", "name_en": f"{own} · {en}"}


def regions_now(known: Known, now_s: float) -> dict[int, Mapping[str, object]]:
    """REGIONS of the day by number."""
    today = regions.at_day(known.regions, int(now_s + SEOUL_S) // DAY_S)
    return {row["region"]: row for row in today.to_pylist() if row["level"] in LEVELS}


def district_tag(known: Known, level: str, number: int) -> str:
    """The number of the district in which a region lies, "none" of the city, "0" where it is not known."""
    if level == "city":
        return "none"
    return str(number if level == "district" else known.districts.get(number, 0))


def _regions(known: Known, now_s: float) -> Iterator[Point]:
    there = regions_now(known, now_s)
    for number, row in there.items():
        level = str(row["level"])
        district = district_tag(known, level, number)
        parent = known.districts.get(number, 0) if level == "dong" else row["parent"]
        above = there.get(parent) if isinstance(parent, int) else None
        words: Fields = both(above) if above else {"name_ko": "", "name_en": ""}
        fields: Fields = with_choice(both(row), str(number), words if level == "dong" else None) | {
            "parent": str(parent or 0),
            "parent_name_ko": words["name_ko"],
            "parent_name_en": words["name_en"],
            "latitude": _degrees(row["latitude"]),
            "longitude": _degrees(row["longitude"]),
        }
        yield Point("region_names", {"level": level, "region": str(number), "district": district}, fields)
    for level in ("district", "dong"):
        nowhere: Fields = {"parent": "0", "parent_name_ko": "", "parent_name_en": ""}
        tags = {"level": level, "region": "0", "district": "0"}
        yield Point("region_names", tags, with_choice(dict(UNKNOWN), "0") | nowhere)


def _degrees(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _meters(spans: pa.Table, models: Mapping[str, str]) -> Iterator[Point]:
    for row in meters_of(spans):
        tags = {name: row[name] for name in ("meter", "site", "utility")}
        fields = with_choice(meter_words(row["meter"], row["site"], row["utility"]), row["meter"])
        more: Fields = {name: row[name] for name in ("role", "gateway", "parent")}
        yield Point("meter_names", tags, fields | more | {"model": models.get(row["meter"], "")})


def meters_of(spans: pa.Table) -> Iterator[dict[str, str]]:
    """Each meter of SPANS once, in words, and no more than boards are for."""
    seen: set[str] = set()
    columns = ["meter", "site", "utility", "role", "gateway", "parent"]
    for row in spans.select(columns).to_pylist():
        if row["meter"] in seen or len(seen) >= MAX_METERS:
            continue
        seen.add(row["meter"])
        yield {
            "meter": row["meter"],
            "site": row["site"],
            "utility": UTILITIES[row["utility"]],
            "role": ROLES[row["role"]],
            "gateway": row["gateway"] or "",
            "parent": row["parent"] or "",
        }


def outages(known: Known, since_s: int) -> Iterator[tuple[int, Point]]:
    """Those that end after `since_s`, each with its begin. Of homes, and of meters and gateways that only homes have,
    nothing is told: a reason is free text.
    """
    told = _told(known.spans)
    told["site"] = {site: {site} for site in known.sites["site"].to_pylist()}
    for row in known.outages.filter(pc.greater(known.outages["to_s"], since_s)).to_pylist():
        scope, name = next(
            ((scope, row[scope]) for scope in ("meter", "gateway", "site") if row[scope]),
            ("region", str(row["region"])),
        )
        if scope != "region" and name not in told[scope]:
            continue
        sites = told.get(scope, {}).get(name, set())
        tags = {
            "scope": scope,
            "name": name,
            "utility": "all" if row["utility"] is None else UTILITIES[row["utility"]],
            "site": next(iter(sites)) if len(sites) == 1 else "",
        }
        begin_s = max(row["from_s"], since_s if row["from_s"] <= OPEN_FROM_S else 0)
        yield begin_s, Point("outages", tags, _outage(name, row))


def _told(spans: pa.Table) -> dict[str, dict[str, set[str]]]:
    """By scope and name, the sites of what is mirrored."""
    found: dict[str, dict[str, set[str]]] = {"meter": {}, "gateway": {}}
    for scope, named in found.items():
        for row in spans.group_by([scope, "site"], use_threads=False).aggregate([]).to_pylist():
            named.setdefault(row[scope], set()).add(row["site"])
    return found


def _outage(name: str, row: Mapping[str, Any]) -> Fields:
    open_end = row["to_s"] >= OPEN_TO_S
    return {
        "text_ko": f"{name}: {row['reason']}",
        "text_en": f"{name}: {row['reason']}",
        "end_ms": None if open_end else row["to_s"] * 1000,
        "open": int(open_end),
    }
