"""Brokers by URL, how to log in there, and what to do about one that refuses."""

import ipaddress
import socket
import ssl
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from contract.problems import Problem
from edge.config import UplinkConfig

PORTS = {"mqtt": 1883, "mqtts": 8883}

# what the CONNACK of MQTT 3.1.1 says, in paho's words, and what an operator can do
ACTIONS = {
    "Bad user name or password": "check-uplink.username-and-password_file",
    "Not authorized": "check-uplink.username-and-password_file-and-that-the-gateway-is-enrolled-at-the-broker",
    "Client identifier not valid": "check-that-the-broker-accepts-the-gateway's-name-as-client-id",
    "Server unavailable": "none-the-gateway-tries-again",
    "Unsupported protocol version": "use-a-broker-that-speaks-MQTT-3.1.1",
}


class Broker(NamedTuple):
    """Where to connect, and whether by TLS."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


class Login(NamedTuple):
    """Brokers with `use_username_as_clientid` make the client id the user name: so do we from the start."""

    client_id: str
    username: str
    password: str


def parse_broker(url: str, *, allow_plain: bool) -> Broker:
    """The broker of a site file's URL. Raises Problem; unencrypted ones are for loopback only but by `allow_plain`."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), 0
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme not in PORTS or not parts.hostname or not port or extra:
        raise Problem(
            f"uplink.brokers '{url}': 'mqtts://호스트[:8883]' 또는 'mqtt://호스트[:1883]' 형식이어야 합니다",
            f"uplink.brokers '{url}': expected mqtts://host[:8883] or mqtt://host[:1883]",
        )
    if parts.scheme == "mqtt" and not allow_plain and not _is_loopback(parts.hostname):
        raise Problem(
            f"uplink.brokers '{url}': 암호화하지 않은 연결은 이 기기 안에서만 쓸 수 있습니다. "
            "mqtts://로 바꾸거나 allow_plain = true로 허용하십시오",
            f"uplink.brokers '{url}': unencrypted, and not on this machine: use mqtts://, or set allow_plain = true",
        )
    return Broker(parts.hostname, port, parts.scheme == "mqtts")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_login(config: UplinkConfig, gateway: str) -> Login:
    """User name and password. Raises Problem where others may read the password, or it is not there."""
    password = ""
    if config.password_file:
        path = Path(config.password_file)
        try:
            if path.stat().st_mode & 0o077:
                raise Problem(
                    f"{path}: 다른 사용자가 암호를 읽을 수 있습니다. chmod 600 {path}을(를) 실행하십시오",
                    f"{path}: others can read the password: chmod 600 {path}",
                )
            password = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"{path}: 암호를 읽을 수 없습니다: {error}", f"{path}: password: {error}") from error
    return Login(config.username or gateway, config.username or (gateway if password else ""), password)


class TlsContext(ssl.SSLContext):
    """Remembers the socket that it made: paho leaves it open where the handshake fails."""

    made: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        """As the base class does."""
        self.made = super().wrap_socket(*args, **named)
        return self.made


def tls_context(config: UplinkConfig) -> TlsContext:
    """TLS 1.2 or newer, the broker's name checked, and our certificate where there is one. Raises Problem."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    read = config.ca_file
    try:
        if config.ca_file:
            context.load_verify_locations(config.ca_file)
        else:
            context.load_default_certs()
        if config.certificate_file:
            read = f"{config.certificate_file}, {config.key_file}"
            context.load_cert_chain(config.certificate_file, config.key_file or None)
    except OSError as error:
        raise Problem(
            f"uplink: {read}: PEM 형식의 인증서와 개인 키를 읽을 수 없습니다: {error}",
            f"uplink: {read}: cannot be read as PEM certificates and key: {error}",
        ) from error
    return context


def explain(error: Exception) -> str:
    """`reason=… action=…` for the log, in one line."""
    reason = str(error).strip() or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        action = "check-uplink.ca_file-and-the-broker's-name-in-its-certificate-and-the-clock"
    elif isinstance(error, ssl.SSLError):
        action = "check-that-the-port-speaks-TLS-and-uplink.certificate_file-and-key_file"
    elif isinstance(error, socket.gaierror):
        action = "check-the-broker's-name-and-DNS"
    elif isinstance(error, ConnectionRefusedError):
        action = "check-that-the-broker-runs-and-its-port"
    elif isinstance(error, TimeoutError):
        reason, action = reason or "no answer", "check-the-network-and-firewalls"
    else:
        action = ACTIONS.get(reason, _action_by_text(reason))
    return f'reason="{" ".join(reason.split())}" action={action}'


def _action_by_text(reason: str) -> str:
    # TLS 1.3: that our certificate was refused arrives after the handshake, as an alert that only paho's log tells
    if "certificate" in reason.lower() or "SSL" in reason:
        return "check-uplink.certificate_file-and-key_file-at-the-broker's-authority"
    return "none-the-gateway-tries-again"
