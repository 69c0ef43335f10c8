"""PURE: which regions there are on a day, and what lies in what. Days are local, as days since 1970-01-01.

The tables are snapshot.REGIONS and MEMBERSHIPS, which says of a few regions what they lay in and when; that of all
others is their `parent`. A region that ended stays in the tables, since totals of its time are its own.
"""

import pyarrow as pa
from pyarrow import compute

from cloud.metering import calendar

MEMBERSHIPS = pa.schema(
    [
        ("region", pa.int32()),
        ("parent", pa.int32()),  # 0: nothing above
        ("valid_from_s", pa.int64()),
        ("valid_to_s", pa.int64()),
    ]
)
ROLL_UP = pa.schema([("dong", pa.int32()), ("region", pa.int32())])

_MOST_LEVELS = 8  # a tree that is deeper goes in circles


def at_day(regions: pa.Table, day: int) -> pa.Table:
    """The regions that exist on the day."""
    moment_s = calendar.begin_s(day)
    begun = compute.less_equal(regions["valid_from_s"], moment_s)
    return regions.filter(compute.and_(begun, compute.greater(regions["valid_to_s"], moment_s)))


def children(regions: pa.Table, memberships: pa.Table, region: int, day: int) -> pa.Table:
    """The regions that exist on the day and lie directly in `region` then."""
    there = at_day(regions, day)
    parents = _Parents(regions, memberships)
    moment_s = calendar.begin_s(day)
    inside = [parents.of(number, moment_s) == region for number in there["region"].to_pylist()]
    return there.filter(pa.array(inside, pa.bool_()))


def roll_up(regions: pa.Table, memberships: pa.Table, level: str, day: int) -> pa.Table:
    """ROLL_UP: the region of `level` in which each dong lies, by the tree of the day.

    Every dong that ever was is there, one that does not exist on the day by the nearest day on which it did, so that
    totals of any time sum up; given the regions `at_day` alone, only the dongs of the day are. A dong that lies in no
    region of the level is left out, and so is 0, the unknown one.
    """
    levels = dict(zip(regions["region"].to_pylist(), regions["level"].to_pylist(), strict=True))
    parents = _Parents(regions, memberships)
    dongs, above = [], []
    columns = (regions[name].to_pylist() for name in ("region", "level", "valid_from_s", "valid_to_s"))
    for dong, its_level, from_s, to_s in zip(*columns, strict=True):
        if its_level != "dong":
            continue
        moment_s = min(max(calendar.begin_s(day), from_s), to_s - 1)
        at = dong
        for _ in range(_MOST_LEVELS):
            if levels.get(at) in (level, None):
                break
            at = parents.of(at, moment_s)
        if levels.get(at) == level:
            dongs.append(dong)
            above.append(at)
    return pa.table([pa.array(dongs, pa.int32()), pa.array(above, pa.int32())], schema=ROLL_UP)


class _Parents:
    def __init__(self, regions: pa.Table, memberships: pa.Table) -> None:
        self._first = dict(zip(regions["region"].to_pylist(), regions["parent"].to_pylist(), strict=True))
        self._dated: dict[int, list[tuple[int, int, int]]] = {}
        for row in memberships.to_pylist():
            dated = (row["valid_from_s"], row["valid_to_s"], row["parent"])
            self._dated.setdefault(row["region"], []).append(dated)

    def of(self, region: int, moment_s: int) -> int:
        """0: nothing above."""
        for from_s, to_s, parent in self._dated.get(region, []):
            if from_s <= moment_s < to_s:
                return parent
        return self._first.get(region, 0) or 0
