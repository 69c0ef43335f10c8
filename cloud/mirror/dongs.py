"""The dongs as they were in the newest settled slot, with where they are: for a map's markers."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import Direction
from cloud.mirror.points import MISSING, Field, Point
from cloud.mirror.registry import Known
from cloud.totals.query import Question, Totals


def newest_dongs(totals: Totals, known: Known, day: int) -> tuple[int, list[Point]] | None:
    """The newest slot of that local day and a point for each dong that has a place; None where nothing is settled."""
    rows = totals.ask(Question("dong", day, day + 1, "slot", utility=0, direction=Direction.USE))
    if not rows.num_rows:
        return None
    slot_s: int = pc.max(rows["slot_s"]).as_py()
    today = rows.group_by("region", use_threads=False).aggregate([("total_milli", "sum")])
    sums = dict(zip(today["region"].to_pylist(), today["total_milli_sum"].to_pylist(), strict=True))
    return slot_s, list(_points(rows.filter(pc.equal(rows["slot_s"], slot_s)), sums, known))


def _points(rows: pa.Table, today: dict[int, int | None], known: Known) -> Iterator[Point]:
    places = {row["region"]: row for row in known.regions.to_pylist() if row["latitude"] is not None}
    for row in rows.to_pylist():
        place, sum_milli = places.get(row["region"]), today[row["region"]]
        if place is None:
            continue
        fields: dict[str, Field] = {
            "latitude": place["latitude"],
            "longitude": place["longitude"],
            "name_ko": str(place["name_ko"]),
            "name_en": str(place["name_en"] or place["name_ko"]),
            "usage_electricity_kwh": row["value"],
            "usage_today_electricity_kwh": None if sum_milli is None else sum_milli / 1000,
            "coverage_ratio": row["coverage"],
            "quality": MISSING if row["value"] is None else int(row["estimated_count"] > 0),
        }
        yield Point("dong_now", {"region": str(row["region"])}, fields)
