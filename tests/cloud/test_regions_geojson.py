"""Boundaries for maps: from a registry that has some, over HTTP, and none where there are none."""

import json
import math
from pathlib import Path
from typing import Any

import httpx

from cloud.portal.regions.shapes import MOST_BYTES, collection
from cloud.registry.mapping import import_boundaries
from tests.cloud.portal_process import Portal
from tests.registry.city import KIM, city
from tests.registry.test_registry_boundaries import square, write


def test_a_map_gets_what_there_is_today(tmp_path: Path) -> None:
    registry = city(tmp_path)
    path = write(tmp_path, ({"name": "충장동"}, square(126.123456789, 35)), ({"name": "동명동"}, square(128, 36)))
    import_boundaries(registry, path, KIM)
    with Portal(registry.folder, f"main={tmp_path}/gone") as portal:
        address = f"{portal.url}/api/v1/regions.geojson"
        answer = httpx.get(address, params={"level": "dong"})
        assert answer.headers["content-type"] == "application/geo+json"
        assert answer.headers["access-control-allow-origin"] == "*"
        found = {one["properties"]["name_ko"]: one for one in answer.json()["features"]}
        assert sorted(found) == ["동명동", "충장동"]
        assert found["충장동"]["geometry"]["coordinates"][0][0] == [126.12346, 35.0]
        assert found["충장동"]["properties"] == {
            "region": str(found["충장동"]["id"]),
            "level": "dong",
            "parent": found["동명동"]["properties"]["parent"],
            "code": "2911052500",
            "name_ko": "충장동",
            "name_en": found["충장동"]["properties"]["name_en"],
        }
        again = httpx.get(address, params={"level": "dong"}, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert httpx.get(address, params={"level": "district"}).json()["features"] == []
        assert httpx.get(address, params={"level": "galaxy"}).status_code == 422
        described = httpx.get(f"{portal.url}/api/openapi.json").json()["paths"]["/api/v1/regions.geojson"]
        assert "GeoJSON" in described["get"]["summary"]


def ragged(west: float, points: int = 5000) -> dict[str, Any]:
    """A dong with a coast; all of them side by side have their straight sides in common."""
    coast = [
        [west + 0.05 * step / points, 35.05 + 0.004 * math.sin(step / 9) * math.sin(step / 400)]
        for step in range(points)
    ]
    ring = [[west, 35.0], [west + 0.05, 35.0], [west + 0.05, 35.05], *reversed(coast)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def test_many_points_become_few_and_neighbours_stay_neighbours() -> None:
    rows = [
        {
            "region": number,
            "level": "dong",
            "parent": 2,
            "code": None,
            "name_ko": f"{number}동",
            "name_en": None,
            "geometry": json.dumps(ragged(126 + number * 0.05)),
        }
        for number in range(4)
    ]
    assert sum(len(str(row["geometry"])) for row in rows) > 2 * MOST_BYTES
    made = collection(rows)
    assert len(made) <= MOST_BYTES
    features = json.loads(made)["features"]
    assert [one["properties"]["name_en"] for one in features] == ["0동", "1동", "2동", "3동"]
    corners = [{tuple(corner) for corner in one["geometry"]["coordinates"][0]} for one in features]
    assert all(len(one) > 4 for one in corners)
    assert (126.05, 35.0) in corners[0] & corners[1]
