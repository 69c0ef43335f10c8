"""What an authority signs, and what it refuses; without a broker."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from cloud.pki import ledger
from cloud.pki.authority import CERTIFICATE, CRL, KEY, Authority, create_authority, open_authority
from cloud.pki.files import write_file
from cloud.pki.issuing import issue_client, issue_server, revoke, write_credentials, write_pair
from contract.problems import Problem
from tests.pki.installation import PASSPHRASE


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return create_authority(tmp_path / "pki", PASSPHRASE, "Bitgoeul")


def verify(authority: Authority, certificate: Path, purpose: str) -> str:
    """What openssl says of it, by its strict rules and the list."""
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-crl_check"]
    command += ["-CRLfile", str(authority.folder / CRL), "-CAfile", str(authority.folder / CERTIFICATE)]
    done = subprocess.run([*command, str(certificate)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_takes_each_certificate_for_its_purpose_only(authority: Authority, tmp_path: Path) -> None:
    client, server = tmp_path / "g.pem", tmp_path / "server.crt"
    write_credentials(issue_client(authority, "g", kind="gateway"), client)
    write_pair(issue_server(authority, ["broker", "127.0.0.1"]), tmp_path, "server")
    assert verify(authority, client, "sslclient").endswith(": OK\n")
    assert verify(authority, server, "sslserver").endswith(": OK\n")
    assert "unsuitable certificate purpose" in verify(authority, client, "sslserver")
    assert "unsuitable certificate purpose" in verify(authority, server, "sslclient")
    assert [one.name for one in revoke(authority, "g", "lost")] == ["g"]
    assert "certificate revoked" in verify(authority, client, "sslclient")
    assert verify(authority, server, "sslserver").endswith(": OK\n")


def test_a_gateways_certificate_cannot_pose_as_the_broker(authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "g.pem"
    write_credentials(issue_client(authority, "localhost", kind="gateway"), path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    client = ssl.create_default_context(cafile=authority.folder / CERTIFICATE)
    client.check_hostname = False  # even where nobody looked at the name
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.settimeout(5)

    def serve() -> None:
        with pytest.raises(OSError, match="alert"):
            server.wrap_socket(theirs, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        client.wrap_socket(ours)
    ours.close()
    thread.join(5)
    theirs.close()


def test_the_key_is_sealed_and_secrets_are_private(authority: Authority) -> None:
    assert (authority.folder / KEY).read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert (authority.folder / KEY).stat().st_mode & 0o777 == 0o600
    issued = issue_client(authority, "g", kind="gateway")
    assert "PRIVATE" not in repr(issued)
    assert "EllipticCurve" not in repr(authority)


def test_the_list_never_ends_before_the_authority(authority: Authority) -> None:
    listed = x509.load_pem_x509_crl((authority.folder / CRL).read_bytes())
    assert listed.next_update_utc == authority.certificate.not_valid_after_utc
    assert listed.last_update_utc < datetime.now(UTC)


def test_nothing_outlives_its_authority(authority: Authority) -> None:
    issued = issue_client(authority, "g", days=9_000)
    issued_too = issue_client(authority, "g", days=90)
    end_s = authority.certificate.not_valid_after_utc.timestamp()
    assert issued.to_s < end_s
    assert issue_server(authority, ["a"], days=40_000).to_s == end_s
    now = datetime.now(UTC)
    assert abs(issued_too.to_s - (now + timedelta(days=90)).timestamp()) < 60


def test_what_cannot_be_opened_is_named(authority: Authority, tmp_path: Path) -> None:
    folder = authority.folder
    with pytest.raises(Problem, match=f"{KEY}: wrong passphrase"):
        open_authority(folder, "another one")
    with pytest.raises(Problem, match=f"{KEY}: wrong passphrase"):
        open_authority(folder, "")
    with pytest.raises(Problem, match="there is an authority already"):
        create_authority(folder, PASSPHRASE, "again")
    with pytest.raises(Problem, match="no authority there"):
        open_authority(tmp_path, PASSPHRASE)
    with pytest.raises(Problem, match="8 characters or more"):
        create_authority(tmp_path / "new", "short", "x")
    other = create_authority(tmp_path / "other", PASSPHRASE, "other")
    shutil.copy(other.folder / KEY, folder / KEY)
    with pytest.raises(Problem, match="not the key of"):
        open_authority(folder, PASSPHRASE)
    (folder / KEY).write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(Problem, match=f"{KEY}: no PEM, or broken"):
        open_authority(folder, PASSPHRASE)
    (folder / CERTIFICATE).write_text("nothing")
    with pytest.raises(Problem, match=f"{CERTIFICATE}: no PEM, or broken"):
        open_authority(folder, PASSPHRASE)


@pytest.mark.parametrize("names", [[], ["a b"], [""], ["가" * 80]])
def test_servers_names_are_looked_at(authority: Authority, names: list[str]) -> None:
    with pytest.raises(Problem, match="server"):
        issue_server(authority, names)


def test_a_broken_ledger_is_named_and_left_alone(authority: Authority) -> None:
    issue_client(authority, "g")
    path = authority.folder / ledger.FILE
    broken = path.read_bytes() + b'{"name":\n'
    path.write_bytes(broken)
    with pytest.raises(Problem, match="line 2 cannot be read"):
        issue_client(authority, "h")
    assert path.read_bytes() == broken


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(Problem, match="cannot be written"):
        write_file(tmp_path / "file" / "inside", b"new", 0o600)
    (tmp_path / "folder").mkdir()
    with pytest.raises(Problem, match="cannot be written"):
        write_file(tmp_path / "folder", b"new", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_two_at_once_are_both_in_the_ledger(authority: Authority) -> None:
    threads = [threading.Thread(target=issue_client, args=(authority, f"g-{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.name for entry in ledger.read_ledger(authority.folder)} == {f"g-{n}" for n in range(8)}
