"""Settling over days in a real file: live, late, edited, changed, and rebuilt from nothing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.settle.small_city import City, Reading, outage, span

pytestmark = pytest.mark.long

IMPORT = "electricity_import_kwh"


def minutes(meter: str, first: int, last: int, per_minute: float = 0.1, start: float = 100.0) -> list[Reading]:
    """A reading each minute from minute `first` to `last`, both included."""
    return [(meter, IMPORT, 60 * n, round(start + per_minute * n, 3)) for n in range(first, last + 1)]


@pytest.fixture
def city(tmp_path: Path) -> City:
    return City(tmp_path, [span("a", IMPORT), span("b", IMPORT, region=102)])


def test_slots_sum_to_the_difference_of_the_registers(city: City) -> None:
    city.read(*minutes("a", 0, 120), *minutes("b", 0, 120, 0.0333))
    city.settle(7200)
    # from the sixth on, the same usage again and again is questionable, and still counts
    assert city.usage("a", IMPORT) == [(1500, "A")] * 5 + [(1500, "Q")] * 3
    assert sum(milli or 0 for milli, _ in city.usage("b", IMPORT)) == round(0.0333 * 120 * 1000)
    assert city.total(direction=3) == {
        "total": 12_000 + 3996, "estimated": 0, "counted": 16, "estimated_count": 0, "expected": 16
    }  # fmt: skip
    assert city.total(direction=3, region=102)["total"] == 3996


def test_a_late_reading_fills_what_waited(city: City) -> None:
    city.read(*minutes("a", 0, 29), *minutes("a", 31, 45))
    city.settle(2700)
    assert city.usage("a", IMPORT) == [(1500, "A"), (1500, "A"), (1500, "A")]
    city.read(*minutes("b", 0, 14), *minutes("b", 31, 45))
    city.settle_marked()
    assert [grade for _, grade in city.usage("b", IMPORT)] == ["L", "L", "L"]
    city.read(*minutes("b", 15, 30))
    city.settle_marked()
    assert city.usage("b", IMPORT) == [(1500, "A")] * 3


def test_what_no_longer_closes_a_gap_takes_its_slots_back(city: City) -> None:
    city.read(("a", IMPORT, 0, 4.0), ("a", IMPORT, 900, 4.15), ("a", IMPORT, 1200, 4.25), ("a", IMPORT, 2100, 4.45))
    city.settle(2700)
    # 0.1 until 1200 s, and 600 of 900 s of the 0.2 after it
    assert city.usage("a", IMPORT)[1] == (233, "A")
    # with these the second slot's readings fall back and forth, and none of them is believed
    city.read(("a", IMPORT, 1860, 2.0), ("a", IMPORT, 1920, 2.1), ("a", IMPORT, 2700, 2.5))
    city.settle_marked()
    found = city.usage("a", IMPORT)
    assert found[1] == (None, "N")
    city.rebuild()
    assert city.usage("a", IMPORT) == found


def test_an_edit_is_a_revision_and_leaves_the_readings(city: City) -> None:
    city.read(*minutes("a", 0, 45))
    city.settle(2700)
    city.edit("a", IMPORT, 1, 777)
    city.settle(2700)
    assert city.usage("a", IMPORT) == [(1500, "A"), (777, "M"), (1500, "A")]
    assert city.total(region=101, direction=3)["total"] == 3777
    city.edit("a", IMPORT, 1, None)
    city.settle(2700)
    assert city.usage("a", IMPORT)[1] == (None, "X")
    assert city.store.rows(0, 2**40, ["a"]).num_rows == 46


def test_another_multiplier_settles_again_from_its_date(city: City) -> None:
    city.read(*minutes("a", 0, 45))
    city.settle(2700)
    old = span("a", IMPORT, to_s=_at(900))
    city.change([old, span("a", IMPORT, from_s=_at(900), multiplier=10.0), span("b", IMPORT)])
    city.settle(2700)
    assert city.usage("a", IMPORT) == [(1500, "A"), (15_000, "A"), (15_000, "A")]


def test_a_replaced_meter_counts_on_from_what_was_written_down(city: City) -> None:
    old = span("a", IMPORT, to_s=_at(1200), closing=102.0)
    new = span("a", IMPORT, from_s=_at(1200), life=1, opening=5.0)
    city.change([old, new, span("b", IMPORT)])
    city.read(*minutes("a", 0, 19), ("a", IMPORT, 1260, 5.1), ("a", IMPORT, 1800, 6.0), ("a", IMPORT, 2700, 7.5))
    city.settle(2700)
    # 100 + 1.5 at minute 15; 0.5 more until the exchange, and 1.0 of the new one
    assert city.usage("a", IMPORT) == [(1500, "A"), (1500, "A"), (1500, "A")]


def test_a_replaced_meter_without_its_registers_is_missing_in_that_slot(city: City) -> None:
    city.change([span("a", IMPORT, to_s=_at(1200)), span("a", IMPORT, from_s=_at(1200), life=1)])
    city.read(*minutes("a", 0, 19), ("a", IMPORT, 1260, 5.1), ("a", IMPORT, 1800, 6.0), ("a", IMPORT, 2700, 7.5))
    city.settle(2700)
    assert city.usage("a", IMPORT) == [(1500, "A"), (None, "N"), (1500, "A")]


def test_an_outage_takes_the_estimates_away(city: City) -> None:
    city.read(*minutes("a", 0, 15), *minutes("a", 75, 90))
    city.settle(5400)
    assert [grade for _, grade in city.usage("a", IMPORT)] == ["A", "L", "L", "L", "L", "A"]
    city.change(outages=[outage(1800, 2700, gateway="gw")])
    city.settle(5400)
    assert city.usage("a", IMPORT)[1:5] == [(None, "N")] * 4
    city.change(outages=[])
    city.settle(5400)
    assert [grade for _, grade in city.usage("a", IMPORT)] == ["A", "L", "L", "L", "L", "A"]


def test_a_meter_that_moves_takes_its_sums_along(city: City) -> None:
    city.read(*minutes("a", 0, 15))
    city.settle(900)
    assert city.total(region=101, direction=3)["total"] == 1500
    city.change([span("a", IMPORT, region=150), span("b", IMPORT)])
    city.settle(900)
    assert city.total(region=101, direction=3)["counted"] == 0
    assert city.total(region=150, direction=3)["total"] == 1500


def test_a_child_is_not_counted_twice(tmp_path: Path) -> None:
    city = City(tmp_path, [span("a", IMPORT), span("b", IMPORT, role=1, parent="a", use=3)])
    city.read(*minutes("a", 0, 15), *minutes("b", 0, 15, 0.04))
    city.settle(900)
    assert city.total(direction=3)["total"] == 1500
    assert city.total(direction=3, use=3)["total"] == 600
    assert city.total(direction=0)["total"] == 1500


def test_a_sites_own_solar_use_is_there(tmp_path: Path) -> None:
    spans = [span("a", IMPORT), span("a", "electricity_export_kwh")]
    spans += [span("pv", "electricity_production_kwh", role=2, parent="a")]
    city = City(tmp_path, spans)
    rows: list[Reading] = []
    for second, bought, sold, made in ((0, 10.0, 5.0, 1.0), (900, 10.5, 6.2, 3.0)):
        rows += [("a", IMPORT, second, bought), ("a", "electricity_export_kwh", second, sold)]
        rows += [("pv", "electricity_production_kwh", second, made)]
    city.read(*rows)
    city.settle(900)
    assert [city.total(direction=direction)["total"] for direction in range(4)] == [500, 1200, 2000, 1300]


def _at(second: int) -> int:
    from tests.settle.small_city import START  # noqa: PLC0415  # keeps the table above short

    return START + second


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_whatever_happened_a_rebuild_gives_the_same(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    rng = np.random.default_rng(seed)
    city = City(tmp_path_factory.mktemp("city"), _registry(rng))
    slots = 40
    readings = _readings(rng, slots)
    late = rng.random(len(readings)) < 0.15
    now = 0
    held: list[Reading] = []
    for slot in range(slots):
        fresh = [row for row, hold in zip(readings, late, strict=True) if now < row[2] <= now + 900 and not hold]
        held += [row for row, hold in zip(readings, late, strict=True) if now < row[2] <= now + 900 and hold]
        sent = [row for row in held if rng.random() < 0.05]
        held = [row for row in held if row not in sent]
        if fresh + sent:
            city.read(*(fresh + sent))
        now += 900
        if rng.random() < 0.06:
            _disturb(city, rng, slot)
        if slot % 4 == 3:
            city.settle(now)
    if held:
        city.read(*held)
    city.settle(now)
    usage, edges, atoms = city.everything()
    city.rebuild()
    again, edges_again, atoms_again = city.everything()
    assert _difference(usage, again) == []
    assert edges.equals(edges_again)
    assert all(one.equals(other) for one, other in zip(atoms, atoms_again, strict=True))
    assert min(row["total"] for table in atoms for row in table.to_pylist()) >= 0


def _difference(one: object, other: object) -> list[tuple[object, object]]:
    pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)  # type: ignore[attr-defined]
    return [pair for pair in pairs if pair[0] != pair[1]][:5]


def _registry(rng: np.random.Generator) -> list[dict[str, object]]:
    spans = [span(f"m{n}", IMPORT, region=101 + n % 3, use=1 + n % 4) for n in range(4)]
    spans += [span(f"c{n}", IMPORT, role=1, parent="m0", use=3) for n in range(3)]
    spans += [span("m0", "electricity_export_kwh"), span("pv", "electricity_production_kwh", role=2, parent="m0")]
    for row in spans:
        row["digits"] = int(rng.choice([0, 3]))
    return spans


def _readings(rng: np.random.Generator, slots: int) -> list[Reading]:
    found: list[Reading] = []
    for meter, quantity in [
        *((f"m{n}", IMPORT) for n in range(4)),
        *((f"c{n}", IMPORT) for n in range(3)),
        ("m0", "electricity_export_kwh"),
        ("pv", "electricity_production_kwh"),
    ]:
        value = float(rng.choice([0.0, 950.0, 120.0]))
        step = int(rng.choice([300, 900, 1800, 3600, 437]))
        silent_from = rng.integers(0, slots * 900)
        silent_to = silent_from + rng.integers(0, 30_000)
        for second in range(step, slots * 900 + 1, step):
            value += float(rng.choice([0.0, 0.1, 0.25, 2.0]))
            if rng.random() < 0.01:
                value = 0.0
            shown = value % 1000
            if rng.random() < 0.01:
                shown *= float(rng.choice([0.0, 10.0, 1000.0, 0.5]))
            if silent_from <= second <= silent_to or rng.random() < 0.03:
                continue
            found.append((meter, quantity, second, round(shown, 3) if rng.random() > 0.02 else None))
    return sorted(found, key=lambda row: row[2])


def _disturb(city: City, rng: np.random.Generator, slot: int) -> None:
    what = rng.integers(0, 4)
    meter = f"m{rng.integers(0, 4)}"
    if what == 0:
        milli = [None, 0, 1234][rng.integers(0, 3)]
        city.edit(meter, IMPORT, int(rng.integers(0, slot + 1)), milli)
    elif what == 1:
        start = int(rng.integers(0, slot * 900 + 1))
        city.change(outages=[*city.outages, outage(start, start + int(rng.integers(1, 9000)), meter=meter)])
    elif what == 2:
        start = _at(int(rng.integers(0, slot * 900 + 1)))
        spans: list[dict[str, object]] = [dict(row) for row in city.spans]
        own = next(row for row in reversed(spans) if (row["meter"], row["quantity"]) == (meter, IMPORT))
        if isinstance(own["from_s"], int) and own["from_s"] < start:
            other = own | {"from_s": start, "multiplier": float(rng.choice([0.5, 1.0, 2.0]))}
            other |= {"life": int(rng.integers(0, 3)), "opening": [None, 1.0][rng.integers(0, 2)]}
            own["to_s"] = start
            spans.insert(spans.index(own) + 1, other)
            city.change(spans)
    elif what == 3 and city.outages:
        city.change(outages=[*city.outages][1:])
