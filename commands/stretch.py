"""A whole stretch of the system as processes: simulated sites, gateways and the area's process; broker apart."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from commands.processes import Child, bitgoeul, wait_until
from edge.config import OutboxConfig, UplinkConfig, load_site
from simulators.gateway_files import write_gateway_file
from simulators.site import SimSite, load_sim_site, places, quantities

INGEST = "ingest"
MIRROR = "mirror"
AREA = "main"


@dataclass(frozen=True)
class Sites:
    """The sites of a stretch, and the folder that everything of it is kept in."""

    folder: Path
    sites: tuple[SimSite, ...]

    @property
    def gateways(self) -> list[str]:
        """Names of all gateways."""
        return [gateway.name for site in self.sites for gateway in site.gateway]

    @property
    def meters(self) -> list[str]:
        """Names of all meters."""
        return [place.name for site in self.sites for place in places(site)]

    def expected(self, gateway: str, tick_s: int) -> dict[str, dict[str, object]]:
        """What a gateway reads of each meter and how often: with its tick, or rarer where the model says so."""
        return {
            place.name: {
                "tick_s": tick_s if place.group.mains_powered else max(tick_s, place.model.interval_s),
                "quantities": quantities(place),
            }
            for site in self.sites
            for place in places(site)
            if place.gateway == gateway
        }

    @property
    def simulation(self) -> Path:
        """Where the simulation keeps its ports and logs."""
        return self.folder / "simulation"

    @property
    def registry(self) -> Path:
        """The registry's snapshot of the simulated sites."""
        return self.simulation / "registry"

    @property
    def served(self) -> list[Path]:
        """The logs of what the meters served."""
        return sorted(self.simulation.glob("*/served/*.jsonl"))

    def password_file(self, name: str) -> Path:
        """The password of a gateway, of ingest or of the mirror."""
        return self.folder / "passwords" / name

    def outbox(self, gateway: str) -> Path:
        """A gateway's outbox."""
        return self.folder / "outboxes" / f"{gateway}.sqlite"

    def gateway_file(self, gateway: str) -> Path:
        """What `edge run` of this gateway is given."""
        return self.folder / "gateways" / f"{gateway}.toml"


def load_sites(folder: Path, names: Sequence[str]) -> Sites:
    """The named sites; makes the folders, and a password for everybody."""
    stretch = Sites(folder.absolute(), tuple(load_sim_site(name) for name in names))
    for name in ("passwords", "outboxes", "gateways", "logs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in (*stretch.gateways, INGEST, MIRROR):
        path = stretch.password_file(name)
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), "utf-8")
    return stretch


def passwords(stretch: Sites) -> dict[str, str]:
    """Everybody's password by name."""
    names = (*stretch.gateways, INGEST, MIRROR)
    return {name: stretch.password_file(name).read_text("utf-8") for name in names}


def simulation(stretch: Sites, names: Sequence[str], tick_s: int) -> Child:
    """The process that is all meters and lines, not yet started."""
    argv = bitgoeul("simulate", *names, "--data", stretch.simulation, "--tick", str(tick_s))
    return Child("simulate", argv, stretch.folder / "logs" / "simulate.log")


def start_simulation(stretch: Sites, child: Child) -> None:
    """Start it, and return once its lines are open and its files written."""
    control = stretch.simulation / "control"
    control.unlink(missing_ok=True)
    child.start()
    wait_until(control.exists, "simulate", [child])


def gateway(stretch: Sites, name: str, broker: str) -> Child:
    """The gateway's process, not yet started, on the file that the simulation wrote, sent to this broker."""
    uplink = UplinkConfig(brokers=[broker], username=name, password_file=str(stretch.password_file(name)))
    return gateway_by(stretch, name, uplink)


def gateway_by(stretch: Sites, name: str, uplink: UplinkConfig) -> Child:
    """The same, by any uplink."""
    (written,) = stretch.simulation.glob(f"*/{name}.toml")
    outbox = OutboxConfig(path=str(stretch.outbox(name)))
    site = msgspec.structs.replace(load_site(written), uplink=uplink, outbox=outbox)
    file = write_gateway_file(site, stretch.gateway_file(name))
    clock = {"BITGOEUL_CLOCK_OFFSET_FILE": str(written.parent / "clock" / name)}
    return Child(name, bitgoeul("edge", "run", file), stretch.folder / "logs" / f"{name}.log", clock)


def area(stretch: Sites, broker: str, *more: str | Path) -> Child:
    """The area's process, not yet started."""
    argv = bitgoeul("cloud", "area", AREA, "--data", stretch.folder / "area", "--broker", broker)
    argv += ["--username", INGEST, "--password-file", str(stretch.password_file(INGEST))]
    argv += ["--registry", str(stretch.registry), *map(str, more)]
    return Child("area", argv, stretch.folder / "logs" / "area.log")


def subscribed(area: Child) -> bool:
    """Whether the area's process hears its gateways."""
    return "broker subscribed" in area.log.read_text("utf-8")


def area_file(stretch: Sites) -> Path:
    """The area's DuckDB file."""
    return stretch.folder / "area" / f"{AREA}.duckdb"


def area_socket(stretch: Sites) -> Path:
    """Where the area's process answers other processes."""
    return stretch.folder / "area" / f"{AREA}.sock"


def totals(stretch: Sites) -> Path:
    """Where the area's process leaves its totals."""
    return stretch.folder / "area" / "totals" / AREA


def drain(stretch: Sites, name: str) -> Child:
    """A process that sends what the gateway's outbox still holds, and then ends; not yet started."""
    argv = bitgoeul("edge", "drain", stretch.gateway_file(name))
    return Child(name, argv, stretch.folder / "logs" / f"{name}.log")
