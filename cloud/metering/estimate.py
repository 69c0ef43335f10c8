"""PURE: what stands in for slots whose usage is not known: the ladder E1 to E4. All of it looks back only.

    E1  the difference of two registers is known    laid out by the like days' shape, its sum kept  (R)
    E2  the same, at most two hours apart           laid out evenly, its sum kept                   (L)
    E3  no later register, from 2 h to 7 d          the mean of three or four like days             (P)
    E4  no later register, beyond 7 d               the shape of its class at the meter's own level (P)

Every estimate is a pair: usage (int64 thousandths) and whether it is known; usage that is not known is 0, which
means nothing. `rung` gives each slot the grade that its estimate must carry, and `fill` does both.
"""

from dataclasses import dataclass

import numpy as np

from cloud.metering.arrays import Bits, Bools, Floats, Grades, Ints, round_ratio
from cloud.metering.codes import DAY_S, SLOT_S, Grade, Rule

LINEAR_S = 2 * 3600
LIKE_S = 7 * DAY_S
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


def linear(delta_milli: Ints, inside: Bools) -> Ints:
    """E2: each difference laid evenly over the slots inside its gap. [n], [n, k] → [n, k]; see `scale_profile`."""
    return scale_profile(delta_milli, inside.astype(np.int64))


def scale_profile(delta_milli: Ints, profile: Ints) -> Ints:
    """E1: each difference laid out in proportion to its profile. [n], [n, k] → [n, k].

    What has run up to each bound is rounded, so that the sum is the difference exactly and nothing is negative. A
    profile of zeros is laid out evenly over all k. Differences and weights are not negative, differences below 2**53.
    """
    weight = np.maximum(profile, 0)
    weight = np.where(weight.any(axis=1, keepdims=True), weight, 1)
    run = np.cumsum(weight, axis=1)
    bound = np.rint(delta_milli[:, None] * (run / run[:, -1:])).astype(np.int64)
    usage: Ints = np.diff(bound, axis=1, prepend=0)
    return usage


def class_profile(level_milli: Floats, shape: Floats) -> Estimate:
    """E4: a class's shape at each meter's level. `level_milli` [n] is of a day (NaN: not known), `shape` [k] or [n, k].

    The shape holds each slot's share of a day. Rounded as `scale_profile` does. Returns [n, k].
    """
    known = np.isfinite(level_milli) & (level_milli >= 0)
    run = np.cumsum(np.broadcast_to(np.maximum(shape, 0.0), (len(level_milli), shape.shape[-1])), axis=1)
    bound = np.rint(np.where(known, level_milli, 0.0)[:, None] * run).astype(np.int64)
    return np.diff(bound, axis=1, prepend=0), np.broadcast_to(known[:, None], run.shape)


def rung(gap_s: Ints, delta_milli: Ints, delta_known: Bools, elapsed_s: Ints, outage: Bools) -> Grades:
    """The grade of the estimate that a slot of a gap is due; N where none is. All broadcast together.

    `gap_s` is from the gap's beginning to the register that closes it, and counts only where the difference is known;
    `elapsed_s` is from the gap's beginning to the slot's end. It takes no other clock: a slot of an open gap is due
    the same estimate whenever it is settled. A difference of 0 leaves nothing to estimate: the registers prove each
    slot 0 (A), in an outage too. Otherwise an outage is never estimated, nor are the first two hours of an open gap.
    """
    proven = delta_known & (delta_milli == 0)
    closed = np.where(gap_s <= LINEAR_S, Grade.L, Grade.R)
    still_open = np.where(elapsed_s <= LINEAR_S, Grade.N, Grade.P)
    due = np.where(delta_known & (delta_milli > 0), closed, np.where(delta_known, Grade.N, still_open))
    return np.where(proven, Grade.A, np.where(outage, Grade.N, due)).astype(np.uint8)


@dataclass(frozen=True)
class Gaps:
    """n gaps, each with its slots from its first on in k columns.

    Where the difference is known, a gap is given whole, and `inside` is false past its end. `like` and `of_class`
    are what E3 and E4 give for the same slots.
    """

    inside: Bools  # [n, k]
    delta_milli: Ints  # [n]
    delta_known: Bools  # [n]
    outage: Bools  # [n, k]
    like: Estimate  # [n, k] each
    of_class: Estimate


def fill(gaps: Gaps) -> tuple[Ints, Grades]:
    """Usage and grade of every slot, [n, k]; usage is 0 where the grade is N, and N outside a gap.

    An outage inside a closed gap takes its share of the difference with it, and is not told: nobody knows whether
    the supply failed or only the reading.
    """
    elapsed_s = SLOT_S * np.arange(1, gaps.inside.shape[1] + 1, dtype=np.int64)[None, :]
    gap_s = SLOT_S * gaps.inside.sum(axis=1, keepdims=True)
    grade = rung(gap_s, gaps.delta_milli[:, None], gaps.delta_known[:, None], elapsed_s, gaps.outage)
    by_day, by_class = gaps.like, gaps.of_class
    late = elapsed_s > LIKE_S
    usage = np.where(late, by_class[0], by_day[0])
    known = np.where(late, by_class[1], by_day[1]) | (grade != Grade.P)
    closed = gaps.delta_known & (gaps.delta_milli >= 0)
    delta = np.where(closed, gaps.delta_milli, 0)
    usage = np.where(grade == Grade.R, scale_profile(delta, _weights(gaps)), usage)
    usage = np.where(grade == Grade.L, linear(delta, gaps.inside), usage)
    grade = np.where(gaps.inside & known, grade, Grade.N).astype(np.uint8)
    return np.where((grade == Grade.N) | (grade == Grade.A), 0, usage), grade


def _weights(gaps: Gaps) -> Ints:
    """The shape for E1: like days; else the class; else, where some slots have neither, the mean of those that do."""
    (by_day, day_known), (by_class, class_known) = gaps.like, gaps.of_class
    known = (day_known | class_known) & gaps.inside
    weight = np.where(known, np.where(day_known, by_day, by_class), 0)
    count = known.sum(axis=1, keepdims=True)
    mean = round_ratio(weight.sum(axis=1, keepdims=True), np.maximum(count, 1))
    weight = np.where(known, weight, mean)
    weight = np.where(weight.any(axis=1, keepdims=True, where=gaps.inside), weight, 1)
    return np.where(gaps.inside, weight, 0)
