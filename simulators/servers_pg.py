"""A real PostgreSQL for tests and benches, as a child process on loopback.

with postgresql(folder) as server:
    server.create("registry")
    init_database(server.url("registry"), server.password_file)
    server.kill(); server.start()   # -9, and the same port again
"""

import getpass
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pg8000.dbapi

from contract.problems import Problem
from simulators.servers import HOST, Server, Tls, find_program, free_port

USER = "bitgoeul"
ACCOUNT = "postgres"  # the server refuses to run as root
PACKAGE = "postgresql"
DATA = "data"
_LIBRARY = Path("/usr/lib/postgresql")


class Postgresql(Server):
    """`password_file` is that of USER, who owns every database."""

    def __init__(self, folder: Path, home: Path, port: int, command: Sequence[str]) -> None:
        super().__init__(folder, port, command, self._logs_in, [])
        self.name, self.log = "postgres", folder / "postgres.log"
        self.password_file = folder / "password"
        self._home = home

    def url(self, database: str) -> str:
        """For `--database`."""
        return f"postgresql+pg8000://{USER}@{self.host}:{self.port}/{database}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database; its URL."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement; its rows."""
        connection = self._connect(database)
        try:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the connections that there are; asked politely it would wait for them."""
        if self.running:
            os.kill(self.pid, signal.SIGINT)
        super().stop(timeout_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        shutil.rmtree(self._home, ignore_errors=True)

    def _connect(self, database: str) -> pg8000.dbapi.Connection:
        password = self.password_file.read_text("utf-8").strip()
        return pg8000.dbapi.connect(USER, self.host, database, self.port, password, timeout=10.0)

    def _logs_in(self) -> bool:
        try:
            self._connect("postgres").close()
        except (pg8000.dbapi.Error, OSError):
            return False
        return True


def postgresql(
    folder: Path, *, durable: bool = False, tls: Tls | None = None, settings: Sequence[str] = ()
) -> Postgresql:
    """A PostgreSQL on a free port, not yet started; `folder` is made where it is missing.

    Only `durable` waits for the disk at each commit. `settings` are of postgresql.conf. Raises Problem.
    """
    programs = _programs()
    folder.mkdir(parents=True, exist_ok=True)
    password_file = folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(12) + "\n", "utf-8")
    # a test's own folder may be closed to the account that the server runs as
    home, port = Path(tempfile.mkdtemp(prefix="bitgoeul-postgres-")), free_port()
    _make(programs / "initdb", home, password_file)
    settings = [*settings, *(_tls_settings(tls, home) if tls else ())]
    chosen = [f"listen_addresses={HOST}", f"port={port}", "unix_socket_directories=", *settings]
    chosen += [] if durable else ["fsync=off", "full_page_writes=off"]
    command = [*_as(_account()), str(programs / "postgres"), "-D", str(home / DATA)]
    return Postgresql(folder, home, port, [*command, *(part for one in chosen for part in ("-c", one))])


def _programs() -> Path:
    versions = sorted(_LIBRARY.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not versions:
        find_program("postgres", PACKAGE)
    return versions[-1].parent


def _account() -> str:
    if os.geteuid():
        return getpass.getuser()
    try:
        return pwd.getpwnam(ACCOUNT).pw_name
    except KeyError as error:
        raise Problem(
            f"postgres: 사용자 {ACCOUNT}이(가) 없습니다 (apt-get install {PACKAGE})",
            f"postgres: no user {ACCOUNT} (apt-get install {PACKAGE})",
        ) from error


def _as(account: str) -> list[str]:
    if account == getpass.getuser():
        return []
    return [find_program("setpriv", "util-linux"), f"--reuid={account}", f"--regid={account}", "--init-groups"]


def _tls_settings(tls: Tls, home: Path) -> list[str]:
    """With copies that its account may read."""
    certificate, key = home / "server.crt", home / "server.key"
    shutil.copy(tls.certificate, certificate)
    shutil.copy(tls.key, key)
    key.chmod(0o600)
    for path in (certificate, key):
        shutil.chown(path, _account())
    return ["ssl=on", f"ssl_cert_file={certificate}", f"ssl_key_file={key}"]


def _make(initdb: Path, home: Path, password_file: Path) -> None:
    """Its files. It reads the password from a copy that its account may read."""
    copy, account = home / "password", _account()
    shutil.copy(password_file, copy)
    for path in (home, copy):
        shutil.chown(path, account)
    options = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={copy}", "--no-sync", "--locale=C.UTF-8"]
    command = [*_as(account), str(initdb), "-D", str(home / DATA), *options]
    made = subprocess.run(command, capture_output=True, cwd="/", check=False)
    if made.returncode:
        said = made.stderr.decode("utf-8", "replace").strip().replace("\n", " / ")
        raise Problem(f"initdb: {said}", f"initdb: {said}")
