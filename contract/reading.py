"""A reading: what one register of one meter said at one tick."""

from typing import NamedTuple

from contract.quality import Quality


class Reading(NamedTuple):
    """Identity is (meter, quantity, time_s); all else is what was found there.

    `time_s` is the tick, UTC epoch seconds; `at_ms` is the moment of reading as milliseconds after its tick.
    `value` is None exactly when `quality` is a reason for a missing value.
    """

    meter: str
    quantity: str
    time_s: int
    value: float | None
    quality: Quality = Quality.GOOD
    at_ms: int = 0
