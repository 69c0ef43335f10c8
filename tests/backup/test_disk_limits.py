"""A disk that fills: the area stops taking in good time, says so, and goes on by itself."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.ingest.area import open_store
from simulators.servers import Server
from tests.cloud.ingest_area import (
    BATCH_ROWS,
    Gateway,
    batch,
    eventually,
    fetch,
    raw_rows,
    running,
    settings,
    start_broker,
)

NOW_S = int(time.time()) // 60 * 60
DISK_MB, LEAST_MB, BALLAST_MB = 64, 40, 32


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    server = start_broker(tmp_path / "broker")
    with server:
        yield server


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of DISK_MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_ingest_stops_before_the_disk_is_full_and_goes_on_by_itself(small: Path, broker: Server) -> None:
    chosen = replace(settings(small, broker), min_free_mb=LEAST_MB)
    store, ballast = open_store(chosen), small / "ballast"
    with Gateway("g1", broker) as g1:
        with running(chosen, store) as area:
            g1.send(1, batch("g1", NOW_S - 120))
            eventually(lambda: g1.stored() == {1})
            ballast.write_bytes(bytes(BALLAST_MB * 1_000_000))
            g1.send(2, batch("g1", NOW_S - 60))
            eventually(lambda: "store unavailable" in fetch(area, "/healthz")[1])
            status, health = fetch(area, "/healthz")
            assert status == 503
            assert "disk nearly full: " in health
            assert f" MB free, {LEAST_MB} needed" in health
            assert g1.stored() == {1}
            ballast.unlink()
            eventually(lambda: g1.stored() == {1, 2})
            eventually(lambda: fetch(area, "/healthz")[0] == 200)
        store.close()
    assert raw_rows(chosen.file) == (2 * BATCH_ROWS, 2 * BATCH_ROWS, 0)
