"""What a city is made from: `city.toml`, and the dongs that the registry ships."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from cloud.metering.codes import UTILITIES
from cloud.registry.facts import shipped_regions
from cloud.registry.snapshot import OPEN_TO_S
from edge.files import read_toml

Kind = Literal["industrial-complex", "apartment-block", "public-building", "household", "other"]


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of a utility a class takes; the fields are told in city.toml."""

    each: float
    spread: float
    shape: str
    share: float = 1.0
    common: float = 0.0


class Solar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Arrays behind the electricity mains of a class."""

    share: float
    ratio: float


class PremiseClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Premises alike. `use` is the building register's number."""

    name: str
    name_ko: str
    use: int
    kind: Kind
    where: str
    premises: int
    homes: tuple[int, int] | None = None
    solar: Solar | None = None
    electricity: Taking | None = None
    gas: Taking | None = None
    water: Taking | None = None
    heat: Taking | None = None

    def takings(self) -> dict[str, Taking]:
        """By utility."""
        found = {utility: getattr(self, utility) for utility in UTILITIES}
        return {utility: taking for utility, taking in found.items() if taking is not None}


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Weights of districts, and the dongs that alone count where a district has any of them."""

    districts: dict[str, float]
    dongs: list[str] = []


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """city.toml."""

    where: dict[str, Where]
    classes: list[PremiseClass] = msgspec.field(name="class")


class Dong(NamedTuple):
    """`households` is 0 where it is not known."""

    region: int
    district: str
    name: str
    name_en: str
    households: int


@cache
def plan() -> Plan:
    """Raises Problem."""
    return read_toml(Path(__file__).parent / "city.toml", Plan)


@cache
def dongs() -> tuple[Dong, ...]:
    """Those that have not ended, by number. Raises Problem."""
    rows = shipped_regions().to_pylist()
    names = {row["region"]: row["name_ko"] for row in rows}
    found = [
        Dong(row["region"], names[row["parent"]], row["name_ko"], row["name_en"], row["households"] or 0)
        for row in rows
        if row["level"] == "dong" and row["valid_to_s"] == OPEN_TO_S
    ]
    return tuple(sorted(found))


def weights(where: Where, among: Sequence[Dong], by_chance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The share of each dong. Within a district they go by households, or by chance (positive numbers) where these
    are not known.
    """
    named = np.array([dong.name in where.dongs for dong in among])
    inside = np.array([dong.households or 0 for dong in among], np.float64)
    if where.dongs or not inside.all():
        inside = by_chance.copy()
    out = np.zeros(len(among))
    for district, weight in where.districts.items():
        there = np.array([dong.district == district for dong in among])
        chosen = there & named if (there & named).any() else there
        out[chosen] = weight * inside[chosen] / inside[chosen].sum()
    return np.asarray(out / out.sum(), dtype=np.float64)


def apportion(count: int, share: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """`count` whole things by share, none left over: the largest remainders get one more."""
    exact = count * share
    whole = np.floor(exact).astype(np.int64)
    more = np.argsort(whole - exact, kind="stable")[: count - int(whole.sum())]
    whole[more] += 1
    return whole


def heated(city_plan: Mapping[str, Where], among: Sequence[Dong]) -> npt.NDArray[np.bool_]:
    """Where district heating is laid."""
    return np.array([dong.name in city_plan["heated"].dongs for dong in among])
