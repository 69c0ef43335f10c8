"""What a city's gateways send is what its history says, and all of it arrives, whatever happens to the broker."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contract import senml
from contract.problems import Problem
from contract.senml import MAX_BATCH_BYTES, Resolved
from contract.topics import Address
from simulators.city import City
from simulators.city_batches import Batches
from simulators.city_build import build
from simulators.city_history import readings
from simulators.city_load import CityLoad, LoadSettings, Progress
from simulators.receiver import Receiver
from simulators.servers import Server, mosquitto
from simulators.shapes import EPOCH_S

TICK_S = EPOCH_S + 200 * 86_400
LOAD_TICK_S = 1


@pytest.fixture(scope="module")
def city() -> City:
    found = build(12_000, 500)
    assert found.gateways >= 200
    return found


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    try:
        server = mosquitto(tmp_path / "broker")
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        yield server


def history(city: City, start_s: int, end_s: int, tick_s: int) -> dict[tuple[str, int], float]:
    """By name and time, what the history path says."""
    numbers = np.arange(len(city.series.meter), dtype=np.int32)
    names = [f"{meter}/{quantity}" for meter, quantity in zip(*city.series_names(), strict=True)]
    rows = pa.concat_tables(list(readings(city, numbers, start_s, end_s, tick_s)))
    columns = (rows.column(name).to_pylist() for name in ("series", "time_s", "value"))
    return {(names[series], time_s): value for series, time_s, value in zip(*columns, strict=True)}


def test_payloads_say_bit_for_bit_what_the_history_says(city: City) -> None:
    batches = Batches(city)
    for time_s in (TICK_S, TICK_S + 60):
        batches.take(time_s)
        payloads = [batches.payload(at, time_s + 1.25) for at in range(len(batches.parts))]
        found: dict[tuple[str, int], float | None] = {}
        for payload in payloads:
            for record in senml.resolve(payload):
                assert isinstance(record, Resolved), record
                assert (record.quality, record.at_ms) == (0, 0)
                found[record.name, record.time_s] = record.value
        assert found == history(city, time_s, time_s + 1, 60)
        assert len(found) == len(city.series.meter)


def test_batches_are_plain_and_small_enough() -> None:
    crowded = Batches(build(20_000, 1))  # 96 gateways, of very different sizes
    crowded.take(TICK_S)
    for at in range(len(crowded.parts)):
        payload = crowded.payload(at, TICK_S + 59.9994)
        assert len(payload) <= MAX_BATCH_BYTES
        records = senml.decode_plain(payload)
        assert records is not None
        assert (records[0].bt, records[0].sent, records[0].clock) == (TICK_S, TICK_S + 59.999, "ntp")
    assert {part.gateway for part in crowded.parts} == set(range(96))


def test_two_hundred_gateways_deliver_all(city: City, broker: Server) -> None:
    with Receiver(broker.host, broker.port) as receiver, running(city, broker) as load:
        eventually(lambda: load.progress.opened == city.gateways)
        load.begin()
        eventually(lambda: load.progress.ticks >= 3)
        stop(load)
        assert len(receiver.births) == city.gateways
    told = load.tell()
    assert told.batches == told.receipted == told.sent == 3 * len(load.parts)
    assert (told.refused, told.asked) == (0, 0)
    assert told.readings == len(receiver.stored) == 3 * len(city.series.meter)
    first_s = told.last_tick_s - 2 * LOAD_TICK_S
    found = {key: values[0] for key, values in receiver.stored.items()}
    assert found == history(city, first_s, told.last_tick_s + 1, LOAD_TICK_S)


def test_nothing_is_lost_when_the_broker_is_killed_with_all_receipts_under_way(city: City, broker: Server) -> None:
    with Receiver(broker.host, broker.port) as receiver, running(city, broker) as load:
        eventually(lambda: load.progress.opened == city.gateways)
        receiver.pause()
        load.begin()
        eventually(lambda: load.progress.batches >= len(load.parts))
        with load.held:
            broker.kill()
            time.sleep(0.5)  # for the receiver to notice
            broker.start()
            receiver.wait_connected()
        receiver.resume()
        stop(load)
    told = load.tell()
    assert told.sent >= told.batches + len(load.parts)
    assert told.readings == len(receiver.stored)
    assert all(len(values) == 1 for values in receiver.stored.values())
    assert told.opened == 2 * city.gateways


def test_a_batch_that_is_asked_for_and_gone_is_sent_empty(city: City, broker: Server) -> None:
    with Receiver(broker.host, broker.port) as receiver, running(city, broker) as load:
        eventually(lambda: load.progress.opened == city.gateways)
        load.begin()
        eventually(lambda: load.progress.ticks >= 1)
        stop(load)
        address = Address("main", "gw-0001", "receipts")
        receiver.ask(address, {"test": [(1, 99)]})
        eventually(lambda: any(arrival.payload == b"[]" for arrival in receiver.arrivals))
    assert load.tell().asked == 1


class Driven(CityLoad):
    """A load whose loop runs in a thread of the test."""

    def __init__(self, city: City, settings: LoadSettings) -> None:
        super().__init__(city, settings)
        self.ending, self.held = threading.Event(), threading.Lock()
        self.parts = self._batches.parts

    def loop(self) -> None:
        while not self.ending.is_set():
            with self.held:
                self.step()
            time.sleep(0)  # whoever waits for the lock gets it
        self.leave()


@contextmanager
def running(city: City, broker: Server) -> Iterator[Driven]:
    load = Driven(city, LoadSettings(port=broker.port, run="test", meters=12_000, tick_s=LOAD_TICK_S))
    thread = threading.Thread(target=load.loop)
    thread.start()
    try:
        yield load
    finally:
        load.ending.set()
        thread.join()


def stop(load: Driven) -> None:
    """No new ticks; return once all that was made has its receipt."""
    load.more = False
    progress: Progress = load.progress
    eventually(lambda: progress.batches == progress.ticks * len(load.parts))
    eventually(lambda: progress.receipted == progress.batches)


def eventually(holds: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
