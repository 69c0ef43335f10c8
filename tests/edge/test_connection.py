"""TLS with a real Mosquitto: who is let in, who is trusted, and what is said where not."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.problems import Problem
from edge.broker import explain, read_login, tls_context
from edge.config import Broker, UplinkConfig
from edge.connection import Connection, Refused
from simulators.network import Link
from simulators.servers import Server, Tls, mosquitto

GATEWAY = "hanam-01"
PROGRAMS = ("mosquitto", "openssl")
MISSING = [
    name for name in PROGRAMS if not shutil.which(name, path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin")
]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """A certificate authority; its certificate."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl(*new, "-subj", f"/CN={name}", "-keyout", key, "-out", certificate)
    return certificate


def issued(ca: Path, name: str, host: str = "") -> tuple[Path, Path]:
    """Certificate and key that `ca` signed, for a host where one is named."""
    key, certificate = ca.with_name(f"{name}.key"), ca.with_name(f"{name}.pem")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    signed = ("-CA", ca, "-CAkey", ca.with_suffix(".key"), "-subj", f"/CN={name}")
    names = ("-addext", f"subjectAltName={host}") if host else ()
    openssl(*new, *signed, "-addext", "basicConstraints=critical,CA:FALSE", *names, "-keyout", key, "-out", certificate)
    return certificate, key


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ca(folder: Path) -> Path:
    return authority(folder, "city")


@pytest.fixture(scope="module")
def broker(folder: Path, ca: Path) -> Iterator[Server]:
    """Takes gateways by certificate."""
    certificate, key = issued(ca, "broker", "DNS:localhost")
    tls = Tls(certificate, key, ca, clients=True)
    with mosquitto(folder / "broker", users={GATEWAY: ""}, tls=tls) as server:
        yield server


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Server]:
    with mosquitto(folder / "plain", users={GATEWAY: "right"}) as server:
        yield server


def connect(broker: Broker, config: UplinkConfig, timeout_s: float = 10.0) -> None:
    """Connect and leave. Raises what refuses."""

    async def both() -> None:
        tls = tls_context(config) if broker.scheme == "mqtts" else None
        connection = Connection(read_login(config, GATEWAY), ("bitgoeul/v1/main/x/state", b"{}"), tls)
        try:
            await connection.open(broker, lambda *_: None, lambda: None, timeout_s)
            assert connection.publish(f"bitgoeul/v1/main/{GATEWAY}/state", b"{}", retain=True)
            await connection.leave()
            assert connection.closed.result() == "Normal disconnection"
        finally:
            connection.abandon()

    asyncio.run(both())


def uplink(ca: Path | None = None, pair: tuple[Path, Path] | None = None) -> UplinkConfig:
    return UplinkConfig(
        brokers=[],
        ca_file=str(ca or ""),
        certificate_file=str(pair[0]) if pair else "",
        key_file=str(pair[1]) if pair else "",
    )


def test_a_gateway_with_its_certificate_is_let_in(broker: Server, ca: Path) -> None:
    connect(Broker("mqtts", "localhost", broker.port), uplink(ca, issued(ca, GATEWAY)))


def test_nothing_older_than_tls_1_2_is_spoken(ca: Path) -> None:
    context = tls_context(uplink(ca))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def refusal(broker: Broker, config: UplinkConfig, timeout_s: float = 10.0) -> str:
    with pytest.raises((OSError, Refused)) as caught:
        connect(broker, config, timeout_s)
    return explain(caught.value)


def test_a_broker_of_another_authority_is_not_trusted(broker: Server, ca: Path, tmp_path: Path) -> None:
    other = authority(tmp_path, "stranger")
    said = refusal(Broker("mqtts", "localhost", broker.port), uplink(other, issued(ca, GATEWAY)))
    assert "certificate verify failed" in said
    assert said.endswith("action=check-uplink.ca_file-and-the-broker's-name-in-its-certificate-and-the-clock")


def test_a_broker_under_another_name_is_not_trusted(broker: Server, ca: Path) -> None:
    said = refusal(Broker("mqtts", "127.0.0.1", broker.port), uplink(ca, issued(ca, GATEWAY)))
    assert "IP address mismatch" in said
    assert "the-broker's-name-in-its-certificate" in said


@pytest.mark.parametrize("with_certificate", [False, True])
def test_a_gateway_of_another_authority_is_told_what_to_check(
    broker: Server, ca: Path, tmp_path: Path, with_certificate: bool
) -> None:
    pair = issued(authority(tmp_path, "stranger"), GATEWAY) if with_certificate else None
    said = refusal(Broker("mqtts", "localhost", broker.port), uplink(ca, pair))
    wanted = "since-ours-is-of-another-authority" if with_certificate else "since-the-broker-wants-a-certificate"
    assert said.endswith(wanted)


def test_a_port_without_tls_is_told(plain: Server, ca: Path) -> None:
    said = refusal(Broker("mqtts", "localhost", plain.port), uplink(ca))
    assert "check-that-the-port-speaks-TLS" in said


def test_a_wrong_password_is_told(plain: Server, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    config = UplinkConfig(brokers=[], username=GATEWAY, password_file=str(password))
    said = refusal(Broker("mqtt", "localhost", plain.port), config)
    assert said.startswith('reason="Not authorized" action=check-uplink.username-and-password_file')
    password.write_text("right\n")
    connect(Broker("mqtt", "localhost", plain.port), config)


def test_who_is_not_there_is_told(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "gone") as gone:
        pass
    said = refusal(Broker("mqtt", "localhost", gone.port), uplink())
    assert said.endswith("action=check-that-the-broker-runs-and-its-port")
    said = refusal(Broker("mqtt", "no-such-host.invalid", 1883), uplink())
    assert said.endswith("action=check-the-broker's-name-and-DNS")


def test_a_broker_that_says_nothing_is_given_up(plain: Server) -> None:
    with Link(plain.host, plain.port) as link:
        link.set("silent")
        said = refusal(Broker("mqtt", "localhost", link.port), uplink(), timeout_s=0.5)
    assert said == 'reason="the broker does not answer" action=check-the-network-and-firewalls'


def test_certificates_that_are_none_are_named(ca: Path, tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("no certificate")
    for config, name in ((uplink(tmp_path / "ca"), "/ca"), (uplink(ca, (tmp_path / "ca", tmp_path / "ca")), "/ca, ")):
        with pytest.raises(Problem, match=f"{name}.*PEM") as caught:
            tls_context(config)
        assert "\n" not in str(caught.value)


def test_a_broker_that_acknowledges_nothing_is_given_no_more(plain: Server, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("right")
    config = UplinkConfig(brokers=[], username=GATEWAY, password_file=str(password))

    async def flood() -> list[bool]:
        with Link(plain.host, plain.port) as link:
            connection = Connection(read_login(config, GATEWAY), ("bitgoeul/v1/main/x/state", b"{}"), None)
            await connection.open(Broker("mqtt", "localhost", link.port), lambda *_: None, lambda: None)
            link.set("silent")
            accepted = [connection.publish(f"bitgoeul/v1/main/{GATEWAY}/readings/a-{n}", b"[]") for n in range(1, 1000)]
            connection.abandon()
            return accepted

    accepted = asyncio.run(flood())
    assert 0 < sum(accepted) < 300
