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
    known = KnownFile(folder / "known.csv", store, live, Metrics())
    housekeeping = Housekeeping(known, live, store)
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
