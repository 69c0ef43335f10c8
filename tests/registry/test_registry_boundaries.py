"""Boundaries of regions: found by code or name, refused one by one, and given back."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloud.registry.change import Registry
from cloud.registry.looking import get_row, list_rows
from cloud.registry.mapping import export_boundaries, import_boundaries
from contract.problems import Problem
from tests.registry.city import KIM, city


def square(west: float, south: float, size: float = 1.0) -> dict[str, Any]:
    """A geometry."""
    east, north = west + size, south + size
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }


def write(folder: Path, *features: tuple[dict[str, object], Any]) -> Path:
    """A file of (properties, geometry)."""
    path = folder / "dong.geojson"
    made = [{"type": "Feature", "properties": given, "geometry": geometry} for given, geometry in features]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": made}), "utf-8")
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return city(tmp_path)


def test_they_are_found_by_code_or_else_by_name_and_given_back(registry: Registry, tmp_path: Path) -> None:
    ring = {"type": "MultiPolygon", "coordinates": [square(128, 36)["coordinates"]]}
    path = write(tmp_path, ({"adm": "2911052500", "label": "?"}, square(126, 35)), ({"label": "동명동"}, ring))
    outcome = import_boundaries(registry, path, KIM)
    assert (outcome.added, outcome.changed) == ({"boundaries": 2}, {"regions": 2})
    region = get_row(registry, "regions", "3")
    assert region is not None
    assert (region["longitude"], region["latitude"]) == (126.5, 35.5)
    given = {one["properties"]["region"]: one for one in export_boundaries(registry)["features"]}
    assert given[3]["geometry"] == square(126, 35)
    assert given[4]["geometry"] == ring
    assert given[4]["properties"]["name_ko"] == "동명동"
    assert import_boundaries(registry, path, KIM).act == 0


CROSSED = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


@pytest.mark.parametrize(
    ("name", "geometry", "complaint"),
    [
        ("충장동", CROSSED, r"feature 2 \(name = '충장동'\): the geometry is invalid: Self-intersection"),
        (
            "충장동",
            {"type": "Point", "coordinates": [1, 2]},
            "feature 2 .*: expected Polygon or MultiPolygon, found Point",
        ),
        ("충장동", None, "feature 2 .*: expected Polygon or MultiPolygon, found None"),
        ("충장동", {"type": "Polygon", "coordinates": [["a"]]}, "feature 2 .*: its coordinates cannot be read"),
        ("충장동", square(200_000, 500_000), "feature 2 .*: expected longitudes and latitudes of WGS84"),
        ("없는동", square(126, 35), r"feature 2 \(name = '없는동'\): expected to fit one region \(fits: none\)"),
        ("동명동", square(126, 35), "a region comes twice"),
    ],
)
def test_a_feature_that_is_none_is_refused_by_name(
    registry: Registry, tmp_path: Path, name: str, geometry: Any, complaint: str
) -> None:
    path = write(tmp_path, ({"name": "동명동"}, square(127, 35)), ({"name": name}, geometry))
    with pytest.raises(Problem, match=complaint):
        import_boundaries(registry, path, KIM, "name")
    assert list_rows(registry, "boundaries") == []


def test_what_is_no_geojson_is_refused(registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "x.geojson"
    for content, complaint in (("{", "expected GeoJSON"), ("[]", "expected a FeatureCollection")):
        path.write_text(content)
        with pytest.raises(Problem, match=complaint):
            import_boundaries(registry, path, KIM)
    with pytest.raises(Problem, match="cannot be read"):
        import_boundaries(registry, tmp_path / "none.geojson", KIM)
