"""PURE: the last minutes of each number, for the small curves."""

from collections import deque
from collections.abc import Sequence

STEP_S = 5
STEPS = 60


def rounded(value: float | None) -> float | None:
    """Four significant digits: more than a curve or a headline shows."""
    return None if value is None else float(f"{value:.4g}")


class Recent:
    """One point each STEP_S for every number of a fixed list; within a step the latest wins.

    A curve begins anew when its number comes to stand for more or fewer meters than before: otherwise a meter
    that falls silent would look like a saving.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._meters: Sequence[int] = [0] * size
        self._since = [0] * size
        self._points: deque[tuple[int, Sequence[float | None]]] = deque(maxlen=STEPS)

    def note(self, now_s: float, values: Sequence[float | None], meters: Sequence[int]) -> None:
        """`values` in the order of the list, None for a gap in the curve; `meters` is how many are in each."""
        step = int(now_s // STEP_S)
        changed = [i for i, (was, now) in enumerate(zip(self._meters, meters, strict=True)) if was != now]
        for i in changed:
            self._since[i] = step
        self._meters = meters
        if self._points and self._points[-1][0] >= step:
            self._points.pop()
        self._points.append((step, [rounded(value) for value in values]))

    def curves(self) -> list[list[float | None]]:
        """For every number its points, oldest first; a step without a note is None too."""
        if not self._points:
            return [[] for _ in range(self._size)]
        first, last = self._points[0][0], self._points[-1][0]
        noted = dict(self._points)
        gap: Sequence[float | None] = [None] * self._size
        steps = [(step, noted.get(step, gap)) for step in range(max(first, last - STEPS + 1), last + 1)]
        return [[values[i] for step, values in steps if step >= since] for i, since in enumerate(self._since)]
