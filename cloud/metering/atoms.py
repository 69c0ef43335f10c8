"""From what each meter adds to the sums by dong, use, utility and direction: the atoms of totals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import UTILITIES, Direction
from cloud.metering.families import PRODUCTION, Shares, Tree
from cloud.metering.readings import UNKNOWN, Ints, Mask

Column = npt.NDArray[np.generic]

EXACT = 2**53  # sums of integers as doubles are exact below
_USES, _UTILITIES = 32, 4


@dataclass(frozen=True)
class Places:
    """By meter: its dong, the use of its building and its utility, as the registry's snapshot numbers them."""

    region: npt.NDArray[np.int32]
    use: npt.NDArray[np.uint8]
    utility: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Cells:
    """Meters by cell: `cell` is each one's, `region`, `use` and `utility` are of each cell, in their order."""

    cell: npt.NDArray[np.int64]
    region: npt.NDArray[np.int32]
    use: npt.NDArray[np.uint8]
    utility: npt.NDArray[np.uint8]


def cells(places: Places) -> Cells:
    """The cells in which there is any meter."""
    key = (places.region.astype(np.int64) * _USES + places.use) * _UTILITIES + places.utility
    found, cell = np.unique(key, return_inverse=True)
    rest = found // _UTILITIES
    return Cells(
        cell.astype(np.int64),
        (rest // _USES).astype(np.int32),
        (rest % _USES).astype(np.uint8),
        (found % _UTILITIES).astype(np.uint8),
    )


def slot_atoms(of: Cells, tree: Tree, shares: Shares, expected: Mask) -> dict[str, Column]:
    """One slot's atoms as columns of one length, named as in `cloud.store.totals_schema`, ordered by region, use,
    utility and direction. `expected` says which meters hung there.
    """
    consumer = expected & (tree.role != PRODUCTION)
    electric = of.utility[of.cell] == UTILITIES.index("electricity")
    roots = consumer & (tree.parent < 0) & electric
    parts = [
        _direction(of, Direction.IMPORT, shares.imported, shares.imported_estimated, roots & (tree.inward >= 0)),
        _direction(of, Direction.EXPORT, shares.exported, shares.exported_estimated, roots & (tree.outward >= 0)),
        _direction(
            of, Direction.PRODUCTION, shares.produced, shares.produced_estimated, expected & shares.produces & electric
        ),
        _direction(of, Direction.USE, shares.use, shares.use_estimated, consumer),
    ]
    parts[2][1]["total"] += _sum(of, shares.raised)
    tables = [_columns(of, *part) for part in parts]
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    order = np.lexsort([joined[name] for name in ("direction", "utility", "use", "region")])
    return {name: column[order] for name, column in joined.items()}


_Part = tuple[Direction, dict[str, Ints]]


def _direction(of: Cells, direction: Direction, milli: Ints, estimated: Mask, expected: Mask) -> _Part:
    known = expected & (milli != UNKNOWN)
    guessed = known & estimated
    value = np.where(known, milli, 0)
    sums = {
        "total": _sum(of, value),
        "estimated": _sum(of, np.where(guessed, value, 0)),
        "counted": _sum(of, known),
        "estimated_count": _sum(of, guessed),
        "expected": _sum(of, expected),
    }
    return direction, sums


def _sum(of: Cells, value: Ints | Mask) -> Ints:
    """By cell, exactly: doubles carry integers until EXACT."""
    total = np.bincount(of.cell, value.astype(np.float64), len(of.region))
    assert total.max(initial=0) < EXACT
    return total.astype(np.int64)


def _columns(of: Cells, direction: Direction, sums: dict[str, Ints]) -> dict[str, Column]:
    there = np.flatnonzero((sums["expected"] > 0) | (sums["total"] > 0))
    return {
        "region": of.region[there],
        "use": of.use[there],
        "utility": of.utility[there],
        "direction": np.full(len(there), direction, np.uint8),
        **{name: values[there] for name, values in sums.items()},
    }
