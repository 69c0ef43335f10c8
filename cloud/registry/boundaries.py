"""Boundaries of regions: GeoJSON in WGS84, checked, told apart by code or name, and given back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape

from contract.problems import Problem, Text

KINDS = ("Polygon", "MultiPolygon")
MAX_COMPLAINTS = 20
DIGITS = 7  # of a degree: a centimetre


@dataclass(frozen=True)
class Named:
    """A region as a boundary's file may name it."""

    region: int
    code: str
    name: str


@dataclass(frozen=True)
class Bounded:
    """A region with its boundary, and a point inside."""

    region: int
    geometry: str
    longitude: float
    latitude: float


def boundary_text(geometry: object) -> str:
    """A GeoJSON geometry, checked, as text. Raises Problem that says why it is none."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in KINDS:
        raise Problem(f"{' 또는 '.join(KINDS)}이어야 합니다: {kind}", f"expected {' or '.join(KINDS)}, found {kind}")
    try:
        found = shape(geometry)
        west, south, east, north = found.bounds
    except (ShapelyError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise Problem("좌표를 읽을 수 없습니다", "its coordinates cannot be read") from error
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise Problem("좌표가 WGS84 경위도가 아닙니다", "expected longitudes and latitudes of WGS84")
    if not found.is_valid:
        why = shapely.is_valid_reason(found)
        raise Problem(f"도형이 올바르지 않습니다: {why}", f"the geometry is invalid: {why}")
    return json.dumps(geometry, separators=(",", ":"))


def read_boundaries(path: Path, regions: Sequence[Named], key: str | None = None) -> list[Bounded]:
    """Every feature's region and boundary. `key` is the property that names it; without it the one that fits
    best, and where it does not, the next.

    Raises Problem that names each feature which is invalid, or fits no region or several.
    """
    features = _features(path)
    by_name: dict[str, set[int]] = {}
    for one in regions:
        for name in filter(None, (one.code, one.name)):
            by_name.setdefault(name, set()).add(one.region)
    chosen = [key] if key else _keys(features, by_name)
    found, complaints = [], []
    for number, feature in enumerate(features, start=1):
        names = {one: _value(feature, one) for one in chosen}
        try:
            found.append(_bounded(feature, list(names.values()), by_name))
        except Problem as problem:
            called = ", ".join(f"{one} = {name!r}" for one, name in names.items())
            where = f"{path}: feature {number} ({called})"
            complaints.append(Text(f"{where}: {problem.text.ko}", f"{where}: {problem.text.en}"))
    if len({one.region for one in found}) < len(found):
        complaints.append(Text(f"{path}: 한 지역이 두 번 나옵니다", f"{path}: a region comes twice"))
    if complaints:
        shown = complaints[:MAX_COMPLAINTS]
        raise Problem("; ".join(text.ko for text in shown), "; ".join(text.en for text in shown))
    return found


def feature_collection(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """GeoJSON of rows with `geometry` as text; everything else of a row becomes properties."""
    features = [
        {
            "type": "Feature",
            "properties": {name: value for name, value in row.items() if name != "geometry"},
            "geometry": json.loads(row["geometry"]),
        }
        for row in rows
    ]
    return {"type": "FeatureCollection", "features": features}


def _features(path: Path) -> list[Mapping[str, Any]]:
    try:
        read = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Problem(f"{path}: 읽을 수 없습니다: {reason}", f"{path}: cannot be read: {reason}") from error
    except ValueError as error:
        raise Problem(f"{path}: GeoJSON이 아닙니다: {error}", f"{path}: expected GeoJSON: {error}") from error
    features = read.get("features") if isinstance(read, dict) else None
    if not isinstance(features, list) or not features or not all(isinstance(one, dict) for one in features):
        raise Problem(f"{path}: 도형이 있는 FeatureCollection이어야 합니다", f"{path}: expected a FeatureCollection")
    return features


def _value(feature: Mapping[str, Any], key: str) -> str:
    properties = feature.get("properties")
    value = properties.get(key) if isinstance(properties, dict) else None
    return "" if value is None else str(value)


def _keys(features: Sequence[Mapping[str, Any]], by_name: Mapping[str, set[int]]) -> list[str]:
    """The properties that name regions, that of most regions first."""
    names = dict.fromkeys(name for feature in features for name in (feature.get("properties") or {}))
    fits = {name: len({_value(one, name) for one in features} & by_name.keys()) for name in names}
    return sorted((name for name in names if fits[name]), key=lambda name: -fits[name]) or ["name"]


def _bounded(feature: Mapping[str, Any], names: Sequence[str], by_name: Mapping[str, set[int]]) -> Bounded:
    text = boundary_text(feature.get("geometry"))
    fitting = [by_name[name] for name in names if name in by_name]
    region = next((next(iter(found)) for found in fitting if len(found) == 1), None)
    if region is None:
        numbers = ", ".join(str(number) for number in sorted(set().union(*fitting)))
        raise Problem(
            f"지역 하나와 맞아야 합니다 (맞는 번호: {numbers or '없음'}). --key로 코드나 이름의 속성을 고르십시오",
            f"expected to fit one region (fits: {numbers or 'none'}); choose the property of codes or names with --key",
        )
    point = shape(feature["geometry"]).representative_point()
    return Bounded(region, text, round(point.x, DIGITS), round(point.y, DIGITS))
