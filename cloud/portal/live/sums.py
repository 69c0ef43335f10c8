"""PURE: one number a meter → one figure a row, each with how much of it is really there."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cloud.portal.live.meters import REASONS, Bools, Floats, Ints
from cloud.portal.live.sites import Roster

_NEVER_S = 2**62


@dataclass(frozen=True)
class Figure:
    """A sum over `counted` of `expected` meters; `value` is None when none counted.

    `newest_s` and `oldest_s` are the times of their readings. `derived` of them report no value of the moment, so
    that it was taken from the register's rise over the last minutes. A figure of the day counts from registers
    read between `since_first_s` and `since_last_s`. `reason` (of REASONS) is why most of the others do not count.
    """

    value: float | None = None
    expected: int = 0
    counted: int = 0
    newest_s: int | None = None
    oldest_s: int | None = None
    derived: int = 0
    since_first_s: int | None = None
    since_last_s: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Measured:
    """One number a meter. `reason` is a position in REASONS, 0 where the number counts.

    `since_s` is when the register was read that the number counts from, 0 for a value of the moment.
    """

    value: Floats
    time_s: Ints
    reason: Ints
    derived: Bools
    since_s: Ints


@dataclass(frozen=True)
class Sums:
    """A figure for every row, as arrays; `reasons` counts meters by row and REASONS.

    The times are only of use where something counted.
    """

    value: Floats
    expected: Ints
    counted: Ints
    derived: Ints
    newest_s: Ints
    oldest_s: Ints
    since_first_s: Ints
    since_last_s: Ints
    reasons: Ints

    def figures(self) -> list[Figure]:
        """Each row's."""
        counts = self.counted > 0
        since = counts & (self.since_last_s > 0)

        def told(values: Floats | Ints, there: Bools) -> list[Any]:
            return [one if yes else None for one, yes in zip(values.tolist(), there.tolist(), strict=True)]

        return list(
            map(
                Figure,
                told(self.value, counts),
                self.expected.tolist(),
                self.counted.tolist(),
                told(self.newest_s, counts),
                told(self.oldest_s, counts),
                np.where(counts, self.derived, 0).tolist(),
                told(self.since_first_s, since),
                told(self.since_last_s, since),
                [REASONS[at] for at in self.reasons.argmax(axis=1)],  # all 0: the first, which says nothing
            )
        )

    def total(self) -> Figure:
        """All rows together."""
        counts = self.counted > 0
        together = Sums(
            value=np.array([self.value[counts].sum()]),
            expected=np.array([self.expected.sum()]),
            counted=np.array([self.counted.sum()]),
            derived=np.array([self.derived[counts].sum()]),
            newest_s=np.array([self.newest_s[counts].max(initial=0)]),
            oldest_s=np.array([self.oldest_s[counts].min(initial=_NEVER_S)]),
            since_first_s=np.array([self.since_first_s[counts].min(initial=_NEVER_S)]),
            since_last_s=np.array([self.since_last_s[counts].max(initial=0)]),
            reasons=self.reasons.sum(axis=0, keepdims=True),
        )
        return together.figures()[0]

    def without(self, rows: Bools) -> "Sums":
        """The same with `rows` counting nothing."""
        return replace(self, counted=np.where(rows, 0, self.counted), value=np.where(rows, 0.0, self.value))


def sum_rows(measured: Measured, expected: Bools, roster: Roster) -> Sums:
    """Sum over the meters that are `expected` to take part, row by row."""
    size = len(roster.rows)
    counts = expected & (measured.reason == 0)
    absent = expected & ~counts
    row = roster.row[counts]
    reasons = np.zeros((size, len(REASONS)), np.int64)
    np.add.at(reasons, (roster.row[absent], measured.reason[absent]), 1)
    return Sums(
        value=np.bincount(row, measured.value[counts], minlength=size).astype(np.float64),
        expected=np.bincount(roster.row[expected], minlength=size),
        counted=np.bincount(row, minlength=size),
        derived=np.bincount(row, measured.derived[counts], minlength=size).astype(np.int64),
        newest_s=_latest(size, row, measured.time_s[counts]),
        oldest_s=_earliest(size, row, measured.time_s[counts]),
        since_first_s=_earliest(size, row, measured.since_s[counts]),
        since_last_s=_latest(size, row, measured.since_s[counts]),
        reasons=reasons,
    )


def _latest(size: int, row: Ints, time_s: Ints) -> Ints:
    latest = np.zeros(size, np.int64)
    np.maximum.at(latest, row, time_s)
    return latest


def _earliest(size: int, row: Ints, time_s: Ints) -> Ints:
    earliest = np.full(size, _NEVER_S, np.int64)
    np.minimum.at(earliest, row, time_s)
    return earliest
