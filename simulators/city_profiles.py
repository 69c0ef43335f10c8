"""PURE: what flows by class of meter, as cumulative tables by hour, so that a city of meters is an index into them.

A profile is a shape of `simulators.shapes` with one of a few seeds; behind a solar array the same load is cut into
what is taken from the grid, what is given to it, and what the array makes. All are in hours at factor 1: times a
meter's scale (its rate at factor 1) they give kWh or m3 since EPOCH_S. Rates are linear between hourly nodes.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from simulators.shapes import EPOCH_S, SOLAR, Series, seed_of
from simulators.sun import Floats

VARIANTS = 12
YEAR_HOURS = 8760
_BLOCK_HOURS = 8784

Part = Literal["load", "import", "export", "production"]


class Profile(NamedTuple):
    """`ratio` is the array's rated kW over the mean kW of the load beside it; 0 with part "load"."""

    use: str
    utility: str
    variant: int
    part: Part = "load"
    ratio: float = 0.0


class _Block(NamedTuple):
    """_BLOCK_HOURS of all profiles: rates at the hours' beginnings and at the end, and totals there."""

    nodes: Floats  # (hours + 1, profiles)
    totals: Floats


@dataclass
class Profiles:
    """Numbered by their place in `profiles`."""

    profiles: list[Profile]
    _blocks: list[_Block] = field(default_factory=list)

    def totals(self, time_s: int) -> Floats:
        """Of every profile at that moment; none before EPOCH_S, and none ever falls."""
        hours = max(time_s - EPOCH_S, 0) / 3600.0
        number = int(hours)
        part = hours - number
        in_block, at = divmod(number, _BLOCK_HOURS)
        block = self._block(in_block)
        start, end = block.nodes[at], block.nodes[at + 1]
        # no more than the hour's end: a sum of roundings could be
        within = start * part + (end - start) * (part * part / 2)
        return np.asarray(np.minimum(block.totals[at] + within, block.totals[at + 1]), dtype=np.float64)

    def peaks(self) -> Floats:
        """The highest rate of every profile in the first year."""
        return np.asarray(self._block(0).nodes.max(axis=0), dtype=np.float64)

    def _block(self, number: int) -> _Block:
        while len(self._blocks) <= number:
            before = self._blocks[-1].totals[-1] if self._blocks else np.zeros(len(self.profiles))
            loads: dict[tuple[str, str, int], Floats] = {}
            first = len(self._blocks) * _BLOCK_HOURS
            nodes = np.stack([_rates(profile, first, loads) for profile in self.profiles], axis=1)
            totals = np.cumsum(np.concatenate([[before], (nodes[:-1] + nodes[1:]) / 2]), axis=0)
            self._blocks.append(_Block(nodes, totals))
        return self._blocks[number]


@cache
def year_hours(use: str, utility: str, variant: int) -> float:
    """The total of a load's first year."""
    nodes = _nodes(use, utility, variant, 0, YEAR_HOURS)
    return float(((nodes[:-1] + nodes[1:]) / 2).sum())


def _rates(profile: Profile, first: int, loads: dict[tuple[str, str, int], Floats]) -> Floats:
    key = profile[:3]
    if key not in loads:
        loads[key] = _nodes(*key, first, _BLOCK_HOURS)
    load = loads[key]
    if profile.part == "load":
        return load
    rated = profile.ratio * year_hours(*key) / YEAR_HOURS
    made = rated * _nodes(SOLAR, "electricity", profile.variant, first, _BLOCK_HOURS)
    if profile.part == "production":
        return made
    net = load - made if profile.part == "import" else made - load
    return np.maximum(net, 0.0)


def _nodes(use: str, utility: str, variant: int, first: int, count: int) -> Floats:
    return Series(use, utility, 1.0, seed_of(f"city-{use}-{utility}-{variant}")).nodes(first, count + 1)
