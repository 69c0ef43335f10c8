"""PURE: local days (Asia/Seoul, as days since 1970-01-01), their slots, and which days are like which."""

from enum import IntEnum

import numpy as np

from cloud.metering.arrays import Bools, Grades, Ints
from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S

SLOTS = DAY_S // SLOT_S  # of a day
BACK = 28  # days: nothing in metering looks further back

_THURSDAY = 3  # 1970-01-01, where Monday is 0


class DayType(IntEnum):
    """Days of one type are like days."""

    WORKDAY = 0
    SATURDAY = 1
    REST = 2  # Sundays and holidays; a holiday on a Saturday too


def day_of(time_s: Ints) -> Ints:
    """The local day in which each moment (UTC epoch seconds) lies."""
    return (time_s + SEOUL_S) // DAY_S


def slot_of_day(time_s: Ints) -> Ints:
    """The slot of the local day, 0..95, in which each moment lies."""
    return (time_s + SEOUL_S) % DAY_S // SLOT_S


def begin_s(day: int) -> int:
    """The moment at which a local day begins."""
    return day * DAY_S - SEOUL_S


def day_types(days: Ints, holidays: Ints) -> Grades:
    """The DayType of each day. `holidays` are day numbers, sorted."""
    weekday = (days + _THURSDAY) % 7
    kind = np.where(weekday == 6, DayType.REST, np.where(weekday == 5, DayType.SATURDAY, DayType.WORKDAY))
    if len(holidays):
        place = np.minimum(np.searchsorted(holidays, days), len(holidays) - 1)
        kind = np.where(holidays[place] == days, DayType.REST, kind)
    return kind.astype(np.uint8)


def days_before(day: int) -> Ints:
    """The 28 days that metering may look back to; the nearest comes first, as in every history here."""
    return day - np.arange(1, BACK + 1, dtype=np.int64)


def like_mask(day: int, holidays: Ints) -> Bools:
    """bool[28]: which of `days_before(day)` are of the day's own type."""
    own = day_types(np.array([day], np.int64), holidays)
    like: Bools = day_types(days_before(day), holidays) == own
    return like


def like_days(day: int, candidates: Ints, holidays: Ints) -> Ints:
    """Those of the candidates that are like the day, earlier and at most 28 days earlier; the nearest first."""
    back = days_before(day)
    return back[like_mask(day, holidays) & np.isin(back, candidates)]
