"""What is kept how long: ticks some days, registers at slot bounds a year and more, usage for years and then sealed."""

import hashlib
import logging
from collections.abc import Callable

import numpy as np

from cloud.metering.calendar import begin_s, day_of
from cloud.metering.codes import DAY_S, SLOT_S
from cloud.store.settled import USAGE, Settled

LOG = logging.getLogger(__name__)


def seal_until(settled: Settled, time_s: int, keep_going: Callable[[], bool]) -> int:
    """Seal every settled local day that ends by then; the moment until which all is sealed.

    A sealed day's usage is never settled again: its readings may go. Its seal is a hash of its rows, which anybody
    who holds a copy can make again.
    """
    progress = settled.progress()
    if progress.first_s is None or progress.settled_s is None:
        return 0
    end_s = min(time_s, progress.settled_s)
    day = int(day_of(np.array([progress.first_s]))[0])
    while begin_s(day + 1) <= end_s and keep_going():
        rows, digest = usage_hash(settled, day)
        settled.seal(day, rows, digest, begin_s(day + 1))
        LOG.info("day sealed day=%d rows=%d hash=%s", day, rows, digest)
        day += 1
    return begin_s(day)


def usage_hash(settled: Settled, day: int) -> tuple[int, str]:
    """How many rows a local day's usage has, and their BLAKE2b in the order of slot and series, column by column."""
    digest, rows = hashlib.blake2b(digest_size=16), 0
    for slot_s in range(begin_s(day), begin_s(day) + DAY_S, SLOT_S):
        table = settled.usage(slot_s, slot_s + 1).sort_by("series").cast(USAGE).combine_chunks()
        rows += table.num_rows
        for name in USAGE.names:
            column = table[name].fill_null(-1) if name == "milli" else table[name]
            digest.update(column.to_numpy().tobytes())
    return rows, digest.hexdigest()
