"""An area on a real Mosquitto: what it stores, receipts, refuses, asks for, and shows."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from cloud.registry import snapshot
from cloud.registry.snapshot import OPEN_FROM_S
from cloud.store.duck import DuckStore
from cloud.store.flight import fetch_table
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxConnection, InfluxSettings
from contract.messages import Birth, State, encode
from contract.problems import Problem
from contract.reading import Reading
from contract.refusals import (
    METER_OF_ANOTHER_GATEWAY,
    NOT_JSON,
    STORE_REFUSED,
    TOO_OLD,
    UNKNOWN_GATEWAY,
    UNKNOWN_METER,
)
from contract.senml import encode_batch
from contract.topics import topic
from simulators.servers import Server, create_database, influxdb
from tests.cloud.ingest_area import (
    BATCH_ROWS,
    KNOWN,
    KW,
    KWH,
    METERS,
    PATIENCE_S,
    Gateway,
    Row,
    batch,
    eventually,
    fetch,
    raw_rows,
    register,
    rows_of,
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


def test_batches_are_stored_once_and_receipted_each_time(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, Gateway("g2", broker) as g2, running(chosen) as area:
        for n in range(1, 6):
            g1.send(n, batch("g1", NOW_S + n))
            g2.send(n, batch("g2", NOW_S + n), run="other")
        eventually(lambda: g1.stored() == {1, 2, 3, 4, 5} == g2.stored("other"))
        g1.receipts.clear()
        g1.send(3, batch("g1", NOW_S + 3))
        eventually(lambda: g1.stored() == {3})
        assert g1.refused() == {}
        _, metrics = fetch(area, "/metrics")
        assert "bitgoeul_ingest_duplicate_batches_total 1.0" in metrics
        assert f"bitgoeul_ingest_readings_total {10 * BATCH_ROWS}.0" in metrics
    assert raw_rows(chosen.file) == (10 * BATCH_ROWS, 10 * BATCH_ROWS, 0)


def test_the_same_identity_with_another_content_is_stored_and_alarmed(
    tmp_path: Path, broker: Server, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, running(chosen) as area:
        g1.send(1, batch("g1", NOW_S))
        eventually(lambda: g1.stored() == {1})
        g1.receipts.clear()
        g1.send(1, batch("g1", NOW_S, value=7.0))
        eventually(lambda: g1.stored() == {1})
        assert "bitgoeul_ingest_conflicting_batches_total 1.0" in fetch(area, "/metrics")[1]
    assert "batch came again with another content" in caplog.text
    assert raw_rows(chosen.file) == (2 * BATCH_ROWS, BATCH_ROWS, BATCH_ROWS)


def test_batches_without_a_number_are_stored_and_not_receipted(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, running(chosen) as area:
        g1.say(topic("main", "g1", "readings"), batch("g1", NOW_S))
        eventually(lambda: area.live.table(NOW_S)["value"].null_count == 10)
        g1.send(1, b"[]")
        eventually(lambda: g1.stored() == {1})
        assert len(g1.receipts) == 1
    assert raw_rows(chosen.file).rows == BATCH_ROWS


def test_what_is_refused_says_why_and_takes_nothing_with_it(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    readings = [
        Reading("g1-e01", KWH, NOW_S, 1.0),
        Reading("g1-e99", KWH, NOW_S, 2.0),
        Reading("g2-e01", KWH, NOW_S, 3.0),
        Reading("g1-e02", KWH, NOW_S - 500 * 86_400, 4.0),
    ]
    with Gateway("g1", broker) as g1, Gateway("g9", broker) as g9, running(chosen) as area:
        g1.send(1, encode_batch(readings, NOW_S, "ntp"))
        g1.send(2, b"\xff\x00 no json")
        g1.send(3, batch("g1", NOW_S + 1))
        g9.send(1, batch("g1", NOW_S + 2))
        eventually(lambda: g1.stored() == {3} and len(g1.refused()) == 2 and g9.refused())
        assert g1.refused() == {
            "r-1": {UNKNOWN_METER: 1, METER_OF_ANOTHER_GATEWAY: 1, TOO_OLD: 1},
            "r-2": {NOT_JSON: 1},
        }
        assert g9.refused() == {"r-1": {UNKNOWN_GATEWAY: BATCH_ROWS}}
        held = fetch_table(chosen.socket, "quarantine")
        assert sorted(held["reason"].to_pylist()) == sorted(
            [UNKNOWN_METER, METER_OF_ANOTHER_GATEWAY, TOO_OLD, NOT_JSON, UNKNOWN_GATEWAY]
        )
        assert f'reason="{UNKNOWN_GATEWAY}"}} {BATCH_ROWS}.0' in fetch(area, "/metrics")[1]
    assert raw_rows(chosen.file).rows == BATCH_ROWS + 1


def test_a_gateway_cannot_publish_under_another_name(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g2", broker) as g2, running(chosen) as area:
        g2.say(topic("main", "g1", "readings"), batch("g1", NOW_S))
        g2.send(1, b"[]")
        eventually(lambda: g2.stored() == {1})
        assert area.live.table(NOW_S)["time_s"].null_count == 20
    assert raw_rows(chosen.file).rows == 0


def test_quarantine_is_replayed_once_the_cause_is_mended(tmp_path: Path, broker: Server) -> None:
    lacking = [row for row in KNOWN if row.meter != "g1-e01"]
    chosen = settings(tmp_path, broker, lacking)
    with Gateway("g1", broker) as g1, Gateway("g9", broker) as g9, running(chosen) as area:
        g1.send(1, batch("g1", NOW_S))
        g9.send(1, batch("g9", NOW_S))
        eventually(lambda: g1.refused() and g9.refused())
        assert fetch_table(chosen.socket, "replay", PATIENCE_S).to_pylist() == [
            {"readings": 0, "released": 0, "left": 3}
        ]
        # a technician registers what was missing; nothing is restarted
        register(tmp_path, KNOWN + rows_of("g9"))
        eventually(lambda: area.known.known.knows("g9"))
        replayed = fetch_table(chosen.socket, "replay", PATIENCE_S).to_pylist()
        assert replayed == [{"readings": 2 + BATCH_ROWS, "released": 3, "left": 0}]
        assert fetch_table(chosen.socket, "quarantine").num_rows == 0
        assert fetch_table(chosen.socket, "replay", PATIENCE_S).to_pylist() == [
            {"readings": 0, "released": 0, "left": 0}
        ]
    assert raw_rows(chosen.file) == (2 * BATCH_ROWS, 2 * BATCH_ROWS, 0)


def test_what_influxdb_refuses_for_ever_is_receipted_so_and_replayed(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    try:
        server = influxdb(tmp_path / "influx")
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        create_database(server, "energy")
        influx = InfluxSettings(f"http://{server.host}:{server.port}", "energy")
        InfluxConnection(influx).write(b"%s,meter=x value=1i %d" % (KW.encode(), NOW_S))  # somebody's else: an integer
        store = InfluxStore(influx, DuckStore(chosen.file))
        with Gateway("g1", broker) as g1, running(chosen, store) as area:
            g1.send(1, batch("g1", NOW_S))
            g1.send(2, b"[]")
            eventually(lambda: g1.refused() and g1.stored() == {2})
            assert g1.refused() == {"r-1": {STORE_REFUSED: len(METERS)}}
            held = fetch_table(chosen.socket, "quarantine").to_pylist()
            assert {(row["gateway"], row["batch"], row["reason"]) for row in held} == {("g1", "r-1", STORE_REFUSED)}
            assert f'reason="{STORE_REFUSED}"}} {len(METERS)}.0' in fetch(area, "/metrics")[1]
            assert area.live.table(NOW_S)["value"].null_count == len(METERS) + BATCH_ROWS  # g2's as well
            assert fetch_table(chosen.socket, "replay", PATIENCE_S).to_pylist() == [
                {"readings": 0, "released": 5, "left": 5}
            ]
            drop = {"db": "energy", "q": f"DROP MEASUREMENT {KW}"}
            urllib3.request("POST", f"{influx.url}/query?{urlencode(drop)}")
            assert fetch_table(chosen.socket, "replay", PATIENCE_S).to_pylist() == [
                {"readings": 5, "released": 5, "left": 0}
            ]
            assert store.rows(NOW_S, NOW_S + 1).num_rows == BATCH_ROWS
        store.close()


def test_a_registry_gone_bad_changes_nothing_and_says_so(
    tmp_path: Path, broker: Server, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, running(chosen) as area:
        current = chosen.registry / snapshot.CURRENT
        good = current.read_bytes()
        current.write_bytes(good[:20])
        eventually(lambda: "no registry snapshot" in caplog.text or "cannot be read" in caplog.text)
        eventually(lambda: "bitgoeul_ingest_known_valid 0.0" in fetch(area, "/metrics")[1])
        g1.send(1, batch("g1", NOW_S))
        eventually(lambda: g1.stored() == {1})
        current.write_bytes(good)
        eventually(lambda: "bitgoeul_ingest_known_valid 1.0" in fetch(area, "/metrics")[1])


def test_missing_batches_are_asked_for_and_empty_ones_close_a_gap(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1, running(chosen):
        g1.send(1, batch("g1", NOW_S))
        g1.send(4, batch("g1", NOW_S + 4))
        eventually(lambda: g1.asked() == {2, 3})
        g1.send(2, batch("g1", NOW_S + 2))
        g1.send(3, b"[]")
        eventually(lambda: g1.stored() == {1, 2, 3, 4})
        g1.receipts.clear()
        time.sleep(2)
        assert g1.asked() == set()
    assert raw_rows(chosen.file).rows == 3 * BATCH_ROWS


def test_an_older_copy_of_the_area_asks_for_what_it_misses_and_gets_it(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    with Gateway("g1", broker) as g1:
        with running(chosen):
            g1.send(1, batch("g1", NOW_S + 1))
            eventually(lambda: g1.stored() == {1})
        backup = chosen.file.read_bytes()
        with running(chosen):
            for n in (2, 3, 4):
                g1.send(n, batch("g1", NOW_S + n))
            g1.send(1, batch("g1", NOW_S + 50), run="second")
            eventually(lambda: g1.stored() == {1, 2, 3, 4} and g1.stored("second") == {1})
        chosen.file.write_bytes(backup)
        g1.receipts.clear()
        g1.state(State(status="online", time_s=NOW_S, held={"r": [(1, 4)], "second": [(1, 1)]}))
        with running(chosen):
            eventually(lambda: g1.asked() == {2, 3, 4} and g1.asked("second") == {1})
            for n in (2, 3, 4):
                g1.send(n, batch("g1", NOW_S + n))
            g1.send(1, batch("g1", NOW_S + 50), run="second")
            eventually(lambda: g1.stored() == {2, 3, 4} and g1.stored("second") == {1})
    assert raw_rows(chosen.file) == (5 * BATCH_ROWS, 5 * BATCH_ROWS, 0)


def test_any_bytes_are_survived(tmp_path: Path, broker: Server) -> None:
    chosen = settings(tmp_path, broker)
    dice = random.Random(5)
    good = batch("g1", NOW_S)
    with Gateway("g1", broker) as g1, running(chosen):
        for n in range(1, 301):
            torn = bytearray(good)
            for _ in range(dice.randrange(1, 6)):
                torn[dice.randrange(len(torn))] = dice.randrange(256)
            g1.send(
                n, dice.choice([bytes(torn), dice.randbytes(dice.randrange(200)), good[: dice.randrange(len(good))]])
            )
            g1.say(topic("main", "g1", dice.choice(["birth", "state"])), dice.randbytes(20))
        g1.say(topic("main", "g1", "readings"), dice.randbytes(200_000))
        g1.send(301, batch("g1", NOW_S + 60))
        eventually(lambda: 301 in g1.stored())
        done = g1.stored() | {int(name.removeprefix("r-")) for name in g1.refused()}
        assert done == set(range(1, 302))


def test_what_the_pages_ask_for(tmp_path: Path, broker: Server) -> None:
    former = Row("g3", "g3-e01", KWH, OPEN_FROM_S, NOW_S - 1, live=False)
    planned = Row("g4", "g4-e01", KWH, NOW_S + 86_400, live=False)
    chosen = settings(tmp_path, broker, [*KNOWN, former, planned])
    with Gateway("g1", broker) as g1, running(chosen) as area:
        birth = Birth(gateway="g1", site="hanam", time_s=NOW_S, software="1")
        g1.say(topic("main", "g1", "birth"), encode(birth), retain=True)
        g1.state(State(status="online", time_s=NOW_S, outbox_batches=7, warnings=["outbox-thinned"]))
        g1.send(1, batch("g1", NOW_S))
        eventually(lambda: g1.stored() == {1})
        live = fetch_table(chosen.socket, "live").to_pylist()
        assert [(row["meter"], row["quantity"], row["value"]) for row in live[:3]] == [
            ("g1-e01", KWH, 1.0),
            ("g1-e01", "electricity_power_kw", 1.0),
            ("g1-e02", KWH, 2.0),
        ]
        assert live[-1]["time_s"] is None
        first, second = fetch_table(chosen.socket, "gateways").to_pylist()
        assert first["delay_s"] is not None
        assert (first["gateway"], first["site"], first["online"], first["state_time_s"]) == ("g1", "hanam", True, NOW_S)
        assert (first["outbox_batches"], first["warnings"]) == (7, ["outbox-thinned"])
        assert second["online"] is False
        assert fetch(area, "/healthz") == (200, '{"ok": true, "problems": []}')
        assert fetch(area, "/nothing")[0] == 404
        broker.kill()
        eventually(lambda: fetch(area, "/healthz")[0] == 503)
        assert "broker not connected" in fetch(area, "/healthz")[1]
    # after a restart the pages show at once what the store knows
    broker.start()
    store = DuckStore(chosen.file)
    with running(chosen, store) as area:
        eventually(lambda: area.live.table(time.time())["value"].null_count == 10)
    store.close()
