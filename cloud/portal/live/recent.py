"""PURE: the last minutes of each number, for the small curves."""

from collections import deque
from collections.abc import Sequence

STEP_S = 5
STEPS = 60


def rounded(value: float | None) -> float | None:
    """Four significant digits: more than a curve or a headline shows."""
    return None if value is None else float(f"{value:.4g}")


class Recent:
    """One point each STEP_S for every number of a fixed list; within a step the latest wins."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._points: deque[tuple[int, Sequence[float | None]]] = deque(maxlen=STEPS)

    def note(self, now_s: float, values: Sequence[float | None]) -> None:
        """`values` in the order of the list; None is a gap in the curve."""
        step = int(now_s // STEP_S)
        if self._points and self._points[-1][0] >= step:
            self._points.pop()
        self._points.append((step, [rounded(value) for value in values]))

    def curves(self) -> list[list[float | None]]:
        """For every number its points, oldest first; a step without a note is a gap too."""
        if not self._points:
            return [[] for _ in range(self._size)]
        first, last = self._points[0][0], self._points[-1][0]
        noted = dict(self._points)
        gap: Sequence[float | None] = [None] * self._size
        steps = [noted.get(step, gap) for step in range(max(first, last - STEPS + 1), last + 1)]
        return [[step[i] for step in steps] for i in range(self._size)]
