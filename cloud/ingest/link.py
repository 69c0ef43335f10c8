"""The connection to the broker: what arrives, what is published, and acknowledgements that fit their connection.

Everything happens in the thread that calls `step`; only `wake` may be called from another. Each connection has a
client of its own and a number, its epoch, which every message carries: an acknowledgement that comes too late can
reach neither the wrong connection nor, by its number, the wrong message. (An acknowledgement sent after a broker
had restarted empty acknowledged a different message, which was lost: measured.)
"""

import contextlib
import logging
import random
import select
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from contract.problems import Problem

LOG = logging.getLogger(__name__)

KEEPALIVE_S = 60
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0  # from the connection to the granted subscription
RETRY_S = 0.5
MAX_RETRY_S = 5.0


class Broker(NamedTuple):
    """One address of a broker."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True)
class LinkSettings:
    """`brokers` are tried in turn. The client id names the session that the broker keeps while we are away."""

    brokers: Sequence[Broker]
    client_id: str
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None


class Arrived(NamedTuple):
    """A message of connection number `epoch`, not yet acknowledged."""

    epoch: int
    mid: int
    qos: int
    topic: str
    payload: bytes
    arrived_s: float


def parse_broker(url: str, *, allow_plain: bool = False) -> Broker:
    """The parts of "mqtts://host[:8883]", or of "mqtt://host[:1883]" on loopback. Raises Problem."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    odd = parts.path or parts.username or parts.query or parts.fragment or port == 0
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or odd:
        raise Problem(
            f"브로커 '{url}': mqtts://호스트[:포트] 또는 mqtt://127.0.0.1[:포트] 형식이어야 합니다",
            f"broker '{url}': expected mqtts://HOST[:PORT], or mqtt://127.0.0.1[:PORT]",
        )
    tls = parts.scheme == "mqtts"
    if not (tls or allow_plain or is_loopback(parts.hostname)):
        raise Problem(
            f"브로커 '{url}': 이 컴퓨터 밖으로는 mqtts://만 쓸 수 있습니다 (망이 이미 보호된다면 --allow-plain)",
            f"broker '{url}': only mqtts:// leaves this machine (--allow-plain where the network itself is protected)",
        )
    return Broker(parts.hostname, port or (8883 if tls else 1883), tls)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine, by an address or name that nobody can turn elsewhere."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Link:
    """Subscribes to `filters` with QoS 1 in a session that outlives the connection; reconnects by itself."""

    def __init__(self, settings: LinkSettings, filters: Sequence[str]) -> None:
        self._settings = settings
        self._filters = list(filters)
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._client: mqtt.Client | None = None
        self._arrived: list[Arrived] = []
        self._attempts = 0
        self._retry_s = 0.0
        self._misc_s = 0.0
        self._answer_by_s = 0.0
        self.epoch = 0
        self.connected = False

    def step(self, timeout_s: float, *, reading: bool = True) -> list[Arrived]:
        """Wait up to `timeout_s` for the network or for `wake`, do what is due, and hand over what arrived.

        Without `reading` nothing is taken from the broker, nor is a lost connection made anew.
        """
        now_s = time.monotonic()
        if self._client is None and reading and now_s >= self._retry_s:
            self._connect()
        client = self._client
        if client is None:
            pause_s = min(timeout_s, max(0.0, self._retry_s - now_s)) if reading else timeout_s
            self._wait(None, pause_s, reading=False)
        else:
            self._serve(client, timeout_s, reading)
        arrived, self._arrived = self._arrived, []
        return arrived

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send with QoS 1; False when there is no connection: then it is for nobody, and not kept."""
        if self._client is None or not self.connected:
            return False
        return self._client.publish(topic, payload, qos=1).rc == mqtt.MQTT_ERR_SUCCESS

    def ack(self, arrived: Arrived) -> bool:
        """Acknowledge, unless the connection that brought the message is gone."""
        if arrived.epoch != self.epoch or self._client is None:
            return False
        self._client.ack(arrived.mid, arrived.qos)
        return True

    def wake(self) -> None:
        """End the wait of `step`. The one method for other threads and signal handlers."""
        # a full pipe wakes as well, and a closed one has nobody to wake
        with contextlib.suppress(OSError):
            self._wake_w.send(b"w")

    def close(self, timeout_s: float) -> None:
        """Send what is waiting to be sent, then take leave of the broker."""
        deadline = time.monotonic() + timeout_s
        while self._client is not None and self._client.want_write() and time.monotonic() < deadline:
            self._serve(self._client, 0.1, reading=False)
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_write()
        self._drop()
        self._wake_r.close()
        self._wake_w.close()

    def _connect(self) -> None:
        brokers = self._settings.brokers
        broker = brokers[self._attempts % len(brokers)]
        self._attempts += 1
        self.epoch += 1
        client = self._make(broker)
        try:
            client.connect(broker.host, broker.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            self._lost(f"{broker.host}:{broker.port}: {error}")
            return
        self._client = client
        self._answer_by_s = time.monotonic() + ANSWER_TIMEOUT_S

    def _make(self, broker: Broker) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if settings.username:
            client.username_pw_set(settings.username, settings.password)
        if broker.tls:
            client.tls_set_context(settings.tls)
        client.connect_timeout = CONNECT_TIMEOUT_S
        # 0: no limit of its own, which would make it search all of them at every PUBACK
        client.max_inflight_messages = 0
        client.on_socket_open = lambda _client, _data, stream: _send_at_once(stream)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        # with this hook, publish and ack only queue: all writing is done in `step`
        client.on_socket_register_write = lambda *_: None
        return client

    def _serve(self, client: mqtt.Client, timeout_s: float, reading: bool) -> None:
        readable, writable = self._wait(client, timeout_s, reading=reading)
        outcome = mqtt.MQTT_ERR_SUCCESS
        if readable:
            outcome = client.loop_read()
        if writable and not outcome:
            outcome = client.loop_write()
        now_s = time.monotonic()
        if now_s - self._misc_s >= 1.0 and not outcome:
            self._misc_s = now_s
            outcome = client.loop_misc()
        if outcome or client.socket() is None:
            self._lost(mqtt.error_string(outcome))
        elif not self.connected and now_s > self._answer_by_s:
            self._lost("no answer")

    def _wait(self, client: mqtt.Client | None, timeout_s: float, *, reading: bool) -> tuple[bool, bool]:
        """Whether there is something to read, and room to write."""
        poll = select.poll()
        poll.register(self._wake_r, select.POLLIN)
        stream: Any = client.socket() if client is not None else None
        if client is not None and stream is not None:
            # a hang-up is reported in any case, so that a broker's end is seen without reading too
            poll.register(stream, select.POLLIN * reading | select.POLLOUT * client.want_write())
            if reading and isinstance(stream, ssl.SSLSocket) and stream.pending():
                timeout_s = 0.0
        events = dict(poll.poll(timeout_s * 1000))
        if self._wake_r.fileno() in events:
            self._wake_r.recv(4096)
        seen = events.get(stream.fileno(), 0) if stream is not None else 0
        pending = reading and isinstance(stream, ssl.SSLSocket) and stream.pending() > 0
        return bool(seen & ~select.POLLOUT) or pending, bool(seen & select.POLLOUT)

    def _lost(self, why: str) -> None:
        LOG.warning('broker lost epoch=%d why="%s"', self.epoch, why)
        self._drop()
        rounds = self._attempts // len(self._settings.brokers)
        pause_s = min(MAX_RETRY_S, RETRY_S * 2 ** min(rounds, 10))
        self._retry_s = time.monotonic() + pause_s * random.uniform(0.5, 1.5)  # noqa: S311  # jitter, no secret

    def _drop(self) -> None:
        client, self._client = self._client, None
        stream = client.socket() if client is not None else None
        if stream is not None:
            stream.close()
        self.connected = False

    def _on_connect(self, client: mqtt.Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            LOG.error('broker refused epoch=%d reason="%s"', self.epoch, reason)
            return
        LOG.info("broker connected epoch=%d session_kept=%s", self.epoch, flags.session_present)
        client.subscribe([(topic, 1) for topic in self._filters])

    def _on_subscribe(self, client: mqtt.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            LOG.error("broker refused the subscription: its access list must let us read %s", self._filters)
            client.disconnect()
            return
        LOG.info("broker subscribed epoch=%d", self.epoch)
        self.connected, self._attempts = True, 0

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._arrived.append(Arrived(self.epoch, message.mid, message.qos, topic, bytes(message.payload), time.time()))


def _send_at_once(stream: Any) -> None:
    """A receipt is small, and must not wait for more to fill a packet."""
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
