"""What a Mosquitto says of itself under $SYS, as it comes; who has no leave to read it gets nothing."""

import logging
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud.ingest.link import LinkSettings
from cloud.mirror.points import Field, Point

LOG = logging.getLogger(__name__)

ROOT = "$SYS/broker/"
TOPICS = {
    "clients/connected": "clients_connected",
    "messages/received": "messages_received",
    "messages/sent": "messages_sent",
    "publish/messages/dropped": "messages_dropped_total",
    "heap/current": "heap_bytes",
    "retained messages/count": "retained",
}


class BrokerState:
    """Listens in paho's own thread between `start` and `stop`; `point` may be called from any other."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._said: dict[str, tuple[float, float]] = {}  # value, and when it was said
        self._rates: dict[str, float] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="mirror")
        if settings.username:
            self._client.username_pw_set(settings.username, settings.password)
        if settings.tls is not None:
            self._client.tls_set_context(settings.tls)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._note

    def start(self) -> None:
        """Connect, and again whenever it is cut."""
        broker = self._settings.brokers[0]
        self._client.connect_async(broker.host, broker.port)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether it may be listened to."""
        return self._client.is_connected()

    def point(self) -> Point | None:
        """What was said last; None while there is no connection or nothing was said."""
        with self._lock:
            said = {name: value for name, (value, _) in self._said.items()}
            rates = dict(self._rates)
        if not said or not self.connected:
            return None
        heap = said.get("heap_bytes")
        fields: dict[str, Field] = {
            "clients_connected": _whole(said.get("clients_connected")),
            "messages_received_per_s": rates.get("messages_received"),
            "messages_sent_per_s": rates.get("messages_sent"),
            "messages_dropped_total": _whole(said.get("messages_dropped_total")),
            "heap_mb": None if heap is None else heap / 1e6,
            "retained": _whole(said.get("retained")),
        }
        broker = self._settings.brokers[0]
        return Point("platform_broker", {"broker": f"{broker.host}:{broker.port}"}, fields)

    def _subscribe(self, client: mqtt.Client, *_: Any) -> None:
        LOG.info("broker connected, listening to $SYS")
        client.subscribe([(ROOT + topic, 0) for topic in TOPICS])

    def _note(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        name = TOPICS.get(message.topic.removeprefix(ROOT))
        try:
            value = float(message.payload)
        except ValueError:
            return
        if name is None:
            return
        now_s = time.monotonic()
        with self._lock:
            before = self._said.get(name)
            if before is not None and now_s > before[1] and value >= before[0]:
                self._rates[name] = (value - before[0]) / (now_s - before[1])
            self._said[name] = value, now_s


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
