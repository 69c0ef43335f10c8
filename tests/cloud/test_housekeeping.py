"""What goes on beside ingest goes on, whatever the store or the file is up to."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.ingest.housekeeping import Housekeeping, KnownFile
from cloud.ingest.live import Live
from cloud.ingest.metrics import Metrics
from cloud.store.duck import DuckStore
from cloud.store.protocol import QUARANTINE, Commit
from contract.problems import Problem
from tests.cloud.faulty_store import FaultyStore
from tests.cloud.ingest_area import KNOWN, eventually


class Unreadable(FaultyStore):
    """Takes all, and fails at each question for rows."""

    failure: Callable[[], Exception]

    def rows(self, *_: object, **__: object) -> pa.Table:
        raise self.failure()


@contextmanager
def keeping(folder: Path, failure: Callable[[], Exception]) -> Iterator[tuple[KnownFile, Housekeeping]]:
    (folder / "known.csv").write_text(KNOWN, "utf-8")
    store, live = Unreadable(folder / "area.duckdb"), Live(time.time())
    store.failure = failure
    metrics = Metrics()
    known = KnownFile(folder / "known.csv", store, live, metrics)
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
        (tmp_path / "known.csv").write_text(KNOWN.replace("g2", "g3"), "utf-8")
        housekeeping.look_again()
        eventually(lambda: known.known.knows("g3"))
        housekeeping.look_again()
        assert housekeeping.alive
    assert "goes on" in caplog.text
    assert "known no longer names gateways=g2" in caplog.text


def test_a_known_file_cut_off_after_its_header_is_not_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with keeping(tmp_path, lambda: ValueError("no answer")) as (known, housekeeping):
        (tmp_path / "known.csv").write_text(KNOWN.split("\n")[0] + "\n", "utf-8")
        housekeeping.look_again()
        eventually(lambda: "expected at least one row" in caplog.text)
        assert known.known.knows("g1")


def test_what_quarantine_has_no_room_for_is_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "known.csv").write_text(KNOWN, "utf-8")
    store, live, metrics = DuckStore(tmp_path / "area.duckdb", quarantine_rows=16), Live(time.time()), Metrics()
    rows = [{"arrived_s": 0.0, "gateway": "g1", "batch": "", "reason": "nan", "record": "{}"}] * 20
    store.commit(Commit(quarantine=pa.Table.from_pylist(rows, QUARANTINE)))
    housekeeping = Housekeeping(KnownFile(tmp_path / "known.csv", store, live, metrics), live, store, metrics)
    eventually(lambda: "quarantine full, its oldest rows are dropped gateway=g1 dropped=6" in caplog.text)
    housekeeping.stop(10.0)
    store.close()
    value = metrics.registry.get_sample_value
    assert value("bitgoeul_ingest_quarantine_held_rows", {"gateway": "g1"}) == 14
    assert value("bitgoeul_ingest_quarantine_dropped_rows", {"gateway": "g1"}) == 6
