"""Atoms that tests write: few and known, or many and random."""

import numpy as np
import pyarrow as pa

from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S, Direction
from cloud.store.totals_schema import SLOT_ATOMS

DAY = 20_483  # 2026-01-30
ELECTRICITY, GAS = 0, 1
USE = int(Direction.USE)
KINDS = ((ELECTRICITY, int(Direction.IMPORT)), (ELECTRICITY, int(Direction.EXPORT)), (ELECTRICITY, USE), (GAS, USE))


def slot_s(day: int, slot: int) -> int:
    """When a slot of a local day begins."""
    return day * DAY_S - SEOUL_S + slot * SLOT_S


def table(*rows: dict[str, int]) -> pa.Table:
    """SLOT_ATOMS of these rows; what they leave out is one meter of electricity used, which counted and was 0."""
    usual = {"region": 1, "use": 1, "utility": ELECTRICITY, "direction": USE, "total": 0, "estimated": 0}
    usual |= {"counted": 1, "estimated_count": 0, "expected": 1}
    return pa.Table.from_pylist([usual | row for row in rows], SLOT_ATOMS)


def many(day: int, seed: int, dongs: int = 7, uses: int = 5, slots: int = 96) -> pa.Table:
    """A day of random atoms in random order; some series have no row in some slots."""
    rng = np.random.default_rng([seed, day])
    place = rng.permutation(len(KINDS) * dongs * uses * slots)
    place = place[rng.random(place.size) < 0.9]
    kind, dong, use, slot = np.unravel_index(place, (len(KINDS), dongs, uses, slots))
    expected = rng.integers(1, 500, place.size)
    counted = rng.integers(0, expected + 1)
    estimated_count = rng.integers(0, counted + 1)
    total = counted * rng.integers(-5_000, 900_000, place.size)
    columns = {
        "slot_s": slot_s(day, 0) + slot * SLOT_S,
        "region": dong + 1,
        "use": use + 1,
        "utility": np.array(KINDS)[kind, 0],
        "direction": np.array(KINDS)[kind, 1],
        "total": total,
        "estimated": np.where(estimated_count > 0, total // 3, 0),
        "counted": counted,
        "estimated_count": estimated_count,
        "expected": expected,
    }
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in SLOT_ATOMS], schema=SLOT_ATOMS)
