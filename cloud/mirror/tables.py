"""Sites and meters as they are now, all that a table on a board shows of each in one point."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import UTILITIES
from cloud.metering.figures import UNITS
from cloud.mirror.names import HOMES, ROLE_WORDS, Fields, both, meter_words, meters_of
from cloud.mirror.points import MISSING, Point
from cloud.mirror.registry import Known
from cloud.portal.live.rules import DAY, NOW, Snapshot
from cloud.portal.live.sites import ALL_HOUSEHOLDS, Roster
from cloud.portal.live.sums import Figure
from cloud.settle.plan import INWARD, PRODUCED

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


def meter_points(live: pa.Table, known: Known, models: Mapping[str, str], now_s: float) -> Iterator[Point]:
    """Each meter that is shown by itself, the missing ones too."""
    spans = known.shown(now_s)
    multipliers = dict(
        zip(
            zip(spans["meter"].to_pylist(), spans["quantity"].to_pylist(), strict=True),
            spans["multiplier"].to_pylist(),
            strict=True,
        )
    )
    read: dict[str, dict[str, Mapping[str, Any]]] = {}
    ours = live.filter(pc.is_in(live["meter"], pc.unique(spans["meter"])))
    for row in ours.select(["meter", "quantity", "time_s", "value", "quality"]).to_pylist():
        times = multipliers.get((row["meter"], row["quantity"]))
        if times is not None:
            value = None if row["value"] is None else row["value"] * times
            read.setdefault(row["meter"], {})[row["quantity"]] = row | {"value": value}
    for meter in meters_of(spans):
        tags = {name: meter[name] for name in ("site", "meter", "utility")}
        fields = _named(meter) | {"model": models.get(meter["meter"], "")}
        yield Point("meter_now", tags, fields | _read(meter, read.get(meter["meter"], {}), now_s))


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


def _read(meter: Mapping[str, str], read: Mapping[str, Mapping[str, Any]], now_s: float) -> Fields:
    """Its register, its value of the moment, and how old the newest of all is."""
    produces = meter["role"] == "production"
    registers = (*PRODUCED, *INWARD) if produces else INWARD
    register = next((read[name] for name in registers if name in read), {})
    instant = read.get(PRODUCTION_INSTANT if produces else INSTANTS[meter["utility"]], {})
    times = [row["time_s"] for row in read.values() if row["time_s"] is not None]
    quality = instant.get("quality", register.get("quality"))
    return {
        "reading": register.get("value"),
        "instant": instant.get("value"),
        "age_s": now_s - max(times) if times else None,
        "quality": MISSING if quality is None else quality,
    }
