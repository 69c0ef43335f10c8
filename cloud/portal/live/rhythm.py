"""PURE: how often each meter reports, and so for how long its latest value may be called live.

A mains meter is read each second, one with a battery each quarter of an hour: no one limit fits both.
"""

import numpy as np

from cloud.portal.live.meters import Bools, Floats, Ints

REMEMBERED = 4  # the shortest of so many gaps is a meter's own: an outage makes a long one
MISSED = 3  # readings, before a value is stale
UNKNOWN_S = 90.0  # of a meter that has reported once: a gateway that polls each minute is given a second chance


class Rhythm:
    """Watches the times of readings, one a meter, always the same meters."""

    def __init__(self) -> None:
        self._time_s: Ints = np.zeros(0, np.int64)
        self._gaps_s: Floats = np.full((REMEMBERED, 0), np.inf)

    def is_live(self, time_s: Ints, now_s: float, at_least_s: float) -> Bools:
        """Which of the latest times are near enough to now; a limit is never below `at_least_s`.

        A time of 0 is a meter that was never read.
        """
        if len(self._time_s) != len(time_s):
            self._time_s = time_s
            self._gaps_s = np.full((REMEMBERED, len(time_s)), np.inf)
        later = (time_s > self._time_s) & (self._time_s > 0)
        self._gaps_s[:, later] = np.vstack((self._gaps_s[1:, later], time_s[later] - self._time_s[later]))
        self._time_s = time_s
        shortest_s = self._gaps_s.min(axis=0)
        limit_s = np.where(np.isinf(shortest_s), UNKNOWN_S, MISSED * shortest_s)
        near: Bools = np.abs(now_s - time_s) <= np.maximum(limit_s, at_least_s)
        return near
