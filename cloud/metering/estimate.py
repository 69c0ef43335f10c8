"""PURE: what stands in for usage that is not known, from what came before it: rungs E3 and E4 of the ladder.

    E1  the difference of two registers is known    laid out by like days, its sum kept  (R)   `gaps`
    E2  the same, at most two hours apart           laid out evenly, its sum kept        (L)   `gaps`
    E3  no later register, from 2 h to 7 d          the mean of three or four like days  (P)   `slot` asks for it
    E4  no later register, beyond 7 d               missing; for who must have a figure, the shape of its class

Every estimate is a pair: usage (int64 thousandths) and whether it is known; usage that is not known is 0, which
means nothing.
"""

from dataclasses import dataclass

import numpy as np

from cloud.metering.arrays import Bits, Bools, Floats, Grades, Ints, round_ratio
from cloud.metering.codes import Grade, Rule

FEWEST_LIKE, MOST_LIKE = 3, 4

Estimate = tuple[Ints, Bools]


def trusted(grade: Grades, rules: Bits) -> Bools:
    """Which slots may serve as like days: actual, none objected to, and in no outage."""
    good: Bools = (grade <= Grade.V) & (rules & np.uint32(Rule.OUTAGE) == 0)
    return good


@dataclass(frozen=True)
class History:
    """The same k slots of the 28 days before: [:, j] is the day j + 1 days earlier. All are [n, 28, k]."""

    usage_milli: Ints
    grade: Grades
    rules: Bits


def like_day_slots(history: History, like: Bools, factor: Floats | None = None) -> Estimate:
    """E3: the mean of the same slot on its three or four nearest like days, to the nearest integer, halves to even.

    `like` is bool[28] (`calendar.like_mask`). `factor`, one a meter, multiplies the mean (by temperature). Each slot
    chooses its own days, among trusted ones; with fewer than three it stays unknown. Returns [n, k].
    """
    fit = trusted(history.grade, history.rules) & (history.usage_milli >= 0) & like[None, :, None]
    fit &= np.cumsum(fit, axis=1, dtype=np.int16) <= MOST_LIKE
    count = fit.sum(axis=1, dtype=np.int64)
    known: Bools = count >= FEWEST_LIKE
    total = np.where(fit, history.usage_milli, 0).sum(axis=1)
    if factor is None:
        mean = round_ratio(total, np.maximum(count, 1))
    else:
        known &= (np.isfinite(factor) & (factor >= 0))[:, None]
        scale = np.where(np.isfinite(factor), factor, 0.0)[:, None]
        mean = np.rint(total / np.maximum(count, 1) * scale).astype(np.int64)
    return np.where(known, mean, 0), known


def class_profile(level_milli: Floats, shape: Floats) -> Estimate:
    """E4: a class's shape at each meter's level. `level_milli` [n] is of a day (NaN: not known), `shape` [k] or [n, k].

    The shape holds each slot's share of a day. What has run up is rounded, so that a day sums to its level. [n, k].
    """
    known = np.isfinite(level_milli) & (level_milli >= 0)
    run = np.cumsum(np.broadcast_to(np.maximum(shape, 0.0), (len(level_milli), shape.shape[-1])), axis=1)
    bound = np.rint(np.where(known, level_milli, 0.0)[:, None] * run).astype(np.int64)
    return np.diff(bound, axis=1, prepend=0), np.broadcast_to(known[:, None], run.shape)
