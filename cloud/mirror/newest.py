"""What the newest settled slot tells: the regions today, and today beside yesterday and last week."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import DAY_S, SLOT_S, UTILITIES, Direction
from cloud.mirror.names import Fields, both, district_tag
from cloud.mirror.points import MISSING, Point, Sheet, tagged, whole
from cloud.mirror.registry import Known
from cloud.mirror.sums import ALL, EMITTING, MEASUREMENTS, Span, answers, quality, units
from cloud.totals.query import Level, Totals
from contract.problems import Problem

BACK = (1, 7)  # days
# What was counted may differ by this share; above, a change would tell of meters and outages, and not of use.
COMPARABLE_RATIO = 0.02
ABOVE: tuple[Level, ...] = ("city", "district")
PLACED: tuple[Level, ...] = ("district", "dong")
NOW = {"district": "district_now", "dong": "dong_now"}
TODAY = ("usage_today_electricity_kwh", "usage_today_gas_m3", "usage_today_water_m3", "usage_today_heat_kwh")
USE = int(Direction.USE)
# What is compared, by its name on the boards: (utility, direction).
COMPARED: Mapping[str, tuple[int, int]] = {name: (place, USE) for place, name in enumerate(UTILITIES)} | {
    "production": (0, int(Direction.PRODUCTION))
}
CO2 = "co2"


class Newest:
    """The slots of a local day, and of those that it is compared with. Raises Problem when those of the day cannot be
    read.
    """

    def __init__(self, totals: Totals, known: Known, day: int) -> None:
        self._known, self._day = known, day
        self._today = answers(totals, known.regions, Span(day, day + 1, daily=False), ways=("none",))
        self.problems: list[Problem] = []  # of earlier days: what cannot be read of them is missing
        self._earlier = {back: self._of(totals, Span(day - back, day - back + 1, daily=False)) for back in BACK}

    def _of(self, totals: Totals, span: Span) -> pa.Table:
        try:
            return answers(totals, self._known.regions, span, ABOVE, ("none",))
        except Problem as problem:
            self.problems.append(problem)
            return self._today.slice(0, 0)

    @property
    def end_s(self) -> int | None:
        """The end of the newest slot; None where nothing is settled yet."""
        newest = pc.max(self._today["time_s"]).as_py()
        return None if newest is None else int(newest) + SLOT_S

    def places(self) -> Iterator[Point]:
        """Of the newest slot: districts and dongs, where they are."""
        assert self.end_s is not None
        last = self._today.filter(pc.equal(self._today["time_s"], self.end_s - SLOT_S))
        regions = {row["region"]: row for row in self._known.regions.to_pylist()}
        for level in PLACED:
            sums, now = _by_region(self._today, level), _by_region(last, level)
            for number, today in sums.items():
                place = regions.get(number)
                if place is None or place["latitude"] is None:
                    continue
                tags = {"region": str(number), "district": district_tag(self._known, level, number)}
                fields = both(place) | {"latitude": place["latitude"], "longitude": place["longitude"]}
                yield Point(NOW[level], tags, fields | _today_fields(today) | _slot_fields(now.get(number, {})))

    def comparison(self) -> Iterator[Point]:
        """Today until now, and the same hours of the days before."""
        assert self.end_s is not None
        for level in ABOVE:
            today = _by_region(self._today, level)
            before = {
                back: _by_region(_until(rows, self.end_s - back * DAY_S), level) for back, rows in self._earlier.items()
            }
            for number, sums in today.items():
                yesterday, week_ago = (before[back].get(number, {}) for back in BACK)
                for name in (*COMPARED, CO2):
                    if _expected(sums, name):
                        tags = {"level": level, "region": str(number), "utility": name}
                        yield Point("today_compare", tags, _compared(name, sums, yesterday, week_ago))

    def shifted(self) -> Iterator[Sheet]:
        """The slots of the days before, under those of the day."""
        span = Span(self._day, self._day + 1, daily=False)
        for utility, direction in COMPARED.values():
            parts = []
            for back, rows in self._earlier.items():
                of = rows.filter(pc.and_(pc.equal(rows["utility"], utility), pc.equal(rows["direction"], direction)))
                tags = {"level": whole(of["level"]), "region": whole(of["region"]), "type": ALL, "days": str(back)}
                value = units(of["total_milli"])
                columns = {
                    "tags": tagged(of.num_rows, tags),
                    "time_s": pc.add(whole(of["time_s"]), back * DAY_S),
                    "value": value,
                    "quality": quality(value, of["estimated_count"]),
                }
                parts.append(pa.table(columns))
            name = f"earlier_{MEASUREMENTS[utility, direction]}"
            yield span.sheet(name, ABOVE, ("days", "level", "region", "type"), pa.concat_tables(parts).combine_chunks())


@dataclass(frozen=True)
class _Sum:
    """Over slots, of one region, utility and direction."""

    milli: int | None = None
    co2: float | None = None
    counted: int = 0
    expected: int = 0
    estimated: int = 0


_Sums = dict[tuple[int, int], _Sum]  # by utility and direction


def _by_region(rows: pa.Table, level: str) -> dict[int, _Sums]:
    names = ("total_milli", "co2", "counted", "expected", "estimated_count")
    keys = ["region", "utility", "direction"]
    of = rows.filter(pc.equal(rows["level"], level))
    summed = of.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in names])
    found: dict[int, _Sums] = {}
    for row in summed.rename_columns([*keys, *names]).to_pylist():
        one = _Sum(*(row[name] for name in names))
        found.setdefault(int(row["region"]), {})[row["utility"], row["direction"]] = one
    return found


def _until(rows: pa.Table, end_s: int) -> pa.Table:
    return rows.filter(pc.less(rows["time_s"], end_s))


def _co2(sums: _Sums) -> float | None:
    known = [sums[key].co2 for key in EMITTING if key in sums]
    values = [value for value in known if value is not None]
    return sum(values) if values else None


def _expected(sums: _Sums, name: str) -> bool:
    return name == CO2 or (COMPARED[name] in sums and sums[COMPARED[name]].expected > 0)


def _value(sums: _Sums, name: str) -> float | None:
    if name == CO2:
        return _co2(sums)
    one = sums.get(COMPARED[name])
    return None if one is None or one.milli is None else one.milli / 1000


def _compared(name: str, today: _Sums, yesterday: _Sums, week_ago: _Sums) -> Fields:
    now, day, week = (_value(sums, name) for sums in (today, yesterday, week_ago))
    comparable = [_comparable(_counted(today, name), _counted(sums, name)) for sums in (yesterday, week_ago)]
    estimated = any(one.estimated for key, one in today.items() if name == CO2 or key == COMPARED[name])
    return {
        "today": now,
        "yesterday": day,
        "week_ago": week,
        "change_day_ratio": _change(now, day) if comparable[0] else None,
        "change_week_ratio": _change(now, week) if comparable[1] else None,
        "quality": MISSING if now is None else int(estimated),
    }


def _counted(sums: _Sums, name: str) -> int:
    keys = EMITTING if name == CO2 else (COMPARED[name],)
    return sum(sums[key].counted for key in keys if key in sums)


def _comparable(one: int, other: int) -> bool:
    return abs(one - other) <= COMPARABLE_RATIO * max(one, other)


def _change(now: float | None, before: float | None) -> float | None:
    return None if now is None or not before else now / before - 1


def _today_fields(sums: _Sums) -> Fields:
    fields: Fields = {name: _value(sums, UTILITIES[place]) for place, name in enumerate(TODAY)}
    return fields | {"emission_today_co2_kg": _co2(sums)}


def _slot_fields(sums: _Sums) -> Fields:
    """Of electricity."""
    one = sums.get((0, USE), _Sum())
    return {
        "usage_electricity_kwh": None if one.milli is None else one.milli / 1000,
        "coverage_ratio": one.counted / one.expected if one.expected else None,
        "quality": MISSING if one.milli is None else int(one.estimated > 0),
    }
