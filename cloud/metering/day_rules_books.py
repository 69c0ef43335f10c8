"""PURE: rules that look at the books and not at usage: V16 billing periods, V18 arrival."""

import numpy as np

from cloud.metering.arrays import Bools, Ints


def periods(meter: Ints, start_s: Ints, end_s: Ints) -> tuple[Bools, Bools]:
    """V16: which periods overlap an earlier one of their meter, and before which ones a gap lies. In any order.

    A period is [start, end); one that does not end after it begins counts as overlapping. Of two that overlap, the
    one that begins later (or, at one moment, ends later) is told.
    """
    order = np.lexsort((end_s, start_s, meter))
    whose, start, end = meter[order], start_s[order], end_s[order]
    first = np.append(True, whose[1:] != whose[:-1])[: len(whose)]
    # one running maximum for all meters: each meter's times are lifted above those of the meter before it
    base = int(start_s.min(initial=0))
    span = int(max(end_s.max(initial=0), start_s.max(initial=0))) - base + 1
    lift = np.cumsum(first) * span - base
    until = np.maximum.accumulate(np.maximum(end, start) + lift)
    before = np.append(0, until[:-1])[: len(until)] - lift
    overlap, gap = np.zeros(len(meter), bool), np.zeros(len(meter), bool)
    overlap[order] = (~first & (start < before)) | (end <= start)
    gap[order] = ~first & (start > before)
    return overlap, gap


def late(arrived_s: Ints, settled_s: Ints, restated: Bools) -> Bools:
    """V18: what arrived after its slot was settled, or replaced a value that was."""
    fired: Bools = (arrived_s > settled_s) | restated
    return fired
