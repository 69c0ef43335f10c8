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

# each value, and the files that hold it
SECRETS: tuple[tuple[str, ...], ...] = (
    ("ca_passphrase",),
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
CLIENTS = ("ingest-main", "mirror", "tools")
BROKER, PROXY = "broker", "proxy"
SERVER = "server.pem"
BROKER_NAME = "broker"  # under which our own containers know it


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
        return self.secrets / "ca_passphrase"

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Key and certificate of the broker, and of the proxy."""
        return self.pki / BROKER / SERVER, self.pki / PROXY / SERVER

    def client_files(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of one of our own processes."""
        folder = self.secrets / "cloud"
        return folder / f"{name}.crt", folder / f"{name}.key"


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
