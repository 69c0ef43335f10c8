"""PURE: the flow of meters that only count, from their registers of the last minutes."""

from collections import deque

import numpy as np

from cloud.portal.live.meters import Floats, Ints

WINDOW_S = 300
STEP_S = 10
SHORTEST_S = 30  # less, and a single pulse would look like a flood


class Trail:
    """Remembers registers for WINDOW_S, one note each STEP_S."""

    def __init__(self) -> None:
        self._notes: deque[tuple[float, Ints, Ints, Floats]] = deque()

    def note(self, now_s: float, meters: Ints, time_s: Ints, value: Floats) -> None:
        """Parallel arrays: positions of meters, when their registers were read, and what they said."""
        if self._notes and 0 <= now_s - self._notes[-1][0] < STEP_S:
            return
        self._notes.append((now_s, meters, time_s, value))
        while self._notes and not 0 <= now_s - self._notes[0][0] <= WINDOW_S:
            self._notes.popleft()

    def per_hour(self, time_s: Ints, value: Floats) -> Floats:
        """Register units per hour for each meter, over the longest span remembered; NaN where there is none yet.

        `time_s` and `value` are the latest of every meter. A register that fell gives NaN, not a negative flow.
        """
        rate = np.full(len(value), np.nan)
        for _, meters, then_s, then in self._notes:
            span_s = time_s[meters] - then_s
            rise = value[meters] - then
            usable = (span_s >= SHORTEST_S) & (rise >= 0) & np.isnan(rate[meters])
            at = meters[usable]
            rate[at] = rise[usable] / span_s[usable] * 3600
        return rate
