"""PURE but for reading its table once: load shapes as functions of time, the same whichever way a time was reached.

A rate is linear between hourly nodes, with a ripple that vanishes at each node and takes nothing from an hour's
sum; so its integral has a closed form, and registers made from it agree with the power shown beside them.
Rates are in what the utility counts per hour (kW, m3/h); totals in kWh or m3 since EPOCH_S.
"""

import math
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from contract.problems import Problem
from edge.files import read_toml
from simulators.sun import Floats, clear_sky_ratio

EPOCH_S = 1767193200  # 2026-01-01 00:00 in Seoul, a Thursday; before it nothing has flowed
_SEOUL_S = 9 * 3600
_EPOCH_WEEKDAY = 3
_CHUNK_HOURS = 2048
_HOUR_S = 3600.0
# periods within the hour: 60, 15, 4 and about 1 minute
_RIPPLES = (1, 4, 15, 61)
_CITY = 0x62697467  # weather and clouds are the same for every meter of the city

SOLAR = "solar"


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of shapes.toml."""

    weekday: list[float]
    weekend: list[float]
    month: list[float]
    day_noise: float
    hour_noise: float
    ripple: float
    weather: float


class Load(Protocol):
    """Something that flows."""

    def rate(self, time_s: float) -> float:
        """At a moment, per hour."""
        ...

    def total(self, time_s: float) -> float:
        """Since EPOCH_S."""
        ...


class _Chunk(NamedTuple):
    """Some months of hours, always reckoned whole so that they come out the same to the last bit."""

    number: int
    nodes: Floats  # the rate at each hour's beginning, and at the end
    totals: Floats  # the total there


class _Hour(NamedTuple):
    number: int
    before: float  # the total at its beginning
    start: float
    end: float
    ripples: tuple[float, ...]


@dataclass
class Series:
    """A load by itself. `use` and `utility` name a shape (or `use` is "solar"), `scale` is its rate at factor 1."""

    use: str
    utility: str
    scale: float
    seed: int
    _before: list[float] = field(default_factory=lambda: [0.0])  # the total at each chunk's beginning
    _chunk: _Chunk | None = None
    _hour: _Hour | None = None

    def rate(self, time_s: float) -> float:
        """Per hour."""
        hour, part = self._at(time_s)
        swing = sum(
            height * math.sin(math.tau * times * part) for height, times in zip(hour.ripples, _RIPPLES, strict=True)
        )
        return hour.start + (hour.end - hour.start) * part + swing

    def total(self, time_s: float) -> float:
        """Since EPOCH_S."""
        hour, part = self._at(time_s)
        swing = sum(
            height * (1 - math.cos(math.tau * times * part)) / (math.tau * times)
            for height, times in zip(hour.ripples, _RIPPLES, strict=True)
        )
        return hour.before + hour.start * part + (hour.end - hour.start) * part * part / 2 + swing

    def nodes(self, first_hour: int, count: int) -> Floats:
        """The rate at the beginning of each hour, from hour `first_hour` after EPOCH_S on."""
        hours = np.arange(first_hour, first_hour + count, dtype=np.int64)
        if self.use == SOLAR:
            return self.scale * clear_sky_ratio((hours * 3600 + EPOCH_S).astype(np.float64)) * _clouds(hours, self.seed)
        return self.scale * _shaped(shape(self.use, self.utility), hours, self.seed)

    def _at(self, time_s: float) -> tuple[_Hour, float]:
        hours = max(time_s - EPOCH_S, 0.0) / _HOUR_S
        number = int(hours)
        hour = self._hour
        if hour is None or hour.number != number:
            # threads may do this at the same time: they find the same, and each assignment is whole
            hour = self._hour = self._find(number)
        return hour, hours - number

    def _find(self, number: int) -> _Hour:
        in_chunk, at = divmod(number, _CHUNK_HOURS)
        chunk = self._chunk
        if chunk is None or chunk.number != in_chunk:
            chunk = self._chunk = self._reckon(in_chunk)
        before, start, end = float(chunk.totals[at]), float(chunk.nodes[at]), float(chunk.nodes[at + 1])
        chance = random.Random(self.seed * 1_000_003 + number)
        share = self._ripple() * min(start, end) / len(_RIPPLES)
        return _Hour(number, before, start, end, tuple(share * chance.uniform(-1, 1) for _ in _RIPPLES))

    def _reckon(self, number: int) -> _Chunk:
        for earlier in range(len(self._before) - 1, number):
            self._before = [*self._before, float(self._reckon(earlier).totals[-1])]
        nodes = self.nodes(number * _CHUNK_HOURS, _CHUNK_HOURS + 1)
        totals = np.cumsum(np.concatenate([[self._before[number]], (nodes[:-1] + nodes[1:]) / 2]))
        return _Chunk(number, nodes, totals)

    def _ripple(self) -> float:
        return 0.15 if self.use == SOLAR else 2 * shape(self.use, self.utility).ripple


@dataclass(frozen=True)
class Mixed:
    """A load made of others: what a main meter sees of its sub-meters (+1) and of solar arrays behind it (-1)."""

    parts: Sequence[tuple[Load, float]]

    def rate(self, time_s: float) -> float:
        """Per hour."""
        return sum(load.rate(time_s) * weight for load, weight in self.parts)

    def total(self, time_s: float) -> float:
        """Since EPOCH_S."""
        return sum(load.total(time_s) * weight for load, weight in self.parts)


@cache
def _shapes() -> dict[str, dict[str, Shape]]:
    return read_toml(Path(__file__).parent / "shapes.toml", dict[str, dict[str, Shape]])


def shape(use: str, utility: str) -> Shape:
    """The shape of a use's utility. Raises Problem."""
    found = _shapes().get(use, {}).get(utility)
    if found is None:
        known = ", ".join(f"{use}.{utility}" for use, shapes in _shapes().items() for utility in shapes)
        raise Problem(
            f"부하 모양 '{use}.{utility}': 없는 모양입니다. 쓸 수 있는 모양: {known}, solar",
            f"load shape '{use}.{utility}': not known; expected one of {known}, solar",
        )
    return found


def seed_of(name: str) -> int:
    """A seed from a name, the same in every process."""
    return zlib.crc32(name.encode())


def _shaped(shape: Shape, hours: npt.NDArray[np.int64], seed: int) -> Floats:
    # a shape's numbers are means of hours, a node is a moment: half an hour lies between; and no two firms
    # begin their day at the same minute
    shift = 0.5 - random.Random(seed).uniform(-0.5, 0.5)
    moments = hours - shift
    days = np.floor(moments / 24).astype(np.int64)
    of_day = moments - days * 24
    weekday = (days + _EPOCH_WEEKDAY) % 7
    table = np.array([shape.weekday, shape.weekend])[(weekday >= 5).astype(int)]
    low = of_day.astype(int)
    part = of_day - low
    rows = np.arange(len(hours))
    factor = table[rows, low] * (1 - part) + table[rows, (low + 1) % 24] * part
    year = ((days % 365.25) / 365.25 * 12 - 0.5) % 12
    factor *= np.interp(year, np.arange(-1, 14), [shape.month[month % 12] for month in range(-1, 14)])
    factor *= 1 + shape.weather * 2 * _chance(days, _CITY)
    factor *= 1 + shape.day_noise * _chance(days, seed)
    return np.asarray(factor * (1 + shape.hour_noise * _chance(hours, seed + 1)), dtype=np.float64)


def _clouds(hours: npt.NDArray[np.int64], seed: int) -> Floats:
    """The share of a clear sky's power that gets through: days of their own kind, hours about it, the city's."""
    day = 0.5 + 0.5 * _chance(hours // 24, _CITY + 1)
    sky = np.clip(0.25 + 1.1 * day + 0.15 * _chance(hours, _CITY + 2), 0.12, 1.0)
    return np.asarray(np.clip(sky * (1 + 0.04 * _chance(hours, seed)), 0.0, 1.0), dtype=np.float64)


def _chance(numbers: npt.NDArray[np.int64], seed: int) -> Floats:
    """Evenly from -1 to 1 by number and seed: the mixing steps of splitmix64."""
    mixed = numbers.astype(np.uint64) + np.full(len(numbers), seed, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed.astype(np.float64) / 2.0**63 - 1, dtype=np.float64)
