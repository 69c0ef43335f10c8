"""Sites and meters as they are now, all that a table on a board shows of each in one point."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from cloud.metering.codes import UTILITIES
from cloud.metering.figures import UNITS
from cloud.mirror.names import HOMES, ROLE_WORDS, Fields, both, meter_words, meters_of
from cloud.mirror.points import MISSING, Point
from cloud.mirror.registry import Known
from cloud.portal.live.rules import DAY, NOW, Snapshot
from cloud.portal.live.sites import ALL_HOUSEHOLDS, Roster
from cloud.portal.live.sums import Figure
from cloud.settle.plan import INWARD, OUTWARD, PRODUCED
from contract.quality import Quality

# The live page's figures of a site by its fields.
SITE_FIELDS: Mapping[str, str] = {
    "electricity_power_kw": NOW["electricity"],
    "electricity_production_power_kw": NOW["production"],
    "gas_flow_m3_per_h": NOW["gas"],
    "water_flow_m3_per_h": NOW["water"],
    "heat_power_kw": NOW["heat"],
    "today_usage_electricity_kwh": DAY["electricity"],
    "today_usage_gas_m3": DAY["gas"],
    "today_usage_water_m3": DAY["water"],
    "today_usage_heat_kwh": DAY["heat"],
    "today_production_electricity_kwh": DAY["production"],
}
INSTANTS = {
    "electricity": "electricity_power_kw",
    "gas": "gas_flow_m3_per_h",
    "water": "water_flow_m3_per_h",
    "heat": "heat_power_kw",
}
PRODUCTION_INSTANT = "electricity_production_power_kw"


def site_points(shown: Snapshot, roster: Roster, known: Known) -> Iterator[Point]:
    """Each site of the live page."""
    about = {row["site"]: row for row in known.sites.to_pylist()}
    regions = {str(row["region"]): both(row) for row in known.regions.to_pylist()}
    for row, figures in zip(roster.rows, shown.rows, strict=True):
        site = about.get(row.site)
        if site is None and row.site != ALL_HOUSEHOLDS:
            continue
        region, district = (site["region"], site["district"]) if site else ("0", "0")
        words = regions.get(region, {"name_ko": "", "name_en": ""})
        fields: Fields = dict(HOMES) if site is None else both(site)
        fields |= {"region_name_ko": words["name_ko"], "region_name_en": words["name_en"]}
        fields |= {name: figures[of].value for name, of in SITE_FIELDS.items()}
        tags = {"site": row.site, "kind": row.kind, "region": region, "district": district}
        yield Point("site_now", tags, fields | _meters_live(figures))


def _meters_live(figures: Mapping[str, Figure]) -> Fields:
    now = [figures[of] for of in NOW.values()]
    electricity = figures[NOW["electricity"]]
    live = sum(figure.counted for figure in now)
    quality = int(any(figure.derived for figure in now)) if live else MISSING
    return {
        "live": live,
        "meters": sum(figure.expected for figure in now),
        "quality": quality if electricity.value is None else int(electricity.derived > 0),
    }


def meter_points(ours: pa.Table, known: Known, models: Mapping[str, str], now_s: float) -> Iterator[Point]:
    """Each meter that is shown by itself, the missing ones too. `ours` are LIVE's rows of them, and `fresh`: whether
    the latest reading is near enough to now.
    """
    spans = known.shown(now_s)
    names = [spans[name].to_pylist() for name in ("meter", "quantity", "multiplier")]
    multipliers = {(meter, quantity): times for meter, quantity, times in zip(*names, strict=True)}
    quantities: dict[str, list[str]] = {}
    for meter, quantity in multipliers:
        quantities.setdefault(meter, []).append(quantity)
    read: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in ours.select(["meter", "quantity", "value", "quality", "last_time_s", "fresh"]).to_pylist():
        times = multipliers.get((row["meter"], row["quantity"]))
        if times is not None and row["quality"] is not None:
            read.setdefault(row["meter"], {})[row["quantity"]] = _aged(row, times)
    for meter in meters_of(spans):
        name = meter["meter"]
        tags = {name: meter[name] for name in ("site", "meter", "utility")}
        register = register_of(meter["role"], quantities[name])
        fields = _named(meter) | {"model": models.get(name, "")}
        yield Point("meter_now", tags, fields | _read(meter, register, read.get(name, {}), now_s))


def _aged(row: Mapping[str, Any], times: float) -> Mapping[str, Any]:
    """What is stale is as good as no answer."""
    if not row["fresh"]:
        return {**row, "value": None, "quality": max(row["quality"], int(Quality.NO_ANSWER))}
    return {**row, "value": None if row["value"] is None else row["value"] * times}


def register_of(role: str, quantities: Sequence[str]) -> str | None:
    """The register that settling takes of a meter (cloud.settle.plan.meters_of): of several of a kind the last."""
    for group in (PRODUCED, OUTWARD, INWARD) if role == "production" else (INWARD,):
        found = [quantity for quantity in quantities if quantity in group]
        if found:
            return found[-1]
    return None


def _named(meter: Mapping[str, str]) -> Fields:
    words = meter_words(meter["meter"], meter["site"], meter["utility"])
    role_ko, role_en = ROLE_WORDS[meter["role"]]
    return {
        "name_ko": f"{words['name_ko']} {role_ko}",
        "name_en": f"{words['name_en']}, {role_en}",
        "role": meter["role"],
        "gateway": meter["gateway"],
        "unit": UNITS[UTILITIES.index(meter["utility"])],
    }


def _read(
    meter: Mapping[str, str], register: str | None, read: Mapping[str, Mapping[str, Any]], now_s: float
) -> Fields:
    """Its register, its value of the moment, and how long ago it last had any value."""
    nothing: Mapping[str, Any] = {}
    shown = read.get(register, nothing) if register else nothing
    instant = read.get(PRODUCTION_INSTANT if meter["role"] == "production" else INSTANTS[meter["utility"]], nothing)
    times = [row["last_time_s"] for row in read.values() if row["last_time_s"] is not None]
    return {
        "reading": shown.get("value"),
        "instant": instant.get("value"),
        "age_s": now_s - max(times) if times else None,
        "quality": (instant or shown).get("quality", MISSING),
    }
