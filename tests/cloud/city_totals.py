"""Totals of a small city, for tests of its page: atoms as settling writes them, a few at a time."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from cloud.metering.calendar import begin_s
from cloud.metering.codes import SLOT_S, Direction
from cloud.portal.city.reading import CityBooks
from cloud.portal.city.rules import City, Figure, Row
from cloud.store.parquet import TotalsWriter
from cloud.store.totals_schema import SLOT_ATOMS
from tests.cloud.portal_area import write_sites

DAY = 20_783  # 2026-11-26
USE, PRODUCTION = Direction.USE, Direction.PRODUCTION
ELECTRICITY, GAS, WATER, HEAT = range(4)
# dongs of Dong-gu, and one of Seo-gu
CHUNGJANG, DONGMYEONG, GYERIM, YANG = 101, 102, 103, 114
NAMES = ("광주광역시", "Gwangju")
Atom = dict[str, int]


def atom(slot: int, region: int, total: int, expected: int = 10, **more: int) -> Atom:
    """One of use of electricity in apartments of which all counted and nothing is estimated, unless told."""
    plain = {"slot": slot, "region": region, "use": 2, "utility": ELECTRICITY, "direction": int(USE)}
    figures = {"total": total, "estimated": 0, "counted": expected, "estimated_count": 0, "expected": expected}
    return plain | figures | more


def write(folder: Path, days: Mapping[int, Iterable[Atom]]) -> None:
    """Make these all that there is of these days; `slot` counts from local midnight."""
    tables = {}
    for day, atoms in days.items():
        rows = [{"slot_s": begin_s(day) + one["slot"] * SLOT_S, **one} for one in atoms]
        names = SLOT_ATOMS.names
        tables[day] = pa.Table.from_pylist([{name: row[name] for name in names} for row in rows], SLOT_ATOMS)
    TotalsWriter(folder).write_days(tables)


def registry(folder: Path) -> Path:
    """A registry that names no regions, so that those shipped count."""
    return write_sites(folder / "registry", "hall,구청,Hall,public-building,e1,electricity,main,1")


def read(folder: Path, *areas: str) -> City:
    """The city of these areas' totals."""
    found = CityBooks([folder / area for area in areas or ("main",)], registry(folder), NAMES).city()
    assert found is not None
    return found


def district(city: City, name: str) -> tuple[Row, dict[str, Row]]:
    """A district by its Korean name, and its dongs by theirs."""
    (found,) = [one for one in city.districts if one.row.name_ko == name]
    return found.row, {dong.name_ko: dong for dong in found.dongs}


def told(figure: Figure) -> tuple[int | None, int, int, int]:
    """Thousandths, counted, expected, estimated."""
    return figure.sum.milli, figure.sum.counted, figure.sum.expected, figure.sum.estimated
