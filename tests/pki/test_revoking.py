"""Taking back: what was connected is not any more, and nothing of it is left."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.pki.authority import create_authority
from cloud.pki.issuing import issue_client
from cloud.pki.publishing import BROKER
from commands.__main__ import main
from simulators.servers import free_port
from tests.pki.installation import PASSPHRASE, Ear, Installation, connected, install, until

V1 = "bitgoeul/v1"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def gateways(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command; its exit status and what it said."""
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    secret = tmp_path / "passphrase"
    secret.touch(mode=0o600)
    secret.write_text(PASSPHRASE)

    def run(action: str, *arguments: str, broker: str = installation.url) -> tuple[int, str]:
        options = ["--pki", str(installation.pki)]
        if action != "list":
            options += ["--passphrase-file", str(secret)]
        if action == "revoke":
            options += ["--broker", broker, "--reason", "stolen"]
        status = main(["cloud", "gateways", action, *arguments, *options])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


class Stubborn(threading.Thread):
    """A gateway that publishes all the time, retained too, and comes back at once when its connection ends."""

    def __init__(self, installation: Installation, name: str) -> None:
        super().__init__()
        self.installation, self.name_ = installation, name
        self.stop, self.let_in, self.refused = threading.Event(), 0, 0

    def run(self) -> None:
        """Until `stop`."""
        credentials = self.installation.pki / "gateways" / f"{self.name_}.pem"
        while not self.stop.is_set():
            try:
                with connected(self.installation, credentials) as ear:
                    self.let_in += 1
                    while not (self.stop.is_set() or ear.ended.is_set()):
                        for leaf in ("birth", "state", "readings/r-1"):
                            ear.client.publish(f"{V1}/main/{self.name_}/{leaf}", b"here", qos=1, retain=True)
                        self.stop.wait(0.02)
            except OSError:
                self.refused += 1
                self.stop.wait(0.02)


class Session:
    """TLS sessions of a gateway's, which it tries to take up again after it was shut out."""

    def __init__(self, installation: Installation, credentials: Path, version: ssl.TLSVersion, name: str) -> None:
        self.context = ssl.create_default_context(cafile=installation.pki / "ca.crt")
        self.context.load_cert_chain(credentials)
        self.context.minimum_version = self.context.maximum_version = version
        self.port, self.name = installation.broker.port, name.encode()
        self.kept: ssl.SSLSession | None = None

    def log_in(self) -> bool:
        """Whether the session was taken up again. Raises OSError where we are not let in."""
        with (
            socket.create_connection(("localhost", self.port), timeout=30) as plain,
            self.context.wrap_socket(plain, server_hostname="localhost", session=self.kept) as stream,
        ):
            length = len(self.name)
            stream.sendall(bytes([0x10, 12 + length]) + b"\0\4MQTT\4\2\0\x1e" + bytes([0, length]) + self.name)
            answer = stream.recv(4)
            if answer != b"\x20\2\0\0":
                raise ConnectionAbortedError(f"answered {answer!r}")
            self.kept = stream.session
            return bool(stream.session_reused)


def test_a_live_gateway_is_out_within_seconds_and_stays_out(installation: Installation, gateways: Run) -> None:
    assert gateways("add", "g-live", "--area", "main")[0] == 0
    gateway = Stubborn(installation, "g-live")
    with connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest:
        ingest.subscribe(f"{V1}/main/g-live/#")
        gateway.start()
        try:
            until(lambda: len(ingest.heard) > 10, "the gateway to publish")
            began_s = time.monotonic()
            status, said = gateways("revoke", "g-live")
            took_s, let_in, heard = time.monotonic() - began_s, gateway.let_in, len(ingest.heard)
            until(lambda: gateway.refused > 3, "the gateway to try again")
        finally:
            gateway.stop.set()
            gateway.join(10)
        assert status == 0, said
        assert took_s < 10
        assert (let_in, gateway.let_in) == (1, 1)
        until(lambda: (f"{V1}/main/g-live/state", b"", False) in ingest.heard, "the state to be cleared")
        assert [payload for _, payload, _ in ingest.heard[heard:] if payload == b"here"] == []
        # who listened was told that it is gone before its state was cleared
        states = [payload for topic, payload, _ in ingest.heard if topic.endswith("/state")]
        assert json.loads(states[-2])["status"] == "offline"
    with connected(installation, installation.pki / "gateways/ingest-main.pem") as later:
        later.subscribe(f"{V1}/main/g-live/birth", f"{V1}/main/g-live/state")
        time.sleep(0.2)
        assert later.heard == []


def test_a_session_of_before_is_not_taken_up_again(installation: Installation, gateways: Run) -> None:
    """A session taken up again shows no certificate: the broker must judge the one of then."""
    credentials = installation.client("g-session")
    sessions = [
        Session(installation, credentials, version, "g-session")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ]
    assert [session.log_in() for session in sessions] == [False, False]
    assert [session.log_in() for session in sessions] == [True, True]
    assert gateways("revoke", "g-session")[0] == 0
    for session in sessions:
        with pytest.raises(OSError, match=r"REVOKED|EOF|reset|[Bb]roken"):
            session.log_in()


def test_taken_back_twice_and_issued_anew(installation: Installation, gateways: Run) -> None:
    gateways("add", "g-again")
    lost = (installation.pki / "gateways/g-again.pem").read_bytes()
    away = f"mqtts://localhost:{free_port()}"
    with (
        connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest,
        connected(installation, installation.pki / "gateways/g-again.pem") as gateway,
    ):
        ingest.subscribe(f"{V1}/main/g-again/#")
        status, said = gateways("revoke", "g-again", broker=away)
        assert status == 1
        assert "taken back: 1" in said
        assert "may stay" in said.splitlines()[-1]
        assert "Traceback" not in said
        # what stays is powerless, since the rules are read where no hand reaches
        until(lambda: not heard_of(gateway, ingest), "the rules to be read")
        assert not gateway.ended.is_set()
        assert gateways("revoke", "g-again")[0] == 0
        assert gateway.ended.wait(1)
    status, said = gateways("revoke", "g-again")
    assert (status, "was taken back before" in said) == (0, True)
    assert gateways("add", "g-again")[0] == 0
    with connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest:
        ingest.subscribe(f"{V1}/main/+/#")
        until(lambda: works(installation, ingest), "the new certificate to work")
    (installation.pki / "gateways/g-again.pem").write_bytes(lost)
    with (
        pytest.raises(OSError, match=r"REVOKED|not let in|EOF"),
        connected(installation, installation.pki / "gateways/g-again.pem"),
    ):
        pass


def heard_of(gateway: Ear, ingest: Ear) -> bool:
    """Whether what a connected g-again publishes is heard."""
    before = len(ingest.heard)
    gateway.publish(f"{V1}/main/g-again/readings/r-1")
    time.sleep(0.1)
    return len(ingest.heard) > before


def works(installation: Installation, ingest: Ear) -> bool:
    """Whether what g-again publishes is heard: within two seconds of its new certificate it may be shut out yet."""
    with connected(installation, installation.pki / "gateways/g-again.pem") as gateway:
        gateway.publish(f"{V1}/main/g-again/state", b"back")
        time.sleep(0.1)
    return (f"{V1}/main/g-again/state", b"back", False) in ingest.heard


def test_a_broker_that_is_not_ours_is_named(gateways: Run, tmp_path: Path) -> None:
    gateways("add", "g-astray")
    other = install(tmp_path / "other")
    with other.broker:
        status, said = gateways("revoke", "g-astray", broker=other.url)
    assert (status, "not of this authority" in said) == (1, True)
    status, said = gateways("revoke", "g-astray", broker="mqtt://localhost")
    assert (status, "expected mqtts://" in said) == (2, True)
    status, said = gateways("revoke", "never-seen")
    assert (status, "no certificate was issued" in said) == (1, True)
    status, said = gateways("revoke", "tools")
    assert (status, "no certificate was issued" in said) == (1, True)


def test_the_broker_is_that_of_the_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pki, port = tmp_path / "deploy" / "pki", free_port()
    (tmp_path / "passphrase").touch(0o600)
    (tmp_path / "passphrase").write_text(PASSPHRASE, "utf-8")
    issue_client(create_authority(pki, PASSPHRASE, "Test"), "g1", kind="gateway")
    (pki / BROKER).mkdir(exist_ok=True)
    (tmp_path / ".env").write_text(f"BITGOEUL_MQTTS_PORT={port}\n", "utf-8")
    argv = ["cloud", "gateways", "revoke", "g1", "--reason", "lost", "--pki", str(pki)]
    assert main([*argv, "--passphrase-file", str(tmp_path / "passphrase")]) == 1
    assert f"localhost:{port}" in capsys.readouterr().err
