"""The files of an installation that are not in git: which there are, and who reads each."""

from dataclasses import dataclass
from pathlib import Path

# a folder of deploy/secrets or deploy/pki, and the user of the container that alone reads it
READERS = {
    "cloud": 10_001,
    "postgres": 999,
    "influxdb": 1000,
    "grafana": 472,
    "broker": 1883,
    "proxy": 101,
    "demo": 10_002,
}

PASSPHRASE = "ca_passphrase"  # noqa: S105  # the name of the authority's file
# each value, and the files that hold it
SECRETS: tuple[tuple[str, ...], ...] = (
    (PASSPHRASE,),
    ("cloud/postgres_password", "postgres/password"),
    ("cloud/boards_password", "influxdb/mirror_password"),
    ("grafana/boards_password", "influxdb/grafana_password"),
    ("cloud/staff_token",),
    ("influxdb/admin_password",),
    ("influxdb/admin_token",),
    ("grafana/admin_password",),
    ("grafana/secret_key",),
)
# the certificates of our own processes at the broker: common name and files' stem in deploy/secrets/cloud
CLIENTS = ("ingest-main", "mirror")
BROKER, PROXY = "broker", "proxy"
SERVER = "server.pem"
# under which our own containers know the broker, and this machine does, from which connections are ended
BROKER_NAMES = ("broker", "localhost")
# what a container whose user is not the checkout's has to read of it
MOUNTED = ("deploy/broker", "deploy/proxy", "deploy/influxdb", "dashboards/generated")


@dataclass(frozen=True)
class Installation:
    """Where the compose file is, and beside it all that belongs to it."""

    root: Path

    @property
    def compose_file(self) -> Path:
        """What the containers are."""
        return self.root / "docker-compose.yml"

    @property
    def override_file(self) -> Path:
        """What the operator decided otherwise; need not be there."""
        return self.root / "docker-compose.override.yml"

    @property
    def environment_file(self) -> Path:
        """Names and ports, which Compose reads by itself."""
        return self.root / ".env"

    @property
    def secrets(self) -> Path:
        """Passwords, tokens and keys."""
        return self.root / "deploy" / "secrets"

    @property
    def pki(self) -> Path:
        """The authority."""
        return self.root / "deploy" / "pki"

    @property
    def passphrase_file(self) -> Path:
        """The authority's; may be kept elsewhere."""
        return self.secrets / PASSPHRASE

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Key and certificate of the broker, and of the proxy."""
        return self.pki / BROKER / SERVER, self.pki / PROXY / SERVER

    def client_files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of one of our own processes."""
        folder = self.secrets / "cloud"
        return folder / f"{name}.crt", folder / f"{name}.key"

    def clients(self) -> tuple[str, ...]:
        """All of them: those that each installation has, and the ingest of further areas."""
        found = (path.stem for path in (self.secrets / "cloud").glob("ingest-*.crt"))
        return (*CLIENTS, *sorted(set(found) - set(CLIENTS)))

    def hosts(self) -> tuple[str, ...]:
        """The names that browsers and gateways know it by; empty before the first `stack init`."""
        environment = read_environment(self.environment_file)
        text = environment.get("BITGOEUL_HOSTS") or environment.get("BITGOEUL_HOST", "")
        return tuple(name.strip() for name in text.split(",") if name.strip())


def reader_of(path: Path) -> int:
    """The user who must own the file; of what is in no reader's folder, root."""
    return READERS.get(path.parent.name, 0)


def read_environment(path: Path) -> dict[str, str]:
    """NAME=VALUE lines of .env; empty where there is none."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}
