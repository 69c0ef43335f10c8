"""What an operator decides for the mirror: one frozen value, built once at the entry point."""

from dataclasses import dataclass, field
from pathlib import Path

from cloud.ingest.link import LinkSettings
from cloud.ingest.settings import AreaSettings, influx_settings, link_settings
from cloud.store.influx_http import InfluxSettings
from contract.problems import UsageProblem
from contract.topics import check_name

SLOT_DAYS = 35  # of sums by the quarter of an hour; older days have their sums alone


@dataclass(frozen=True)
class MirrorSettings:
    """`areas` are sockets by name, `scrape` addresses of services by theirs, `disks` folders by theirs.

    `history_days` of daily sums are written where they are not there yet. What is live is kept for `live_days`; 0
    leaves that to the database.
    """

    registry: Path
    totals: tuple[Path, ...]
    areas: dict[str, Path]
    influx: InfluxSettings
    broker: LinkSettings | None = None
    scrape: dict[str, str] = field(default_factory=dict)
    disks: dict[str, Path] = field(default_factory=dict)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    history_days: int = 400
    live_days: int = 14
    stale_after_s: int = 180


@dataclass(frozen=True)
class Doors:
    """How to reach InfluxDB and the broker, as an area's process is told it."""

    influx_url: str
    influx_db: str = "boards"
    influx_username: str = ""
    influx_password_file: Path | None = None
    influx_ca_file: Path | None = None
    broker: str = ""
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    allow_plain: bool = False

    def influx(self) -> InfluxSettings:
        """Raises Problem."""
        return influx_settings(self._area())

    def link(self) -> LinkSettings | None:
        """Raises Problem."""
        return link_settings(self._area()) if self.broker else None

    def _area(self) -> AreaSettings:
        given = {name: value for name, value in vars(self).items() if name != "broker"}
        brokers = (self.broker,) if self.broker else ()
        return AreaSettings(name="mirror", data=Path(), brokers=brokers, registry=Path(), **given)


def named(option: str, texts: list[str]) -> dict[str, str]:
    """What stands behind each NAME=. Raises UsageProblem."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not value:
            raise UsageProblem(
                f"{option} '{text}': '이름=값' 꼴이어야 합니다", f"{option} '{text}': expected NAME=VALUE"
            )
        if check_name(option, name) in found:
            raise UsageProblem(f"{option}: '{name}'이(가) 두 번 있습니다", f"{option}: '{name}' is named twice")
        found[name] = value
    return found
