"""PURE: boundaries of districts or dongs as GeoJSON that a browser loads at once: no finer than a map shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import shapely
from shapely.geometry import mapping, shape

MOST_BYTES = 300_000
DIGITS = 5  # of a degree: a metre
FIRST_TOLERANCE = 1e-5  # degrees; doubled until it is small enough
COARSEST = 0.02  # two kilometres: what is still too large then is given as it is


def collection(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """GeoJSON of rows with `geometry` (GeoJSON as text), region, parent, code and names. Neighbours stay neighbours."""
    shapes = [shape(msgspec.json.decode(row["geometry"])) for row in rows]
    made = _encoded(rows, shapes)
    tolerance = FIRST_TOLERANCE
    while len(made) > MOST_BYTES and tolerance < COARSEST:
        made = _encoded(rows, list(shapely.coverage_simplify(shapes, tolerance)))
        tolerance *= 2
    return made


def _encoded(rows: Sequence[Mapping[str, Any]], shapes: Sequence[Any]) -> bytes:
    features = [
        {
            "type": "Feature",
            "id": row["region"],
            "properties": {
                "region": str(row["region"]),
                "level": row["level"],
                "parent": str(row["parent"] or 0),
                "code": row["code"] or "",
                "name_ko": row["name_ko"],
                "name_en": row["name_en"] or row["name_ko"],
            },
            "geometry": _rounded(mapping(one)),
        }
        for row, one in zip(rows, shapes, strict=True)
    ]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _rounded(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(part) for part in value]
    return round(value, DIGITS) if isinstance(value, float) else value
