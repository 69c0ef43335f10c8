"""Boundaries in and out of the registry."""

import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import select

from cloud.registry.book import Book, merge
from cloud.registry.boundaries import Named, feature_collection, read_boundaries
from cloud.registry.cells import show_time
from cloud.registry.change import Author, Outcome, Registry, change
from cloud.registry.database import looking
from cloud.registry.models import Boundary, Region


def import_boundaries(
    registry: Registry, path: Path, author: Author, key: str | None = None, at_s: int | None = None
) -> Outcome:
    """Store the file's boundaries, and a point inside each, for the regions that there are at `at_s` (now).

    Raises Problem, and nothing is changed then.
    """
    moment_s = int(time.time()) if at_s is None else at_s
    with looking(registry.engine) as connection:
        there = select(Region.region, Region.code, Region.name_ko).where(
            Region.valid_from_s <= moment_s, Region.valid_to_s > moment_s
        )
        regions = [Named(row.region, row.code or "", row.name_ko) for row in connection.execute(there)]
    found = read_boundaries(path, regions, key)
    number = pa.array([one.region for one in found], pa.int64())
    origin = pa.repeat(pa.scalar(0, pa.int64()), len(found))

    def edit(book: Book) -> None:
        geometry = pa.array([one.geometry for one in found])
        source = pa.repeat(pa.scalar(path.name), len(found))
        merge(
            book, "boundaries", pa.table({"region": number, "geometry": geometry, "source": source, "origin": origin})
        )
        longitude = pa.array([one.longitude for one in found])
        latitude = pa.array([one.latitude for one in found])
        merge(
            book,
            "regions",
            pa.table({"region": number, "longitude": longitude, "latitude": latitude, "origin": origin}),
        )

    return change(registry, author, edit)


def export_boundaries(registry: Registry) -> dict[str, Any]:
    """All boundaries as a GeoJSON FeatureCollection."""
    statement = (
        select(
            Region.region, Region.level, Region.parent, Region.code, Region.name_ko, Region.name_en,
            Region.valid_from_s, Region.valid_to_s, Boundary.geometry, Boundary.source,
        )
        .join(Boundary, Boundary.region == Region.region)
        .order_by(Region.region)
    )  # fmt: skip
    with looking(registry.engine) as connection:
        rows = [dict(row) for row in connection.execute(statement).mappings()]
    for row in rows:
        row["valid_from"] = show_time(row.pop("valid_from_s"))
        row["valid_to"] = show_time(row.pop("valid_to_s"))
    return feature_collection(rows)


def boundaries_at(registry: Registry, level: str, at_s: int) -> list[dict[str, Any]]:
    """Region, level, parent, code, names and geometry (GeoJSON as text) of the regions of a level that there are then
    and that have a boundary.
    """
    statement = (
        select(
            Region.region, Region.level, Region.parent, Region.code, Region.name_ko, Region.name_en, Boundary.geometry
        )
        .join(Boundary, Boundary.region == Region.region)
        .where(Region.level == level, Region.valid_from_s <= at_s, Region.valid_to_s > at_s)
        .order_by(Region.region)
    )
    with looking(registry.engine) as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
