"""Days and pasts of few meters, for the tests of the day's rules."""

from collections.abc import Sequence

import numpy as np

from cloud.metering.arrays import Bools, Floats, Ints
from cloud.metering.calendar import BACK, SLOTS
from cloud.metering.codes import Grade
from cloud.metering.day_rules_data import Day, Meters, Past

TODAY = 20_783  # Thursday, 2026-11-26


def day_of(usage: Sequence[Sequence[int]] | Ints, outdoor_c: float = np.nan) -> Day:
    """All slots actual."""
    values = np.array(usage, np.int64)
    return Day(
        TODAY,
        values,
        np.ones(values.shape, bool),
        np.full(values.shape, Grade.A, np.uint8),
        np.zeros(values.shape, np.uint32),
        np.full(len(values), SLOTS, np.int64),
        outdoor_c,
    )


def past_of(nearest_first: Sequence[int], like: Bools | None = None, outdoor_c: Floats | None = None) -> Past:
    """One meter: these days measured whole and trusted, none before; its highest slot is a twentieth of the day."""
    sums, slots = np.zeros((1, BACK), np.int64), np.zeros((1, BACK), np.uint8)
    sums[0, : len(nearest_first)], slots[0, : len(nearest_first)] = nearest_first, SLOTS
    return Past(
        sums,
        slots,
        slots.copy(),
        sums // 20,
        np.ones(BACK, bool) if like is None else like,
        np.full(BACK, np.nan) if outdoor_c is None else outdoor_c,
    )


def meters_of(number: int) -> Meters:
    """Neither heat nor production, no registers and no profile known."""
    no = np.zeros(number, bool)
    none = np.zeros(number, np.int64)
    return Meters(no, no, none, no, none, np.full((number, SLOTS), np.nan, np.float32))
