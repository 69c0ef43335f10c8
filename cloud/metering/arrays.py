"""The arrays of metering. Usage is int64 thousandths; where a value may be missing, a mask stands beside it."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Grades = npt.NDArray[np.uint8]  # cloud.metering.codes.Grade
Bits = npt.NDArray[np.uint32]  # cloud.metering.codes.Rule


def round_ratio(above: Ints, below: Ints) -> Ints:
    """`above / below` to the nearest integer, halves to the even one, without leaving the integers. `below` > 0."""
    whole = above // below
    twice = 2 * (above - whole * below)
    up = (twice > below) | ((twice == below) & (whole % 2 == 1))
    nearest: Ints = whole + up
    return nearest
