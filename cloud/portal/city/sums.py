"""PURE: sums of totals by whatever they are told apart by, exact, with what they rest on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.metering.codes import Direction

Ints = npt.NDArray[np.int64]

# What the page shows, in its order: place in codes.UTILITIES, and direction.
MEASURES: Mapping[str, tuple[int, Direction]] = {
    "electricity": (0, Direction.USE),
    "gas": (1, Direction.USE),
    "water": (2, Direction.USE),
    "heat": (3, Direction.USE),
    "production": (0, Direction.PRODUCTION),
}
_NAMES = tuple(MEASURES)


@dataclass(frozen=True)
class Sum:
    """`milli`: thousandths of kWh or m3, None where nothing counted. `counted`, `expected` and `estimated` are
    meter-slots, `meters` the most that were expected in one slot.
    """

    milli: int | None = None
    counted: int = 0
    expected: int = 0
    estimated: int = 0
    meters: int = 0

    @property
    def coverage(self) -> float | None:
        """Of the meter-slots expected, what share counted; None where none was expected."""
        return self.counted / self.expected if self.expected else None

    @property
    def estimated_share(self) -> float | None:
        """Of the meter-slots counted, what share rests on an estimate; None where none counted."""
        return self.estimated / self.counted if self.counted else None


Sums = dict[str, Sum]  # by measure
NOTHING = Sum()


def combine(parts: Iterable[Sum]) -> Sum:
    """The sum of sums of different meters."""
    there = list(parts)
    known = [one.milli for one in there if one.milli is not None]
    return Sum(
        sum(known) if known else None,
        *(sum(getattr(one, name) for one in there) for name in ("counted", "expected", "estimated", "meters")),
    )


def combine_all(parts: Iterable[Sums]) -> Sums:
    """`combine` by measure."""
    there = list(parts)
    return {name: combine(one.get(name, NOTHING) for one in there) for name in MEASURES}


def sums_by(rows: pa.Table, keys: Ints) -> dict[int, Sums]:
    """The sums of rows as `cloud.totals.query` answers them by slot, by each row's key; only MEASURES count."""
    measure = _measures(rows)
    there = measure >= 0
    slots = rows["slot_s"].to_numpy()[there]
    order = np.lexsort((slots, measure[there], keys[there]))
    pairs = (keys[there] * len(_NAMES) + measure[there])[order]
    if not pairs.size:
        return {}
    firsts = _firsts(pairs)
    total, counted, expected, estimated = (
        rows[name].fill_null(0).to_numpy()[there][order].astype(np.int64)
        for name in ("total_milli", "counted", "expected", "estimated_count")
    )
    columns = [np.add.reduceat(values, firsts) for values in (total, counted, expected, estimated)]
    columns.append(_most_in_a_slot(pairs, slots[order], expected))
    found: dict[int, Sums] = {}
    for pair, milli, *figures in zip(pairs[firsts].tolist(), *(column.tolist() for column in columns), strict=True):
        key, place = divmod(pair, len(_NAMES))
        found.setdefault(key, {})[_NAMES[place]] = Sum(milli if figures[0] else None, *figures)
    return found


def _measures(rows: pa.Table) -> Ints:
    """The place of each row's measure in MEASURES, -1 for none of them."""
    places = np.full((256, 256), -1, np.int64)
    for place, (utility, direction) in enumerate(MEASURES.values()):
        places[utility, direction] = place
    found: Ints = places[rows["utility"].to_numpy(), rows["direction"].to_numpy()]
    return found


def _firsts(ordered: Ints) -> Ints:
    """Where each value of an ordered array begins."""
    return np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1))


def _most_in_a_slot(pairs: Ints, slots: Ints, expected: Ints) -> Ints:
    """By pair: the most that is expected in any of its slots. Ordered by pair, then slot."""
    new = np.flatnonzero((np.diff(pairs, prepend=pairs[0] - 1) != 0) | (np.diff(slots, prepend=slots[0] - 1) != 0))
    most: Ints = np.maximum.reduceat(np.add.reduceat(expected, new), _firsts(pairs[new]))
    return most
