"""The small numbers under which registry, settling and totals keep what meters are and how far to trust them.

They stand in files: none is ever reused, only added to.
"""

from enum import IntEnum, IntFlag

SLOT_S = 900
DAY_S = 86_400
SEOUL_S = 9 * 3600  # no summer time since 1988: a fixed offset is the time zone

UTILITIES = ("electricity", "gas", "water", "heat")
ROLES = ("main", "sub", "production")


class Direction(IntEnum):
    """What a figure of totals is of. `use` = import + production - export; import and export are those of mains."""

    IMPORT = 0
    EXPORT = 1
    PRODUCTION = 2
    USE = 3


class Grade(IntEnum):
    """How a slot's usage came about: one letter for people, in the reference's order."""

    A = 0  # actual: from the meter's own registers
    V = 1  # actual, validated after a warning
    Q = 2  # questionable: actual and kept, a rule objects
    L = 3  # estimated, linear between two registers at most two hours apart
    P = 4  # estimated, like days
    R = 5  # estimated, the known difference of two registers laid out by like days
    M = 6  # edited by hand
    N = 7  # missing
    D = 8  # derived from other meters
    F = 9  # forecast
    X = 10  # rejected, no value


ESTIMATED = (Grade.L, Grade.P, Grade.R, Grade.F)
VALUELESS = (Grade.N, Grade.X)


class Rule(IntFlag):
    """The rules of validation that objected, as a bit each."""

    V01_DUPLICATE = 1 << 0
    V02_OFF_GRID = 1 << 1
    V03_COUNT = 1 << 2
    V04_MISSING = 1 << 3
    V05_NEGATIVE = 1 << 4
    V06_PHYSICAL_MAX = 1 << 5
    V07_SPIKE = 1 << 6
    V08_HIGH_LOW = 1 << 7
    V09_ZERO_RUN = 1 << 8
    V10_STUCK = 1 << 9
    V11_DECREASE = 1 << 10
    V12_SUM = 1 << 11
    V13_PARENT_CHILD = 1 << 12
    V14_UNIT_CHANGE = 1 << 13
    V15_CLOCK_SHIFT = 1 << 14
    V16_PERIODS = 1 << 15
    V17_CROSS_UTILITY = 1 << 16
    V18_LATE = 1 << 17
    OUTAGE = 1 << 24  # lies in a known outage
    RESET = 1 << 25  # a register began anew without a known end
    ROLLOVER = 1 << 26
    REPLACED = 1 << 27
