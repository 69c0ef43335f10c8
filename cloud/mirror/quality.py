"""How far to trust what was measured: grades of the last day, and findings by local day."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cloud.metering.calendar import begin_s, day_of
from cloud.metering.codes import DAY_S, Grade, Rule
from cloud.mirror.points import Point
from cloud.store.flight import fetch_table

EVERY_S = 900.0
TIMEOUT_S = 30.0
JUDGED_DAYS = 7  # findings come once a day is over, and change when readings come late


def grade_points(area: str, socket: Path, now_s: float) -> Iterator[Point]:
    """Meter-slots of each grade in the last 24 hours, none while nothing of it is settled. Raises StoreUnavailable."""
    table = fetch_table(socket, "grades", TIMEOUT_S, start_s=int(now_s) - DAY_S, end_s=int(now_s))
    counts = dict.fromkeys(Grade, 0)
    for grade, slots in zip(table["grade"].to_pylist(), table["slots"].to_pylist(), strict=True):
        counts[Grade(grade)] += slots
    for one, count in counts.items() if any(counts.values()) else ():
        yield Point("quality_grade", {"area": area, "grade": one.name}, {"meter_slots": count})


def is_judged(socket: Path, now_s: float) -> bool:
    """Whether the day before is. Raises StoreUnavailable."""
    (judged,) = fetch_table(socket, "judged", TIMEOUT_S).to_pylist()
    return bool(judged["end_day"] >= int(day_of(np.array([int(now_s)]))[0]))


def finding_points(area: str, socket: Path, now_s: float) -> Iterator[tuple[int, Point]]:
    """By rule, how many days of registers it objected to, with the local day's begin: of days that were judged, since
    none found is not the same as none looked for. Raises StoreUnavailable.
    """
    today = int(day_of(np.array([int(now_s)]))[0])
    (judged,) = fetch_table(socket, "judged", TIMEOUT_S).to_pylist()
    for day in range(max(today - JUDGED_DAYS, judged["first_day"]), min(today, judged["end_day"])):
        table = fetch_table(socket, "found", TIMEOUT_S, first_day=day, end_day=day + 1)
        counts = dict.fromkeys(Rule, 0)
        for rules, days in zip(table["rules"].to_pylist(), table["days"].to_pylist(), strict=True):
            for rule in Rule:
                counts[rule] += days if rule & rules else 0
        for rule, count in counts.items():
            yield begin_s(day), Point("quality_finding", {"area": area, "rule": str(rule.name)}, {"findings": count})
