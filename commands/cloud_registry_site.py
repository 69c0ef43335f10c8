"""A gateway's own site file as rows of the registry: its gateway, its meters, their quantities."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from cloud.registry.cells import ARROW, Value
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
    parts: list[Part] = []
    made: set[str] = set()
    for path in paths:
        site, place = _read(path), str(path)
        if site.site not in made and get_row(registry, "sites", site.site) is None:
            parts.append(_part(place, "sites", [{"site": site.site, "name_ko": site.site}]))
        made.add(site.site)
        parts.append(_part(place, "gateways", [{"gateway": site.gateway, "area": site.area, "site": site.site}]))
        known = {meter.name: get_row(registry, "meters", meter.name) for meter in _meters(site)}
        parts.append(_part(place, "meters", [_row(path, meter, known[meter.name]) for meter in _meters(site)]))
        new = [name for name, row in known.items() if row is None]
        parts.append(_part(place, "assignments", [{"meter": name, "gateway": site.gateway} for name in new]))
    return [part for part in parts if part.rows.num_rows]


def _meters(site: Site) -> list[MeterConfig]:
    return [meter for line in site.line for meter in line.meter]


def _row(path: Path, meter: MeterConfig, known: Mapping[str, Value] | None) -> dict[str, Value]:
    names = meter.quantities or list(quantities(load_model(meter.model)))
    row: dict[str, Value] = {"meter": meter.name, "quantities": " ".join(names)}
    if known:
        return row | {"utility": known["utility"], "role": known["role"]}
    utility = next((QUANTITIES[name].utility for name in names if QUANTITIES[name].utility != "pulses"), None)
    if utility is None:
        raise Problem(
            f"{path}: meter '{meter.name}': 펄스만 세어 에너지원을 알 수 없습니다. meters.csv로 먼저 등록하십시오",
            f"{path}: meter '{meter.name}': counts pulses of an unknown utility; register it by meters.csv first",
        )
    produces = "electricity_production_kwh" in names and "electricity_import_kwh" not in names
    return row | {"utility": utility, "role": "production" if produces else "main"}


def _read(path: Path) -> Site:
    """A gateway's site file, checked for what the cloud needs of it: its passwords and its outbox are elsewhere."""
    site = read_toml(path, Site)
    meters = _meters(site)
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


def _part(place: str, name: str, rows: Sequence[Mapping[str, Value]]) -> Part:
    """Rows with no line of their own: the file itself is their place."""
    entity = ENTITIES[name]
    fields = [(column.field, ARROW[column.kind]) for column in entity.columns if rows and column.field in rows[0]]
    table = pa.Table.from_pylist([{**row, "line": 0} for row in rows], pa.schema([*fields, ("line", pa.int64())]))
    return Part(place, entity, table)
