"""Nothing lost and nothing doubled: the area killed, the broker emptied, the store away."""

import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.ingest.area import Area
from cloud.ingest.worker import MESSAGE_BYTES
from cloud.store.duck import DuckStore
from cloud.store.flight import fetch_table
from contract.refusals import NOT_JSON
from simulators.servers import Server
from tests.cloud.faulty_store import FaultyStore
from tests.cloud.ingest_area import (
    BATCH_ROWS,
    Gateway,
    Process,
    batch,
    eventually,
    fetch,
    raw_rows,
    running,
    settings,
    start_broker,
)

NOW_S = int(time.time()) // 60 * 60


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    server = start_broker(tmp_path / "broker")
    with server:
        yield server


def test_killed_between_commit_and_receipt_it_stores_nothing_twice(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1:
        with Process(chosen, sys.executable, "-m", "tests.cloud.faulty_store", "2") as dying:
            g1.send(1, batch("g1", NOW_S + 1))
            eventually(lambda: g1.stored() == {1})
            g1.send(2, batch("g1", NOW_S + 2))
            assert dying.wait() == -signal.SIGKILL
        # on disk, and nobody was told
        assert raw_rows(chosen.file).rows == 2 * BATCH_ROWS
        assert g1.stored() == {1}
        with Process(chosen) as area:
            eventually(lambda: g1.stored() == {1, 2})
            assert area.end() == 0
    assert raw_rows(chosen.file) == (2 * BATCH_ROWS, 2 * BATCH_ROWS, 0)


def test_killed_at_any_moment_under_load(tmp_path: Path, broker: Server) -> None:
    chosen, dice = settings(tmp_path, broker), random.Random(7)
    batches = 400
    with Gateway("g1", broker) as g1, Process(chosen) as area:
        for n in range(1, batches + 1):
            g1.send(n, batch("g1", NOW_S - n))
            if n % 100 == 0:
                time.sleep(dice.uniform(0.0, 0.03))
                area.end(signal.SIGKILL)
                area.start()
        eventually(lambda: g1.stored() == set(range(1, batches + 1)))
        assert area.end() == 0
    assert raw_rows(chosen.file) == (batches * BATCH_ROWS, batches * BATCH_ROWS, 0)


def test_a_broker_that_comes_back_empty_gets_no_acknowledgement_meant_for_its_past(
    tmp_path: Path, broker: Server
) -> None:
    chosen = settings(tmp_path, broker)
    store = FaultyStore(chosen.file)
    with Gateway("g1", broker) as g1:
        with running(chosen, store) as area:
            store.shut = True
            g1.send(1, batch("g1", NOW_S + 1))
            eventually(lambda: store.refused)
            broker.kill()
            broker.wipe()
            eventually(lambda: not area.link.connected)
            broker.start()
            eventually(lambda: area.link.connected)
            g1.send(2, batch("g1", NOW_S + 2))
            # the first is committed now; the second, which has its number at the broker, must not be acknowledged
            eventually(lambda: "queue_messages 2.0" in fetch(area, "/metrics")[1])
            store.shut = False
            eventually(lambda: "stale_acknowledgements_total 1.0" in fetch(area, "/metrics")[1])
            eventually(lambda: 2 in g1.stored())
        store.close()
    assert raw_rows(chosen.file) == (2 * BATCH_ROWS, 2 * BATCH_ROWS, 0)


def test_what_was_not_committed_stays_with_the_broker(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    store = FaultyStore(chosen.file)
    with Gateway("g1", broker) as g1:
        with running(chosen, store):
            store.shut = True
            g1.send(1, batch("g1", NOW_S))
            eventually(lambda: store.refused)
        store.close()
        assert g1.receipts == []
        with running(chosen):
            eventually(lambda: g1.stored() == {1})
    assert raw_rows(chosen.file).rows == BATCH_ROWS


def waiting(area: Area) -> float:
    """How many messages are not acknowledged."""
    return float(fetch(area, "/metrics")[1].split("\nbitgoeul_ingest_queue_messages ")[1].split()[0])


def test_a_store_that_is_away_costs_time_and_no_memory(tmp_path: Path, broker: Server) -> None:
    chosen = replace(settings(tmp_path, broker), queue_mb=1)
    store, batches = FaultyStore(chosen.file), 400
    payloads = [batch("g1", NOW_S + n) + b" " * 10_000 for n in range(batches)]
    with Gateway("g1", broker) as g1, running(chosen, store) as area:
        store.shut = True
        for n, payload in enumerate(payloads, start=1):
            g1.send(n, payload)
        eventually(lambda: store.refused > 1)
        status, health = fetch(area, "/healthz")
        assert status == 503
        assert "store unavailable" in health
        assert "bitgoeul_ingest_store_available 0.0" in fetch(area, "/metrics")[1]
        cost_bytes = len(payloads[0]) + MESSAGE_BYTES
        eventually(lambda: 1_000_000 <= waiting(area) * cost_bytes < 1_200_000)
        assert g1.receipts == []
        store.shut = False
        eventually(lambda: g1.stored() == set(range(1, batches + 1)))
        eventually(lambda: fetch(area, "/healthz")[0] == 200)
    store.close()
    assert raw_rows(chosen.file) == (batches * BATCH_ROWS, batches * BATCH_ROWS, 0)


def test_a_flood_of_refusals_fills_no_more_than_its_share(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    store = DuckStore(chosen.file, quarantine_rows=20)
    with Gateway("g1", broker) as g1, running(chosen, store):
        for n in range(1, 101):
            g1.send(n, b"no json %d" % n)
        eventually(lambda: len(g1.refused()) == 100)
        (counts,) = fetch_table(chosen.socket, "quarantine-counts").to_pylist()
        assert counts["held"] + counts["dropped"] == 100
        assert counts["held"] <= 20
    store.close()
    assert all(reasons == {NOT_JSON: 1} for reasons in g1.refused().values())


def test_sigterm_ends_in_order_and_sighup_reads_what_is_known(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, Process(chosen) as area:
        g1.send(1, batch("g1", NOW_S))
        eventually(lambda: g1.stored() == {1})
        eventually(lambda: "live values rebuilt" in area.said())
        area.nudge(signal.SIGHUP)
        eventually(lambda: "known read again rows=20" in area.said())
        assert area.end() == 0
        assert area.said().rstrip().endswith("area ended name=main")
        assert "area started name=main" in area.said().splitlines()[0]
        assert not chosen.socket.exists()
