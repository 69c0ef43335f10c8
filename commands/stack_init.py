"""`bitgoeul stack init`: what an installation has and git must not: made where it is missing, never made anew."""

import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from cloud.pki import issuing
from cloud.pki.authority import CERTIFICATE, KEY, Authority, create_authority, open_authority
from cloud.pki.files import OPEN, SECRET, write_file
from cloud.pki.publishing import ACL, publish
from cloud.secrets import read_secret
from commands.language import say
from commands.stack_files import BROKER_NAME, CLIENTS, READERS, SECRETS, Installation
from contract.problems import Problem
from simulators.registry_csv import write_csv
from simulators.site import SimSite

AUTHORITY_NAME = "Bitgoeul"


def init(
    installation: Installation, hosts: Sequence[str], tell: Callable[[str], None], demo: Sequence[SimSite] = ()
) -> None:
    """Tells of each thing that was made; what exists stays as it is. `demo` are simulated sites. Raises Problem."""
    _check_root()
    made = _Made(installation.root, tell)
    _make_folders(installation)
    for holders in SECRETS:
        _share(made, [installation.secrets / name for name in holders])
    _make_environment(made, installation, hosts)
    authority = _authority(made, installation)
    _issue_clients(made, installation, authority)
    _issue_servers(made, installation, authority, hosts)
    _enrol_demo(made, installation, authority, demo)
    if not (installation.pki / "broker" / ACL).exists():
        publish(installation.pki)
        made(installation.pki / "broker" / ACL)
    if not made.count:
        tell(say("모두 있습니다. 만든 것이 없습니다.", "All of it is there; nothing was made."))


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
    """Each belongs to its reader, whom the files written into it then belong to as well."""
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
        "BITGOEUL_HTTPS_PORT=443",
        "BITGOEUL_MQTTS_PORT=8883",
    ]
    write_file(path, ("\n".join(lines) + "\n").encode(), OPEN)
    made(path)


def _authority(made: _Made, installation: Installation) -> Authority:
    passphrase = read_secret(installation.passphrase_file)
    if (installation.pki / KEY).exists():
        return open_authority(installation.pki, passphrase)
    authority = create_authority(installation.pki, passphrase, AUTHORITY_NAME)
    for name in (KEY, CERTIFICATE):
        made(installation.pki / name)
    return authority


def _issue_clients(made: _Made, installation: Installation, authority: Authority) -> None:
    for name in CLIENTS:
        files = installation.client_files(name)
        if not all(path.exists() for path in files):
            issuing.write_pair(issuing.issue_client(authority, name), installation.secrets / "cloud", name)
            for path in files:
                made(path)
    ca = installation.secrets / "cloud" / CERTIFICATE
    if not ca.exists():
        write_file(ca, authority.pem, OPEN)
        made(ca)


def _issue_servers(made: _Made, installation: Installation, authority: Authority, hosts: Sequence[str]) -> None:
    broker, proxy = installation.server_files
    for path, names in ((broker, (*hosts, BROKER_NAME)), (proxy, tuple(hosts))):
        if not path.exists():
            issued = issuing.issue_server(authority, names)
            write_file(path, issued.key + issued.certificate + issued.authority, SECRET)
            made(path)


def _enrol_demo(made: _Made, installation: Installation, authority: Authority, sites: Sequence[SimSite]) -> None:
    """Certificates of the simulated gateways, and their sites as files to be imported into the registry."""
    if not sites:
        return
    folder = installation.secrets / "demo"
    _own(folder, READERS["demo"])
    for name in (gateway.name for site in sites for gateway in site.gateway):
        if not (folder / f"{name}.pem").exists():
            issuing.write_credentials(issuing.issue_client(authority, name, kind="gateway"), folder / f"{name}.pem")
            made(folder / f"{name}.pem")
    registry = installation.root / "deploy" / "demo"
    if not registry.exists():
        registry.mkdir(mode=0o755)
        for path in write_csv(sites, registry):
            path.chmod(0o644)
            made(path)
