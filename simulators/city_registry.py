"""What the registry would say of a city: its snapshot, and the CSV files from which a registry can be filled."""

import csv
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import SEOUL_S
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S, REGIONS, SITES, SPANS
from simulators.city import QUANTITIES, City
from simulators.city_plan import REGIONS_CSV

AREA = "main"


def snapshot_tables(city: City, area: str = AREA) -> Mapping[str, pa.Table]:
    """The tables for `cloud.registry.snapshot.write`: one span for each series, from ever and for ever."""
    return {"spans": _spans(city, area), "sites": _sites(city), "regions": _regions()}


def _spans(city: City, area: str) -> pa.Table:
    series, meters = city.series, city.meters
    at = pa.array(series.meter)
    count = len(series.meter)

    def coded(codes: np.ndarray, names: pa.Array) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)

    names = city.meter_names()
    parent = meters.parent[series.meter]
    columns = {
        "meter": names.take(at),
        "quantity": coded(series.quantity, pa.array(QUANTITIES)),
        "from_s": pa.repeat(pa.scalar(OPEN_FROM_S, pa.int64()), count),
        "to_s": pa.repeat(pa.scalar(OPEN_TO_S, pa.int64()), count),
        "area": coded(np.zeros(count), pa.array([area])),
        "gateway": coded(meters.gateway[series.meter], city.gateway_names()),
        "site": coded(meters.site[series.meter], city.site_names()),
        "region": pa.array(city.regions[series.meter]),
        "use": pa.array(city.uses[series.meter]),
        "utility": pa.array(meters.utility[series.meter]),
        "role": pa.array(meters.role[series.meter]),
        "parent": names.take(pa.array(parent, mask=parent < 0)),
        "life": pa.repeat(pa.scalar(1, pa.int32()), count),
        "digits": pa.array(meters.digits[series.meter]),
        "multiplier": pa.array(meters.multiplier[series.meter].astype(np.float64)),
        "max_per_h": pa.array(meters.max_per_h[series.meter]),
        "opening": pa.nulls(count, pa.float64()),
        "closing": pa.nulls(count, pa.float64()),
        "live": pa.array(city.sites.live[meters.site[series.meter]]),
    }
    return pa.table([columns[name] for name in SPANS.names], schema=SPANS)


def _sites(city: City) -> pa.Table:
    klass, dong = pa.array(city.sites.klass), pa.array(city.sites.dong)
    numbers = pa.array(range(1, len(klass) + 1)).cast(pa.string())

    def named(dongs: list[str], classes: list[str]) -> pa.Array:
        parts = [pa.array(dongs).take(dong), pa.array(classes).take(klass), numbers]
        return pc.binary_join_element_wise(*parts, " ")

    columns = {
        "site": city.site_names(),
        "name_ko": named([one.name for one in city.dongs], [one.name_ko for one in city.classes]),
        "name_en": named([one.name_en for one in city.dongs], [one.name for one in city.classes]),
        "kind": pa.array([one.kind for one in city.classes]).take(klass),
        "region": pa.array([one.region for one in city.dongs], pa.int32()).take(dong),
        "live": pa.array(city.sites.live),
    }
    return pa.table([columns[name] for name in SITES.names], schema=SITES)


def _regions() -> pa.Table:
    with REGIONS_CSV.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return pa.Table.from_pylist(
        [
            {
                "region": int(row["region"]),
                "level": row["level"],
                "parent": int(row["parent"]),
                "code": row["code"],
                "name_ko": row["name_ko"],
                "name_en": row["name_en"],
                "valid_from_s": _midnight_s(row["valid_from"], OPEN_FROM_S),
                "valid_to_s": _midnight_s(row["valid_to"], OPEN_TO_S),
                "longitude": float(row["longitude"]) if row["longitude"] else None,
                "latitude": float(row["latitude"]) if row["latitude"] else None,
            }
            for row in rows
        ],
        REGIONS,
    )


def _midnight_s(day: str, absent: int) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) - SEOUL_S if day else absent
