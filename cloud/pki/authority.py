"""The authority of an installation: made once, opened with its passphrase; it signs and takes back.

The list of what was taken back (`crl.pem`) ends with the authority itself: a broker that finds its list out of date
refuses everybody, so that a list that nobody renewed in time would lock the whole city out. Certificates end by
themselves, and what was taken back is not forgotten by a later date, so an early end would win nothing.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloud.pki.files import OPEN, SECRET, exists, read_file, write_file
from cloud.pki.ledger import Entry
from contract.problems import Problem

CERTIFICATE, KEY, CRL = "ca.crt", "ca.key", "crl.pem"
AUTHORITY_DAYS = 25 * 365
LEAST_PASSPHRASE = 8
BACKDATED = timedelta(days=1)  # a gateway's clock, and a broker's, may be behind


@dataclass(frozen=True)
class Authority:
    """An opened authority: its folder, its certificate, and the key that signs."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> bytes:
        """The certificate that everybody trusts."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def create_authority(folder: Path, passphrase: str, name: str) -> Authority:
    """A new authority, with an empty list of what was taken back. Raises Problem where one is there already."""
    for file in (CERTIFICATE, KEY):
        if exists(folder / file):
            raise Problem(
                f"{folder / file}: 인증기관이 이미 있습니다. 새로 만들면 발급한 인증서가 모두 쓸모없어집니다",
                f"{folder / file}: there is an authority already; a new one would make all that it issued useless",
            )
    if len(passphrase) < LEAST_PASSPHRASE:
        raise Problem(
            f"인증기관의 암호: {LEAST_PASSPHRASE}자 이상이어야 합니다",
            f"passphrase of the authority: expected {LEAST_PASSPHRASE} characters or more",
        )
    key = ec.generate_private_key(ec.SECP384R1())
    made = Authority(folder, _self_signed(key, name), key)
    encryption = serialization.BestAvailableEncryption(passphrase.encode())
    sealed = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    write_file(folder / KEY, sealed, SECRET)
    write_file(folder / CERTIFICATE, made.pem, OPEN)
    write_crl(made, [])
    return made


def open_authority(folder: Path, passphrase: str) -> Authority:
    """Raises Problem where there is none, the passphrase is wrong, a file is broken, or it has ended."""
    path = folder / KEY
    if not exists(path):
        raise Problem(
            f"{path}: 인증기관이 없습니다 (bitgoeul stack init이 만듭니다)",
            f"{path}: no authority there (bitgoeul stack init makes one)",
        )
    certificate = read_certificate(folder / CERTIFICATE)
    try:
        key = serialization.load_pem_private_key(read_file(path), passphrase.encode())
    except (ValueError, TypeError) as error:
        wrong = "password" in str(error).lower() or "decrypt" in str(error).lower()
        raise _wrong_passphrase(path) if wrong else _broken(path) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Problem(
            f"{path}: {CERTIFICATE}의 개인 키가 아닙니다. 두 파일을 같은 백업에서 되살리십시오",
            f"{path}: not the key of {CERTIFICATE}; take both files from the same backup",
        )
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise Problem(
            f"{folder / CERTIFICATE}: 인증기관의 유효 기간이 끝났습니다. 새 인증기관을 만드십시오",
            f"{folder / CERTIFICATE}: the authority has expired; make a new one",
        )
    return Authority(folder, certificate, key)


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file. Raises Problem."""
    try:
        return x509.load_pem_x509_certificate(read_file(path))
    except ValueError as error:
        raise _broken(path) from error


def write_crl(authority: Authority, entries: Iterable[Entry]) -> None:
    """Write the list of all that was taken back. Raises Problem."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now - BACKDATED)
        .next_update(authority.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(time.time_ns() // 1000), critical=False)
        .add_extension(_issuer_key(authority), critical=False)
    )
    for entry in entries:
        if entry.revoked_s is not None:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int(entry.serial, 16))
                .revocation_date(datetime.fromtimestamp(entry.revoked_s, UTC))
                .build()
            )
    signed = builder.sign(authority.key, hashes.SHA384())
    write_file(authority.folder / CRL, signed.public_bytes(serialization.Encoding.PEM), OPEN)


def _self_signed(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    now = datetime.now(UTC)
    try:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as error:
        raise Problem(
            f"인증기관의 이름 '{name}': 1~64자여야 합니다",
            f"name of the authority '{name}': expected 1 to 64 characters",
        ) from error
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA384())
    )


def _issuer_key(authority: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())


def _wrong_passphrase(path: Path) -> Problem:
    return Problem(f"{path}: 암호가 틀립니다", f"{path}: wrong passphrase")


def _broken(path: Path) -> Problem:
    return Problem(
        f"{path}: PEM 형식이 아니거나 깨졌습니다. 백업에서 되살리십시오",
        f"{path}: no PEM, or broken; take it from a backup",
    )
