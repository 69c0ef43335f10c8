"""What each meter adds to the totals, so that parents and children never count twice.

A meter's gross use is what came in, less what went out, plus what is produced behind it. A child counts its own
gross use and its parent the remainder; a family never counts more than its parent measured: should the children's
registers be ahead of it (they count in other steps), their shares shrink together.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud.metering.codes import ROLES
from cloud.metering.readings import UNKNOWN, Ints, Mask

PRODUCTION = ROLES.index("production")


@dataclass(frozen=True)
class Tree:
    """Meters; `parent` is a place among them or -1. `depth` is 0 for who has no parent. Registers are places in the
    slot's usage, -1 where the meter has none: `inward` is import or volume, `outward` export, `produced` production.
    """

    parent: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    role: npt.NDArray[np.uint8]
    inward: npt.NDArray[np.int64]
    outward: npt.NDArray[np.int64]
    produced: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """By meter, in thousandths, UNKNOWN where missing. `use` sums to the gross use of those without a parent;
    `imported` and `exported` are theirs alone; use = imported + produced + raised - exported wherever all are known.
    """

    use: Ints
    use_estimated: Mask
    imported: Ints
    imported_estimated: Mask
    exported: Ints
    exported_estimated: Mask
    produced: Ints
    produced_estimated: Mask
    produces: Mask  # whether production is expected of it
    raised: Ints  # production that no meter counted, though it went out at the grid


def depths(parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many ancestors each has. Raises ValueError where a meter is its own ancestor."""
    depth, above = np.zeros(len(parent), np.int64), parent.copy()
    for _ in range(64):
        there = above >= 0
        if not there.any():
            return depth
        depth[there] += 1
        above[there] = parent[above[there]]
    raise ValueError("a meter is its own ancestor")


def shares(tree: Tree, milli: Ints, estimated: Mask) -> Shares:
    """`milli` (UNKNOWN) and `estimated` are the slot's usage by register."""
    inward, outward, made = (_pick(milli, at) for at in (tree.inward, tree.outward, tree.produced))
    produces = tree.role == PRODUCTION
    roots = (tree.parent < 0) & ~produces
    guessed = _pick_mask(estimated, tree.produced)
    behind, behind_known, metered, behind_estimated = _behind(tree, produces, made, guessed)
    # what goes out where no production is metered was produced at least
    alone = ~metered & ~produces & (tree.outward >= 0)
    at_least = np.where(alone & (outward != UNKNOWN), outward, 0)
    known = ~produces & (inward != UNKNOWN) & ((tree.outward < 0) | (outward != UNKNOWN)) & behind_known
    net = np.where(known, inward, 0) - np.where(known & (tree.outward >= 0), outward, 0)
    spread = _sum_up(tree, at_least)
    gross = net + behind + spread
    # an inverter counts less exactly than the meter at the grid: what went out was there
    raised = np.where(known & (gross < 0), -gross, 0)
    gross = np.maximum(gross, 0)
    marked = known & (_pick_mask(estimated, tree.inward) | _pick_mask(estimated, tree.outward) | behind_estimated)
    use, use_estimated = _share_out(tree, np.where(known, gross, UNKNOWN), marked)
    return Shares(
        use=np.where(produces, UNKNOWN, use),
        use_estimated=use_estimated,
        imported=np.where(roots, inward, UNKNOWN),
        imported_estimated=_pick_mask(estimated, tree.inward),
        exported=np.where(roots, outward, UNKNOWN),
        exported_estimated=_pick_mask(estimated, tree.outward),
        produced=np.where(produces, made, np.where(alone & (outward != UNKNOWN), at_least, UNKNOWN)),
        produced_estimated=np.where(produces, guessed, _pick_mask(estimated, tree.outward)),
        produces=produces | alone,
        raised=np.where(roots, raised, 0),
    )


def _behind(tree: Tree, produces: Mask, made: Ints, estimated: Mask) -> tuple[Ints, Mask, Mask, Mask]:
    """By meter, of the production metered behind it: the sum, whether all is known, whether there is any, and whether
    any of it is estimated.
    """
    total = _sum_up(tree, np.where(produces & (made != UNKNOWN), made, 0))
    unknown = _sum_up(tree, (produces & (made == UNKNOWN)).astype(np.int64)) > 0
    metered = _sum_up(tree, produces.astype(np.int64)) > 0
    guessed = _sum_up(tree, (produces & estimated).astype(np.int64)) > 0
    return total, ~unknown, metered, guessed


def _sum_up(tree: Tree, value: Ints) -> Ints:
    """Each meter's own and all of its descendants'."""
    total = value.copy()
    for depth in range(int(tree.depth.max(initial=0)), 0, -1):
        which = np.flatnonzero((tree.depth == depth) & (total != 0))
        np.add.at(total, tree.parent[which], total[which])
    return total


def _share_out(tree: Tree, gross: Ints, estimated: Mask) -> tuple[Ints, Mask]:
    """From the top down: what a meter may count goes to its children as far as they claim it, the rest is its own.

    Whoever hangs behind a meter that is missing claims from the nearest one above that is not.
    """
    own, marked = gross.copy(), estimated & (gross != UNKNOWN)
    consumer = (tree.role != PRODUCTION) & (own != UNKNOWN)
    above = tree.parent.copy()
    for _ in range(int(tree.depth.max(initial=0))):
        lost = (above >= 0) & ~consumer[above]
        above[lost] = tree.parent[above[lost]]
    depth = depths(above)
    for level in range(1, int(depth.max(initial=0)) + 1):
        child = np.flatnonzero((depth == level) & consumer)
        parent = above[child]
        claimed = _sums(parent, own[child], len(own))
        over = claimed[parent] > own[parent]
        if over.any():
            part = own[parent[over]] / claimed[parent[over]]
            own[child[over]] = np.floor(own[child[over]] * part).astype(np.int64)
            marked[child[over]] |= marked[parent[over]]
        own -= _sums(parent, own[child], len(own))
        marked[parent[marked[child]]] = True
    return own, marked


def _sums(places: npt.NDArray[np.int64], values: Ints, count: int) -> Ints:
    total = np.zeros(count, np.int64)
    np.add.at(total, places, values)
    return total


def _pick(milli: Ints, at: npt.NDArray[np.int64]) -> Ints:
    return np.where(at >= 0, milli[np.maximum(at, 0)], UNKNOWN) if len(milli) else np.full(len(at), UNKNOWN)


def _pick_mask(mask: Mask, at: npt.NDArray[np.int64]) -> Mask:
    return (at >= 0) & mask[np.maximum(at, 0)] if len(mask) else np.zeros(len(at), bool)
