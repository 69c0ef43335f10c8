"""`bitgoeul stack check`: what would stop a service of the installation, one line each, before it is started."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from cloud.pki import issuing
from cloud.pki.authority import CERTIFICATE, read_certificate
from commands.language import language, say
from commands.stack_files import BROKER_NAMES, PASSPHRASE, SECRETS, Installation, read_environment, reader_of
from contract.problems import Problem, Text

SOON = timedelta(days=30)
_REMEDY = Text("지우고 bitgoeul stack init을 하십시오", "delete it and run bitgoeul stack init")
_CLIENT_REMEDY = Text(
    "지우고 bitgoeul stack init을 한 다음 docker-compose restart area-main mirror를 하십시오",
    "delete it, run bitgoeul stack init, then docker-compose restart area-main mirror",
)
_PORTS = (("BITGOEUL_HTTPS_PORT", 443, "proxy"), ("BITGOEUL_MQTTS_PORT", 8883, "broker"))


def check(installation: Installation) -> list[str]:
    """The complaints; none where all is well."""
    found = [*_docker(installation), *_secrets(installation), *_certificates(installation)]
    return [*found, *_ports(installation)]


def _secrets(installation: Installation) -> Iterator[str]:
    clients = [path for name in installation.clients() for path in installation.client_files(name)]
    files = [installation.secrets / name for holders in SECRETS for name in holders if name != PASSPHRASE]
    broker = [installation.pki / "broker" / name for name in ("acl", "ca.crt", "crl.pem")]
    ca = installation.secrets / "cloud" / CERTIFICATE
    for path in (*files, *clients, ca, *broker, *installation.server_files):
        yield from _file(installation, path)


def _file(installation: Installation, path: Path) -> Iterator[str]:
    name = path.relative_to(installation.root)
    try:
        found = path.stat()
        readable = path.is_file() and path.read_bytes().strip()
    except FileNotFoundError:
        yield say(f"{name}: 없습니다. bitgoeul stack init이 만듭니다", f"{name}: missing; bitgoeul stack init makes it")
        return
    except OSError as error:
        yield say(f"{name}: 읽을 수 없습니다: {error.strerror}", f"{name}: cannot be read: {error.strerror}")
        return
    if not readable:
        yield say(
            f"{name}: 비어 있습니다. 지우고 bitgoeul stack init을 하십시오",
            f"{name}: empty; delete it and run bitgoeul stack init",
        )
    user = reader_of(path)
    if found.st_uid != user:
        yield say(
            f"{name}: 소유자가 {found.st_uid}입니다. chown {user}:{user} {name}",
            f"{name}: belongs to user {found.st_uid}, expected {user}; chown {user}:{user} {name}",
        )
    secret = path.suffix != ".crt" and path.name != "crl.pem"
    if secret and found.st_mode & 0o077:
        yield say(
            f"{name}: 다른 사용자가 읽을 수 있습니다. chmod 600 {name}",
            f"{name}: others may read it; chmod 600 {name}",
        )


def _certificates(installation: Installation) -> Iterator[str]:
    try:
        authority = read_certificate(installation.pki / CERTIFICATE)
    except Problem as problem:
        yield problem.text.of(language())
        return
    ca = installation.secrets / "cloud" / CERTIFICATE
    if ca.exists() and ca.read_bytes() != (installation.pki / CERTIFICATE).read_bytes():
        name = ca.relative_to(installation.root)
        yield say(
            f"{name}: 이 설치의 인증기관(deploy/pki/ca.crt)이 아닙니다. bitgoeul stack init을 하십시오",
            f"{name}: not this installation's authority (deploy/pki/ca.crt); run bitgoeul stack init",
        )
    broker, proxy = installation.server_files
    for path in (installation.client_files(name)[0] for name in installation.clients()):
        yield from _certificate(installation, path, authority, _CLIENT_REMEDY)
    yield from _certificate(installation, broker, authority)
    yield from _names(installation, broker, (*installation.hosts(), *BROKER_NAMES))
    # browsers may be shown one of a public authority
    yield from _certificate(installation, proxy, None)
    yield from _names(installation, proxy, installation.hosts())


def _names(installation: Installation, path: Path, expected: Sequence[str]) -> Iterator[str]:
    """Whether a server's certificate has the names by which it is called."""
    try:
        found = read_certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found = x509.SubjectAlternativeName([])
    except Problem:  # told of already
        return
    for name in expected:
        try:
            wanted = issuing.host_name(name)
        except Problem as problem:
            yield f".env: {problem.text.of(language())}"
            return
        any_below = x509.DNSName(f"*.{str(wanted.value).partition('.')[2]}")
        if not {wanted, any_below} & set(found):
            file = path.relative_to(installation.root)
            yield say(
                f"{file}: {name}의 인증서가 아닙니다 (.env의 BITGOEUL_HOSTS). {_REMEDY.ko}",
                f"{file}: does not name {name} (BITGOEUL_HOSTS in .env); {_REMEDY.en}",
            )
            return


def _certificate(
    installation: Installation, path: Path, authority: x509.Certificate | None, remedy: Text = _REMEDY
) -> Iterator[str]:
    name = path.relative_to(installation.root)
    try:
        certificate = read_certificate(path)
    except Problem as problem:
        if path.exists():
            yield problem.text.of(language())
        return
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    day = certificate.not_valid_after_utc.date()
    if left < timedelta(0):
        yield say(f"{name}: {day}에 만료되었습니다. {remedy.ko}", f"{name}: expired on {day}; {remedy.en}")
    elif left < SOON:
        yield say(f"{name}: {day}에 만료됩니다. {remedy.ko}", f"{name}: expires on {day}; {remedy.en}")
    if authority is not None and not _signed_by(certificate, authority):
        yield say(
            f"{name}: 이 설치의 인증기관(deploy/pki/ca.crt)이 서명하지 않았습니다. {remedy.ko}",
            f"{name}: not signed by this installation's authority (deploy/pki/ca.crt); {remedy.en}",
        )
    key = path.with_suffix(".key") if path.suffix == ".crt" else path
    if key.exists() and _public_key(key) != _encoded(certificate.public_key()):
        yield say(
            f"{key.relative_to(installation.root)}: {name}의 개인 키가 아닙니다",
            f"{key.relative_to(installation.root)}: not the key of {name}",
        )


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _public_key(path: Path) -> bytes:
    """Of the private key in the file; empty where it cannot be read."""
    try:
        return _encoded(serialization.load_pem_private_key(path.read_bytes(), None).public_key())
    except (OSError, ValueError, TypeError):
        return b""


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _docker(installation: Installation) -> Iterator[str]:
    compose = compose_command()
    if compose is None:
        yield say(
            "docker-compose: 없습니다 (apt install docker.io docker-compose)",
            "docker-compose: not installed (apt install docker.io docker-compose)",
        )
        return
    if not shutil.which("docker"):
        yield say("docker: 없습니다 (apt install docker.io)", "docker: not installed (apt install docker.io)")
    elif subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        yield say(
            "docker: 데몬이 답하지 않습니다 (systemctl start docker, 또는 root로 실행)",
            "docker: the daemon does not answer (systemctl start docker, or run this as root)",
        )
    # Compose itself knows best whether it can read what it is given
    argv = [*compose, "config", "-q"]
    done = subprocess.run(argv, cwd=installation.root, capture_output=True, text=True, check=False)
    if done.returncode:
        name = "docker-compose.override.yml" if installation.override_file.exists() else "docker-compose.yml"
        reason = " ".join(done.stderr.split())[:300]
        yield say(f"{name}: 읽을 수 없습니다: {reason}", f"{name}: cannot be used: {reason}")


def compose_command() -> list[str] | None:
    """Compose's first version is a program of its own, the second one a part of Docker's."""
    if found := shutil.which("docker-compose"):
        return [found]
    found = shutil.which("docker")
    if found and not subprocess.run([found, "compose", "version"], capture_output=True, check=False).returncode:
        return [found, "compose"]
    return None


def _ports(installation: Installation) -> Iterator[str]:
    environment = read_environment(installation.environment_file) | os.environ
    for name, usual, service in _PORTS:
        text = environment.get(name, "") or str(usual)
        if not text.isdigit() or not 0 < int(text) < 65536:
            yield say(f".env: {name}={text}: 1~65535이어야 합니다", f".env: {name}={text}: expected 1 to 65535")
        elif _in_use(int(text)) and not _runs(installation, service):
            yield say(
                f"{service}: 포트 {text}을(를) 다른 프로그램이 쓰고 있습니다. 끝내거나 .env의 {name}을 바꾸십시오",
                f"{service}: port {text} is in use by another program; end that, or change {name} in .env",
            )


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


def _runs(installation: Installation, service: str) -> bool:
    """Whether that is our own container."""
    argv = [*(compose_command() or ("false",)), "ps", "-q", service]
    done = subprocess.run(argv, cwd=installation.root, capture_output=True, text=True, check=False)
    return bool(done.stdout.strip())
