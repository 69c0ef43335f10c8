"""An area as the mirror sees it: two sites that are settled in a real file, behind a real Flight socket."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from cloud.ingest.gateways import Gateways
from cloud.ingest.live import LIVE
from cloud.metering.codes import SLOT_S
from cloud.mirror.settings import MirrorSettings
from cloud.registry import snapshot
from cloud.registry.facts import shipped_regions
from cloud.settle.tables import quality_tables
from cloud.settle.worker import STATUS
from cloud.store.flight import AreaServer
from contract.messages import Birth, BirthMeter, LineState, State
from simulators.servers import Server
from tests.mirror.boards_database import settings
from tests.settle.small_city import START, City, Reading, span

KWH, EXPORT, MADE, KW = (
    "electricity_import_kwh",
    "electricity_export_kwh",
    "electricity_production_kwh",
    "electricity_power_kw",
)
DONG, DISTRICT = 101, 2
SLOTS = 4
NOW_S = START + SLOTS * SLOT_S + 60


@dataclass(frozen=True)
class ServedArea:
    """Where it is found."""

    city: City
    socket: Path
    registry: Path

    @property
    def totals(self) -> Path:
        """Its folder of totals."""
        return self.city.folder / "totals"


def spans() -> list[dict[str, object]]:
    """A works with the sun on its roof and a sub-meter, and a block that reports water."""
    works = {"site": "works", "region": DONG, "use": 17}
    block = {"site": "block", "region": DONG, "gateway": "gw2"}
    return [
        span("w-main", KWH, **works),
        span("w-main", EXPORT, **works),
        span("w-main", KW, **works),
        span("w-sub", KWH, **works, role=1, parent="w-main"),
        span("w-sun", MADE, **works, role=2, parent="w-main"),
        span("b-main", KWH, **block, multiplier=10.0),
        span("b-water", "water_volume_m3", **block, utility=2),
    ]


def readings(slots: int = SLOTS) -> list[Reading]:
    """Each slot the works takes 10 kWh, gives 1 and makes 3, 4 of it behind the sub-meter; the block takes 5 x 10."""
    steps = {
        ("w-main", KWH): 10.0,
        ("w-main", EXPORT): 1.0,
        ("w-sub", KWH): 4.0,
        ("w-sun", MADE): 3.0,
        ("b-main", KWH): 5.0,
        ("b-water", "water_volume_m3"): 0.125,
    }
    return [
        (*key, at * SLOT_S, 1000 + at * step)
        for at in range(slots + 1)
        for key, step in steps.items()
        if key[0] != "b-water" or at != 2  # one reading that is missing
    ]


def live() -> pa.Table:
    """A second ago."""
    now_s = NOW_S - 1
    rows = []
    for meter, quantity, value in (
        ("w-main", KW, 36.0),
        ("w-main", KWH, 1050.0),
        ("b-main", KWH, 1025.0),
        ("b-water", "water_volume_m3", None),
    ):
        row: dict[str, object] = {"meter": meter, "quantity": quantity, "time_s": now_s, "at_ms": 5, "value": value}
        row |= {"quality": 0 if value is not None else 16, "last_value": value}
        row |= {"last_time_s": now_s if value is not None else None, "day_value": value and value - 50}
        rows.append(row | {"day_time_s": START if value else None})
    return pa.Table.from_pylist(rows, LIVE)


def gateways() -> Gateways:
    """One that is well, and one that never said a word."""
    known, now_s = Gateways(), NOW_S - 5
    meter = BirthMeter(name="w-main", model="acme-1", quantities=[KWH], line="bus1", unit=1)
    known.born("gw", Birth(gateway="gw", site="works", time_s=now_s, software="1", meters=[meter]), now_s)
    lines = {"bus1": LineState(use_ratio=0.25, dead_meters=["w-sub"])}
    state = State(status="online", time_s=now_s, clock="ntp", lines=lines, outbox_bytes=2_000_000)
    known.stated("gw", state, now_s)
    return known


def write_registry(folder: Path, more: Sequence[Mapping[str, object]] = (), *works: str) -> Path:
    """The snapshot: the two sites, the shipped regions, and an outage that is over; and more spans and works."""
    sites: list[dict[str, object]] = [
        {"site": "works", "name_ko": "공장", "name_en": "Works", "kind": "industrial-complex"},
        {"site": "block", "name_ko": "아파트", "name_en": None, "kind": "apartment-block"},
    ]
    sites += [{"site": site, "name_ko": site, "kind": "industrial-complex"} for site in works]
    outage = {"from_s": START, "to_s": START + SLOT_S, "site": "works", "region": 0, "reason": "공사"}
    tables = {
        "spans": pa.Table.from_pylist([dict(row) for row in (*spans(), *more)], snapshot.SPANS),
        "sites": pa.Table.from_pylist([site | {"region": DONG, "live": True} for site in sites], snapshot.SITES),
        "regions": shipped_regions(),
        "outages": pa.Table.from_pylist([outage], snapshot.OUTAGES),
    }
    snapshot.write(folder, tables)
    return folder


@contextmanager
def served_area(folder: Path) -> Iterator[ServedArea]:
    """With SLOTS slots settled; `city` may read and settle more."""
    city = City(folder / "city", spans())
    city.read(*readings())
    city.settle(SLOTS * SLOT_S)
    known = gateways()
    status = {"first_s": START, "settled_s": START + SLOTS * SLOT_S, "marks": 0, "stale": 0, "doing": "", "trouble": ""}
    tables = {
        "live": live,
        "gateways": lambda: known.table(["gw", "gw2"]),
        "lines": lambda: known.lines(["gw", "gw2"]),
        "catalogue": lambda: known.catalogue(["gw", "gw2"]),
        "settle": lambda: pa.Table.from_pylist([status], STATUS),
        **quality_tables(city.store.settled, city.store.days),
    }
    socket = folder / "a.sock"
    with AreaServer(socket, city.store, tables):
        yield ServedArea(city, socket, write_registry(folder / "registry"))
    city.store.close()


def mirror_settings(area: ServedArea, influx: Server, name: str, **more: Any) -> MirrorSettings:
    """Of that area, with a service that is not there."""
    plain = MirrorSettings(
        registry=area.registry,
        totals=(area.totals,),
        areas={"main": area.socket},
        influx=settings(influx, name),
        scrape={"gone": "http://127.0.0.1:9"},
        disks={"data": area.totals},
    )
    return replace(plain, **more)
