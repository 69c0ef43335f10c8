"""PURE: the city's day out of sums: what may be shown alone, and what may be compared with what.

No figure rests on fewer than LEAST meters of a dong, a district or a type of building: such a one is shown only within
the sum above it. So that it cannot be had by subtraction, the smallest others are then not shown alone either, until
what is not shown alone are at least two, with LEAST meters together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cloud.portal.city.sums import MEASURES, NOTHING, Sum, Sums, combine_all

LEAST = 5  # meters
COMPARABLE = 0.9  # least coverage on both days
ALIKE = 0.05  # the meter-slots expected may differ by this much

Why = Literal["", "no-value", "none-then", "coverage", "meters", "zero-then", "few-then"]


@dataclass(frozen=True)
class Change:
    """How much more than then, as a share of then; None: not compared, and why."""

    ratio: float | None
    why: Why = ""


@dataclass(frozen=True)
class Figure:
    """`hidden`: it may not be shown alone, and only the sum above it has it."""

    sum: Sum
    hidden: bool
    yesterday: Change
    week: Change


@dataclass(frozen=True)
class Row:
    """A city, district, dong or type of building; `figures` by measure."""

    key: int
    name_ko: str
    name_en: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class District:
    """`dongs` are those of the day, in the order of their numbers."""

    row: Row
    dongs: tuple[Row, ...]


@dataclass(frozen=True)
class Behind:
    """An area whose totals end earlier than the page; `until_s` None: it has none of the day."""

    area: str
    until_s: int | None


@dataclass(frozen=True)
class City:
    """A local day until `until_s`. `hours` are the city's by measure and hour; a week ago's are not kept."""

    version: str
    day: int
    until_s: int
    behind: tuple[Behind, ...]
    row: Row
    hours: Mapping[str, Mapping[int, Sum]]
    hours_yesterday: Mapping[str, Mapping[int, Sum]]
    districts: tuple[District, ...]
    types: tuple[Row, ...]


@dataclass(frozen=True)
class Days:
    """One thing's sums: of the day, and at the same time of the days that it is compared with."""

    today: Sums
    yesterday: Sums
    week: Sums


@dataclass(frozen=True)
class Place:
    """What a key of sums is called; `above` is a dong's district, 0 where it is not known."""

    key: int
    name_ko: str
    name_en: str
    above: int = 0


NO_DAYS = Days({}, {}, {})


def add_up(parts: Sequence[Days]) -> Days:
    """The sums of several things."""
    return Days(*(combine_all(getattr(one, name) for one in parts) for name in ("today", "yesterday", "week")))


def not_alone(meters: Mapping[int, int]) -> frozenset[int]:
    """Which keys may not be shown alone beside the sum of all, by how many meters each has."""
    there = sorted((many, key) for key, many in meters.items() if many)
    few = sum(many < LEAST for many, _ in there)
    while 0 < few < len(there) and (few < 2 or sum(many for many, _ in there[:few]) < LEAST):
        few += 1
    return frozenset(key for _, key in there[:few])


def compare(now: Sum, then: Sum, *, alone: bool) -> Change:
    """`alone`: it stands for a few meters only, so that what it was when there were fewer stays untold."""
    why = _why_not(now, then, alone=alone)
    if why or now.milli is None or not then.milli:
        return Change(None, why)
    return Change(now.milli / then.milli - 1)


def _why_not(now: Sum, then: Sum, *, alone: bool) -> Why:
    if now.milli is None:
        return "no-value"
    if then.milli is None:
        return "none-then"
    if alone and then.meters < LEAST:
        return "few-then"
    if min(now.coverage or 0, then.coverage or 0) < COMPARABLE:
        return "coverage"
    if abs(now.expected - then.expected) > ALIKE * then.expected:
        return "meters"
    return "" if then.milli else "zero-then"


def rows_of(places: Sequence[Place], days: Mapping[int, Days], hidden: Mapping[str, frozenset[int]]) -> tuple[Row, ...]:
    """`hidden` by measure: the keys that are not shown alone."""
    unseen = {place.key: frozenset(name for name in MEASURES if place.key in hidden[name]) for place in places}
    return tuple(_row(place, days.get(place.key, NO_DAYS), unseen[place.key], alone=True) for place in places)


def city_row(place: Place, days: Days) -> Row:
    """The city itself, always shown."""
    return _row(place, days, frozenset(), alone=False)


def types_of(places: Sequence[Place], days: Mapping[int, Days]) -> tuple[Row, ...]:
    """The types of building of which any meter is expected."""
    there = [place for place in places if any(one.expected for one in days.get(place.key, NO_DAYS).today.values())]
    hidden = {name: not_alone(_meters(days, name)) for name in MEASURES}
    return rows_of(there, days, hidden)


def districts_of(districts: Sequence[Place], dongs: Sequence[Place], days: Mapping[int, Days]) -> tuple[District, ...]:
    """The districts with their dongs. The dongs of a district that is not shown alone are not either."""
    inside = {place.key: [dong for dong in dongs if dong.above == place.key] for place in districts}
    whole = {key: add_up([days.get(dong.key, NO_DAYS) for dong in some]) for key, some in inside.items()}
    hidden = {name: not_alone(_meters(whole, name)) for name in MEASURES}
    rows = rows_of(districts, whole, hidden)
    found = []
    for row in rows:
        own = {dong.key: days[dong.key] for dong in inside[row.key] if dong.key in days}
        unseen = {
            name: frozenset(own) if row.key in hidden[name] else not_alone(_meters(own, name)) for name in MEASURES
        }
        found.append(District(row, rows_of(inside[row.key], days, unseen)))
    return tuple(found)


def _meters(days: Mapping[int, Days], name: str) -> dict[int, int]:
    return {key: one.today.get(name, NOTHING).meters for key, one in days.items()}


def _row(place: Place, days: Days, hidden: frozenset[str], *, alone: bool) -> Row:
    figures = {}
    for name in MEASURES:
        now, before, earlier = (one.get(name, NOTHING) for one in (days.today, days.yesterday, days.week))
        unseen = name in hidden and now.expected > 0
        changes = (compare(now, then, alone=alone) for then in (before, earlier))
        figures[name] = Figure(now, unseen, *changes)
    return Row(place.key, place.name_ko, place.name_en, figures)
