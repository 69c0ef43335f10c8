"""How to log in at a broker, and what to do about one that refuses."""

import select
import socket
import ssl
from pathlib import Path
from typing import Any, NamedTuple

from contract.problems import Problem
from edge.certificate import read_credentials
from edge.config import UplinkConfig

# what the CONNACK of MQTT 3.1.1 says, in paho's words, and what an operator can do
ACTIONS = {
    "Bad user name or password": "check-uplink.username-and-password_file",
    "Not authorized": "check-uplink.username-and-password_file-and-that-the-gateway-is-enrolled-at-the-broker",
    "Client identifier not valid": "check-that-the-broker-accepts-the-gateway's-name-as-client-id",
    "Server unavailable": "none-the-gateway-tries-again",
    "Unsupported protocol version": "use-a-broker-that-speaks-MQTT-3.1.1",
}

VERDICT_S = 1.0

# what TLS says of our certificate, and what to do about it
ALERTS = {
    "CERTIFICATE_REVOKED": "ask-for-a-new-certificate-since-ours-was-revoked",
    "CERTIFICATE_EXPIRED": "ask-for-a-new-certificate-since-ours-has-expired-and-check-the-clock",
    "UNKNOWN_CA": "ask-for-a-certificate-of-this-installation-since-ours-is-of-another-authority",
    "BAD_CERTIFICATE": "ask-for-a-certificate-of-this-installation-since-ours-is-not-accepted",
    "CERTIFICATE_UNKNOWN": "ask-for-a-certificate-of-this-installation-since-ours-is-not-accepted",
    "UNSUPPORTED_CERTIFICATE": "ask-for-a-gateway's-certificate-since-ours-is-for-another-purpose",
    "CERTIFICATE_REQUIRED": "set-uplink.credentials_file-since-the-broker-wants-a-certificate",
}

CLOSED_EARLY = "closed by the broker before it let us in"


class Login(NamedTuple):
    """Brokers with `use_username_as_clientid` make the client id the user name: so do we from the start."""

    client_id: str
    username: str
    password: str


def read_login(config: UplinkConfig, gateway: str) -> Login:
    """User name and password, which a loaded site has but for the file's content. Raises Problem."""
    if not config.password_file:
        return Login(config.username or gateway, config.username, "")
    path = Path(config.password_file)
    try:
        return Login(config.username, config.username, path.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: 암호를 읽을 수 없습니다: {error}", f"{path}: password: {error}") from error


class JudgedSocket(ssl.SSLSocket):
    """Connected once the other side has judged our certificate, or said nothing for a while.

    In TLS 1.3 that comes after the handshake, and why it was refused is lost where we have sent something by then.
    """

    def do_handshake(self, block: bool = False) -> None:
        """As the base class does. Raises ssl.SSLError with what the other side says."""
        super().do_handshake(block)
        poll = select.poll()
        poll.register(self, select.POLLIN)
        if self.version() != "TLSv1.3" or not poll.poll(VERDICT_S * 1000):
            return
        timeout_s = self.gettimeout()
        self.settimeout(0)
        try:
            # a session's ticket is no data, and a broker says nothing before we have; an alert is raised
            self.recv(1)
        except (ssl.SSLWantReadError, ConnectionError):
            pass
        finally:
            self.settimeout(timeout_s)


class TlsContext(ssl.SSLContext):
    """Remembers the socket that it made: paho leaves it open where the handshake fails."""

    sslsocket_class = JudgedSocket
    made: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **named: Any) -> ssl.SSLSocket:
        """As the base class does."""
        self.made = super().wrap_socket(*args, **named)
        return self.made


def tls_context(config: UplinkConfig) -> TlsContext:
    """TLS 1.2 or newer, the broker's name checked, and our certificate where there is one. Raises Problem."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    read = config.credentials_file or config.ca_file
    try:
        if config.credentials_file:
            # of the one file only the authority is trusted, not our own certificate
            context.load_verify_locations(cadata="".join(read_credentials(Path(read)).authorities))
            context.load_cert_chain(read, password="")  # an encrypted key must not ask a terminal
        elif config.ca_file:
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
    alert = next((action for name, action in ALERTS.items() if f"ALERT_{name}]" in reason), "")
    if alert:
        action = alert
    elif isinstance(error, ssl.SSLCertVerificationError):
        action = "check-uplink.ca_file-and-the-broker's-name-in-its-certificate-and-the-clock"
    elif isinstance(error, ssl.SSLError):
        action = "check-that-the-port-speaks-TLS-and-uplink.certificate_file-and-key_file"
    elif isinstance(error, socket.gaierror):
        action = "check-the-broker's-name-and-DNS"
    elif isinstance(error, ConnectionRefusedError):
        action = "check-that-the-broker-runs-and-its-port"
    elif isinstance(error, ConnectionError):
        action = "check-that-the-port-speaks-TLS-or-not-as-the-broker's-URL-says"
    elif isinstance(error, TimeoutError):
        action = "check-the-network-and-firewalls"
    else:
        action = ACTIONS.get(reason, _action_by_text(reason))
    return f'reason="{" ".join(reason.split())}" action={action}'


def _action_by_text(reason: str) -> str:
    # in TLS 1.3 our certificate is judged after the handshake, and why it was refused does not always arrive
    if reason.startswith(CLOSED_EARLY):
        return "check-uplink.certificate_file-and-key_file-and-that-the-port-speaks-as-the-broker's-URL-says"
    return "none-the-gateway-tries-again"
