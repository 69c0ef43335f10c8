"""What an operator decides for an area's process: one frozen value, built once at the entry point."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from urllib3.util import parse_url

from cloud.ingest.link import LinkSettings, is_loopback, parse_broker
from cloud.ingest.worker import Pace
from cloud.secrets import read_secret
from cloud.store.influx_http import InfluxSettings
from contract.problems import Problem
from contract.topics import ROOT, check_name


@dataclass(frozen=True)
class AreaSettings:
    """Passwords stand in files of their own, readable by their owner only. `registry` is the snapshot's folder."""

    name: str
    data: Path
    brokers: tuple[str, ...]
    registry: Path
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    allow_plain: bool = False
    store: Literal["duckdb", "influx"] = "duckdb"
    influx_url: str = ""
    influx_db: str = "bitgoeul"
    influx_username: str = ""
    influx_password_file: Path | None = None
    influx_ca_file: Path | None = None
    socket_file: Path | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    flush_ms: int = 100
    queue_mb: int = 64
    keep_days: int = 400
    gap_timeout_s: int = 60
    quarantine_rows: int = 10_000
    quarantine_mb: int = 64
    min_free_mb: int = 1024

    @property
    def file(self) -> Path:
        """The area's DuckDB file."""
        return self.data / f"{self.name}.duckdb"

    @property
    def socket(self) -> Path:
        """Where other processes ask the area, by Arrow Flight."""
        return self.socket_file or self.data / f"{self.name}.sock"

    @property
    def filters(self) -> list[str]:
        """What is subscribed to."""
        base = f"{ROOT}/{self.name}/+"
        return [f"{base}/readings/+", f"{base}/readings", f"{base}/birth", f"{base}/state"]

    @property
    def pace(self) -> Pace:
        """When a commit is made, and how much may wait for one."""
        return Pace(flush_s=self.flush_ms / 1000, queue_bytes=self.queue_mb * 1_000_000, keep_days=self.keep_days)


def link_settings(settings: AreaSettings) -> LinkSettings:
    """How to reach the brokers. Raises Problem."""
    check_name("area", settings.name)
    brokers = [parse_broker(url, allow_plain=settings.allow_plain) for url in settings.brokers]
    return LinkSettings(
        brokers=brokers,
        client_id=f"ingest-{settings.name}",
        username=settings.username,
        password=read_secret(settings.password_file) if settings.password_file else "",
        tls=_tls(settings) if any(broker.tls for broker in brokers) else None,
    )


def influx_settings(settings: AreaSettings) -> InfluxSettings:
    """How to reach InfluxDB. Raises Problem."""
    if not settings.influx_url:
        raise Problem(
            "--store influx: --influx-url이 필요합니다 (예: http://127.0.0.1:8086)",
            "--store influx: expected --influx-url (such as http://127.0.0.1:8086)",
        )
    _check_influx_url(settings.influx_url, allow_plain=settings.allow_plain)
    if settings.influx_ca_file:
        _check_influx_ca(settings.influx_ca_file)
    return InfluxSettings(
        url=settings.influx_url,
        database=settings.influx_db,
        user=settings.influx_username,
        password=read_secret(settings.influx_password_file) if settings.influx_password_file else "",
        ca_file=settings.influx_ca_file,
    )


def _check_influx_url(url: str, *, allow_plain: bool) -> None:
    """Refuse an address that holds a secret, and one to which a secret would travel in the clear."""
    try:
        parts = urlsplit(url)
        port = parts.port
        parse_url(url)  # what urllib3 cannot read is said here, where the option can be named
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Problem(
            f"--influx-url '{url.rpartition('@')[2]}': http:// 또는 https://호스트[:포트] 형식이어야 합니다",
            f"--influx-url '{url.rpartition('@')[2]}': expected http:// or https://HOST[:PORT]",
        )
    if "@" in parts.netloc:
        raise Problem(
            f"--influx-url {parts.hostname}: 주소에 사용자나 암호를 넣지 마십시오"
            " (--influx-username과 --influx-password-file을 쓰십시오)",
            f"--influx-url {parts.hostname}: expected no user or password in it"
            " (use --influx-username and --influx-password-file)",
        )
    if not (parts.scheme == "https" or allow_plain or is_loopback(parts.hostname)):
        raise Problem(
            f"--influx-url '{url}': 이 컴퓨터 밖으로는 https://만 쓸 수 있습니다 (망이 이미 보호된다면 --allow-plain)",
            f"--influx-url '{url}': only https:// leaves this machine (--allow-plain where the network is protected)",
        )


def _check_influx_ca(path: Path) -> None:
    """Refuse by name what would look, at each connection, like a database that is away."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise Problem(
            f"--influx-ca-file {path}: 쓸 수 없습니다. PEM 인증서 파일이어야 합니다: {error}",
            f"--influx-ca-file {path}: cannot be used, expected a PEM file of certificates: {error}",
        ) from error


def _tls(settings: AreaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(
            str(path) for path in (settings.ca_file, settings.certificate_file, settings.key_file) if path
        )
        raise Problem(
            f"인증서 파일 {names}: 쓸 수 없습니다: {error}", f"certificate files {names}: cannot be used: {error}"
        ) from error
    return context
