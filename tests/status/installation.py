"""A small installation for the tests of metrics and status: a broker, an area's process, and a portal's."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from commands.processes import Child, bitgoeul, wait_until
from contract.reading import Reading
from contract.senml import encode_batch
from simulators.servers import Server, free_port
from tests.cloud.ingest_area import KWH, start_broker
from tests.cloud.portal_area import write_sites

ENGLISH = {"BITGOEUL_LANG": "en"}


@dataclass(frozen=True)
class Installation:
    """`services` are addresses of /metrics and /healthz by name."""

    folder: Path
    broker: Server
    area: Child
    portal: Child
    services: dict[str, str]

    @property
    def socket(self) -> Path:
        """The area's."""
        return self.folder / "data" / "main.sock"

    @property
    def registry(self) -> Path:
        """The snapshot's folder."""
        return self.folder / "registry"


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """All of it, ready; the broker knows the gateways g1 and g2, the registry g1. Skips where there is no broker."""
    registry = write_sites(folder / "registry", "a,가,A,other,g1-e01,electricity,main,1")
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text("pw\n", "utf-8")
    ports = {"area-main": free_port(), "portal": free_port()}
    with start_broker(folder / "broker") as broker:
        where: list[str | Path] = ["--registry", registry, "--data", folder / "data", "--username", "ingest"]
        where += ["--broker", f"mqtt://{broker.host}:{broker.port}", "--password-file", secret]
        where += ["--metrics-port", str(ports["area-main"]), "--flush-ms", "20"]
        area = Child("area", bitgoeul("cloud", "area", "main", *where), folder / "area.log", ENGLISH)
        shown: list[str | Path] = ["--registry", registry, "--port", "0", "--area", f"main={folder}/data/main.sock"]
        shown += ["--metrics-port", str(ports["portal"])]
        portal = Child("portal", bitgoeul("cloud", "portal", *shown), folder / "portal.log", ENGLISH)
        area.start()
        portal.start()
        try:
            wait_until(lambda: "broker subscribed" in area.log.read_text("utf-8"), "area", [area], 60)
            wait_until(lambda: "event=area-answers" in portal.log.read_text("utf-8"), "portal", [portal], 60)
            services = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            yield Installation(folder, broker, area, portal, services)
        finally:
            portal.stop()
            area.stop()


def one_reading(tick_s: int) -> bytes:
    """A batch of the one meter that is registered."""
    return encode_batch([Reading("g1-e01", KWH, tick_s, 1.0)], tick_s + 0.5, "ntp")


def address(portal: Child) -> str:
    """Where browsers find it."""
    found = re.search(r"event=portal-listens address=(\S+)/", portal.log.read_text("utf-8"))
    assert found
    return found[1]
