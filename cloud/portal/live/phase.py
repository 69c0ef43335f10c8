"""PURE: when within the second to ask an area's process, so that each second's readings have just come in.

Gateways poll at whole seconds, and their readings reach the store a fairly constant while later. One question a
second, asked just before that moment, shows everything a second late; asked just after it, nothing waits. So the
search goes backwards through the second, until the readings of this second are not there yet; what was best is
held, and its neighbours are tried now and then.
"""

STEPS = 20  # of a second
STRIDE = 2
MISSED_S = 0.5  # a lag that rises by more means that the readings had not come in yet
WORSE_S = 0.3
WEIGHT = 0.2  # of the newest lag in a phase's mean
TRY_EVERY = 40  # a trial of a worse phase costs up to a second: fewer than one frame in twenty may
SEARCH_EVERY = 900  # what drifted slowly towards an earlier moment is found again
SHORTEST_S = 0.75  # between two questions


class Phase:
    """Tell it the lag of each answer; it says when to ask next. Times are epoch seconds."""

    def __init__(self) -> None:
        self._asked, self._asked_s = 0, 0.0
        self._searching, self._step = True, 0
        self._lag_s: dict[int, float] = {}
        self._found_s = 0.0
        self._start_search()

    def next_s(self, now_s: float) -> float:
        """The next moment to ask."""
        if not self._searching:
            self._step = self._held_or_tried()
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
        change_s = WEIGHT * (lag_s - self._lag_s.setdefault(self._step, lag_s))
        self._lag_s[self._step] += change_s
        if change_s > WEIGHT * MISSED_S:  # what was too late for this phase was too late for every earlier one
            for step in [step for step in self._lag_s if step < self._step]:
                self._lag_s[step] += change_s
        best_s = min(self._lag_s.values())
        if self._searching:
            self._search_on(lag_s, best_s)
        elif best_s > self._found_s + WORSE_S or self._asked > SEARCH_EVERY:
            self._start_search()

    def _search_on(self, lag_s: float, best_s: float) -> None:
        self._searching = self._step >= STRIDE and lag_s < best_s + MISSED_S
        if self._searching:
            self._step -= STRIDE
            return
        self._found_s = best_s
        # the earliest that was in time once will not always be: begin with the one after it
        self._lag_s[self._best()] += (STRIDE + 1) / STEPS

    def _best(self) -> int:
        return min(self._lag_s, key=self._lag_s.__getitem__)

    def _start_search(self) -> None:
        self._searching, self._step, self._asked = True, STEPS - STRIDE, 0
        self._lag_s.clear()

    def _held_or_tried(self) -> int:
        best = self._best()
        if self._asked % TRY_EVERY:
            return best
        return (best + (1 if self._asked // TRY_EVERY % 2 else -1)) % STEPS
