"""One MQTT connection, by paho, driven by the event loop.

A paho client that reconnects publishes again, by itself, all that was not acknowledged, and until then keeps it
in memory without a bound. So each connection has a client of its own, which never reconnects: what is published,
and when again, is decided by `edge.flow` alone.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.broker import CLOSED_EARLY, Login, TlsContext
from edge.config import Broker

log = logging.getLogger(__name__)

KEEPALIVE_S = 30
ACCEPT_TIMEOUT_S = 10.0
LEAVE_TIMEOUT_S = 2.0
UNACKNOWLEDGED = 256  # far more than a window: a broker that acknowledges nothing is given no more


class Refused(Exception):
    """The broker does not let us in, or was lost before it did; the text says why."""


class Connection:
    """Open until `closed` has its reason. All but the connecting itself runs in the event loop, and never blocks."""

    def __init__(self, login: Login, will: tuple[str, bytes], tls: TlsContext | None) -> None:
        """`will` is topic and payload, published retained by the broker when we vanish."""
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = self._loop.create_future()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._on_message: Callable[[str, bytes], None] = lambda *_: None
        self._on_idle: Callable[[], None] = lambda: None
        self._said = ""
        self._tls = tls
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            login.client_id,
            clean_session=True,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        if login.username:
            self._client.username_pw_set(login.username, login.password or None)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.will_set(*will, qos=1, retain=True)
        self._client.max_inflight_messages_set(0)
        self._client.max_queued_messages_set(UNACKNOWLEDGED)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        self._client.on_log = self._log

    async def open(
        self,
        broker: Broker,
        on_message: Callable[[str, bytes], None],
        on_idle: Callable[[], None],
        timeout_s: float = ACCEPT_TIMEOUT_S,
    ) -> None:
        """Return once the broker has let us in. Raises Refused, OSError.

        `on_message` gets topic and payload of each message that is not a retained one; `on_idle` is called when
        all that was published has gone out.
        """
        self._on_message, self._on_idle = on_message, on_idle
        try:
            await asyncio.to_thread(self._client.connect, broker.host, broker.port, KEEPALIVE_S)
        except OSError:
            if self._tls is not None and self._tls.made is not None:
                self._tls.made.close()
            raise
        self._watch()
        either = (self._accepted, self.closed)
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self._accepted.done():
            self._accepted.result()
        elif self.closed.done():
            raise Refused(f"{CLOSED_EARLY}: {self.closed.result()}")
        else:
            raise TimeoutError("the broker does not answer")

    def _watch(self) -> None:
        client, loop = self._client, self._loop
        found = client.socket()
        if found is None:
            raise Refused(f"{CLOSED_EARLY}: {self._said}")
        if isinstance(found, socket.socket):
            # else a tick waits 40 ms for the acknowledgement of what went before
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_close = self._closing
        client.on_socket_register_write = lambda _client, _data, sock: loop.add_writer(sock, client.loop_write)
        client.on_socket_unregister_write = self._written
        loop.add_reader(found, self._readable)
        if client.want_write():
            loop.add_writer(found, client.loop_write)
        self._keep_alive()

    def _closing(self, _client: Client, _data: Any, sock: Any) -> None:
        self._loop.remove_reader(sock)

    def _written(self, _client: Client, _data: Any, sock: Any) -> None:
        self._loop.remove_writer(sock)
        self._on_idle()

    def _readable(self) -> None:
        self._client.loop_read()
        sock = self._client.socket()
        # what TLS has decrypted already makes no socket readable
        while isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._client.loop_read()
            sock = self._client.socket()

    def _keep_alive(self) -> None:
        if not self.closed.done():
            self._client.loop_misc()
            self._loop.call_later(1.0, self._keep_alive)

    @property
    def busy(self) -> bool:
        """Whether something published is still on its way out."""
        return self._client.want_write()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """QoS 1; False where the connection is lost or the broker has stopped acknowledging."""
        if self.closed.done():
            return False
        return self._client.publish(topic, payload, qos=1, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def subscribe(self, topic: str) -> None:
        """QoS 1. A refusal is logged."""
        self._client.subscribe(topic, qos=1)

    async def leave(self) -> None:
        """Disconnect in order, after all that was published: the broker then keeps the will to itself."""
        self._client.disconnect()
        await asyncio.wait((self.closed,), timeout=LEAVE_TIMEOUT_S)
        self.abandon()

    def abandon(self) -> None:
        """Let go of the socket, in whatever state it is."""
        sock = self._client.socket()
        self._client.on_socket_close = self._client.on_socket_unregister_write = None
        if sock is not None:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()
        self._accepted.cancel()
        self._close("abandoned")

    def _close(self, reason: str) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    def _connected(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(Refused(reason.getName()))
        else:
            self._accepted.set_result(None)

    def _disconnected(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        # paho has no word of its own for the end of the stream
        ended = reason.getName() == "Unspecified error"
        self._close(self._said or ("connection ended by the other side" if ended else reason.getName()))

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                log.error("receipts-refused reason=%s action=let-the-gateway-read-its-receipts", reason.getName())

    def _message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        # a retained one may be of any age
        if not message.retain:
            self._on_message(message.topic, bytes(message.payload))

    def _log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._said = text
