"""A city in four files, small enough to know by heart, and the registry that holds it."""

import itertools
from pathlib import Path
from typing import NamedTuple

from cloud.registry.change import Author, Outcome, Registry
from cloud.registry.database import init_database, url_of
from cloud.registry.importing import import_parts, read_parts
from simulators.servers_pg import Postgresql

KIM = Author("kim", "test", "test")
JAN_S = 1_767_193_200  # 2026-01-01 00:00 in Seoul
MAR_S = 1_772_290_800  # 2026-03-01
JUN_S = 1_780_239_600  # 2026-06-01
SEP_S = 1_788_188_400  # 2026-09-01

FILES = {
    "regions": "region,level,parent,code,name_ko\n1,city,0,29,광주\n2,district,1,29110,동구\n"
    "3,dong,2,2911052500,충장동\n4,dong,2,2911055500,동명동\n",
    "sites": "site,name_ko,name_en,kind,region,live\nhall,구청,Hall,public-building,3,true\n",
    "buildings": "building,site,region,use,floor_m2\nb1,hall,3,14,100\nb2,,4,2,80\nb3,,4,2,20\n",
    "gateways": "gateway,area\ng1,main\ng2,main\n",
}
chosen: list[Postgresql | None] = [None]
opened: list[Registry] = []
_numbers = itertools.count()
POWER = "electricity_import_kwh"


class Meter(NamedTuple):
    """A row of meters.csv in its shortest form."""

    meter: str
    utility: str = "electricity"
    quantities: str = POWER
    gateway: str = "g1"
    building: str = "b1"
    parent: str = ""
    installed: str = "2026-01-01"
    removed: str = ""
    start: str = ""
    till: str = ""
    multiplier: str = ""
    serial: str = ""


HEADER = "meter,utility,quantities,gateway,building,parent,installed,removed,from,to,multiplier,serial"


def meters_csv(*meters: Meter) -> str:
    """Their meters.csv."""
    return "\n".join([HEADER, *(",".join(meter) for meter in meters)]) + "\n"


def empty_registry(folder: Path) -> Registry:
    """One without any region, in the database that was chosen."""
    folder.mkdir(exist_ok=True)
    registry = Registry(init_database(*place(folder)), folder)
    opened.append(registry)
    return registry


def place(folder: Path) -> tuple[str, Path | None]:
    """The chosen database's URL and password file: of a new registry in `folder`."""
    server = chosen[-1]
    if server is None:
        return url_of(folder), None
    return server.create(f"registry-{next(_numbers)}"), server.password_file


def take(registry: Registry, encoding: str = "utf-8", **files: str) -> Outcome:
    """Import these files, by entity."""
    folder = registry.folder / "given"
    folder.mkdir(exist_ok=True)
    paths = []
    for name, text in files.items():
        paths.append(folder / f"{name}.csv")
        paths[-1].write_text(text, encoding)
    return import_parts(registry, read_parts(paths), KIM)


def city(folder: Path, *meters: Meter) -> Registry:
    """The city, with these meters."""
    registry = empty_registry(folder)
    take(registry, **FILES, meters=meters_csv(*(meters or (Meter("m1"),))))
    return registry
