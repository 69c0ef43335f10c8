"""Figures beside sums: what they are divided by, and that the unknown stays unknown."""

import pyarrow as pa

from cloud.metering.figures import denominators, with_denominators, with_shares

PARTS = pa.table(
    {
        "region": pa.array([1, 2, 3, 4], pa.int32()),
        "households": pa.array([10, 30, None, 5], pa.int32()),
        "persons": pa.array([20, 60, 9, 8], pa.int32()),
    }
)
FLOORS = pa.table(
    {
        "region": pa.array([1, 1, 2, 3, 3, 99], pa.int32()),
        "use": pa.array([1, 2, 2, 1, 2, 1], pa.uint8()),
        "floor_m2": [100.0, 50.0, 150.0, None, 40.0, 7.0],
    }
)


def _rows(*regions: int, **more: list[int]) -> pa.Table:
    count = len(regions)
    sums = {name: [1] * count for name in ("counted", "expected", "estimated_count", "estimated_milli")}
    keys = {name: pa.array(values, pa.uint8()) for name, values in more.items()}
    return with_shares(
        pa.table({"region": pa.array(regions, pa.int32()), **keys, "total_milli": [6000] * count, **sums})
    )


def _per(rows: pa.Table) -> list[tuple[float | None, ...]]:
    return [(row["per_household"], row["per_person"], row["per_m2"]) for row in rows.to_pylist()]


def _mapping(*pairs: tuple[int, int]) -> pa.Table:
    dongs, regions = zip(*pairs, strict=True)
    return pa.table({"dong": pa.array(dongs, pa.int32()), "region": pa.array(regions, pa.int32())})


def test_dongs_are_divided_by_their_own() -> None:
    known = denominators(PARTS, FLOORS, None)
    assert _per(with_denominators(_rows(1, 2, 3, 4, 5), known)) == [
        (0.6, 0.3, 0.04),  # 6 kWh by 10, 20 and 150 m2
        (0.2, 0.1, 0.04),
        (None, 6 / 9, None),  # households and one of its floors are not known
        (1.2, 0.75, None),  # no floors are known
        (None, None, None),  # not in the registry
    ]


def test_a_region_is_unknown_as_soon_as_one_of_its_dongs_is() -> None:
    known = denominators(PARTS, FLOORS, _mapping((1, 11), (2, 11), (3, 12), (4, 13), (7, 13)))
    assert _per(with_denominators(_rows(11, 12, 13, 0), known)) == [
        (6 / 40, 6 / 80, 6 / 300),
        (None, 6 / 9, None),
        (None, None, None),
        (None, None, None),
    ]


def test_a_use_is_divided_by_the_floor_of_that_use_and_a_type_by_those_of_its_uses() -> None:
    known = denominators(PARTS, FLOORS, _mapping((1, 11), (2, 11), (3, 12)))
    by_use = with_denominators(_rows(11, 11, 11, 12, 12, use=[1, 2, 3, 1, 2]), known)
    # dong 2 has floors, and none of use 1; nobody has any of use 3; that of use 1 in dong 3 is not known
    assert by_use["per_m2"].to_pylist() == [6 / 100, 6 / 200, None, None, 6 / 40]
    types = pa.table({"use": pa.array([1, 2], pa.uint8()), "type": pa.array([5, 5], pa.uint8())})
    by_type = with_denominators(_rows(11, 11, 12, type=[5, 0, 5]), known, types)
    assert by_type["per_m2"].to_pylist() == [6 / 300, None, None]


def test_no_dongs_are_no_regions() -> None:
    known = denominators(PARTS.slice(0, 0), FLOORS, None)
    assert _per(with_denominators(_rows(1), known)) == [(None, None, None)]
