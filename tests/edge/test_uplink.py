"""From the outbox to a real Mosquitto and back, in all its weathers."""

import asyncio
import contextlib
import functools
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import ParamSpec

import pytest

from contract.messages import Birth, Receipt, State, encode
from contract.reading import Reading
from contract.topics import Address
from edge.alarms import Alarms
from edge.config import LineConfig, OutboxConfig, Site, UplinkConfig
from edge.flow import WINDOW, Flow
from edge.outbox import Outbox
from edge.uplink import Uplink, jitter
from simulators.network import Link
from simulators.receiver import Receiver
from simulators.servers import Server, mosquitto

T = 1_795_392_000
GATEWAY = "hanam-01"
ADDRESS = Address("main", GATEWAY, "receipts")
PASSWORDS = {GATEWAY: "meter-pw", "ingest": "cloud-pw"}

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed",
)

Readings = Callable[..., list[Reading]]
P = ParamSpec("P")


class Host:
    """What the uplink wants of a gateway, and the gateway's outbox and flow with it."""

    def __init__(self, folder: Path, *brokers: str, **uplink: str) -> None:
        self.site = Site(
            area="main",
            site="hanam",
            gateway=GATEWAY,
            line=[LineConfig(name="a", meter=[], host="127.0.0.1")],
            uplink=UplinkConfig(brokers=list(brokers), **uplink),  # type: ignore[arg-type]  # by name, all of them texts
            outbox=OutboxConfig(path=str(folder / "outbox.db")),
        )
        self.alarms = Alarms()
        self.flow = Flow(jitter)
        self.outbox = Outbox(self.site.outbox, self.alarms, self.flow.sent.keys())
        self.uplink = Uplink(self.site, self, self.outbox, self.flow, self.alarms)
        self.receipts: list[Receipt] = []

    def birth(self) -> Birth:
        return Birth(gateway=GATEWAY, site="hanam", time_s=int(time.time()), software="test")

    def state(self) -> State:
        return State(status="online", time_s=int(time.time()), outbox_batches=self.outbox.summary().batches)

    def receipt(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)

    def take(self, tick_s: int, readings: list[Reading]) -> None:
        self.uplink.offer(self.outbox.take("a", tick_s, readings, tick_s, "system"))


@contextlib.asynccontextmanager
async def running(host: Host) -> AsyncIterator[Host]:
    task = asyncio.create_task(host.uplink.run())
    try:
        yield host
        await host.uplink.leave()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        host.outbox.close()


def in_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run an asynchronous test; pytest still sees its fixtures."""

    @functools.wraps(test)
    def run(*args: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*args, **named))

    return run


async def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # what is waited for is the receiver's, in another thread
            await asyncio.sleep(0.005)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with mosquitto(tmp_path / "broker", users=PASSWORDS) as server:
        yield server


@pytest.fixture
def cloud(broker: Server) -> Iterator[Receiver]:
    with Receiver(broker.host, broker.port, "ingest", PASSWORDS["ingest"]) as receiver:
        yield receiver


@pytest.fixture
def host(tmp_path: Path, broker: Server) -> Host:
    return make_host(tmp_path, broker)


def make_host(folder: Path, *brokers: Server | Link) -> Host:
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORDS[GATEWAY])
    urls = [f"mqtt://127.0.0.1:{broker.port}" for broker in brokers]
    return Host(folder, *urls, username=GATEWAY, password_file=str(password))


def wait_delivered(host: Host) -> Callable[[], bool]:
    return lambda: not host.outbox.waiting(1)


@in_loop
async def test_a_tick_reaches_the_cloud_at_once_and_its_receipt_ends_the_waiting(
    host: Host, cloud: Receiver, readings_at: Readings
) -> None:
    async with running(host):
        await until(lambda: bool(cloud.states))
        delays = []
        for tick in range(T, T + 20):
            taken_s = time.monotonic()
            host.take(tick, readings_at(tick))
            await until(lambda count=tick - T: len(cloud.arrivals) > count)  # type: ignore[misc]  # bound now
            delays.append(cloud.arrivals[-1].at_s - taken_s)
        await until(wait_delivered(host))
    assert sorted(delays)[10] < 0.02
    assert [batch.split("-")[1] for batch in cloud.identities()] == [str(n) for n in range(1, 21)]
    assert set(cloud.identities().values()) == {1}
    expected = {(f"{r.meter}/{r.quantity}", r.time_s): [r.value] for t in range(T, T + 20) for r in readings_at(t)}
    assert cloud.stored == expected
    assert dict(host.flow.sent) == {}


@in_loop
async def test_birth_and_state_come_at_every_connection_and_a_leave_says_offline(
    host: Host, cloud: Receiver, broker: Server
) -> None:
    async with running(host):
        await until(lambda: len(cloud.births) == 1 and len(cloud.states) == 1)
        broker.kill()
        broker.start()
        await until(lambda: len(cloud.births) == 2 and cloud.states[-1].status == "online", 30)
        host.uplink.publish_state()
        await until(lambda: [state.status for state in cloud.states][-2:] == ["online", "online"])
    await until(lambda: cloud.states[-1].status == "offline")


@in_loop
async def test_while_ingest_is_down_little_is_sent_and_nothing_is_lost(
    host: Host, cloud: Receiver, readings_at: Readings
) -> None:
    async with running(host):
        await until(lambda: bool(cloud.states))
        cloud.pause()
        for tick in range(T, T + 80):
            host.take(tick, readings_at(tick))
            await asyncio.sleep(0)
        await asyncio.sleep(1.2)
        assert len(host.flow.sent) <= WINDOW
        cloud.resume()
        assert len(cloud.arrivals) <= WINDOW
        await until(wait_delivered(host), 30)
    assert set(cloud.identities().values()) == {1}
    assert len(cloud.stored) == 80 * len(readings_at(T))


@in_loop
async def test_a_broker_that_dies_with_all_it_had_costs_nothing(
    tmp_path: Path, broker: Server, cloud: Receiver, readings_at: Readings
) -> None:
    with Link(broker.host, broker.port) as link:
        host = make_host(tmp_path, link)
        async with running(host):
            await until(lambda: bool(cloud.births))
            cloud.pause()
            for tick in range(T, T + 30):
                host.take(tick, readings_at(tick))
                await asyncio.sleep(0.002)
            await asyncio.to_thread(break_down, broker, cloud, link)
            for tick in range(T + 30, T + 60):
                host.take(tick, readings_at(tick))
            cloud.resume()
            link.set("open")
            await until(wait_delivered(host), 40)
    assert len(cloud.stored) == 60 * len(readings_at(T))
    assert {len(values) for values in cloud.stored.values()} == {1}
    assert {len(contents) for contents in cloud.contents().values()} == {1}
    assert 60 <= len(cloud.arrivals) <= 60 + WINDOW


def break_down(broker: Server, cloud: Receiver, link: Link) -> None:
    """The broker dies with all it had; the cloud finds the new one before the gateway does."""
    link.set("cut")
    broker.kill()
    broker.wipe()
    broker.start()
    cloud.wait_connected()


@in_loop
async def test_brokers_are_tried_in_turn(tmp_path: Path, broker: Server, cloud: Receiver) -> None:
    with mosquitto(tmp_path / "dead", users=PASSWORDS) as dead:
        pass
    host = make_host(tmp_path, dead, broker)
    async with running(host):
        await until(lambda: bool(cloud.births))


@in_loop
async def test_a_broker_without_a_cloud_is_left_for_the_next(
    tmp_path: Path, broker: Server, cloud: Receiver, readings_at: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.uplink.DESERTED_S", 0.5)
    with mosquitto(tmp_path / "deserted", users=PASSWORDS) as deserted:
        host = make_host(tmp_path, deserted, broker)
        async with running(host):
            host.take(T, readings_at(T))
            await until(wait_delivered(host))
            await asyncio.sleep(1.5)
            assert not cloud.births[1:]  # with nothing to deliver there is no reason to go


@in_loop
async def test_a_refusal_is_one_line_that_names_it_and_is_tried_again(
    tmp_path: Path, broker: Server, cloud: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(tmp_path, broker)
    (tmp_path / "password").write_text("wrong")
    async with running(host):
        await until(lambda: bool(caplog.records))
        await asyncio.sleep(1.5)
        (record,) = caplog.records
        assert record.getMessage() == (
            f'broker-refuses broker=mqtt://127.0.0.1:{broker.port} reason="Not authorized" '
            "action=check-uplink.username-and-password_file-and-that-the-gateway-is-enrolled-at-the-broker"
        )
        (tmp_path / "password").write_text(PASSWORDS[GATEWAY])
        await until(lambda: bool(cloud.births), 30)


@in_loop
async def test_refused_batches_are_done_with_and_said(host: Host, cloud: Receiver, readings_at: Readings) -> None:
    cloud.refuse = "unknown-meter"
    async with running(host):
        await until(lambda: bool(cloud.states))
        host.take(T, readings_at(T))
        await until(wait_delivered(host))
        # a cloud restored from back-up must not store them after all, as the latest arrival
        cloud.arrivals.clear()
        cloud.ask(ADDRESS, {host.outbox.run: [(1, 1)]})
        await until(lambda: bool(cloud.arrivals))
        assert cloud.arrivals[0].payload == b"[]"
    assert host.alarms.codes() == ["readings-refused"]


@in_loop
async def test_what_the_cloud_asks_for_again_is_sent_again_or_answered_with_nothing(
    host: Host, cloud: Receiver, readings_at: Readings
) -> None:
    async with running(host):
        await until(lambda: bool(cloud.states))
        for tick in range(T, T + 5):
            host.take(tick, readings_at(tick))
        await until(wait_delivered(host))
        first = {arrival.batch: arrival.payload for arrival in cloud.arrivals}
        cloud.arrivals.clear()
        run = host.outbox.run
        # of a run that this outbox never had, another card may still hold what was asked for
        cloud.ask(ADDRESS, {run: [(2, 3), (5, 10**15)], "another": [(7, 8)]})
        await until(lambda: len(cloud.arrivals) >= 3)
        await until(wait_delivered(host))
        await asyncio.sleep(0.3)
    assert {arrival.batch: arrival.payload for arrival in cloud.arrivals} == {
        f"{run}-2": first[f"{run}-2"],
        f"{run}-3": first[f"{run}-3"],
        f"{run}-5": first[f"{run}-5"],
    }


@in_loop
async def test_retained_and_unreadable_receipts_confirm_nothing(
    tmp_path: Path, broker: Server, cloud: Receiver, readings_at: Readings
) -> None:
    host = make_host(tmp_path, broker)
    host.outbox.take("a", T, readings_at(T), T, "system")
    cloud.pause()
    everything = encode(Receipt(time_s=int(time.time()), stored={host.outbox.run: [(1, 10**9)]}))
    # to whoever has subscribed before the broker takes it, it would not come as a retained one
    cloud.publish_raw(ADDRESS, everything, retain=True).wait_for_publish(15)
    async with running(host):
        await until(lambda: bool(host.flow.sent))
        for payload in (b"", b"nonsense", b"[]", b'{"time_s":"x"}', bytes(range(256))):
            cloud.publish_raw(ADDRESS, payload)
        await asyncio.sleep(0.5)
        assert host.outbox.waiting(10) != []
        cloud.publish_raw(ADDRESS, everything)
        await until(wait_delivered(host))
