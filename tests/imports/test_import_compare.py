"""Side by side and never added up: meters, and each agency by itself."""

import ast
import inspect
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.imports import compare as module
from cloud.imports import regions
from cloud.imports.compare import METERED, Comparison, Part, compare, summed
from cloud.imports.store import CURRENT
from tests.imports.reading_files import JANUARY, REGIONS

FEBRUARY = date(2024, 2, 1)
DONG_GU = 2


def figure(source: str, level: str, region: int, milli: int | None, **more: Any) -> dict[str, Any]:
    plain = {"agency_ko": source, "agency_en": source, "utility": "electricity", "month": JANUARY, "months": 1}
    given: dict[str, Any] = {"import_id": 1, "source": source, "level": level, "region": region, "kind": ""}
    given |= plain | {"unit": "kWh", "quantity_milli": milli, "customers": None, "rows": 1, "missing": 0}
    return given | more


def meter(region: int, milli: int | None, coverage: float | None = 1.0, **more: Any) -> dict[str, Any]:
    plain = {"region": region, "use": 2, "utility": 0, "month": JANUARY, "total_milli": milli, "coverage": coverage}
    return plain | more


def side(
    meters: list[dict[str, Any]], figures: list[dict[str, Any]], region: int = DONG_GU, utility: str = "electricity"
) -> Comparison:
    metered, imported = pa.Table.from_pylist(meters, METERED), pa.Table.from_pylist(figures, CURRENT)
    return compare(metered, imported, REGIONS, region, utility, JANUARY)


def test_an_agencys_figure_stands_beside_the_meters_with_difference_and_ratio() -> None:
    found = side(
        [meter(101, 600, 0.9), meter(101, 300, 0.95, use=14), meter(102, 100), meter(126, 7)],
        [figure("kepco", "district", 2, 800, kind="a"), figure("kepco", "district", 2, 450, kind="b")],
    )
    metered = found.metered
    assert (metered.level, metered.total_milli, metered.coverage, metered.parts) == ("dong", 1000, 0.9, 2)
    assert metered.parts_expected == 13  # dongs of Dong-gu
    (kepco,) = found.imported
    assert (kepco.quantity_milli, kepco.level, kepco.parts, kepco.parts_expected) == (1250, "district", 1, 1)
    assert (kepco.difference_milli, kepco.ratio, kepco.overlaps) == (250, 1.25, ())


def test_two_agencies_of_the_same_energy_are_marked_and_no_figure_is_the_sum_of_both() -> None:
    found = side(
        [meter(2, 1000)],
        [
            figure("kepco", "district", 2, 3000),
            figure("building", "dong", 101, 500),
            figure("building", "dong", 102, 200),
        ],
    )
    building, kepco = found.imported
    assert (building.source, building.quantity_milli, building.overlaps) == ("building", 700, ("kepco",))
    assert (kepco.source, kepco.quantity_milli, kepco.overlaps) == ("kepco", 3000, ("building",))
    assert (building.ratio, kepco.ratio) == (0.7, 3.0)
    assert all(str(both) not in repr(found) for both in (3700, 4000, 4700, 1700))


def test_a_districts_row_and_its_dongs_rows_are_not_both_summed() -> None:
    rows = [figure("b", "district", 2, 1000), figure("b", "dong", 101, 400), figure("b", "dong", 102, 300)]
    assert [(each.level, each.quantity_milli) for each in side([], rows).imported] == [("district", 1000)]
    assert [(each.level, each.quantity_milli) for each in side([], rows[1:]).imported] == [("dong", 700)]
    assert [(each.level, each.quantity_milli) for each in side([], rows, 101).imported] == [("dong", 400)]
    (city,) = side([], rows, 1).imported
    assert (city.level, city.quantity_milli, city.parts, city.parts_expected) == ("district", 1000, 1, 5)
    assert side([meter(2, 10), meter(101, 4)], []).metered.total_milli == 10


def test_what_is_missing_on_either_side_has_no_difference() -> None:
    found = side([], [figure("kepco", "district", 2, 5)])
    assert (found.metered.total_milli, found.imported[0].difference_milli, found.imported[0].ratio) == (
        None,
        None,
        None,
    )
    found = side([meter(2, 5)], [figure("kepco", "district", 2, None, missing=3)])
    assert (found.imported[0].quantity_milli, found.imported[0].missing) == (None, 3)
    assert (found.imported[0].difference_milli, found.imported[0].ratio) == (None, None)
    assert side([meter(2, None)], []).metered.total_milli is None
    found = side([meter(2, 0)], [figure("kepco", "district", 2, 5)])
    assert (found.imported[0].difference_milli, found.imported[0].ratio) == (5, None)
    assert side([meter(2, 5, None), meter(2, 5, 0.5, use=14)], []).metered.coverage is None


def test_energy_of_gas_is_not_set_against_its_volume() -> None:
    rows = [
        figure("gas", "district", 2, 9000, utility="gas", unit="m3"),
        figure("gas", "district", 2, 99000, utility="gas", unit="kWh"),
    ]
    found = side([meter(2, 10_000, utility=1)], rows, utility="gas")
    assert [(each.unit, each.quantity_milli, each.ratio) for each in found.imported] == [
        ("kWh", 99_000, None),
        ("m3", 9_000, 0.9),
    ]
    assert found.imported[0].overlaps == ()  # one source, in two units


def test_two_months_of_an_agency_stand_beside_two_months_of_meters() -> None:
    rows = [figure("water", "district", 2, 90, utility="water", unit="m3", months=2)]
    both = [meter(2, 40, utility=2), meter(2, 60, 0.8, utility=2, month=FEBRUARY)]
    (found,) = side(both, rows, utility="water").imported
    assert (found.metered.total_milli, found.metered.coverage, found.ratio) == (100, 0.8, 0.9)
    (found,) = side(both[:1], rows, utility="water").imported
    assert (found.metered.total_milli, found.ratio) == (None, None)


def test_other_months_utilities_and_regions_do_not_count() -> None:
    rows = [
        figure("kepco", "district", 3, 5),
        figure("kepco", "district", 2, 5, month=FEBRUARY),
        figure("kepco", "district", 2, 5, utility="heat"),
    ]
    found = side([meter(3, 5), meter(2, 5, month=FEBRUARY), meter(2, 5, utility=3)], rows)
    assert (found.metered.total_milli, found.imported) == (None, ())


PARTS = st.builds(
    Part,
    st.sampled_from(["metered", "kepco", "building"]),
    st.sampled_from(["district", "dong"]),
    st.sampled_from(["kWh", "m3"]),
    st.sampled_from([1, 2]),
    st.none() | st.integers(0, 10**15),
)


@given(st.lists(PARTS, max_size=5))
def test_a_mixture_is_never_summed(parts: list[Part]) -> None:
    if len({(part.source, part.level, part.unit, part.months) for part in parts}) > 1:
        with pytest.raises(ValueError, match="never added up"):
            summed(parts)
    else:
        present = [part.milli for part in parts if part.milli is not None]
        assert summed(parts) == (sum(present) if present else None)


def test_nothing_but_that_one_function_sums_quantities() -> None:
    """In its source: no other `sum` but of counts of missing rows, and no `+` of two quantities."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text("utf-8"))
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "summed"]:
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sum", "pc.sum", "math.fsum"):
                assert "missing" in ast.unparse(node)
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                assert "milli" not in ast.unparse(node)


def test_a_district_is_compared_by_the_dongs_that_it_had_then() -> None:
    assert 151 in REGIONS.children(5, date(2023, 12, 1))
    assert 178 not in REGIONS.children(5, date(2023, 12, 1))
    assert {151, 152}.isdisjoint(REGIONS.children(5, JANUARY))
    assert 178 in regions.shipped().children(5, JANUARY)
