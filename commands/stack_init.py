"""`bitgoeul stack init`: what an installation has and git must not: made where it is missing, never made anew."""

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.pki import issuing
from cloud.pki.acl import INGEST
from cloud.pki.authority import CERTIFICATE, KEY, Authority, create_authority, open_authority
from cloud.pki.files import OPEN, SECRET, write_file
from cloud.pki.publishing import ACL, publish
from cloud.secrets import read_secret
from commands.cloud_gateways import ask_passphrase
from commands.language import say
from commands.stack_files import (
    BROKER,
    BROKER_NAMES,
    MOUNTED,
    PASSPHRASE,
    PROXY,
    READERS,
    SECRETS,
    Installation,
)
from contract.problems import Problem
from contract.topics import check_name
from simulators.registry_csv import write_csv
from simulators.site import SimSite

AUTHORITY_NAME = "Bitgoeul"


@dataclass(frozen=True)
class Asked:
    """What an installation is to have beside what each has: its names, further areas, simulated sites."""

    hosts: Sequence[str] = ()
    areas: Sequence[str] = ()
    demo: Sequence[SimSite] = ()


def init(installation: Installation, asked: Asked, tell: Callable[[str], None]) -> None:
    """Tells of each thing that was made; what exists stays as it is. Raises Problem."""
    _check_root()
    hosts = _hosts(installation, asked.hosts)
    clients = [*installation.clients(), *(f"{INGEST}{area}" for area in asked.areas)]
    for area in asked.areas:
        check_name("area", area)
    made = _Made(installation.root, tell)
    _make_folders(installation)
    for holders in SECRETS:
        # a passphrase that was taken away is asked for, not made anew
        if holders != (PASSPHRASE,) or not (installation.pki / KEY).exists():
            _share(made, [installation.secrets / name for name in holders])
    _make_environment(made, installation, hosts)
    authority = _Signer(made, installation)
    _issue_clients(made, installation, authority, clients)
    _issue_servers(made, installation, authority, hosts)
    _enrol_demo(made, installation, authority, asked.demo)
    rules = installation.pki / "broker" / ACL
    new = not rules.exists()
    publish(installation.pki)
    if new:
        made(rules)
    if not made.count:
        tell(say("모두 있습니다. 만든 것이 없습니다.", "All of it is there; nothing was made."))


def _hosts(installation: Installation, asked: Sequence[str]) -> Sequence[str]:
    """The installation's names: those of .env, or, at its first `init`, those that were asked for."""
    for name in asked:
        issuing.host_name(name)
    written = installation.hosts()
    if asked and written and set(asked) != set(written):
        broker, proxy = (path.relative_to(installation.root) for path in installation.server_files)
        names = ",".join(written)
        raise Problem(
            f"--host {','.join(asked)}: .env에는 {names}입니다. BITGOEUL_HOST와 BITGOEUL_HOSTS를 고치고 "
            f"{broker}, {proxy}을 지운 다음 --host 없이 다시 하십시오",
            f"--host {','.join(asked)}: .env says {names}; change BITGOEUL_HOST and BITGOEUL_HOSTS there, "
            f"delete {broker} and {proxy}, and run this again without --host",
        )
    return written or asked or ("localhost",)


class _Made:
    """Counts and tells of what was made."""

    def __init__(self, root: Path, tell: Callable[[str], None]) -> None:
        self._root, self._tell = root, tell
        self.count = 0

    def __call__(self, path: Path) -> None:
        self.count += 1
        self._tell(say(f"만듦: {path.relative_to(self._root)}", f"made: {path.relative_to(self._root)}"))


def _check_root() -> None:
    if os.geteuid() != 0:
        raise Problem(
            "stack init: 파일마다 그것을 읽을 컨테이너의 사용자를 소유자로 정해야 하므로 root로 실행하십시오 (sudo)",
            "stack init: run it as root (sudo), since each file is given to the user whose container reads it",
        )


def _make_folders(installation: Installation) -> None:
    """Each belongs to its reader, whom the files written into it then belong to as well; and what git brought is
    readable to containers, whatever the umask was.
    """
    for folder in (installation.root / name for name in MOUNTED):
        for path in (folder, *folder.rglob("*")) if folder.exists() else ():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    for folder in (installation.secrets, installation.pki):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    for name in ("cloud", "postgres", "influxdb", "grafana"):
        _own(installation.secrets / name, READERS[name])
    for name in ("broker", "proxy"):
        _own(installation.pki / name, READERS[name])


def _own(folder: Path, user: int) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    os.chown(folder, user, user)


def _share(made: _Made, holders: list[Path]) -> None:
    """One value in all of these files; what some of them have already goes to the others."""
    there = [path for path in holders if path.exists()]
    value = read_secret(there[0]) if there else secrets.token_urlsafe(32)
    for path in holders:
        if not path.exists():
            write_file(path, f"{value}\n".encode(), SECRET)
            made(path)


def _make_environment(made: _Made, installation: Installation, hosts: Sequence[str]) -> None:
    path = installation.environment_file
    if path.exists():
        return
    lines = [
        "# what this machine decides of docker-compose.yml; docs/operations.md names all of it",
        "COMPOSE_PROJECT_NAME=bitgoeul",
        f"BITGOEUL_HOST={hosts[0]}",
        f"BITGOEUL_HOSTS={','.join(hosts)}",
        "BITGOEUL_HTTPS_PORT=443",
        "BITGOEUL_MQTTS_PORT=8883",
    ]
    write_file(path, ("\n".join(lines) + "\n").encode(), OPEN)
    made(path)


class _Signer:
    """The authority, made where there is none; its passphrase is asked for only where something has to be signed."""

    def __init__(self, made: _Made, installation: Installation) -> None:
        self._installation = installation
        self._opened: Authority | None = None
        if not (installation.pki / KEY).exists():
            self._opened = create_authority(installation.pki, self._passphrase(), AUTHORITY_NAME)
            for name in (KEY, CERTIFICATE):
                made(installation.pki / name)

    def __call__(self) -> Authority:
        self._opened = self._opened or open_authority(self._installation.pki, self._passphrase())
        return self._opened

    def _passphrase(self) -> str:
        path = self._installation.passphrase_file
        return read_secret(path) if path.exists() else ask_passphrase(str(path.relative_to(self._installation.root)))


def _issue_clients(made: _Made, installation: Installation, authority: _Signer, names: Sequence[str]) -> None:
    for name in names:
        files = installation.client_files(name)
        if not all(path.exists() for path in files):
            issuing.write_pair(issuing.issue_client(authority(), name), installation.secrets / "cloud", name)
            for path in files:
                made(path)
    ca, pem = installation.secrets / "cloud" / CERTIFICATE, (installation.pki / CERTIFICATE).read_bytes()
    # another one stands here after the authority was restored
    if not ca.exists() or ca.read_bytes() != pem:
        write_file(ca, pem, OPEN)
        made(ca)


def _issue_servers(made: _Made, installation: Installation, authority: _Signer, hosts: Sequence[str]) -> None:
    broker, proxy = installation.server_files
    for path, name, names in ((broker, BROKER, (*hosts, *BROKER_NAMES)), (proxy, PROXY, tuple(hosts))):
        if not path.exists():
            issued = issuing.issue_server(authority(), tuple(dict.fromkeys(names)), name=name)
            write_file(path, issued.key + issued.certificate + issued.authority, SECRET)
            made(path)


def _enrol_demo(made: _Made, installation: Installation, authority: _Signer, sites: Sequence[SimSite]) -> None:
    """Certificates of the simulated gateways, and their sites as files to be imported into the registry."""
    if not sites:
        return
    folder = installation.secrets / "demo"
    _own(folder, READERS["demo"])
    for name in (gateway.name for site in sites for gateway in site.gateway):
        if not (folder / f"{name}.pem").exists():
            issuing.write_credentials(issuing.issue_client(authority(), name, kind="gateway"), folder / f"{name}.pem")
            made(folder / f"{name}.pem")
    registry = installation.root / "deploy" / "demo"
    if not registry.exists():
        registry.mkdir(mode=0o755)
        for path in write_csv(sites, registry):
            path.chmod(0o644)
            made(path)
