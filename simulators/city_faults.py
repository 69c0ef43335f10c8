"""What goes wrong with a city's readings: chosen by seed, and listed, so that a test knows the truth.

A series has one fault at most, in [from_s, to_s):

LATE       the readings come together, `amount` seconds after the last of them
MISSING    the gateway says that the meter did not answer
ABSENT     nothing comes, nor ever will
ROLLOVER   the register has come to its end and begins at 0 at `from_s`; to_s is open
RESET      it begins at 0 at `from_s`, wherever it was; to_s is open
STUCK      it shows what it showed at `from_s`, and then what it would have shown
SPIKE      `amount` thousandths too much
NEGATIVE   it runs backwards, and from to_s on forwards again from there
DUPLICATE  each reading comes twice
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from cloud.registry.snapshot import OPEN_TO_S
from simulators.city import City, Ints, registers


class Kind(IntEnum):
    """In the order of the list above."""

    LATE = 0
    MISSING = 1
    ABSENT = 2
    ROLLOVER = 3
    RESET = 4
    STUCK = 5
    SPIKE = 6
    NEGATIVE = 7
    DUPLICATE = 8


# the share of series that have such a fault within a span of hours or days
ORDINARY: Mapping[Kind, float] = {
    Kind.LATE: 0.01,
    Kind.MISSING: 0.01,
    Kind.ABSENT: 0.005,
    Kind.ROLLOVER: 0.0005,
    Kind.RESET: 0.0005,
    Kind.STUCK: 0.001,
    Kind.SPIKE: 0.001,
    Kind.NEGATIVE: 0.0005,
    Kind.DUPLICATE: 0.005,
}
_LASTS_S: Mapping[Kind, tuple[int, int]] = {  # at least and at most
    Kind.LATE: (60, 6 * 3600),
    Kind.MISSING: (60, 6 * 3600),
    Kind.ABSENT: (60, 6 * 3600),
    Kind.STUCK: (2 * 3600, 12 * 3600),
    Kind.NEGATIVE: (1800, 2 * 3600),
    Kind.DUPLICATE: (60, 600),
}
_LATE_BY_S = (60, 3 * 3600)
_SPIKE_OF_MAX_HOURS = 50


@dataclass(frozen=True)
class Faults:
    """One row for each fault, ordered by series; times are ticks."""

    kind: npt.NDArray[np.uint8]
    series: Ints
    from_s: Ints
    to_s: Ints
    amount: Ints

    def of(self, *kinds: Kind) -> Ints:
        """Which rows are of these kinds."""
        return np.flatnonzero(np.isin(self.kind, kinds))

    def now(self, time_s: int, *kinds: Kind) -> Ints:
        """The series that have such a fault at that tick."""
        return self.series[np.isin(self.kind, kinds) & (self.from_s <= time_s) & (time_s < self.to_s)]


def draw(city: City, start_s: int, end_s: int, tick_s: int, shares: Mapping[Kind, float] = ORDINARY) -> Faults:
    """Faults that begin in [start_s + tick_s, end_s), start_s being a tick; the same for the same city and span."""
    chance = np.random.default_rng([city.seed, start_s, 2])
    count = len(city.series.meter)
    numbers = {kind: round(share * count) for kind, share in shares.items()}
    kind = np.repeat(np.array(list(numbers), np.uint8), list(numbers.values()))
    series = chance.choice(count, len(kind), replace=False).astype(np.int64)
    ticks = max(2, (end_s - start_s) // tick_s)
    from_s = start_s + chance.integers(1, ticks, len(kind)) * tick_s
    to_s = from_s + np.array([_lasts_s(Kind(one), tick_s, chance) for one in kind.tolist()], dtype=np.int64)
    amount = np.zeros(len(kind), np.int64)
    late, spikes = kind == Kind.LATE, kind == Kind.SPIKE
    amount[late] = -(-chance.integers(*_LATE_BY_S, late.sum()) // tick_s) * tick_s
    meter = city.series.meter[series[spikes]]
    amount[spikes] = _SPIKE_OF_MAX_HOURS * 1000 * city.meters.max_per_h[meter] / city.meters.multiplier[meter]
    to_s[np.isin(kind, (Kind.ROLLOVER, Kind.RESET))] = OPEN_TO_S
    order = np.argsort(series)
    return Faults(kind[order], series[order], from_s[order], to_s[order], amount[order])


def _lasts_s(kind: Kind, tick_s: int, chance: np.random.Generator) -> int:
    """Whole ticks; short ones are likelier."""
    if kind not in _LASTS_S:
        return tick_s
    low, high = _LASTS_S[kind]
    return max(1, round(float(np.exp(chance.uniform(np.log(low), np.log(high)))) / tick_s)) * tick_s


class Shown:
    """What registers with faults show, from what they show without."""

    def __init__(self, city: City, faults: Faults) -> None:
        of = faults.of(Kind.ROLLOVER, Kind.RESET, Kind.STUCK, Kind.SPIKE, Kind.NEGATIVE)
        self._kind, self._series = faults.kind[of], faults.series[of]
        self._from_s, self._to_s, self._amount = faults.from_s[of], faults.to_s[of], faults.amount[of]
        self._at_from = _pairwise(city, self._series, self._from_s)
        backwards = self._kind == Kind.NEGATIVE
        self._at_to = self._at_from.copy()
        self._at_to[backwards] = _pairwise(city, self._series[backwards], self._to_s[backwards])
        self._end = 1000 * 10 ** city.meters.digits[city.series.meter[self._series]].astype(np.int64)

    def apply(self, shown: Ints, time_s: int) -> None:
        """Change `shown`, all series at that tick, in place."""
        was = shown[self._series]
        begun, lasting = time_s >= self._from_s, (time_s >= self._from_s) & (time_s < self._to_s)
        since = was - self._at_from
        kinds = [self._kind == kind for kind in (Kind.ROLLOVER, Kind.RESET, Kind.STUCK, Kind.SPIKE, Kind.NEGATIVE)]
        rollover, reset, stuck, spike, backwards = kinds
        shown[self._series] = np.select(
            [rollover, reset & begun, stuck & lasting, spike & lasting, backwards & begun],
            [
                since % self._end,
                since,
                self._at_from,
                was + self._amount,
                was - 2 * (np.minimum(was, self._at_to) - self._at_from),
            ],
            was,
        )


def _pairwise(city: City, series: Ints, times_s: Ints) -> Ints:
    """What each shows at its own time."""
    out = np.empty(len(series), np.int64)
    order = np.argsort(times_s, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(times_s[order])) + 1):
        if len(some):
            out[some] = registers(city, int(times_s[some[0]]), series[some])
    return out
