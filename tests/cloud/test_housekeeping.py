"""What goes on beside ingest goes on, whatever the store or the file is up to."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.ingest.housekeeping import Housekeeping, KnownSpans
from cloud.ingest.live import Live
from cloud.ingest.metrics import Metrics
from cloud.ingest.settings import AreaSettings
from cloud.registry import snapshot
from cloud.store.duck import DuckStore
from cloud.store.protocol import APPEND, QUARANTINE, Commit
from contract.problems import Problem
from tests.cloud.faulty_store import FaultyStore
from tests.cloud.ingest_area import KNOWN, KWH, Row, eventually, register, rows_of


class Unreadable(FaultyStore):
    """Takes all, and fails at each question for rows."""

    failure: Callable[[], Exception]

    def rows(self, *_: object, **__: object) -> pa.Table:
        raise self.failure()


def chosen(folder: Path, rows: Sequence[Row] = KNOWN) -> AreaSettings:
    return AreaSettings("main", folder, (), register(folder, rows))


@contextmanager
def keeping(folder: Path, failure: Callable[[], Exception]) -> Iterator[tuple[KnownSpans, Housekeeping]]:
    store, live = Unreadable(folder / "area.duckdb"), Live(time.time())
    store.failure = failure
    metrics = Metrics()
    known = KnownSpans(chosen(folder), store, live, metrics)
    housekeeping = Housekeeping(known, live, store, metrics)
    yield known, housekeeping
    housekeeping.stop(10.0)
    store.close()


FAILURES = [lambda: Problem("401", "401"), lambda: ValueError("no answer"), lambda: ZeroDivisionError("a mistake")]


@pytest.mark.parametrize("failure", FAILURES)
def test_known_is_read_again_whatever_the_store_raises(
    tmp_path: Path, failure: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with keeping(tmp_path, failure) as (known, housekeeping):
        register(tmp_path, rows_of("g1") + rows_of("g3"))
        housekeeping.look_again()
        eventually(lambda: known.known.knows("g3"))
        housekeeping.look_again()
        assert housekeeping.alive
    assert "goes on" in caplog.text
    assert "known no longer names gateways=g2" in caplog.text


def test_a_registry_that_lost_its_meters_or_its_tables_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with keeping(tmp_path, lambda: ValueError("no answer")) as (known, housekeeping):
        register(tmp_path, [])
        eventually(lambda: "no meter of area 'main'" in caplog.text)
        current = tmp_path / "registry" / snapshot.CURRENT
        current.write_text(current.read_text().replace(".arrow", ".lost"), "utf-8")
        eventually(lambda: "cannot be read" in caplog.text)
        current.unlink()
        eventually(lambda: "no registry snapshot" in caplog.text)
        assert known.known.knows("g1")
        assert housekeeping.alive
        register(tmp_path, rows_of("g3"))
        eventually(lambda: known.known.knows("g3"))


def test_a_snapshot_that_is_mended_is_taken_and_what_was_wrong_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, live, metrics = DuckStore(tmp_path / "area.duckdb"), Live(time.time()), Metrics()
    known = KnownSpans(chosen(tmp_path), store, live, metrics)
    register(tmp_path, rows_of("g3"))
    (table,) = (tmp_path / "registry").glob("spans-*.arrow")
    whole = table.read_bytes()
    table.write_bytes(whole[:-100])
    for _ in range(3):
        known.look()
    assert known.known.knows("g1")
    assert caplog.text.count("known unreadable") == 1
    table.unlink()
    known.look()
    assert caplog.text.count("known unreadable") == 2  # another reason
    table.write_bytes(whole)  # of the same version
    known.look()
    assert known.known.knows("g3")
    table.write_bytes(whole[:-100])
    known.look(anyway=True)
    assert caplog.text.count("known unreadable") == 3
    table.write_bytes(whole)
    known.look()
    assert metrics.registry.get_sample_value("bitgoeul_ingest_known_valid") == 1
    store.close()


def test_what_is_shown_is_live_and_has_not_ended(tmp_path: Path) -> None:
    now_s = int(time.time())
    rows = [
        Row("g1", "e1", KWH, to_s=now_s - 60),  # another device since, on the same page
        Row("g1", "e1", KWH, now_s - 60),
        Row("g1", "e2", KWH, to_s=now_s - 60),
        Row("g1", "e3", KWH, live=False),
        Row("g1", "e4", KWH, now_s + 3600),
    ]
    store, live, metrics = DuckStore(tmp_path / "area.duckdb"), Live(now_s), Metrics()
    known = KnownSpans(chosen(tmp_path, rows), store, live, metrics)
    assert live.table(now_s)["meter"].to_pylist() == ["e1", "e4"]
    assert not known.look(anyway=True)  # nothing new to show
    register(tmp_path, [*rows, Row("g2", "e5", KWH)])
    assert known.look()
    assert live.table(now_s)["meter"].to_pylist() == ["e1", "e4", "e5"]
    store.close()


def test_live_values_of_meters_that_are_shown_from_now_on_come_from_the_store(tmp_path: Path) -> None:
    now_s = int(time.time())
    store, live, metrics = DuckStore(tmp_path / "area.duckdb"), Live(now_s), Metrics()
    known = KnownSpans(chosen(tmp_path, rows_of("g1")), store, live, metrics)
    housekeeping = Housekeeping(known, live, store, metrics)
    (series,) = store.series(["g2-e01"], [KWH])
    store.commit(Commit(readings=pa.table([[series], [now_s - 5], [7.5], [0], [0]], schema=APPEND)))
    register(tmp_path, KNOWN)
    eventually(lambda: 7.5 in live.table(now_s)["value"].to_pylist())
    housekeeping.stop(10.0)
    store.close()


def test_what_quarantine_has_no_room_for_is_counted_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, live, metrics = DuckStore(tmp_path / "area.duckdb", quarantine_rows=16), Live(time.time()), Metrics()
    rows = [{"arrived_s": 0.0, "gateway": "g1", "batch": "", "reason": "nan", "record": "{}"}] * 20
    more = Commit(quarantine=pa.Table.from_pylist(rows, QUARANTINE))
    store.commit(more)
    value = metrics.registry.get_sample_value
    monkeypatch.setattr("cloud.ingest.housekeeping.COUNT_S", 0.0)
    housekeeping = Housekeeping(KnownSpans(chosen(tmp_path), store, live, metrics), live, store, metrics)
    eventually(lambda: value("bitgoeul_ingest_quarantine_dropped_rows", {"gateway": "g1"}) == 6)
    assert "quarantine full" not in caplog.text  # that was before this start
    store.commit(more)
    eventually(lambda: "quarantine full, its oldest rows are dropped gateway=g1 dropped=26" in caplog.text)
    store.commit(Commit(quarantine=pa.Table.from_pylist([row | {"gateway": "g2"} for row in rows], QUARANTINE)))
    eventually(lambda: "quarantine full, its oldest rows are dropped gateway=g2" in caplog.text)
    housekeeping.stop(10.0)
    store.close()
    assert value("bitgoeul_ingest_quarantine_held_rows", {"gateway": "g1"}) == 14
