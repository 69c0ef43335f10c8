"""What a gateway's own certificate says of itself. Only what is needed is read, since the gateway's dependencies
have nothing that reads certificates.
"""

import logging
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from contract.problems import Problem, Text
from edge.alarms import Alarms

log = logging.getLogger(__name__)

SOON_S = 30 * 86_400
EXPIRED = "certificate-expired"
EXPIRES_SOON = "certificate-expires-soon"

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
_SEQUENCE, _SET, _VERSION, _OID, _UTC_TIME, _TIME = 0x30, 0x31, 0xA0, 0x06, 0x17, 0x18
_COMMON_NAME = bytes((0x55, 0x04, 0x03))  # 2.5.4.3


class Certificate(NamedTuple):
    """`name` is the common name of whom it was issued to; `issuer` and `subject` are as they are encoded."""

    name: str
    from_s: int
    to_s: int
    issuer: bytes
    subject: bytes


class Credentials(NamedTuple):
    """The certificates in a PEM file: the gateway's own, and those of its authority."""

    own: Certificate
    authorities: tuple[str, ...]


def read_credentials(path: Path) -> Credentials:
    """The certificates of a PEM file, the first being its holder's. Raises Problem."""
    try:
        blocks = [block.decode("ascii") for block in _BLOCK.findall(path.read_bytes())]
        return Credentials(parse(ssl.PEM_cert_to_DER_cert(blocks[0])), tuple(blocks[1:]))
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (ValueError, IndexError) as error:
        raise Problem(
            f"{path}: PEM 형식의 인증서가 없거나 깨졌습니다. 파일을 다시 복사하십시오",
            f"{path}: no certificate in it, or broken; copy the file again",
        ) from error


def parse(der: bytes) -> Certificate:
    """Raises ValueError or IndexError where it is no X.509 certificate."""
    fields = list(_parts(_content(next(_parts(_content(der, _SEQUENCE))), _SEQUENCE)))
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    # serial number, signature algorithm, issuer, validity, subject
    issuer, validity, subject = fields[2:5]
    from_s, to_s = (_time_s(part) for part in _parts(_content(validity, _SEQUENCE)))
    return Certificate(_common_name(subject), from_s, to_s, issuer, subject)


def _common_name(subject: bytes) -> str:
    for names in _parts(_content(subject, _SEQUENCE)):
        for pair in _parts(_content(names, _SET)):
            oid, value = _parts(_content(pair, _SEQUENCE))
            if _content(oid, _OID) == _COMMON_NAME:
                return _content(value, value[0]).decode("utf-8")
    return ""


def _time_s(part: bytes) -> int:
    text = _content(part, part[0]).decode("ascii")
    if part[0] == _UTC_TIME:
        # of two digits for the year, those from 50 on are of the last century
        text = ("19" if text >= "5" else "20") + text
    elif part[0] != _TIME:
        raise ValueError("no time")
    return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp())


def _content(part: bytes, tag: int) -> bytes:
    """What is inside of a DER value of that kind."""
    if part[0] != tag:
        raise ValueError(f"tag {part[0]:#x} in place of {tag:#x}")
    begin, end = _bounds(part, 0)
    return part[begin:end]


def _parts(content: bytes) -> Iterator[bytes]:
    """The DER values that stand one after the other."""
    at = 0
    while at < len(content):
        _, end = _bounds(content, at)
        yield content[at:end]
        at = end


def _bounds(data: bytes, at: int) -> tuple[int, int]:
    length, begin = data[at + 1], at + 2
    if length & 0x80:
        more = length & 0x7F
        length, begin = int.from_bytes(data[begin : begin + more]), begin + more
    if begin + length > len(data):
        raise ValueError("cut off")
    return begin, begin + length


def look(path: str, now_s: float, alarms: Alarms) -> None:
    """Sound or clear the alarms about a certificate's end. `path` empty: there is none to look at."""
    if not path:
        return
    try:
        own = read_credentials(Path(path)).own
    except Problem as problem:
        # being replaced, or broken: the uplink says so when it connects
        log.debug("certificate %s", problem.text.en)
        return
    facts = f"file={path} until={datetime.fromtimestamp(own.to_s, UTC):%Y-%m-%d} action=have-it-renewed"
    expired, soon = own.to_s <= now_s, own.to_s <= now_s + SOON_S
    for code, holds in ((EXPIRED, expired), (EXPIRES_SOON, soon and not expired)):
        if holds:
            alarms.sound(code, facts)
        else:
            alarms.clear(code)


def complaints(path: str, gateway: str) -> Iterator[Text]:
    """What is wrong with a gateway's one file of credentials, but for its time: the clock may not be set yet."""
    try:
        own, authorities = read_credentials(Path(path))
        # an encrypted key must not have a terminal asked
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password="")
    except Problem as problem:
        yield problem.text
        return
    except OSError as error:
        yield Text(
            f"{path}: 개인 키가 없거나, 깨졌거나, 이 인증서의 것이 아닙니다: {error}",
            f"{path}: its private key is missing, broken, or not of its certificate: {error}",
        )
        return
    if own.name != gateway:
        yield Text(
            f"{path}: '{own.name}'의 인증서입니다. gateway = '{gateway}'의 것이어야 합니다",
            f"{path}: the certificate of '{own.name}'; expected that of gateway = '{gateway}'",
        )
    if not any(_subject(pem) == own.issuer for pem in authorities):
        yield Text(
            f"{path}: 이 인증서를 발급한 인증기관의 인증서가 없습니다",
            f"{path}: the certificate of the authority that issued it is missing",
        )


def _subject(pem: str) -> bytes:
    try:
        return parse(ssl.PEM_cert_to_DER_cert(pem)).subject
    except (ValueError, IndexError):
        return b""


class Expiry(NamedTuple):
    """That a certificate is over, or will be soon."""

    over: bool
    text: Text


def expiry(path: str, now_s: float) -> Expiry | None:
    """What is to be said of a certificate's end, by a clock that is right; None where it is far. Raises Problem."""
    own = read_credentials(Path(path)).own
    until = f"{datetime.fromtimestamp(own.to_s, UTC):%Y-%m-%d}"
    if own.to_s <= now_s:
        text = Text(
            f"{path}: 인증서가 {until}에 만료되었습니다. 새로 발급받으십시오",
            f"{path}: the certificate expired on {until}; have a new one issued",
        )
        return Expiry(over=True, text=text)
    if own.to_s <= now_s + SOON_S:
        text = Text(
            f"{path}: 인증서가 {until}에 만료됩니다. 새로 발급받으십시오",
            f"{path}: the certificate expires on {until}; have a new one issued",
        )
        return Expiry(over=False, text=text)
    return None
