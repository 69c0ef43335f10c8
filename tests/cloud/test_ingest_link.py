"""The connection to a real Mosquitto: a kept session, epochs, back-pressure, refusal, TLS addresses."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.ingest.link import Arrived, Broker, Link, LinkSettings, parse_broker
from contract.problems import Problem
from simulators.servers import Server, free_port, mosquitto
from tests.cloud.ingest_area import PATIENCE_S

FILTER = "bitgoeul/v1/main/+/readings/+"
TOPIC = "bitgoeul/v1/main/g1/readings/r-1"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    try:
        server = mosquitto(tmp_path / "broker", users={"g1": "pw", "ingest": "pw"})
    except Problem as problem:
        pytest.skip(problem.text.en)
    with server:
        yield server


def make_link(*ports: int, username: str = "ingest") -> Link:
    brokers = [Broker("127.0.0.1", port, False) for port in ports]
    return Link(LinkSettings(brokers, "ingest", username, "pw"), [FILTER])


def steps(link: Link, until: Callable[[list[Arrived]], bool], timeout_s: float = PATIENCE_S) -> list[Arrived]:
    """All that arrived until the condition held."""
    arrived: list[Arrived] = []
    deadline = time.monotonic() + timeout_s
    while not until(arrived):
        assert time.monotonic() < deadline
        arrived += link.step(0.05)
    return arrived


def publish(server: Server, *payloads: bytes) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("g1", "pw")
    client.connect(server.host, server.port)
    client.loop_start()
    for payload in payloads:
        client.publish(TOPIC, payload, qos=1).wait_for_publish(5.0)
    client.disconnect()
    client.loop_stop()


def test_what_was_not_acknowledged_comes_again_and_what_was_does_not(broker: Server) -> None:
    link = make_link(broker.port)
    steps(link, lambda _: link.connected)
    publish(broker, b"one", b"two")
    one, two = steps(link, lambda arrived: len(arrived) == 2)
    assert (one.topic, one.payload, one.qos) == (TOPIC, b"one", 1)
    assert link.ack(one)
    link.close(1.0)
    publish(broker, b"three")
    link = make_link(broker.port)
    again = steps(link, lambda arrived: len(arrived) == 2)
    assert [arrived.payload for arrived in again] == [b"two", b"three"]
    assert two.payload == b"two"
    link.close(1.0)


def test_an_acknowledgement_of_an_earlier_connection_is_dropped(broker: Server) -> None:
    link = make_link(broker.port)
    steps(link, lambda _: link.connected)
    publish(broker, b"before")
    (before,) = steps(link, lambda arrived: len(arrived) == 1)
    broker.kill()
    # the broker comes back empty and numbers its messages from 1 again
    steps(link, lambda _: not link.connected)
    assert not link.ack(before)
    broker.wipe()
    broker.start()
    steps(link, lambda _: link.connected)
    publish(broker, b"after")
    (after,) = steps(link, lambda arrived: len(arrived) == 1)
    assert after.mid == before.mid
    assert not link.ack(before)
    link.close(1.0)
    # the late acknowledgement did not take the new message: it comes again
    link = make_link(broker.port)
    assert steps(link, lambda arrived: len(arrived) == 1)[0].payload == b"after"
    link.close(1.0)


def test_the_next_broker_of_the_list_is_tried(broker: Server) -> None:
    link = make_link(free_port(), broker.port)
    steps(link, lambda _: link.connected)
    assert link.epoch == 2
    link.close(1.0)


def test_nothing_is_taken_while_there_is_no_room(broker: Server) -> None:
    link = make_link(broker.port)
    steps(link, lambda _: link.connected)
    publish(broker, b"one")
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        assert link.step(0.05, reading=False) == []
    assert steps(link, bool)[0].payload == b"one"
    link.close(1.0)


def test_a_wrong_password_and_a_forbidden_subscription_connect_nothing(
    broker: Server, caplog: pytest.LogCaptureFixture
) -> None:
    settings = LinkSettings([Broker(broker.host, broker.port, False)], "ingest", "ingest", "wrong")
    link = Link(settings, [FILTER])
    steps(link, lambda _: "refused" in caplog.text)
    assert not link.connected
    assert not link.publish(TOPIC, b"")
    link.close(0.1)
    assert "wrong" not in repr(settings)


def test_wake_ends_a_wait() -> None:
    link = make_link(free_port())
    link.step(0.0)
    link.wake()
    began = time.monotonic()
    link.step(5.0, reading=False)
    assert time.monotonic() - began < 2.0
    link.close(0.0)


def test_addresses() -> None:
    assert parse_broker("mqtts://broker.example") == Broker("broker.example", 8883, True)
    assert parse_broker("mqtt://127.0.0.1:1999") == Broker("127.0.0.1", 1999, False)
    assert parse_broker("mqtt://localhost") == Broker("localhost", 1883, False)
    assert parse_broker("mqtt://broker.example", allow_plain=True).tls is False
    for bad in ("broker", "http://x", "mqtt://", "mqtts://h:port", "mqtts://h/path", "mqtts://u:p@h", "mqtts://[x"):
        with pytest.raises(Problem, match="expected mqtts://HOST"):
            parse_broker(bad)
    with pytest.raises(Problem, match="only mqtts:// leaves this machine"):
        parse_broker("mqtt://broker.example")
