"""A meter on the boards: the register that settling takes, and nothing older than the live page would show."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cloud.ingest.live import LIVE
from cloud.mirror.live import Fresh
from cloud.mirror.registry import Known, Registry
from cloud.mirror.tables import meter_points, register_of
from cloud.registry import snapshot
from cloud.settle.plan import plan_for, spans_of
from tests.mirror.served_area import DONG, EXPORT, KW, KWH, MADE, NOW_S, write_registry
from tests.settle.small_city import AREA, span

STALE_AFTER_S = 180
PULSES, WATER = "pulses_count", "water_volume_m3"


@pytest.fixture
def known(tmp_path: Path) -> Known:
    return Registry(write_registry(tmp_path / "registry")).known()


def read(meter: str, quantity: str, time_s: float, value: float | None, last_time_s: float) -> dict[str, object]:
    """A row of LIVE; without a value the meter did not answer."""
    row: dict[str, object] = {"meter": meter, "quantity": quantity, "time_s": int(time_s), "value": value}
    return row | {"quality": 16 if value is None else 0, "last_time_s": int(last_time_s), "last_value": 7.0}


def now(known: Known, fresh: Fresh, now_s: float, *rows: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """The fields of each meter."""
    ours = fresh.of(pa.Table.from_pylist([dict(row) for row in rows], LIVE), known, now_s)
    return {point.tags["meter"]: point.fields for point in meter_points(ours, known, {}, now_s)}


def test_the_last_values_of_a_gateway_that_is_gone_are_nobodys_power_now(known: Known) -> None:
    fresh = Fresh(STALE_AFTER_S)
    rows = [read("w-main", KW, NOW_S, 36.0, NOW_S), read("w-main", KWH, NOW_S, 1050.0, NOW_S)]
    found = now(known, fresh, NOW_S + STALE_AFTER_S, *rows)["w-main"]
    assert (found["instant"], found["reading"], found["quality"], found["age_s"]) == (36.0, 1050.0, 0, STALE_AFTER_S)
    gone = now(known, fresh, NOW_S + STALE_AFTER_S + 1, *rows)["w-main"]
    assert (gone["instant"], gone["reading"], gone["quality"], gone["age_s"]) == (None, None, 16, STALE_AFTER_S + 1)


def test_a_meter_that_is_asked_and_silent_grows_old(known: Known) -> None:
    rows = [read("w-main", name, NOW_S - 5, None, NOW_S - 3 * 86_400) for name in (KW, KWH)]
    found = now(known, Fresh(STALE_AFTER_S), NOW_S, *rows)["w-main"]
    assert (found["quality"], found["age_s"], found["instant"]) == (16, 3 * 86_400, None)


def test_what_is_read_each_quarter_of_an_hour_stays_until_it_missed_three(known: Known) -> None:
    fresh, every_s = Fresh(STALE_AFTER_S), 900
    for time_s in (NOW_S, NOW_S + every_s):
        now(known, fresh, time_s, read("w-main", KWH, time_s, 1.0, time_s))
    last = read("w-main", KWH, NOW_S + every_s, 1.0, NOW_S + every_s)
    assert now(known, fresh, NOW_S + 4 * every_s, last)["w-main"]["reading"] == 1.0
    assert now(known, fresh, NOW_S + 4 * every_s + 1, last)["w-main"]["reading"] is None


def test_without_a_power_the_register_says_how_good_it_is(known: Known) -> None:
    found = now(known, Fresh(STALE_AFTER_S), NOW_S, read("b-main", KWH, NOW_S, 5.0, NOW_S))
    assert (found["b-main"]["reading"], found["b-main"]["quality"]) == (50.0, 0)
    assert (found["b-water"]["quality"], found["b-water"]["age_s"]) == (16, None)  # never heard


@pytest.mark.parametrize(
    ("utility", "role", "quantities", "shown"),
    [
        (2, 0, [PULSES, WATER], WATER),
        (1, 0, ["gas_volume_m3", PULSES], PULSES),
        (0, 0, [EXPORT, KWH], KWH),
        (0, 2, [EXPORT, KWH], EXPORT),
        (0, 2, [EXPORT, KWH, MADE], MADE),
        (0, 0, [EXPORT], None),
    ],
)
def test_the_register_shown_is_the_one_that_settling_takes(
    utility: int, role: int, quantities: list[str], shown: str | None
) -> None:
    assert register_of(("main", "sub", "production")[role], quantities) == shown
    rows = [span("m", name, utility=utility, role=role, region=DONG) for name in quantities]
    plan = plan_for(
        spans_of(pa.Table.from_pylist(rows, snapshot.SPANS), AREA, lambda *_: np.arange(len(rows), dtype=np.int32)), 0
    )
    tree = plan.meters.tree
    (settled,) = tree.produced if role else tree.inward
    assert shown == (quantities[settled] if settled >= 0 else None)
