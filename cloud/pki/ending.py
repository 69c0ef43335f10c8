"""Ending the live connection of a gateway whose certificates were taken back.

Mosquitto judges a certificate when a connection begins, and never again: a revoked gateway that is connected stays
so, though the rules leave it powerless. The broker ends a connection when a second one of the same name comes, so we
come under that name, with a certificate of minutes that nobody else has. First we wait until the broker refuses what
was taken back, else the gateway would be back at once.
"""

import contextlib
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud.pki.acl import TOOLS
from cloud.pki.authority import Authority
from cloud.pki.issuing import Issued, issue_takeover
from contract.messages import OFFLINE
from contract.problems import Problem
from contract.topics import ROOT

MINUTES = 10
TIMEOUT_S = 5.0
RELOADED_S = 20.0  # the broker looks for changes each second
LOOK_S = 0.2
QUIET_S = 0.5  # after the last retained message, which come in one go


class Address(NamedTuple):
    """Where the broker is; the name must stand in its certificate."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def end_session(authority: Authority, revoked: Issued, broker: Address) -> int:
    """End what the name of `revoked` has open, and clear what it left at the broker; how many messages that were.

    `revoked` is a certificate of that name which was taken back with all others: the broker's list is in force once
    it is refused. Raises Problem where that cannot be done; it may be tried again.
    """
    try:
        _wait_until_refused(revoked, broker)
        with _connected(issue_takeover(authority, revoked.name, MINUTES), broker):
            pass
        with _connected(issue_takeover(authority, TOOLS, MINUTES), broker) as tools:
            return _clear(tools, revoked.name)
    except ssl.SSLCertVerificationError as error:
        raise Problem(
            f"브로커 {broker}: 인증서가 이 인증기관의 것이 아니거나 이름이 다릅니다: {error.verify_message}",
            f"broker {broker}: its certificate is not of this authority, or names another host: {error.verify_message}",
        ) from error
    except OSError as error:  # what TLS refuses is one
        raise Problem(
            f"브로커 {broker}: 연결할 수 없습니다: {error}", f"broker {broker}: cannot be reached: {error}"
        ) from error


def _wait_until_refused(revoked: Issued, broker: Address) -> None:
    context = _context(revoked)
    # in TLS 1.3 our certificate would be judged after the handshake
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    deadline = time.monotonic() + RELOADED_S
    while time.monotonic() < deadline:
        try:
            with (
                socket.create_connection(broker, timeout=TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=broker.host),
            ):
                pass
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            if "REVOKED" in (error.reason or ""):
                return
            raise
        time.sleep(LOOK_S)
    raise Problem(
        f"브로커 {broker}: {RELOADED_S:.0f}초가 지나도 폐기 목록을 읽지 않습니다. 같은 pki 폴더를 쓰는지 확인하십시오",
        f"broker {broker}: has not read the list of what was revoked for {RELOADED_S:.0f} s; "
        "check that it uses the same pki folder",
    )


def _context(issued: Issued) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=issued.authority.decode("ascii"))
    # the ssl module takes a certificate from a file only
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.pem"
        path.touch(mode=0o600)
        path.write_bytes(issued.one_file)
        context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def _connected(issued: Issued, broker: Address) -> Iterator[mqtt.Client]:
    """A client that the broker has let in under the certificate's name. Raises OSError."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, issued.name, protocol=mqtt.MQTTv311, reconnect_on_failure=False)
    client.tls_set_context(_context(issued))
    client.connect_timeout = TIMEOUT_S
    refused: list[str] = []

    def said(_client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refused.append(str(reason))

    client.on_connect = said
    try:
        client.connect(*broker)
        _turn(client, lambda: refused or client.is_connected())
        if refused:
            raise ConnectionRefusedError(f"{issued.name}: {refused[0]}")
        yield client
        client.disconnect()
    finally:
        stream = client.socket()
        if stream is not None:
            stream.close()


def _turn(client: mqtt.Client, done: Callable[[], object], timeout_s: float = TIMEOUT_S) -> None:
    """Serve the connection until `done()`. Raises OSError where it ends before, or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
            raise ConnectionAbortedError("the broker ended the connection")
        if time.monotonic() > deadline:
            raise TimeoutError("the broker does not answer")


def _clear(client: mqtt.Client, name: str) -> int:
    """Remove the retained birth and state of that name, in whatever area they are; how many there were."""
    found: set[str] = set()
    heard_s = [time.monotonic()]
    granted: list[int] = []

    def heard(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        heard_s[0] = time.monotonic()
        if message.retain and message.payload:
            found.add(message.topic)

    client.on_message = heard
    client.on_subscribe = lambda _client, _data, mid, _reasons, _properties: granted.append(mid)
    client.subscribe([(f"{ROOT}/+/{name}/{leaf}", 1) for leaf in ("birth", "state")])
    _turn(client, lambda: granted and time.monotonic() - heard_s[0] > QUIET_S)
    sent = []
    for topic in sorted(found):
        if topic.endswith("/state"):
            # who listens now learns that it is gone; who comes later finds nothing
            sent.append(client.publish(topic, OFFLINE, qos=1))
        sent.append(client.publish(topic, b"", qos=1, retain=True))
    _turn(client, lambda: all(message.is_published() for message in sent))
    return len(found)
