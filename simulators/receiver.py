"""The smallest cloud that a gateway can talk to: it keeps what comes in memory, and gives receipts.

It stands in for ingest where only the gateway is of interest; it notes every arrival, so that what came twice,
or came with another content, can be seen.
"""

import socket
import ssl
import threading
import time
from collections import Counter
from types import TracebackType
from typing import NamedTuple, Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from contract.messages import Birth, Ranges, Receipt, State, decode_birth, decode_state, encode, to_ranges
from contract.senml import Resolved, resolve
from contract.topics import ROOT, Address, parse_topic, topic


class Arrival(NamedTuple):
    """One message under `readings`: identity, content, and when it came (monotonic seconds)."""

    batch: str
    payload: bytes
    at_s: float


class Receiver:
    """A context manager, connected while it is open. Its lists may be read from any thread.

    `pause` makes it an ingest that is down while its session lives on at the broker: what comes is worked off by
    `resume`. `refuse` is a reason to refuse every batch with.
    """

    def __init__(
        self, host: str, port: int, username: str = "", password: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._where = (host, port)
        self._waiting: list[tuple[Address, bytes]] | None = None
        self._lock = threading.Lock()
        self.clock_offset_s = 0.0
        self.refuse = ""
        self.arrivals: list[Arrival] = []
        self.births: list[Birth] = []
        self.states: list[State] = []
        self.stored: dict[tuple[str, int], list[float | None]] = {}
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, username or "receiver")
        if username:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_socket_open = _without_delay
        self._client.on_connect = self._connected
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._message

    def __enter__(self) -> Self:
        self._client.connect(*self._where)
        self._client.loop_start()
        self.wait_connected()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_connected(self, timeout_s: float = 60.0) -> None:
        """Return once it is subscribed, after its broker came back too."""
        assert self._subscribed.wait(timeout_s), "the receiver found no broker"

    def pause(self) -> None:
        """Take nothing in, and give no receipts."""
        with self._lock:
            self._waiting = self._waiting or []

    def resume(self) -> None:
        """Work off what has come, and go on."""
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
            for address, payload in waiting:
                self._batch(address, payload)

    def ask(self, gateway: Address, resend: Ranges) -> None:
        """Ask the gateway for batches again."""
        self.send(gateway, Receipt(time_s=self._now_s(), resend=resend))

    def send(self, gateway: Address, receipt: Receipt) -> None:
        """Publish a receipt of any content."""
        self.publish_raw(gateway, encode(receipt))

    def publish_raw(self, gateway: Address, payload: bytes, *, retain: bool = False) -> MQTTMessageInfo:
        """Publish whatever bytes where receipts are expected; what is returned can be waited for."""
        return self._client.publish(topic(gateway.area, gateway.gateway, "receipts"), payload, qos=1, retain=retain)

    def identities(self) -> Counter[str]:
        """How often each batch came."""
        return Counter(arrival.batch for arrival in self.arrivals)

    def contents(self) -> dict[str, set[bytes]]:
        """The contents that came under each identity; more than one must never be."""
        found: dict[str, set[bytes]] = {}
        for arrival in self.arrivals:
            found.setdefault(arrival.batch, set()).add(arrival.payload)
        return found

    def _now_s(self) -> int:
        return int(time.time() + self.clock_offset_s)

    def _connected(
        self, client: Client, _data: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe([(f"{ROOT}/+/+/{leaf}", 1) for leaf in ("readings/+", "birth", "state")])

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        address = parse_topic(message.topic)
        assert address is not None, message.topic
        payload = bytes(message.payload)
        if address.leaf == "birth":
            self.births.append(decode_birth(payload))
        elif address.leaf == "state":
            self.states.append(decode_state(payload))
        else:
            with self._lock:
                if self._waiting is None:
                    self._batch(address, payload)
                else:
                    self._waiting.append((address, payload))

    def _batch(self, address: Address, payload: bytes) -> None:
        assert address.batch is not None, "our gateways number their batches"
        self.arrivals.append(Arrival(str(address.batch), payload, time.monotonic()))
        if self.refuse:
            receipt = Receipt(self._now_s(), refused={str(address.batch): {self.refuse: len(resolve(payload))}})
        else:
            self._store(payload)
            receipt = Receipt(self._now_s(), stored=to_ranges([address.batch]))
        self.send(address, receipt)

    def _store(self, payload: bytes) -> None:
        for record in resolve(payload):
            if isinstance(record, Resolved):
                values = self.stored.setdefault((record.name, record.time_s), [])
                if not values or values[-1] != record.value:
                    values.append(record.value)


def _without_delay(_client: Client, _data: object, opened: object) -> None:
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
