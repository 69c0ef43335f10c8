"""From a plan and a seed to a City. Everything by chance comes from the seed, in a fixed order."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import ROLES, UTILITIES
from contract.problems import UsageProblem
from simulators import city_plan
from simulators.city import (
    EXPORT,
    FULL_METERS,
    GAS,
    HEAT,
    IMPORT,
    PRODUCTION,
    WATER,
    City,
    CitySeries,
    Ints,
    Meters,
    Sites,
)
from simulators.city_plan import Dong, PremiseClass, Taking
from simulators.city_profiles import VARIANTS, Part, Profile, Profiles, year_hours

GATEWAY_METERS = 1200
LIVE_SITES = 100
MIN_METERS, MAX_METERS, MAX_GATEWAYS = 2000, 9_999_999, 9999  # a block or two; what the names have digits for
SOLAR_VARIANTS = 4
SOLAR_YEAR = 0.145  # of the rated power, over the year

_MAIN, _SUB, _PRODUCTION = range(len(ROLES))
_OWN = (IMPORT, GAS, WATER, HEAT)  # the quantity of each utility
# from so many shown kWh a year on there are current transformers
_CT_FROM = np.array([1e5, 4e5, 1e6, 3e6, 1e7, 4e7])
_CT = np.array([1, 20, 40, 120, 400, 1200, 3600], np.int64)
_LEAST_PER_H = np.array([3.0, 2.5, 3.0, 10.0])  # the smallest connection, by utility

Floats = npt.NDArray[np.float64]


class _Rows(NamedTuple):
    """Meters, as yet in no order. `export` is the profile of what is given to the grid, -1 where nothing is."""

    premises: npt.NDArray[np.int32]
    utility: npt.NDArray[np.uint8]
    role: npt.NDArray[np.uint8]
    profile: npt.NDArray[np.int16]
    export: npt.NDArray[np.int16]
    scale: Floats
    year: Floats  # about how much a year, with all that is behind


class _Flow(NamedTuple):
    """What goes through meters: see _Rows."""

    profile: Ints
    scale: Floats
    year: Floats
    export: Ints | None = None


@dataclass
class _Making:
    """`dong` and `homes` are of each premises of the class at hand."""

    chance: np.random.Generator
    numbers: dict[Profile, int] = field(default_factory=dict)
    hours: list[float] = field(default_factory=list)  # of the load's first year, by profile
    rows: list[_Rows] = field(default_factory=list)

    def numbered(self, use: str, utility: str, part: Part = "load", ratio: float = 0.0) -> int:
        """Where the variants of a profile begin."""
        first = Profile(use, utility, 0, part, ratio)
        if first not in self.numbers:
            for variant in range(VARIANTS if part == "load" else SOLAR_VARIANTS):
                self.numbers[first._replace(variant=variant)] = len(self.numbers)
                self.hours.append(year_hours(use, utility, variant))
        return self.numbers[first]


def build(meters: int = FULL_METERS, gateways: int = 0, seed: int = 1) -> City:
    """A city of exactly so many meters and about so many gateways (0: one for each 1,200 meters)."""
    gateways = gateways or max(1, round(meters / GATEWAY_METERS))
    _check("meters", meters, MIN_METERS, MAX_METERS)
    _check("gateways", gateways, 1, MAX_GATEWAYS)
    among, plan = city_plan.dongs(), city_plan.plan()
    factor = meters / FULL_METERS
    while True:
        making = _Making(np.random.default_rng(seed))
        klass, dong = _premises(making, factor, plan, among)
        rows = _Rows._make(map(np.concatenate, zip(*making.rows, strict=True)))
        if len(rows.premises) >= meters:
            break
        factor = factor * 1.003 + 1e-6
    rows = _without(rows, len(rows.premises) - meters, making.chance)
    place = np.empty(len(klass), np.int64)
    by_place = np.lexsort((making.chance.random(len(klass)), dong))
    place[by_place] = np.arange(len(klass))
    order = np.argsort(place[rows.premises] * 16 + rows.utility * 4 + rows.role, kind="stable")
    rows = _Rows._make(column[order] for column in rows)
    rows = rows._replace(premises=place[rows.premises].astype(np.int32))
    sites = Sites(klass[by_place], dong[by_place], _live(plan.classes, klass[by_place], factor))
    gateway = _gateways(sites.dong, rows.premises, gateways)
    profiles = Profiles(list(making.numbers))
    return _city(seed, sites, rows, gateway, profiles)


def _check(what: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise UsageProblem(
            f"--{what} {number}: {least}~{most}이어야 합니다", f"--{what} {number}: expected {least} to {most}"
        )


def _premises(
    making: _Making, factor: float, plan: city_plan.Plan, among: tuple[Dong, ...]
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Class and dong of all premises; their meters are added to `making`."""
    by_chance = making.chance.lognormal(0.0, 0.5, len(among))
    shares = {name: city_plan.weights(where, among, by_chance) for name, where in plan.where.items()}
    heated = city_plan.heated(plan.where, among)
    klasses, places, before = [], [], 0
    for number, klass in enumerate(plan.classes):
        counts = city_plan.apportion(round(factor * klass.premises), shares[klass.where])
        dong = np.repeat(np.arange(len(among)), counts).astype(np.int16)
        _equip(making, klass, np.arange(before, before + len(dong), dtype=np.int32), heated[dong])
        klasses.append(np.full(len(dong), number, np.int16))
        places.append(dong)
        before += len(dong)
    return np.concatenate(klasses), np.concatenate(places)


def _equip(
    making: _Making, klass: PremiseClass, premises: npt.NDArray[np.int32], heated: npt.NDArray[np.bool_]
) -> None:
    """Add the meters of all premises of a class."""
    homes = making.chance.integers(klass.homes[0], klass.homes[1] + 1, len(premises)) if klass.homes else None
    for utility, taking in klass.takings().items():
        laid = heated if utility == "heat" else np.ones(len(premises), bool)
        if homes is not None:
            _homes(making, utility, taking, premises[laid], np.rint(homes[laid] * taking.share).astype(np.int64))
            continue
        chosen = premises[laid & (making.chance.random(len(premises)) < taking.share)]
        arrays = making.chance.random(len(chosen)) < (klass.solar.share if klass.solar else 0.0)
        arrays &= utility == "electricity"
        _add(making, utility, taking, chosen[~arrays], _MAIN)
        if klass.solar and arrays.any():
            _add_solar(making, taking, chosen[arrays], klass.solar.ratio)


def _homes(making: _Making, utility: str, taking: Taking, blocks: npt.NDArray[np.int32], homes: Ints) -> None:
    each = np.repeat(blocks, homes)
    if not taking.common:
        _add(making, utility, taking, each, _MAIN)
        return
    _add(making, utility, taking, each, _SUB)
    common = taking.each * taking.common * homes
    first = making.numbered(taking.shape, utility)
    profile = first + making.chance.integers(0, VARIANTS, len(blocks))
    scale = common * 1000 / np.array(making.hours)[profile]
    _append(making, blocks, utility, _MAIN, _Flow(profile, scale, common + taking.each * homes))


def _add(making: _Making, utility: str, taking: Taking, premises: npt.NDArray[np.int32], role: int) -> None:
    first = making.numbered(taking.shape, utility)
    profile = first + making.chance.integers(0, VARIANTS, len(premises))
    year = _years(making, taking, len(premises))
    _append(making, premises, utility, role, _Flow(profile, year * 1000 / np.array(making.hours)[profile], year))


def _add_solar(making: _Making, taking: Taking, premises: npt.NDArray[np.int32], ratio: float) -> None:
    """Mains with an array behind each: two meters, and two quantities of the main."""
    parts: tuple[Part, ...] = ("import", "export", "production")
    firsts = [making.numbered(taking.shape, "electricity", part, ratio) for part in parts]
    variant = making.chance.integers(0, SOLAR_VARIANTS, len(premises))
    year = _years(making, taking, len(premises))
    scale = year * 1000 / np.array(making.hours)[firsts[0] + variant]
    _append(making, premises, "electricity", _MAIN, _Flow(firsts[0] + variant, scale, year, firsts[1] + variant))
    made = _Flow(firsts[2] + variant, scale, year * ratio * SOLAR_YEAR)
    _append(making, premises, "electricity", _PRODUCTION, made)


def _years(making: _Making, taking: Taking, count: int) -> Floats:
    """What each takes in a year; their mean is the plan's."""
    about = making.chance.lognormal(0.0, taking.spread, count)
    return taking.each * about / about.mean() if count else about


def _append(making: _Making, premises: npt.NDArray[np.int32], utility: str, role: int, flow: _Flow) -> None:
    count = len(premises)
    making.rows.append(
        _Rows(
            premises,
            np.full(count, UTILITIES.index(utility), np.uint8),
            np.full(count, role, np.uint8),
            flow.profile.astype(np.int16),
            np.full(count, -1, np.int16) if flow.export is None else flow.export.astype(np.int16),
            flow.scale,
            flow.year,
        )
    )


def _without(rows: _Rows, surplus: int, chance: np.random.Generator) -> _Rows:
    """Fewer meters, of those on which nothing hangs: homes of blocks."""
    kept = np.ones(len(rows.premises), bool)
    kept[chance.choice(np.flatnonzero(rows.role == _SUB), surplus, replace=False)] = False
    return _Rows._make(column[kept] for column in rows)


def _live(classes: list[PremiseClass], klass: npt.NDArray[np.int16], factor: float) -> npt.NDArray[np.bool_]:
    """Some public buildings are shown by themselves."""
    public = np.flatnonzero(np.isin(klass, [n for n, one in enumerate(classes) if one.kind == "public-building"]))
    live = np.zeros(len(klass), bool)
    wanted = min(len(public), max(1, round(LIVE_SITES * factor)))
    live[public[np.linspace(0, len(public) - 1, wanted).astype(np.int64)]] = True
    return live


def _gateways(dong: npt.NDArray[np.int16], premises: npt.NDArray[np.int32], gateways: int) -> npt.NDArray[np.int32]:
    """The gateway of each meter: of one dong, whole premises, and about as many meters on each."""
    held = np.bincount(premises, minlength=len(dong))
    in_dong = np.bincount(dong, weights=held)
    counts = np.where(in_dong > 0, np.maximum(1, city_plan.apportion(gateways, in_dong / in_dong.sum())), 0)
    before = np.cumsum(held) - held  # premises stand in the order of dongs
    before -= (np.cumsum(in_dong) - in_dong).astype(np.int64)[dong]
    share = before * counts[dong] // np.maximum(in_dong[dong], 1).astype(np.int64)
    number = (np.cumsum(counts) - counts)[dong] + share
    return np.unique(number[premises], return_inverse=True)[1].astype(np.int32)


def _city(seed: int, sites: Sites, rows: _Rows, gateway: npt.NDArray[np.int32], profiles: Profiles) -> City:
    chance = np.random.default_rng([seed, 1])
    count = len(rows.premises)
    last_main = np.maximum.accumulate(np.where(rows.role == _MAIN, np.arange(count), -1))
    parent = np.where(rows.role == _MAIN, -1, last_main)
    multiplier = np.where(rows.utility == 0, _CT[np.searchsorted(_CT_FROM, rows.year, "right")], 1)
    digits = np.clip(np.ceil(np.log10(rows.year / multiplier * 20)), 4, 9).astype(np.uint8)
    first = (chance.uniform(0.02, 0.5, count) * 10.0 ** (digits + 3)).astype(np.int64)
    quantity = np.array(_OWN)[rows.utility]
    quantity[rows.role == _PRODUCTION] = PRODUCTION
    children = np.bincount(parent[rows.role == _SUB], minlength=count)
    gives = rows.export >= 0
    meter = np.repeat(np.arange(count), 1 + gives)
    exports = np.append(meter[:-1] == meter[1:], False)  # the first of two
    series = CitySeries(
        meter=meter.astype(np.int32),
        quantity=np.where(exports, EXPORT, quantity[meter]).astype(np.uint8),
        profile=np.where(exports, rows.export[meter], rows.profile[meter]).astype(np.int16),
        scale=rows.scale[meter],
        first=np.where(exports, first[meter] // 3, first[meter]),
        children=np.where(exports, 0, children[meter]).astype(np.int32),
    )
    peak = rows.scale * profiles.peaks()[rows.profile]
    peak += np.bincount(parent[rows.role == _SUB], weights=peak[rows.role == _SUB], minlength=count)
    peak[gives] = np.maximum(peak[gives], (rows.scale * profiles.peaks()[np.maximum(rows.export, 0)])[gives])
    meters = Meters(
        site=rows.premises,
        gateway=gateway,
        utility=rows.utility,
        role=rows.role,
        parent=parent.astype(np.int32),
        digits=digits,
        multiplier=multiplier,
        max_per_h=np.maximum(np.ceil(2 * peak / 1000), _LEAST_PER_H[rows.utility]),
    )
    classes, among = tuple(city_plan.plan().classes), city_plan.dongs()
    return City(seed, classes, among, sites, meters, series, profiles, int(gateway.max()) + 1)
