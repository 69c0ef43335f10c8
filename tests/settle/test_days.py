"""The day's rules over a real area's file: known answers, judging again, and only what changed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cloud.metering.calendar import begin_s
from cloud.settle import days as day_job
from cloud.settle.days import judge_day
from cloud.settle.days_roll import roll_of
from cloud.store.days import forget_judged
from tests.settle.kept_days import FIRST, IMPORT, KeptDays
from tests.settle.small_city import span

DAY = 96
FLAT = [100] * DAY
SHAPED = [50] * 32 + [400] * 16 + [100] * 48  # 12,800 Wh, most of it from 8 to 12


def kept(folder: Path, days: Sequence[Sequence[int | None]], *meters: str) -> KeptDays:
    """Meters that all have these days."""
    city = KeptDays(folder, [span(meter, IMPORT) for meter in meters or ("a",)])
    for usage in days:
        city.keep({(meter, IMPORT): usage for meter in meters or ("a",)})
    return city


def test_a_plain_day_leaves_its_sum_and_no_finding(tmp_path: Path) -> None:
    city = kept(tmp_path, [FLAT, [None, *FLAT[1:]]])
    assert city.judge() == [0, 1]
    assert city.sums("a") == [(9600, 96, 96, 96, 0, 100), (9500, 95, 95, 95, 0, 100)]
    assert city.found() == {(1, "a"): ["V03"]}
    assert city.pending() == []


def test_a_spike_of_one_slot_is_found(tmp_path: Path) -> None:
    spiked = [*FLAT[:40], 900, *FLAT[41:]]
    city = kept(tmp_path, [FLAT, spiked])
    city.judge()
    assert city.found() == {(1, "a"): ["V07"]}


def test_a_week_of_nothing_is_found_on_its_eighth_day(tmp_path: Path) -> None:
    city = kept(tmp_path, [FLAT, *[[0] * DAY] * 8])
    city.judge()
    assert city.found() == {(8, "a"): ["V09"]}


def test_a_clock_that_is_an_hour_late_is_found(tmp_path: Path) -> None:
    # Thursday and Friday, Monday to Wednesday are working days; three of them make a profile
    late = [*SHAPED[-8:], *SHAPED[:-8]]
    city = kept(tmp_path, [SHAPED] * 7 + [late])
    city.judge()
    assert city.found() == {(7, "a"): ["V15"]}
    assert city.store.days.findings((FIRST, FIRST + 9), 1 << 14, "a", 9)["shift"].to_pylist() == [8]


def test_two_like_days_make_no_profile(tmp_path: Path) -> None:
    city = kept(tmp_path, [SHAPED] * 2 + [[*SHAPED[-8:], *SHAPED[:-8]]] * 2)
    city.judge()
    assert city.found() == {}


def test_subs_that_have_more_than_their_main_are_told_on_the_main(tmp_path: Path) -> None:
    spans = [span("main", IMPORT), span("x", IMPORT, parent="main", role=1), span("y", IMPORT, parent="main", role=1)]
    city = KeptDays(tmp_path, spans)
    city.keep({("main", IMPORT): [100] * DAY, ("x", IMPORT): [60] * DAY, ("y", IMPORT): [30] * DAY})
    city.keep({("main", IMPORT): [100] * DAY, ("x", IMPORT): [70] * DAY, ("y", IMPORT): [60] * DAY})
    city.judge()
    assert city.found() == {(1, "main"): ["V13"]}  # 12,480 against 9,600


def test_what_a_roof_makes_is_use_of_its_main(tmp_path: Path) -> None:
    roof, made = ("roof", "electricity_production_kwh"), [0] * 40 + [150] * 16 + [0] * 40
    spans = [span("main", IMPORT), span("x", IMPORT, parent="main", role=1), span(*roof, parent="main", role=2)]
    city = KeptDays(tmp_path, spans)
    city.keep({("main", IMPORT): [50] * DAY, ("x", IMPORT): [70] * DAY, roof: made})
    city.judge()
    assert city.found() == {}  # 4,800 and 2,400 from the roof, of which the sub has 6,720
    assert city.sums(*roof) == [(2400, 96, 96, 96, 0, 150)]


def test_a_roof_does_not_produce_at_night(tmp_path: Path) -> None:
    roof = ("roof", "electricity_production_kwh")
    city = KeptDays(tmp_path, [span(*roof, role=2)])
    city.keep({roof: [0] * 4 + [30] + [0] * 91})
    city.judge()
    assert city.found() == {(0, "roof"): ["V17"]}


def test_water_is_judged_by_limits_of_its_own(tmp_path: Path) -> None:
    # 0.06 m3 is no small number for water, though 0.06 kWh is one
    water, spiked = ("w", "water_volume_m3"), [10] * 40 + [60] + [10] * 55
    city = KeptDays(tmp_path, [span(*water, utility=2), span("a", IMPORT)])
    city.keep({water: spiked, ("a", IMPORT): spiked})
    city.judge()
    assert city.found() == {(0, "w"): ["V07"]}


def test_a_meter_that_came_within_the_day_owes_the_rest_of_it(tmp_path: Path) -> None:
    city = KeptDays(tmp_path, [span("a", IMPORT, from_s=begin_s(FIRST) + 12 * 3600)])
    city.keep({("a", IMPORT): [100] * DAY})
    series = city.store.series(["a"], [IMPORT])
    roll = roll_of(city.engine.facts.spans, FIRST)
    assert (roll.series.tolist(), roll.expected_slots.tolist(), roll.steady.tolist()) == (
        series.tolist(),
        [48],
        [False],
    )
    assert len(roll_of(city.engine.facts.spans, FIRST - 1).series) == 0


def test_an_edit_that_breaks_the_sum_with_the_registers_is_found(tmp_path: Path) -> None:
    city = kept(tmp_path, [FLAT])
    city.read(("a", IMPORT, 0, 500.0), ("a", IMPORT, 86_400, 509.6))
    city.judge()
    assert city.found() == {}
    city.restate("a", 0, {3: 300})  # 9,800 against 9,600 of the registers
    assert city.judge() == [0]
    assert city.found() == {(0, "a"): ["V12", "V18"]}


def test_judging_again_gives_the_same(tmp_path: Path) -> None:
    city = kept(tmp_path, [FLAT, [None, *FLAT[1:]]], "a", "b")
    city.judge()
    before = city.found(), city.sums("a"), city.sums("b")
    for _ in range(2):
        assert judge_day(city.engine, city.store.days, FIRST + 1, lambda: True, lambda _done, _of: None)
    city.restate("b", 1, {5: 100})  # the value that it had
    assert city.judge() == [1]
    assert (city.found("a"), city.sums("a"), city.sums("b")) == ({(1, "a"): ["V03"]}, *before[1:])


def test_a_late_change_has_its_day_and_those_after_judged_again(tmp_path: Path) -> None:
    low = [10] * DAY
    city = kept(tmp_path, [FLAT, FLAT, *[FLAT] * 5, low], "a", "b")  # the eighth day is a Thursday again
    city.judge()
    assert city.found() == {(7, "a"): ["V08"], (7, "b"): ["V08"]}  # 960 against 9,600
    city.restate("a", 7, dict.fromkeys(range(DAY), 100))
    assert city.pending() == [7]
    city.restate("b", 0, dict.fromkeys(range(DAY), 101))
    assert city.pending() == list(range(8))
    city.judge()
    assert city.found() == {(0, "b"): ["V18"], (7, "a"): ["V18"], (7, "b"): ["V08"]}
    assert [row[0] for row in city.sums("a")] == [9600] * 8
    assert [row[0] for row in city.sums("b")] == [9696, *[9600] * 6, 960]
    assert city.pending() == []


def test_what_is_judged_again_ends_where_judging_anew_ends(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    days = [[int(v) for v in rng.integers(0, 300, DAY)] for _ in range(12)]
    city = kept(tmp_path, days, "a", "b", "c")
    city.judge()
    city.restate("b", 2, dict.fromkeys(range(0, DAY, 3), 2000))
    city.restate("c", 9, dict.fromkeys(range(0, DAY, 3), 0))
    city.judge()
    again = city.found(), [city.sums(meter) for meter in "abc"]
    city.store._file.write(None, lambda writer, _: forget_judged(writer))
    assert city.judge() == list(range(12))
    assert (city.found(), [city.sums(meter) for meter in "abc"]) == again


def test_small_chunks_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"m{n}" for n in range(7)]
    city = KeptDays(tmp_path, [span(meter, IMPORT, parent=None if n == 0 else "m0") for n, meter in enumerate(names)])
    for _ in range(5):
        city.keep({(meter, IMPORT): SHAPED if n else FLAT for n, meter in enumerate(names)})
    monkeypatch.setattr(day_job, "CHUNK", 2)
    city.judge()
    assert city.found() == {(day, "m0"): ["V13"] for day in range(5)}
    assert [city.sums(meter)[4][0] for meter in names] == [9600, *[12_800] * 6]


def test_old_days_are_forgotten_alone(tmp_path: Path) -> None:
    city = kept(tmp_path, [[None, *FLAT[1:]]] * 3)
    city.judge()
    city.store.days.forget_before(FIRST + 2)
    assert (city.found(), len(city.sums("a")), city.pending()) == ({(2, "a"): ["V03"]}, 1, [])


def test_what_was_stopped_is_still_pending(tmp_path: Path) -> None:
    city = kept(tmp_path, [FLAT])
    assert not judge_day(city.engine, city.store.days, FIRST, lambda: False, lambda _done, _of: None)
    assert city.judge() == [0]


def test_late_readings_and_edits_have_their_day_judged_again_and_a_rebuild_ends_there(tmp_path: Path) -> None:
    city = KeptDays(tmp_path, [span("a", IMPORT), span("b", IMPORT)])
    came = [("a", IMPORT, 900 * n, 100 + 0.1 * n + 0.01 * (n % 3)) for n in range(97)]
    city.read(*came[:40], *came[52:])
    city.settle(86_400)
    assert city.judge() == [0]
    # b never came; what a had in thirteen slots was laid out
    assert city.found() == {(0, "a"): ["V03"], (0, "b"): ["V03"]}
    assert city.sums("a")[0][:3] == (9600, 96, 83)
    assert city.sums("b") == [(0, 0, 0, 0, 0, 0)]
    city.read(*came[40:52])
    city.settle_marked()
    assert city.pending() == [0]
    city.judge()
    assert city.found() == {(0, "a"): ["V18"], (0, "b"): ["V03"]}
    assert city.sums("a")[0][:5] == (9600, 96, 96, 96, 0)
    city.edit("a", IMPORT, 5, 2000)  # where the registers say 80
    city.settle_marked()
    assert city.judge() == [0]
    # 1.92 kWh more than the registers tell; and one slot of the 96 is not the meter's
    ended = city.found(), city.sums("a")
    assert ended[0] == {(0, "a"): ["V03", "V12", "V18"], (0, "b"): ["V03"]}
    assert ended[1][0][:4] == (11_520, 96, 95, 95)
    city.rebuild()
    assert (city.found(), city.pending()) == ({}, [0])
    city.judge()
    assert (city.found(), city.sums("a")) == ended
