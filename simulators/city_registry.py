"""What the registry would say of a city: its snapshot, and the CSV files from which a registry can be filled."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry.facts import shipped_predecessors, shipped_regions
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S, SITES, SPANS
from contract.problems import Problem
from simulators.city import EXPORT, IMPORT, QUANTITIES, City, numbered

AREA = "main"


def snapshot_tables(city: City, area: str = AREA) -> Mapping[str, pa.Table]:
    """The tables for `cloud.registry.snapshot.write`: one span for each series, from ever and for ever."""
    found = {"spans": _spans(city, area), "sites": _sites(city)}
    return found | {"regions": shipped_regions(), "predecessors": shipped_predecessors()}


def write_csvs(city: City, folder: Path, area: str = AREA) -> None:
    """sites.csv, buildings.csv, gateways.csv and meters.csv for `bitgoeul cloud registry import`. Raises Problem."""
    sites, gateways = _sites(city), city.gateway_names()
    tables = {
        "sites": sites,
        "buildings": _buildings(city, sites),
        "gateways": pa.table({"gateway": gateways, "area": pa.array([area] * len(gateways))}),
        "meters": _meters(city),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            pacsv.write_csv(table, folder / f"{name}.csv")
    except OSError as error:
        raise Problem(
            f"{folder}: CSV 파일을 쓸 수 없습니다: {error.strerror}",
            f"{folder}: the CSV files cannot be written: {error.strerror}",
        ) from error


def _buildings(city: City, sites: pa.Table) -> pa.Table:
    use = pa.array([one.use for one in city.classes], pa.uint8()).take(pa.array(city.sites.klass))
    return pa.table(
        {"building": _building_names(city), "site": sites.column("site"), "region": sites.column("region"), "use": use}
    )


def _building_names(city: City) -> pa.Array:
    return numbered("building-", np.arange(len(city.sites.klass)) + 1, 6)


def _meters(city: City) -> pa.Table:
    meters, names = city.meters, city.meter_names()
    said = np.zeros(len(meters.site), np.int64)
    said[city.series.meter] = city.series.quantity
    gives = np.bincount(city.series.meter, minlength=len(said)) > 1
    words = pa.array([*QUANTITIES, f"{QUANTITIES[EXPORT]} {QUANTITIES[IMPORT]}"])
    return pa.table(
        {
            "meter": names,
            "utility": pa.array(UTILITIES).take(pa.array(meters.utility)),
            "role": pa.array(ROLES).take(pa.array(meters.role)),
            "parent": names.take(pa.array(meters.parent, mask=meters.parent < 0)),
            "building": _building_names(city).take(pa.array(meters.site)),
            "quantities": words.take(pa.array(np.where(gives, len(QUANTITIES), said))),
            "gateway": city.gateway_names().take(pa.array(meters.gateway)),
            "digits": pa.array(meters.digits),
            "multiplier": pa.array(meters.multiplier),
            "max_per_h": pa.array(meters.max_per_h),
        }
    )


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
