"""The judge convicts: each crime alone, on real outbox and area files."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from cloud.store.duck import DuckStore
from cloud.store.protocol import APPEND, Commit
from contract.quality import Quality
from contract.reading import Reading
from edge.alarms import Alarms
from edge.config import OutboxConfig
from edge.outbox import Outbox

ROOT = Path(__file__).parent.parent.parent
START_S = 1_795_392_000
TICKS = range(START_S, START_S + 5)
QUANTITY = "water_volume_m3"
METER = "site-w-01"


def _value(tick_s: int) -> float:
    return (tick_s - START_S) * 1.25


def _reading(tick_s: int) -> Reading:
    return Reading(METER, QUANTITY, tick_s, _value(tick_s), at_ms=100)


def _outbox(path: Path, ticks: Iterable[int]) -> None:
    outbox = Outbox(OutboxConfig(path=str(path)), Alarms())
    for tick_s in ticks:
        assert outbox.take("line", tick_s, [_reading(tick_s)], tick_s + 0.2, "system")
    outbox.close()


def _store(path: Path, rows: list[tuple[int, float | None]]) -> None:
    store = DuckStore(path)
    (series,) = store.series([METER], [QUANTITY])
    table = pa.table(
        {
            "series": [int(series)] * len(rows),
            "time_s": [time_s for time_s, _ in rows],
            "value": [value for _, value in rows],
            "quality": [0 if value is not None else Quality.NO_ANSWER for _, value in rows],
            "at_ms": [100] * len(rows),
        },
        APPEND,
    )
    store.commit(Commit(table))
    store.close()


def _served(path: Path, ticks: range) -> None:
    entries = [{"at_ns": round((t + 0.105) * 1e9), "values": {METER: {QUANTITY: _value(t)}}} for t in ticks]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")


def _verdict(folder: Path, **gateway: Any) -> dict[str, int]:
    plan = {
        "tick_s": 1,
        "store": {"duckdb": str(folder / "area.duckdb")},
        "served": [str(folder / "served.jsonl")],
        "gateways": [
            {
                "name": "g1",
                "meters": {METER: {"tick_s": 1, "quantities": [QUANTITY]}},
                "outbox": str(folder / "outbox.sqlite"),
                "destroyed": [],
                "from_s": TICKS.start,
                "to_s": TICKS.stop,
                "down": [],
            }
            | gateway
        ],
    }
    file = folder / "plan.json"
    file.write_text(json.dumps(plan), "utf-8")
    argv = [sys.executable, str(ROOT / "commands" / "judge.py"), str(file)]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    counts: dict[str, int] = json.loads(found.stdout)
    crimes = ("lost", "duplicated", "changed", "invented", "hidden", "unasked", "ticks_unexplained")
    assert found.returncode == any(counts[name] for name in crimes)
    return {name: count for name, count in counts.items() if count}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _outbox(tmp_path / "outbox.sqlite", TICKS)
    _served(tmp_path / "served.jsonl", TICKS)
    return tmp_path


def test_the_innocent_are_acquitted(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS])
    assert _verdict(folder) == {"readings": 5}


def test_a_reading_that_the_store_lacks_is_lost(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS[1:]])
    assert _verdict(folder) == {"readings": 4, "lost": 1, "ticks_missed": 1, "ticks_unexplained": 1}


def test_a_raw_row_twice_is_a_double(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t)) for t in [*TICKS, TICKS[2]]])
    assert _verdict(folder) == {"readings": 5, "duplicated": 1}


def test_a_value_otherwise_than_taken_is_changed_and_served_by_nobody(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t) + 0.01 * (t == TICKS[3])) for t in TICKS])
    assert _verdict(folder) == {"readings": 5, "changed": 1, "invented": 1}


def test_a_value_of_no_meter_is_invented(folder: Path) -> None:
    _served(folder / "served.jsonl", TICKS[:2])
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS])
    assert _verdict(folder) == {"readings": 5, "invented": 3}


def test_a_value_that_became_missing_is_hidden(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t) if t != TICKS[1] else None) for t in TICKS])
    assert _verdict(folder) == {"readings": 4, "missing": 1, "changed": 1, "hidden": 1, "unasked": 1}


def test_a_gateway_that_never_asks_its_meters_is_convicted(folder: Path) -> None:
    (folder / "outbox.sqlite").unlink()
    _outbox(folder / "outbox.sqlite", range(0))
    _served(folder / "served.jsonl", range(0))
    _store(folder / "area.duckdb", [(t, None) for t in TICKS])
    assert _verdict(folder) == {"missing": 5, "unasked": 5}
    # but for the time in which it was away
    _served(folder / "served.jsonl", TICKS[3:])
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS[4:]])
    assert _verdict(folder, down=[(TICKS[0], TICKS[3])])["missing"] == 4


def test_what_was_receipted_once_is_lost_whatever_outbox_it_waited_in_too(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS[1:]])
    (folder / "outbox.sqlite").rename(folder / "waiting")
    outbox = Outbox(OutboxConfig(path=str(folder / "receipted")), Alarms())
    outbox.take("line", TICKS[0], [_reading(TICKS[0])], TICKS[0], "system")
    outbox.done({outbox.run: [(1, 1)]})
    outbox.close()
    _outbox(folder / "outbox.sqlite", TICKS[1:])
    destroyed = [str(folder / "waiting"), str(folder / "receipted")]
    assert _verdict(folder, destroyed=destroyed)["lost"] == 1


def test_the_tick_before_a_kill_is_excused_only_while_it_was_read(folder: Path) -> None:
    (folder / "outbox.sqlite").unlink()
    _outbox(folder / "outbox.sqlite", [t for t in TICKS if t != TICKS[2]])
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS if t != TICKS[2]])

    def unexplained(killed_s: float) -> int:
        return _verdict(folder, down=[(killed_s, killed_s)]).get("ticks_unexplained", 0)

    # answered at .105: before that, and a moment after, it need not be on disk
    assert [unexplained(TICKS[2] + after_s) for after_s in (0.05, 0.3, 0.9)] == [0, 0, 1]


def test_a_quantity_that_never_came_misses_every_tick(folder: Path) -> None:
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS])
    more = {METER: {"tick_s": 1, "quantities": [QUANTITY, "water_flow_m3_per_h"]}}
    assert _verdict(folder, meters=more) == {"readings": 5, "ticks_missed": 5, "ticks_unexplained": 5}


def test_nothing_at_all_is_no_acquittal(folder: Path) -> None:
    _store(folder / "area.duckdb", [])
    verdict = _verdict(folder)
    assert verdict["lost"] == 5


def test_a_tick_is_missed_without_reason_unless_the_gateway_was_down(folder: Path) -> None:
    (folder / "outbox.sqlite").unlink()
    _outbox(folder / "outbox.sqlite", TICKS[:2])
    _store(folder / "area.duckdb", [(t, _value(t)) for t in TICKS[:2]])
    assert _verdict(folder) == {"readings": 2, "ticks_missed": 3, "ticks_unexplained": 3}
    # the meter is asked again a moment after the restart: the tick after that is the last that is excused
    assert _verdict(folder, down=[(TICKS[1] + 0.5, TICKS[3])]) == {"readings": 2, "ticks_missed": 3}
    early = _verdict(folder, down=[(TICKS[1] + 0.5, TICKS[2])])
    assert early == {"readings": 2, "ticks_missed": 3, "ticks_unexplained": 1}


def test_what_was_destroyed_with_an_outbox_is_no_loss_of_the_system(folder: Path) -> None:
    (folder / "outbox.sqlite").rename(folder / "destroyed")
    _outbox(folder / "outbox.sqlite", TICKS[4:])
    _store(folder / "area.duckdb", [(TICKS[4], _value(TICKS[4]))])
    verdict = _verdict(folder, destroyed=[str(folder / "destroyed")])
    assert verdict == {"readings": 1, "destroyed": 4, "ticks_missed": 4}
