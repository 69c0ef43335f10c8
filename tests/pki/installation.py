"""An installation's certificates and its broker: the real Mosquitto with the real configuration, but for its paths."""

import contextlib
import getpass
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud.pki.authority import Authority, create_authority
from cloud.pki.issuing import Request, issue, issue_client, issue_server, write_credentials
from cloud.pki.publishing import BROKER, SERVER, publish
from edge.broker import tls_context
from edge.config import UplinkConfig
from simulators.servers import HOST, Server, free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy" / "broker"
PASSPHRASE = "jungoe-park-1995"
PATHS = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
NO_MOSQUITTO = shutil.which("mosquitto", path=PATHS) is None


@dataclass(frozen=True)
class Installation:
    """Its folder of certificates and, once started, its broker."""

    pki: Path
    authority: Authority
    broker: Server

    @property
    def url(self) -> str:
        """Where the broker is."""
        return f"mqtts://localhost:{self.broker.port}"

    def client(self, name: str) -> Path:
        """New credentials of one of our own processes, or of a gateway; a file."""
        gateway = not name.startswith("ingest-") and name not in ("mirror", "tools")
        issued = issue_client(self.authority, name, kind="gateway" if gateway else "process")
        path = self.pki / "gateways" / f"{name}.pem"
        write_credentials(issued, path)
        if not gateway:
            publish(self.pki)
        return path

    def ended(self, name: str) -> Path:
        """Credentials that are over."""
        now = datetime.now(UTC)
        request = Request(name, "gateway", "", now - timedelta(days=9), now - timedelta(days=1))
        path = self.pki / "gateways" / f"{name}-ended.pem"
        write_credentials(issue(self.authority, request), path)
        return path


def install(folder: Path, shell: tuple[str, ...] = ("sh",)) -> Installation:
    """With ingest of `main` and `other`, the mirror and the tools; the broker is not started yet."""
    pki = folder / "pki"
    authority = create_authority(pki, PASSPHRASE, "Bitgoeul")
    write_credentials(issue_server(authority, ["localhost", HOST]), pki / BROKER / SERVER)
    port, data = free_port(), folder / "data"
    data.mkdir(parents=True)
    settings = (DEPLOY / "mosquitto.conf").read_text("utf-8")
    own = str(folder / "read")
    settings = settings.replace("/tmp/pki", own)  # noqa: S108  # it is a name to be replaced, here
    settings = settings.replace("/mosquitto/data", str(data))
    # as root it would drop to the user mosquitto, who cannot read the test's folder
    settings = settings.replace("listener 8883", f"user {getpass.getuser()}\nlistener {port} {HOST}")
    (folder / "mosquitto.conf").write_text(settings, "utf-8")
    watch = [*shell, str(DEPLOY / "watch.sh"), str(folder / "mosquitto.conf"), str(pki / BROKER), own]
    watch.append("0.1")  # seconds between looks
    made = Installation(
        pki, authority, Server(folder, port, ["env", f"PATH={PATHS}", *watch], lambda: _listens(port), [data])
    )
    for name in ("ingest-main", "ingest-other", "mirror", "tools"):
        made.client(name)
    return made


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False


@dataclass
class Ear:
    """A client and what it has heard."""

    client: mqtt.Client
    heard: list[tuple[str, bytes, bool]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def topics(self) -> list[str]:
        """In order."""
        return [topic for topic, _, _ in self.heard]

    def subscribe(self, *filters: str) -> None:
        """Return once it is granted."""
        granted = threading.Event()
        self.client.on_subscribe = lambda *_: granted.set()
        self.client.subscribe([(one, 1) for one in filters])
        assert granted.wait(60)

    def publish(self, topic: str, payload: bytes = b"{}", *, retain: bool = False) -> None:
        """Return once the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)


@contextlib.contextmanager
def connected(installation: Installation, credentials: Path, client_id: str = "") -> Iterator[Ear]:
    """A client that is let in. Raises OSError where it is not."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311, reconnect_on_failure=False)
    tls = tls_context(UplinkConfig(brokers=[], credentials_file=str(credentials)))
    client.tls_set_context(tls)
    ear, let_in = Ear(client), threading.Event()

    def heard(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        ear.heard.append((message.topic, bytes(message.payload), message.retain))

    def answered(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            let_in.set()

    client.on_message, client.on_connect = heard, answered
    client.on_disconnect = lambda *_: ear.ended.set()
    try:
        client.connect("localhost", installation.broker.port)
    except OSError:
        if tls.made is not None:
            tls.made.close()  # paho leaves it open
        raise
    client.loop_start()
    try:
        until(lambda: let_in.is_set() or ear.ended.is_set(), "an answer")
        if not let_in.is_set():
            raise ConnectionAbortedError("not let in")
        yield ear
    finally:
        client.disconnect()
        client.loop_stop()


def until(condition: Callable[[], object], what: str, timeout_s: float = 60.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.01)
