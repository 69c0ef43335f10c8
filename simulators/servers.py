"""Real servers for tests and benches: Mosquitto and InfluxDB as child processes on loopback.

with mosquitto(folder / "broker", users={"hanam-01": "pw", "ingest": "pw"}) as broker:
    ...                 # broker.host, broker.port; log in broker.log
    broker.kill()       # -9
    broker.wipe()       # what it had on disk is gone
    broker.start()      # the same port again
"""

import contextlib
import getpass
import hashlib
import http.client
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from contract.problems import Problem
from contract.topics import ROOT

HOST = "127.0.0.1"


class Server:
    """One server process that may be killed and started again on its port; a context manager.

    `ready` answers whether it takes clients; `persistence` is what `wipe` removes. Nothing here is shared
    between threads but `start`, `kill` and `stop`, which must not be called at once.
    """

    def __init__(
        self, folder: Path, port: int, command: Sequence[str], ready: Callable[[], bool], persistence: Sequence[Path]
    ) -> None:
        self.folder, self.host, self.port = folder, HOST, port
        self.name = Path(command[0]).name
        self.log = folder / f"{self.name}.log"
        self._command, self._ready, self._persistence = list(command), ready, list(persistence)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's number; raises Problem when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise Problem(f"{self.name}: 실행 중이 아닙니다", f"{self.name}: not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = 30.0) -> Self:
        """Return once it takes clients. Raises Problem with the log's last lines when it does not."""
        if self._process is not None and self._process.poll() is None:
            return self
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + timeout_s
        while not self._ready():
            status = self._process.poll()
            if status is not None or time.monotonic() > deadline:
                self.kill()
                said = " / ".join(self.log.read_text("utf-8", "replace").strip().splitlines()[-2:])
                raise Problem(
                    f"{self.name}: 시작하지 못했습니다 (종료 코드 {status}, 기록 {self.log}): {said}",
                    f"{self.name}: did not start (exit status {status}, log {self.log}): {said}",
                )
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """Kill with -9, and wait until it is gone; nothing happens to a dead one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ask it to end, with -9 after `timeout_s`."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        self.kill()

    def restart(self) -> None:
        """Stop in order, start again on the same port."""
        self.stop()
        self.start()

    def wipe(self) -> None:
        """Remove what it kept on disk; it must not be running."""
        if self.running:
            raise Problem(f"{self.name}: 실행 중에는 지울 수 없습니다", f"{self.name}: cannot be wiped while it runs")
        for path in self._persistence:
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(timeout_s=5.0)


def find_program(name: str, package: str) -> str:
    """The program's path. Raises Problem naming the Debian package when it is not installed."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Problem(
            f"{name}: 설치되어 있지 않습니다 (apt-get install {package})",
            f"{name}: not installed (apt-get install {package})",
        )
    return found


def free_port() -> int:
    """A free loopback port below the kernel's ephemeral range.

    From that range the kernel takes the source ports of clients: while a killed server is away another client
    could take its port, or a reconnecting client even connect to itself.
    """
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    for _ in range(1000):
        port = random.randrange(10_000, max(first, 11_000))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise Problem("빈 포트가 없습니다", "no free loopback port found")


@dataclass(frozen=True)
class Tls:
    """PEM files. With `clients` only certificates that `ca` signed get in, and their common name is the user."""

    certificate: Path
    key: Path
    ca: Path | None = None
    clients: bool = False


@dataclass(frozen=True)
class BrokerLimits:
    """What Mosquitto drops silently beyond: stated, because its defaults (20 in flight, 1000 queued) lose data.

    `in_flight` is how many QoS 1 messages a subscriber may hold unacknowledged, `queued` and `queued_bytes` what
    waits for it behind those.
    """

    in_flight: int = 10_000
    queued: int = 200_000
    queued_bytes: int = 2_000_000_000


def mosquitto(
    folder: Path,
    *,
    users: Mapping[str, str] | None = None,
    ingest: Sequence[str] = ("ingest",),
    persistence_s: int | None = None,
    tls: Tls | None = None,
    limits: BrokerLimits | None = None,
) -> Server:
    """A Mosquitto on a free port, not yet started; `folder` is made where it is missing.

    With `users` (name → password) everybody must log in: a user is a gateway, which may write only under its own
    name and read its receipts, but for those in `ingest`, which read all readings, births and states and write
    all receipts; with `tls.clients` the names count and the passwords do not. Without `users` all is allowed.
    `persistence_s` saves to disk that often (0: only when stopped in order); None keeps nothing over a restart.
    """
    program = find_program("mosquitto", "mosquitto")
    disk = folder / "persistence"
    disk.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = _broker_lines(port, limits or BrokerLimits(), persistence_s, disk)
    lines += _access_lines(folder, users, ingest, certificates=tls is not None and tls.clients)
    lines += _tls_lines(tls) if tls else []
    settings = folder / "mosquitto.conf"
    settings.write_text("\n".join(lines) + "\n", "utf-8")
    return Server(folder, port, [program, "-c", str(settings)], lambda: _accepts(port), [disk])


def _broker_lines(port: int, limits: BrokerLimits, persistence_s: int | None, disk: Path) -> list[str]:
    return [
        f"listener {port} {HOST}",
        # as root it would drop to the user mosquitto, who cannot read the caller's folder
        f"user {getpass.getuser()}",
        f"max_inflight_messages {limits.in_flight}",
        f"max_queued_messages {limits.queued}",
        f"max_queued_bytes {limits.queued_bytes}",
        f"persistence {'false' if persistence_s is None else 'true'}",
        f"persistence_location {disk}/",
        f"autosave_interval {persistence_s or 0}",
        "set_tcp_nodelay true",
        "sys_interval 0",
        "log_dest stderr",
        "log_timestamp_format %Y-%m-%dT%H:%M:%S",
    ]


def _access_lines(
    folder: Path, users: Mapping[str, str] | None, ingest: Sequence[str], *, certificates: bool
) -> list[str]:
    if users is None:
        return ["allow_anonymous true"]
    acl = [f"pattern write {ROOT}/+/%u/{leaf}" for leaf in ("readings/#", "birth", "state")]
    acl += [f"pattern read {ROOT}/+/%u/receipts"]
    for name in ingest:
        acl += [f"user {name}"]
        acl += [f"topic read {ROOT}/+/+/{leaf}" for leaf in ("readings/#", "birth", "state")]
        acl += [f"topic write {ROOT}/+/+/receipts"]
    _write_private(folder / "acl", acl)
    lines = ["allow_anonymous false", f"acl_file {folder / 'acl'}", "use_username_as_clientid true"]
    if certificates:
        return lines
    _write_private(folder / "passwords", [f"{name}:{_hashed(password)}" for name, password in users.items()])
    return [*lines, f"password_file {folder / 'passwords'}"]


def _tls_lines(tls: Tls) -> list[str]:
    lines = [f"certfile {tls.certificate}", f"keyfile {tls.key}"]
    if tls.ca is not None:
        lines.append(f"cafile {tls.ca}")
    if tls.clients:
        lines += ["require_certificate true", "use_identity_as_username true"]
    return lines


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt, rounds = os.urandom(12), 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def _write_private(path: Path, lines: Sequence[str]) -> None:
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False


def influxdb(
    folder: Path, *, admin: tuple[str, str] | None = None, tls: Tls | None = None, max_body_bytes: int = 0
) -> Server:
    """An InfluxDB 1.x on a free port, not yet started; `folder` is made where it is missing.

    With `admin` (user, password) every request must log in, and that user exists after `create_database`.
    `max_body_bytes` 0 sets no limit to a request.
    """
    program = find_program("influxd", "influxdb")
    disk = folder / "persistence"
    disk.mkdir(parents=True, exist_ok=True)
    port, settings = free_port(), folder / "influxdb.conf"
    settings.write_text(_influx_settings(disk, port, admin is not None, tls, max_body_bytes), "utf-8")
    return Server(folder, port, [program, "-config", str(settings)], lambda: _pings(port, tls), [disk])


def _influx_settings(disk: Path, port: int, auth: bool, tls: Tls | None, max_body_bytes: int) -> str:
    sections: dict[str, dict[str, str | int | bool]] = {
        "meta": {"dir": f"{disk}/meta", "logging-enabled": False},
        "data": {
            "dir": f"{disk}/data",
            "wal-dir": f"{disk}/wal",
            # the in-memory index of the default refuses the 100,001st meter
            "index-version": "tsi1",
            "max-series-per-database": 0,
            "max-values-per-tag": 0,
            "cache-max-memory-size": 0,
            # the default of 25 MB flushes 600,000 fields after a point or two each: twice the work per point
            "cache-snapshot-memory-size": 256 * 2**20,
            "query-log-enabled": False,
        },
        "monitor": {"store-enabled": False},
        "subscriber": {"enabled": False},
        "continuous_queries": {"enabled": False},
        "http": {
            "bind-address": f"{HOST}:{port}",
            "auth-enabled": auth,
            "log-enabled": False,
            "max-body-size": max_body_bytes,
            "https-enabled": tls is not None,
        },
    }
    if tls is not None:
        sections["http"] |= {"https-certificate": str(tls.certificate), "https-private-key": str(tls.key)}
    lines = ["reporting-enabled = false", f'bind-address = "{HOST}:{free_port()}"']
    for section, settings in sections.items():
        # a JSON string, number or boolean is a TOML one too
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"


def create_database(
    server: Server, database: str, admin: tuple[str, str] | None = None, tls: Tls | None = None
) -> None:
    """Make the database, and before it the user `admin` where one is given. Raises Problem."""
    statements = [f'CREATE DATABASE "{database}"']
    if admin is not None:
        user, password = admin
        statements.insert(0, f"CREATE USER \"{user}\" WITH PASSWORD '{password}' WITH ALL PRIVILEGES")
    for statement in statements:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if admin is not None:
            headers["Authorization"] = "Basic " + b64encode(":".join(admin).encode()).decode()
        connection = _connect(server.port, tls)
        with contextlib.closing(connection):
            connection.request("POST", "/query", urlencode({"q": statement}), headers)
            answer = json.loads(connection.getresponse().read())
        error = answer.get("error") or answer["results"][0].get("error")
        if error and "user already exists" not in error:
            raise Problem(f"influxd: {error}", f"influxd: {error}")


def _connect(port: int, tls: Tls | None) -> http.client.HTTPConnection:
    if tls is None:
        return http.client.HTTPConnection(HOST, port, timeout=10.0)
    context = ssl.create_default_context(cafile=str(tls.ca)) if tls.ca else ssl.create_default_context()
    return http.client.HTTPSConnection(HOST, port, timeout=10.0, context=context)


def _pings(port: int, tls: Tls | None) -> bool:
    connection = _connect(port, tls)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/ping")
        return connection.getresponse().status == 204
    return False
