"""A gateway's own site file as rows of the registry: its gateway, its meters, their quantities."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud.registry.cells import ARROW
from cloud.registry.change import Registry
from cloud.registry.columns import ENTITIES
from cloud.registry.importing import Part
from cloud.registry.looking import get_row
from contract.problems import Problem
from contract.quantities import QUANTITIES
from contract.topics import check_name
from edge.config import MeterConfig, Site
from edge.files import read_toml
from edge.models import load_model, quantities


def site_parts(registry: Registry, paths: Sequence[Path]) -> list[Part]:
    """The parts of these files. What the registry has beside (building, device, multiplier) stays. Raises Problem."""
    parts = []
    for path in paths:
        site = _read(path)
        place = str(path)
        if get_row(registry, "sites", site.site) is None:
            named = {"site": site.site, "name_ko": site.site}
            parts.append(_part(place, "sites", [named]))
        parts.append(_part(place, "gateways", [{"gateway": site.gateway, "area": site.area, "site": site.site}]))
        rows = list(_meters(registry, path, site))
        parts.append(
            _part(place, "meters", [{name: row[name] for name in ("meter", "utility", "quantities")} for row in rows])
        )
        parts.append(
            _part(
                place, "assignments", [{"meter": row["meter"], "gateway": site.gateway} for row in rows if row["new"]]
            )
        )
    return [part for part in parts if part.rows.num_rows]


def _meters(registry: Registry, path: Path, site: Site) -> Iterator[dict[str, Any]]:
    for meter in (meter for line in site.line for meter in line.meter):
        names = meter.quantities or list(quantities(load_model(meter.model)))
        known = get_row(registry, "meters", meter.name)
        utilities = {QUANTITIES[name].utility for name in names} - {"pulses"}
        utility = known["utility"] if known else next(iter(utilities), None)
        if utility is None:
            raise Problem(
                f"{path}: meter '{meter.name}': 펄스만 세어 에너지원을 알 수 없습니다. meters.csv로 먼저 등록하십시오",
                f"{path}: meter '{meter.name}': counts pulses of an unknown utility; register it by meters.csv first",
            )
        yield {"meter": meter.name, "utility": utility, "quantities": " ".join(names), "new": known is None}


def _read(path: Path) -> Site:
    """A gateway's site file, checked for what the cloud needs of it: its passwords and its outbox are elsewhere."""
    site = read_toml(path, Site)
    meters = [meter for line in site.line for meter in line.meter]
    try:
        if not meters:
            raise Problem("meter가 하나도 없습니다", "no meter: expected at least one [[line.meter]]")
        for what, name in (("area", site.area), ("site", site.site), ("gateway", site.gateway)):
            check_name(what, name)
        for meter in meters:
            _check_meter(meter)
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem
    return site


def _check_meter(meter: MeterConfig) -> None:
    check_name("meter", meter.name)
    known = quantities(load_model(meter.model))
    for quantity in meter.quantities:
        if quantity not in known:
            raise Problem(
                f"meter '{meter.name}': 모델 {meter.model}에 '{quantity}' 항목이 없습니다."
                f" 쓸 수 있는 항목: {', '.join(known)}",
                f"meter '{meter.name}': model {meter.model} has no quantity '{quantity}';"
                f" expected one of {', '.join(known)}",
            )


def _part(place: str, name: str, rows: Sequence[dict[str, Any]]) -> Part:
    """Rows with no line of their own: the file itself is their place."""
    entity = ENTITIES[name]
    fields = [(column.field, ARROW[column.kind]) for column in entity.columns if rows and column.field in rows[0]]
    table = pa.Table.from_pylist([row | {"line": 0} for row in rows], pa.schema([*fields, ("line", pa.int64())]))
    return Part(place, entity, table)
