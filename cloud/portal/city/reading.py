"""The city's day, read from the files of totals and from the registry's snapshot; made again when either changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.calendar import begin_s
from cloud.metering.codes import SLOT_S
from cloud.metering.factors import EPOCH
from cloud.portal.city import rules
from cloud.portal.city.rules import Behind, City, Days, Place
from cloud.portal.city.sums import MEASURES, Ints, Sum, Sums, sums_by
from cloud.registry import facts, regions, snapshot
from cloud.store.parquet import Manifest, TotalsReader, read_manifest
from cloud.totals.query import Facts, Question, Totals

HOUR_S = 3600
LATE_S = 3600  # an area that is further behind the newest is not waited for
UNKNOWN = 0  # the number of a region, or district, that is not known
_ATTEMPTS = 3
_ROLLED_UP = Facts({"city": regions.ROLL_UP.empty_table()}, facts.uses().select(["use", "type"]))  # all under 0


@dataclass(frozen=True)
class Names:
    """What districts, dongs and types are called on a day."""

    city: Place
    districts: tuple[Place, ...]
    dongs: tuple[Place, ...]
    types: tuple[Place, ...]


class CityBooks:
    """What `--totals` and `--registry` name. To be used by one thread at a time."""

    def __init__(self, totals: Sequence[Path], registry: Path, city: tuple[str, str]) -> None:
        """`city` is its name in Korean and English."""
        self._folders, self._registry, self._city = tuple(totals), registry, city
        self._reader = TotalsReader(totals)
        self._totals = Totals(totals)

    def version(self) -> str:
        """Equal versions give equal cities; "" where there are no totals. Cheap. Raises OSError."""
        there = any(read_manifest(folder).slots for folder in self._folders)
        return f"{self._reader.version()}-{snapshot.version(self._registry)}" if there else ""

    def city(self) -> City | None:
        """None where there are no totals. Raises OSError or Problem when files cannot be read."""
        for _ in range(_ATTEMPTS):
            version = self.version()
            found = self._city_of(version)
            if version == self.version():  # nothing was settled between two of the questions
                break
        return found

    def _city_of(self, version: str) -> City | None:
        manifests = {folder.name: read_manifest(folder) for folder in self._folders}
        days = [max(manifest.slots) for manifest in manifests.values() if manifest.slots]
        if not days:
            return None
        day = (date.fromisoformat(max(days)) - EPOCH).days
        today = self._totals.ask(Question("dong", day, day + 1, "slot"))
        if not today.num_rows:  # taken away meanwhile
            return None
        until_s, behind = _until(today, manifests)
        by_dong, by_type = [], []
        hours: list[dict[str, dict[int, Sum]]] = []
        for ago in (0, 1, 7):
            rows = today if not ago else self._totals.ask(Question("dong", day - ago, day - ago + 1, "slot"))
            rows = _before(rows, until_s - ago * 86_400)
            by_dong.append(sums_by(rows, rows["region"].to_numpy().astype(np.int64)))
            hours.append(_hours(rows, begin_s(day - ago)))
            typed = self._totals.ask(Question("city", day - ago, day - ago + 1, "slot", "type"), _ROLLED_UP)
            typed = _before(typed, until_s - ago * 86_400)
            by_type.append(sums_by(typed, typed["type"].to_numpy().astype(np.int64)))
        dongs = _days(by_dong)
        names = self._names(day, dongs)
        return City(
            version,
            day,
            until_s,
            behind,
            rules.city_row(names.city, rules.add_up(list(dongs.values()))),
            hours[0],
            hours[1],
            rules.districts_of(names.districts, names.dongs, dongs),
            rules.types_of(names.types, _days(by_type)),
        )

    def _names(self, day: int, there: Mapping[int, object]) -> Names:
        """The dongs of the day, and any other that has totals."""
        known = snapshot.load(self._registry).regions
        if not known.num_rows:
            known = facts.shipped_regions()
        today = regions.at_day(known, day)
        lying = regions.roll_up(known, regions.MEMBERSHIPS.empty_table(), "district", day)
        above = dict(zip(lying["dong"].to_pylist(), lying["region"].to_pylist(), strict=True))
        existing = set(today["region"].to_pylist())
        dongs = [
            Place(*_named(row), above.get(row["region"], UNKNOWN))
            for row in known.sort_by("region").to_pylist()
            if row["level"] == "dong" and (row["region"] in existing or row["region"] in there)
        ]
        strange = sorted(set(there) - {dong.key for dong in dongs})
        dongs += [Place(key, "", "", UNKNOWN) for key in strange]
        districts = [Place(*_named(row)) for row in today.sort_by("region").to_pylist() if row["level"] == "district"]
        if any(dong.above == UNKNOWN for dong in dongs):
            districts.append(Place(UNKNOWN, "", ""))
        types = [Place(row["type"], row["name_ko"], row["name_en"]) for row in facts.types().to_pylist()]
        return Names(Place(0, *self._city), tuple(districts), tuple(dongs), (*types[1:], types[0]))


def _named(row: Mapping[str, object]) -> tuple[int, str, str]:
    number = row["region"]
    assert isinstance(number, int)
    return number, str(row["name_ko"]), str(row["name_en"] or row["name_ko"])


def _until(rows: pa.Table, manifests: Mapping[str, Manifest]) -> tuple[int, tuple[Behind, ...]]:
    """Until when all areas have totals, but for those that are far behind."""
    slots, places = rows["slot_s"].to_numpy(), rows["region"].to_numpy()
    ends: dict[str, int | None] = {}
    for area, manifest in manifests.items():
        own = slots[np.isin(places, list(manifest.regions))]
        ends[area] = int(own.max()) + SLOT_S if own.size else None
    newest = int(slots.max()) + SLOT_S
    until_s = min(end for end in ends.values() if end is not None and end >= newest - LATE_S)
    late = [Behind(area, end) for area, end in sorted(ends.items()) if end is None or end < until_s]
    return until_s, tuple(one for one in late if manifests[one.area].slots)


def _before(rows: pa.Table, until_s: int) -> pa.Table:
    return rows.filter(pc.less(rows["slot_s"], until_s))


def _hours(rows: pa.Table, midnight_s: int) -> dict[str, dict[int, Sum]]:
    hours: Ints = (rows["slot_s"].to_numpy() - midnight_s) // HOUR_S
    found = sums_by(rows, hours)
    return {name: {hour: one[name] for hour, one in found.items() if name in one} for name in MEASURES}


def _days(found: Sequence[Mapping[int, Sums]]) -> dict[int, Days]:
    keys = sorted(set().union(*found))
    return {key: Days(*(one.get(key, {}) for one in found)) for key in keys}
