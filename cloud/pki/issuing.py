"""What an authority signs: a server's certificate, or that of a client, which cannot serve as a server's.

A certificate stands in the ledger before anybody has it: what is not there could not be taken back.
"""

import ipaddress
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud.pki.authority import BACKDATED, Authority, write_crl
from cloud.pki.files import OPEN, SECRET, locked, write_file
from cloud.pki.ledger import Entry, Kind, read_ledger, write_ledger
from contract.problems import Problem
from contract.topics import check_name

CLIENT_DAYS = 3 * 365
SERVER_DAYS = 800  # browsers refuse a server's certificate of more than 825
SOON_DAYS = 30

_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Issued:
    """A new certificate with its key, as PEM; `authority` is the certificate that its holder trusts."""

    name: str
    serial: str
    to_s: int
    certificate: bytes
    authority: bytes
    key: bytes = field(repr=False)

    @property
    def one_file(self) -> bytes:
        """Key, certificate and authority in one, as `credentials_file` of a gateway takes it."""
        return self.key + self.certificate + self.authority


@dataclass(frozen=True)
class Request:
    """A certificate to be signed; `hosts` are those of a server."""

    name: str
    kind: Kind
    area: str
    from_: datetime
    to: datetime
    hosts: tuple[x509.GeneralName, ...] = ()


def issue_server(authority: Authority, names: Sequence[str], days: int = SERVER_DAYS, *, name: str = "") -> Issued:
    """For a server that is reached by these host names and IP addresses; `name` is the ledger's for it, by default
    the first of them. Raises Problem.
    """
    if not names:
        raise Problem("서버 인증서: 이름이 없습니다", "server certificate: expected at least one host name or address")
    hosts = tuple(host_name(one) for one in names)
    span = _span(authority, timedelta(days=days))
    return issue(authority, Request(name or names[0][:64], "server", "", *span, hosts))


def issue_client(
    authority: Authority, name: str, days: int = CLIENT_DAYS, *, kind: Kind = "process", area: str = ""
) -> Issued:
    """For a gateway (kind "gateway") or a process of our own; its common name is its user at the broker.

    Raises Problem.
    """
    check_name("gateway" if kind == "gateway" else "certificate", name)
    return issue(authority, Request(name, kind, area, *_span(authority, timedelta(days=days))))


def issue_takeover(authority: Authority, name: str, minutes: int) -> Issued:
    """For us, to stand in for a gateway whose certificates were taken back, for minutes. Raises Problem."""
    return issue(authority, Request(name, "takeover", "", *_span(authority, timedelta(minutes=minutes))))


def revoke(authority: Authority, name: str, reason: str) -> list[Entry]:
    """Take back all that was issued to that name, and publish the list; what was taken back now.

    Publishes again, too, where nothing is left to be taken back. Raises Problem.
    """
    now_s = int(time.time())
    with locked(authority.folder):
        before = read_ledger(authority.folder)
        after = [
            _revoked(entry, now_s, reason) if entry.name == name and entry.revoked_s is None else entry
            for entry in before
        ]
        if after != before:
            write_ledger(authority.folder, after)
        write_crl(authority, after)
    return [new for old, new in zip(before, after, strict=True) if new != old]


def write_credentials(issued: Issued, path: Path) -> None:
    """Key, certificate and authority in one file that only its owner reads. Raises Problem."""
    write_file(path, issued.one_file, SECRET)


def write_pair(issued: Issued, folder: Path, stem: str) -> None:
    """`stem`.crt and `stem`.key, the latter for its owner only. Raises Problem."""
    write_file(folder / f"{stem}.key", issued.key, SECRET)
    write_file(folder / f"{stem}.crt", issued.certificate, OPEN)


def _revoked(entry: Entry, now_s: int, reason: str) -> Entry:
    return Entry(
        name=entry.name,
        kind=entry.kind,
        serial=entry.serial,
        from_s=entry.from_s,
        to_s=entry.to_s,
        area=entry.area,
        revoked_s=now_s,
        reason=reason,
    )


def _span(authority: Authority, lasts: timedelta) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    if lasts <= timedelta(0):
        raise Problem(
            f"유효 기간 {lasts.days}일: 하루 이상이어야 합니다", f"validity of {lasts.days} days: expected 1 or more"
        )
    # nothing holds longer than the authority that signed it
    return now - BACKDATED, min(now + lasts, authority.certificate.not_valid_after_utc)


def host_name(name: str) -> x509.GeneralName:
    """As it stands in a certificate. Raises Problem for what is no host name or IP address."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        plain = name.encode("idna").decode("ascii")
    except UnicodeError:  # a label that is empty or too long
        plain = ""
    if not _HOST.fullmatch(plain):
        raise Problem(
            f"서버 이름 '{name}': 호스트 이름이나 IP 주소여야 합니다",
            f"server name '{name}': expected a host name or an IP address",
        )
    return x509.DNSName(plain)


def issue(authority: Authority, request: Request) -> Issued:
    """Whatever is asked for; who may have it was decided before. Raises Problem."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(authority, key, request)
    entry = Entry(
        name=request.name,
        kind=request.kind,
        serial=f"{certificate.serial_number:x}",
        from_s=int(request.from_.timestamp()),
        to_s=int(request.to.timestamp()),
        area=request.area,
    )
    with locked(authority.folder):
        write_ledger(authority.folder, [*read_ledger(authority.folder), entry])
    plain = serialization.NoEncryption()
    return Issued(
        name=request.name,
        serial=entry.serial,
        to_s=entry.to_s,
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        authority=authority.pem,
        key=key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
    )


def _signed(authority: Authority, key: ec.EllipticCurvePrivateKey, request: Request) -> x509.Certificate:
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if request.kind == "server" else ExtendedKeyUsageOID.CLIENT_AUTH
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, request.name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(request.from_)
        .not_valid_after(request.to)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
    )
    if request.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(request.hosts), critical=False)
    return builder.sign(authority.key, hashes.SHA384())
