"""What the day's rules found: of days that were judged alone, since none found is not the same as none looked for."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cloud.metering.calendar import begin_s
from cloud.metering.codes import DAY_S, Rule
from cloud.mirror.watching import Quality
from cloud.settle.tables import quality_tables
from cloud.store.days import DAY_SUMS, FINDINGS
from cloud.store.flight import AreaServer
from simulators.servers import Server
from tests.mirror.boards_database import boards, points
from tests.mirror.served_area import KWH
from tests.settle.small_city import START, City, span

DAY = (START + 32_400) // DAY_S
NOW_S = START + 3 * DAY_S


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """Served behind a real socket; nothing of it is judged."""
    made = City(tmp_path / "city", [span("m", KWH)])
    made.read(("m", KWH, 0, 1.0), ("m", KWH, 900, 2.0))
    made.settle(900)
    with AreaServer(tmp_path / "a.sock", made.store, quality_tables(made.store.settled, made.store.days)):
        yield made
    made.store.close()


def test_only_days_that_were_judged_have_findings(tmp_path: Path, influx: Server, city: City) -> None:
    database, areas = boards(influx, "findings"), {"main": tmp_path / "a.sock"}
    Quality().turn(database, areas, NOW_S)
    assert points(influx, "findings", "quality_finding") == []
    series = city.store.series(["m"], [KWH])
    row = {"day": DAY, "series": series[0], "rules": int(Rule.V18_LATE), "passed": 0, "shift": 0}
    city.store.days.replace(
        DAY, np.array(series, np.int32), DAY_SUMS.empty_table(), pa.Table.from_pylist([row], FINDINGS)
    )
    city.store.days.finish(DAY, FINDINGS.empty_table())
    Quality().turn(database, areas, NOW_S)
    found = points(influx, "findings", "quality_finding")
    assert {row["time"] for row in found} == {begin_s(DAY)}
    assert {row["rule"]: row["findings"] for row in found} == {rule.name: int(rule == Rule.V18_LATE) for rule in Rule}


def test_a_day_that_is_judged_late_is_asked_for_again_at_once(tmp_path: Path, influx: Server, city: City) -> None:
    """Settling judges the day before only after its last slots: what was asked before that knows nothing of it."""
    database, areas = boards(influx, "late"), {"main": tmp_path / "a.sock"}
    city.read(("m", KWH, 1800, 3.0))
    city.settle(1800)
    quality, now_s = Quality(), float(begin_s(int(DAY) + 1) + 60)
    quality.turn(database, areas, now_s)
    assert points(influx, "late", "quality_grade")
    assert points(influx, "late", "quality_finding") == []
    city.store.days.finish(DAY, FINDINGS.empty_table())
    quality.turn(database, areas, now_s + 60)
    assert points(influx, "late", "quality_finding")
