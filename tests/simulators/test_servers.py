"""The servers that tests and benches rely on do start, die, restart on their port, and keep to their access rules."""

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from contract.problems import Problem
from simulators import servers


def _needs(program: str, package: str) -> pytest.MarkDecorator:
    try:
        servers.find_program(program, package)
    except Problem as problem:
        return pytest.mark.skip(reason=problem.text.en)
    return pytest.mark.skipif(False, reason="")


needs_mosquitto = _needs("mosquitto", "mosquitto")
needs_influxdb = _needs("influxd", "influxdb")


class Client:
    """A logged-in MQTT client that collects what it is sent."""

    def __init__(self, port: int, user: str, password: str, context: ssl.SSLContext | None = None) -> None:
        self.topics: list[str] = []
        self.reason: int | None = None
        self._changed = threading.Condition()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, clean_session=False, client_id=f"{user}-any")
        if context is None:
            self.client.username_pw_set(user, password)
        else:
            self.client.tls_set_context(context)
        self.client.on_message = self._note
        self.client.on_connect = self._connected
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.until(lambda: self.reason is not None)

    def _connected(self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        with self._changed:
            self.reason = reason.value
            self._changed.notify_all()

    def _note(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.topics.append(message.topic)
            self._changed.notify_all()

    def until(self, what: Callable[[], bool], timeout_s: float = 60.0) -> bool:
        with self._changed:
            return self._changed.wait_for(what, timeout_s)

    def subscribe(self, topic: str) -> None:
        done = threading.Event()
        self.client.on_subscribe = lambda *_: done.set()
        self.client.subscribe(topic, qos=1)
        assert done.wait(60.0)

    def publish(self, topic: str) -> None:
        self.client.publish(topic, b"x", qos=1).wait_for_publish(5.0)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def _get(server: servers.Server, path: str) -> bytes:
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


@needs_mosquitto
def test_a_gateway_writes_only_under_its_own_name(tmp_path: Path) -> None:
    users = {"ingest": "pw", "hanam-01": "pw", "hanam-02": "pw"}
    with servers.mosquitto(tmp_path, users=users) as broker:
        ingest, gateway = Client(broker.port, "ingest", "pw"), Client(broker.port, "hanam-01", "pw")
        ingest.subscribe("bitgoeul/v1/main/+/readings/#")
        gateway.subscribe("bitgoeul/v1/main/+/receipts")
        gateway.publish("bitgoeul/v1/main/hanam-02/readings/r-1")
        gateway.publish("bitgoeul/v1/main/hanam-01/receipts")
        gateway.publish("bitgoeul/v1/main/hanam-01/readings/r-1")
        gateway.publish("bitgoeul/v1/main/hanam-01/readings")
        ingest.publish("bitgoeul/v1/main/hanam-02/receipts")
        ingest.publish("bitgoeul/v1/main/hanam-01/receipts")
        assert ingest.until(lambda: len(ingest.topics) == 2)
        assert gateway.until(lambda: len(gateway.topics) == 1)
        ingest.close()
        gateway.close()
    assert ingest.topics == ["bitgoeul/v1/main/hanam-01/readings/r-1", "bitgoeul/v1/main/hanam-01/readings"]
    assert gateway.topics == ["bitgoeul/v1/main/hanam-01/receipts"]


def _certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate and key for a common name, signed by the folder's authority, which is made at first."""
    authority, authority_key = str(folder / "ca.pem"), str(folder / "ca.key")
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    if not Path(authority).exists():
        made = [*new, "-subj", "/CN=authority", "-keyout", authority_key, "-out", authority]
        subprocess.run(made, check=True, capture_output=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    signed = ["-CA", authority, "-CAkey", authority_key, "-addext", "basicConstraints=critical,CA:FALSE"]
    signed += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [*new, *signed, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    return certificate, key


@needs_mosquitto
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl: not installed (apt-get install openssl)")
def test_a_gateway_is_who_its_certificate_says(tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path, "broker")
    tls = servers.Tls(certificate, key, ca=tmp_path / "ca.pem", clients=True)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(*_certificate(tmp_path, "hanam-01"))
    ingest_context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    ingest_context.load_cert_chain(*_certificate(tmp_path, "ingest"))
    with servers.mosquitto(tmp_path / "broker", users={}, tls=tls) as broker:
        ingest = Client(broker.port, "ingest", "", ingest_context)
        ingest.subscribe("bitgoeul/v1/main/+/birth")
        gateway = Client(broker.port, "another-name", "", context)
        gateway.publish("bitgoeul/v1/main/another-name/birth")
        gateway.publish("bitgoeul/v1/main/hanam-01/birth")
        assert ingest.until(lambda: len(ingest.topics) == 1)
        gateway.close()
        ingest.close()
        nobody = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        plain = socket.create_connection((broker.host, broker.port), timeout=30)
        with (
            nobody.wrap_socket(plain, server_hostname=broker.host) as stranger,
            pytest.raises(OSError, match=r"(?i)certificate required|reset"),
        ):
            stranger.recv(1)
    assert ingest.topics == ["bitgoeul/v1/main/hanam-01/birth"]


@needs_mosquitto
def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with servers.mosquitto(tmp_path, users={"hanam-01": "pw"}) as broker:
        stranger = Client(broker.port, "hanam-01", "guess")
        stranger.close()
    assert stranger.reason != 0


@needs_mosquitto
@pytest.mark.parametrize("wiped", [False, True])
def test_a_killed_broker_comes_back_on_its_port_with_what_was_saved(tmp_path: Path, wiped: bool) -> None:
    with servers.mosquitto(tmp_path, persistence_s=1800) as broker:
        port = broker.port
        reader = Client(port, "reader", "")
        reader.subscribe("t")
        reader.close()
        writer = Client(port, "writer", "")
        for _ in range(3000):
            writer.client.publish("t", b"x", qos=1)
        writer.publish("t")
        writer.close()
        broker.stop()
        if wiped:
            broker.wipe()
        broker.start()
        broker.kill()
        assert not broker.running
        broker.start()
        assert broker.port == port
        reader = Client(port, "reader", "")
        assert reader.until(lambda: len(reader.topics) == 3001, 0.5 if wiped else 5.0) == (not wiped)
        reader.close()


@needs_mosquitto
def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    broker = servers.mosquitto(tmp_path)
    (tmp_path / "mosquitto.conf").write_text("no_such_setting 1\n", "utf-8")
    with pytest.raises(
        Problem, match=r"did not start \(exit status 3, .*Unknown configuration variable .no_such_setting"
    ):
        broker.start()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(Problem, match=r"no-such-broker: not installed \(apt-get install that-package\)"):
        servers.find_program("no-such-broker", "that-package")


@needs_influxdb
def test_influxdb_keeps_what_it_acknowledged_over_a_kill(tmp_path: Path) -> None:
    with servers.influxdb(tmp_path) as influx:
        servers.create_database(influx, "energy")
        with contextlib.closing(http.client.HTTPConnection(influx.host, influx.port)) as connection:
            connection.request("POST", "/write?db=energy&precision=s", b"m,meter=a v=1 1700000000")
            assert connection.getresponse().status == 204
        influx.kill()
        influx.start()
        answer = json.loads(_get(influx, "/query?db=energy&q=SELECT+v+FROM+m&epoch=s"))
        assert answer["results"][0]["series"][0]["values"] == [[1700000000, 1]]
        influx.stop()
        influx.wipe()
        influx.start()
        assert b"energy" not in _get(influx, "/query?q=SHOW+DATABASES")


@needs_influxdb
def test_influxdb_with_a_user_lets_no_one_else_in(tmp_path: Path) -> None:
    admin = ("energy", "pw")
    with servers.influxdb(tmp_path, admin=admin) as influx:
        servers.create_database(influx, "energy", admin)
        servers.create_database(influx, "energy", admin)  # again, after a restart: no harm
        with pytest.raises(Problem, match="authoriz"):
            servers.create_database(influx, "energy", ("energy", "guess"))
