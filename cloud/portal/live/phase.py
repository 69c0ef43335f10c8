"""PURE: when within the second to ask an area's process, so that each second's readings have just come in.

Gateways poll at whole seconds, and their readings reach the store a fairly constant while later. One question a
second, asked just before that moment, shows everything a second late; asked just after it, nothing waits. So
the phase is tried out (a scan), the best is held, and its neighbours are tried now and then to follow a drift.
"""

STEPS = 20
SCAN = range(0, STEPS, 2)
TRY_EVERY = 40  # a trial of a worse phase costs up to a second: fewer than one frame in twenty may
SHORTEST_S = 0.75  # between two questions
WORSE_S = 0.3
RESCAN_AFTER = 60


class Phase:
    """Tell it the lag of each answer; it says when to ask next. Times are epoch seconds."""

    def __init__(self) -> None:
        self._lag_s: dict[int, float] = {}
        self._scan = list(SCAN)
        self._step = 0
        self._asked = 0
        self._asked_s = 0.0

    def next_s(self, now_s: float) -> float:
        """The next moment to ask."""
        self._step = self._choose()
        self._asked += 1
        if self._asked_s > now_s:  # the clock was set back
            self._asked_s = 0.0
        moment_s = int(now_s) + self._step / STEPS
        while moment_s < max(now_s, self._asked_s + SHORTEST_S):
            moment_s += 1
        self._asked_s = moment_s
        return moment_s

    def learn(self, lag_s: float) -> None:
        """`lag_s` is how old nearly all readings were at the last question, where it brought a new tick."""
        known_s = self._lag_s.get(self._step)
        self._lag_s[self._step] = lag_s if known_s is None else known_s + 0.2 * (lag_s - known_s)
        settled = not self._scan and self._asked > RESCAN_AFTER
        if settled and known_s is not None and self._lag_s[self._step] > min(self._lag_s.values()) + WORSE_S:
            self._lag_s.clear()
            self._scan, self._asked = list(SCAN), 0

    def _choose(self) -> int:
        if self._scan:
            return self._scan.pop(0)
        if not self._lag_s:
            return self._step
        best = min(self._lag_s, key=self._lag_s.__getitem__)
        if self._asked % TRY_EVERY:
            return best
        side = 1 if self._asked // TRY_EVERY % 2 else -1
        return (best + side) % STEPS
