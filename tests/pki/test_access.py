"""Who gets in at the real Mosquitto, and what they can do there."""

import socket
import ssl
from pathlib import Path

import pytest

from cloud.pki.acl import rules
from cloud.pki.authority import create_authority
from cloud.pki.issuing import issue_client, write_credentials
from tests.pki.installation import PASSPHRASE, Installation, connected, until

V1 = "bitgoeul/v1"


def test_a_gateway_writes_under_its_own_name_only(installation: Installation) -> None:
    one = installation.client("g-writer")
    foreign = [f"{V1}/main/g-other/{leaf}" for leaf in ("readings/r-1", "readings", "birth", "state", "receipts")]
    beside = [f"{V1}/main/g-writer/receipts", f"{V1}/main/g-writer", "g-writer", "$SYS/broker/uptime", "x"]
    with (
        connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest,
        connected(installation, installation.client("g-other")) as other,
        connected(installation, one) as gateway,
    ):
        ingest.subscribe(f"{V1}/#", "#")
        other.subscribe("#")
        for topic in (*foreign, *beside):
            gateway.publish(topic, retain=True)
        own = [f"{V1}/main/g-writer/{leaf}" for leaf in ("readings/r-1", "readings", "birth", "state")]
        for topic in own:
            gateway.publish(topic)
        until(lambda: f"{V1}/main/g-writer/state" in ingest.topics(), "the last message")
        assert [topic for topic in ingest.topics() if "g-writer" in topic] == own
        assert not [topic for topic in ingest.topics() if "g-other" in topic]
        assert other.heard == []


def test_a_gateway_reads_its_own_receipts_only(installation: Installation) -> None:
    with (
        connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest,
        connected(installation, installation.pki / "gateways/mirror.pem") as mirror,
        connected(installation, installation.client("g-reader")) as reader,
        connected(installation, installation.client("g-private")) as private,
    ):
        reader.subscribe("#", "$SYS/#", f"{V1}/+/+/receipts", f"{V1}/main/g-private/#", f"{V1}/+/g-reader/receipts")
        mirror.subscribe("$SYS/#")
        private.publish(f"{V1}/main/g-private/state", b"secret", retain=True)
        ingest.publish(f"{V1}/main/g-private/receipts")
        ingest.publish(f"{V1}/main/g-reader/receipts")
        until(lambda: reader.heard, "its own receipt")
        until(lambda: any(topic.startswith("$SYS/") for topic in mirror.topics()), "the broker's own figures")
        assert set(reader.topics()) == {f"{V1}/main/g-reader/receipts"}


def test_ingest_reads_and_answers_its_own_area_only(installation: Installation) -> None:
    with (
        connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest,
        connected(installation, installation.client("g-elsewhere")) as gateway,
    ):
        ingest.subscribe(f"{V1}/+/+/#")
        gateway.subscribe(f"{V1}/+/g-elsewhere/receipts")
        gateway.publish(f"{V1}/other/g-elsewhere/state")
        ingest.publish(f"{V1}/other/g-elsewhere/receipts")
        ingest.publish(f"{V1}/main/g-elsewhere/state", b"forged")
        gateway.publish(f"{V1}/main/g-elsewhere/birth")
        ingest.publish(f"{V1}/main/g-elsewhere/receipts")
        until(lambda: gateway.heard, "the receipt")
        until(lambda: f"{V1}/main/g-elsewhere/birth" in ingest.topics(), "the birth")
        assert not [(t, p) for t, p, _ in ingest.heard if p == b"forged" or t.startswith(f"{V1}/other/")]
        assert set(gateway.topics()) == {f"{V1}/main/g-elsewhere/receipts"}


def test_another_gateways_client_id_gains_nothing(installation: Installation) -> None:
    with (
        connected(installation, installation.client("g-robbed")) as robbed,
        connected(installation, installation.client("g-robber"), client_id="g-robbed") as robber,
        connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest,
    ):
        ingest.subscribe(f"{V1}/main/+/#")
        robber.publish(f"{V1}/main/g-robbed/state", b"robber")
        robbed.publish(f"{V1}/main/g-robbed/state", b"robbed")
        until(lambda: (f"{V1}/main/g-robbed/state", b"robbed", False) in ingest.heard, "the state")
        assert b"robber" not in [payload for _, payload, _ in ingest.heard]
        assert not robbed.ended.is_set()


def test_what_is_far_too_large_ends_the_connection(installation: Installation) -> None:
    with connected(installation, installation.client("g-large")) as gateway:
        gateway.publish(f"{V1}/main/g-large/readings/r-1", b"x" * 131_072)
        assert not gateway.ended.is_set()
        gateway.client.publish(f"{V1}/main/g-large/readings/r-2", b"x" * 300_000, qos=1)
        assert gateway.ended.wait(60)


def stranger(installation: Installation, folder: Path) -> Path:
    """A gateway's certificate of another authority, beside the authority that the broker's own is of."""
    issued = issue_client(create_authority(folder / "other", PASSPHRASE, "Bitgoeul"), "g-stranger", kind="gateway")
    path = folder / "stranger.pem"
    path.write_bytes(issued.key + issued.certificate + installation.authority.pem)
    return path


@pytest.mark.parametrize("who", ["nobody", "stranger", "ended", "server"])
def test_who_has_no_certificate_that_holds_gets_in_nowhere(
    installation: Installation, who: str, tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=installation.pki / "ca.crt")
    if who == "stranger":
        context.load_cert_chain(stranger(installation, tmp_path))
    elif who == "ended":
        context.load_cert_chain(installation.ended("g-ended"))
    elif who == "server":  # the broker's own certificate is none of a client's
        context.load_cert_chain(installation.pki / "broker/server.pem")
    said = {"nobody": "REQUIRED|HANDSHAKE_FAILURE", "stranger": "UNKNOWN_CA|DECRYPT_ERROR|BAD_CERTIFICATE"}
    said |= {"ended": "CERTIFICATE_EXPIRED", "server": "UNSUPPORTED_CERTIFICATE"}
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # there the answer comes within the handshake
    with pytest.raises(ssl.SSLError, match=said[who]), tcp(installation) as plain:
        context.wrap_socket(plain, server_hostname="localhost").close()


def tcp(installation: Installation) -> socket.socket:
    return socket.create_connection((installation.broker.host, installation.broker.port), timeout=30)


def test_rules_are_the_same_whatever_the_order() -> None:
    assert rules(["b", "a"], ["y", "x"]) == rules(["a", "b"], ["x", "y"])
    assert "user x\ntopic deny #\n" in rules([], ["x"])


def test_a_write_to_cold_credentials_is_private(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "g.pem"
    write_credentials(issue_client(installation.authority, "g-private-file", kind="gateway"), path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [line.name for line in path.parent.iterdir()] == ["g.pem"]
