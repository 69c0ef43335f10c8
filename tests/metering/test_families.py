"""Who counts what: parents, children, production, and what is missing among them."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.metering.families import Shares, Tree, depths, shares
from cloud.metering.readings import UNKNOWN


@dataclass(frozen=True)
class Meter:
    """Usage in thousandths, None where missing; `parent` is a place in the list."""

    inward: int | None = 0
    outward: int | str | None = "none"  # "none": it has no such register
    produced: int | str | None = "none"
    parent: int = -1
    estimated: bool = False

    @property
    def produces(self) -> bool:
        return self.produced != "none"


def of(*meters: Meter) -> Shares:
    """Their shares in one slot."""
    milli: list[int] = []
    marked: list[bool] = []

    def place(value: int | str | None, estimated: bool) -> int:
        if value == "none":
            return -1
        milli.append(UNKNOWN if value is None else int(value))
        marked.append(estimated)
        return len(milli) - 1

    parent = np.array([meter.parent for meter in meters], np.int64)
    tree = Tree(
        parent=parent,
        depth=depths(parent),
        role=np.array([2 if meter.produces else 0 for meter in meters], np.uint8),
        inward=np.array([place("none" if m.produces else m.inward, m.estimated) for m in meters], np.int64),
        outward=np.array([place(m.outward, m.estimated) for m in meters], np.int64),
        produced=np.array([place(m.produced, m.estimated) for m in meters], np.int64),
    )
    return shares(tree, np.array(milli, np.int64), np.array(marked, bool))


def use(found: Shares) -> list[int | None]:
    """None where missing."""
    return [None if value == UNKNOWN else value for value in found.use.tolist()]


def test_a_parent_counts_the_remainder() -> None:
    assert use(of(Meter(1000), Meter(300, parent=0), Meter(250, parent=0))) == [450, 300, 250]


def test_grandchildren_count_once() -> None:
    assert use(of(Meter(1000), Meter(300, parent=0), Meter(120, parent=1))) == [700, 180, 120]


def test_a_missing_child_is_in_its_parents_remainder() -> None:
    assert use(of(Meter(1000), Meter(None, parent=0), Meter(250, parent=0))) == [750, None, 250]


def test_behind_a_missing_meter_the_nearest_above_gives_way() -> None:
    assert use(of(Meter(1000), Meter(None, parent=0), Meter(120, parent=1))) == [880, None, 120]


def test_children_of_a_missing_parent_stand_for_themselves() -> None:
    assert use(of(Meter(None), Meter(300, parent=0))) == [None, 300]


def test_children_ahead_of_their_parent_shrink_together() -> None:
    assert use(of(Meter(100), Meter(300, parent=0), Meter(100, parent=0))) == [0, 75, 25]
    assert sum(value or 0 for value in use(of(Meter(100), Meter(333, parent=0), Meter(111, parent=0)))) == 100


def test_own_solar_use_is_use() -> None:
    found = of(Meter(500, outward=1200), Meter(produced=2000, parent=0))
    assert use(found) == [1300, None]
    assert found.produced.tolist()[1] == 2000
    assert (found.imported[0], found.exported[0]) == (500, 1200)


def test_without_the_production_the_use_is_not_known() -> None:
    found = of(Meter(500, outward=1200), Meter(produced=None, parent=0))
    assert use(found) == [None, None]
    assert found.imported[0] == 500


def test_what_goes_out_was_produced_where_nobody_measures_it() -> None:
    found = of(Meter(500, outward=1200))
    assert use(found) == [500]
    assert found.produced[0] == 1200
    assert found.produces[0]


def test_more_went_out_than_the_inverter_counted() -> None:
    found = of(Meter(0, outward=1200), Meter(produced=1100, parent=0))
    assert use(found) == [0, None]
    assert found.raised[0] == 100


def test_an_estimate_marks_what_rests_on_it() -> None:
    found = of(Meter(1000), Meter(300, parent=0, estimated=True), Meter(100, parent=0))
    assert found.use_estimated.tolist() == [True, True, False]
    found = of(Meter(100, estimated=True), Meter(300, parent=0))
    assert found.use_estimated.tolist() == [True, True]


def test_a_circle_is_named() -> None:
    with pytest.raises(ValueError, match="own ancestor"):
        depths(np.array([1, 0]))


@st.composite
def towns(draw: st.DrawFn) -> list[Meter]:
    """Families of any shape."""
    meters: list[Meter] = []
    for number in range(draw(st.integers(1, 12))):
        parents = [at for at, meter in enumerate(meters) if not meter.produces]
        parent = draw(st.sampled_from([-1, *parents])) if number else -1
        amount = st.one_of(st.none(), st.integers(0, 10**7))
        if parent >= 0 and draw(st.booleans()):
            meters.append(Meter(produced=draw(amount), parent=parent, estimated=draw(st.booleans())))
        else:
            outward = draw(st.one_of(st.just("none"), amount))
            meters.append(Meter(draw(amount), outward, parent=parent, estimated=draw(st.booleans())))
    return meters


@given(towns())
def test_whatever_is_missing_nothing_is_negative_and_nothing_is_twice(meters: list[Meter]) -> None:
    found = of(*meters)
    for values in (found.use, found.imported, found.exported, found.produced):
        assert all(value >= 0 for value in values.tolist() if value != UNKNOWN)
    if all(None not in (meter.inward, meter.outward, meter.produced) for meter in meters):
        total = {name: _sum(getattr(found, name)) for name in ("use", "imported", "exported", "produced", "raised")}
        assert total["use"] == total["imported"] + total["produced"] + total["raised"] - total["exported"]


def _sum(values: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> int:
    return sum(value for value in values.tolist() if value != UNKNOWN)
