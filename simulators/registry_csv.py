"""Simulated sites as the CSV files that `bitgoeul cloud registry import` takes, as an operator would hand them over."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from simulators.site import Place, SimSite, places, quantities

Rows = list[dict[str, object]]


def write_csv(sites: Sequence[SimSite], folder: Path) -> list[Path]:
    """Sites, a building for each use at a site, gateways and meters; the files."""
    placed = [(site, place) for site in sites for place in places(site)]
    meters = [_meter(site, place) for site, place in placed]
    buildings = {
        str(row["building"]): _building(site, place) for (site, place), row in zip(placed, meters, strict=True)
    }
    tables: Mapping[str, Rows] = {
        "sites": [_site(site) for site in sites],
        "buildings": list(buildings.values()),
        "gateways": [
            {"gateway": gateway.name, "area": site.area, "site": site.site}
            for site in sites
            for gateway in site.gateway
        ],
        "meters": meters,
    }
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def _site(site: SimSite) -> dict[str, object]:
    names = {name: getattr(site, name) for name in ("site", "name_ko", "name_en", "kind", "region")}
    return names | {"live": "true"}


def _use(site: SimSite, place: Place) -> int:
    return place.group.building_use or site.building_use


def _building(site: SimSite, place: Place) -> dict[str, object]:
    use = _use(site, place)
    return {"building": f"{site.site}-{use}", "site": site.site, "region": site.region, "use": use or ""}


def _meter(site: SimSite, place: Place) -> dict[str, object]:
    group = place.group
    return {
        "meter": place.name,
        "utility": group.utility,
        "role": group.role,
        "parent": place.parent or "",
        "building": f"{site.site}-{_use(site, place)}",
        "quantities": " ".join(quantities(place)),
        "gateway": place.gateway,
        "multiplier": group.multiplier,
    }


def _write(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path
