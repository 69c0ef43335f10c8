"""What `bitgoeul demo` adds for Grafana's boards: days that are over already, an InfluxDB, and the mirror."""

import argparse
import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from cloud.store.duck import DuckStore
from cloud.store.protocol import Commit
from commands import stretch
from commands.language import say
from commands.processes import Child, bitgoeul
from contract.problems import UsageProblem
from simulators.servers import Server, create_database, free_port, influxdb
from simulators.site_history import site_history

DATABASE = "boards"
BOARDS_DAYS = 8  # today's curve beside that of a week ago
MAX_DAYS = 60
DAY_S, SLOT_S = 86_400, 900


@dataclass(frozen=True)
class Extra:
    """`boards`: with InfluxDB and mirror. `history_days` are filled in before the start."""

    boards: bool
    history_days: int
    area_metrics: int = field(default_factory=free_port)
    portal_metrics: int = field(default_factory=free_port)

    @property
    def area_options(self) -> list[str]:
        """What the area's process is told."""
        return ["--metrics-port", str(self.area_metrics)]

    @property
    def portal_options(self) -> list[str]:
        """What the portal is told."""
        return ["--metrics-port", str(self.portal_metrics)]


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument(
        "--boards",
        action="store_true",
        help=say(
            "InfluxDB와 미러도 띄웁니다 (Grafana 대시보드용; influxdb가 설치되어 있어야 함)",
            "also start an InfluxDB and the mirror, for Grafana's boards (influxdb must be installed)",
        ),
    )
    parser.add_argument(
        "--history-days",
        type=int,
        metavar="N",
        help=say(
            f"지난 N일의 지침을 먼저 채웁니다, 기본 0 (--boards와 함께면 {BOARDS_DAYS})",
            f"fill in the registers of N past days first, default 0 ({BOARDS_DAYS} with --boards)",
        ),
    )


def from_args(args: argparse.Namespace) -> Extra:
    """Raises UsageProblem."""
    days = args.history_days
    if days is None:
        days = BOARDS_DAYS if args.boards else 0
    if not 0 <= days <= MAX_DAYS:
        raise UsageProblem(f"--history-days {days}: 0~{MAX_DAYS}", f"--history-days {days}: expected 0 to {MAX_DAYS}")
    return Extra(args.boards, days)


def fill(sites: stretch.Sites, days: int) -> int:
    """Put the registers of past days, from a local midnight on, into the area's file, which no process has open; the
    moment up to which there are some.
    """
    end_s = int(time.time()) // SLOT_S * SLOT_S
    midnight_s = (end_s + 9 * 3600) // DAY_S * DAY_S - 9 * 3600
    times_s = range(midnight_s - days * DAY_S, end_s + 1, SLOT_S)
    file = stretch.area_file(sites)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = DuckStore(file)
    try:
        for site in sites.sites:
            store.commit(Commit(readings=site_history(site, store.series, times_s)))
    finally:
        store.close()
    return end_s


def start_influxdb(sites: stretch.Sites, stack: ExitStack) -> Server:
    """An InfluxDB with the boards' database, until `stack` ends. Raises Problem where it is not installed."""
    server = stack.enter_context(influxdb(sites.folder / "influxdb"))
    create_database(server, DATABASE)
    return server


def mirror(sites: stretch.Sites, influx: Server, broker: str, extra: Extra) -> Child:
    """The mirror's process, not yet started."""
    argv = bitgoeul("cloud", "mirror", "--registry", sites.registry, "--totals", stretch.totals(sites))
    argv += ["--area", f"{stretch.AREA}={stretch.area_socket(sites)}"]
    argv += ["--influx-url", address(influx), "--influx-db", DATABASE, "--disk", f"data={sites.folder}"]
    argv += ["--scrape", f"area-{stretch.AREA}=http://127.0.0.1:{extra.area_metrics}"]
    argv += ["--scrape", f"portal=http://127.0.0.1:{extra.portal_metrics}"]
    argv += ["--broker", broker, "--username", stretch.MIRROR]
    argv += ["--password-file", str(sites.password_file(stretch.MIRROR))]
    return Child("mirror", argv, sites.folder / "logs" / "mirror.log")


def address(influx: Server) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{influx.port}"
