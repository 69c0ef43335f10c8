"""Sets of batch numbers kept as spans, so that a span of any length costs two integers. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Span = tuple[int, int]  # first and last, both included


class Spans:
    """A growing set of integers. Adding the next number, as nearly always happens, is O(1)."""

    __slots__ = ("_first", "_last")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in spans:
            self.add(first, last)

    def __contains__(self, n: int) -> bool:
        at = bisect_right(self._first, n) - 1
        return at >= 0 and n <= self._last[at]

    def __iter__(self) -> Iterator[Span]:
        return zip(self._first, self._last, strict=True)

    def __len__(self) -> int:
        """The number of spans, not of numbers: what it costs."""
        return len(self._first)

    @property
    def highest(self) -> int:
        """The highest number, or 0 when there is none."""
        return self._last[-1] if self._last else 0

    def add(self, first: int, last: int | None = None) -> None:
        """Add the numbers first..last (both included), or the one number."""
        last = first if last is None else last
        if self._last and first == self._last[-1] + 1:
            self._last[-1] = last
            return
        # all spans that touch the new one melt into it
        low = bisect_right(self._last, first - 2)
        high = bisect_right(self._first, last + 1)
        if low < high:
            first, last = min(first, self._first[low]), max(last, self._last[high - 1])
        self._first[low:high] = [first]
        self._last[low:high] = [last]

    def missing(self, first: int, last: int, limit: int) -> list[Span]:
        """The numbers of first..last that are not in the set, lowest first, at most `limit` of them."""
        found: list[Span] = []
        at = bisect_right(self._last, first - 1)
        while first <= last and limit > 0:
            until = self._first[at] - 1 if at < len(self._first) else last
            until = min(until, last, first + limit - 1)
            if first <= until:
                found.append((first, until))
                limit -= until - first + 1
            if at == len(self._first):
                break
            first, at = self._last[at] + 1, at + 1
        return found

    def thin(self, limit: int) -> int:
        """Forget the lowest spans above the first until `limit` are left; how many were forgotten."""
        surplus = max(0, len(self._first) - limit)
        del self._first[1 : 1 + surplus], self._last[1 : 1 + surplus]
        return surplus
