"""What the portal's tests hand it: the registry's snapshot and live tables, as an area's process would make them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from cloud.ingest.gateways import GATEWAYS
from cloud.ingest.live import LIVE
from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry import snapshot
from cloud.store.flight import AreaServer
from cloud.store.protocol import ROWS
from simulators.registered import spans

Table = Callable[[], pa.Table]
NOW_S = 1_795_400_000
MIDNIGHT_S = 1_795_359_600  # 2026-11-23 00:00 in Seoul
REGISTER = {"electricity": "electricity_import_kwh", "gas": "gas_volume_m3", "water": "water_volume_m3"}


class Series(NamedTuple):
    """One row of the live table. `value` None: the latest is missing, and `last` is what there was before.

    `time_s` 0: a series that is known and was never read.
    """

    meter: str
    quantity: str
    value: float | None
    day: float | None = None
    time_s: int = NOW_S
    quality: int = 0
    last: float | None = None
    last_time_s: int | None = None
    day_time_s: int = MIDNIGHT_S
    at_ms: int = 200


def live_table(*series: Series) -> pa.Table:
    """The live table with these rows."""
    rows = []
    for one in series:
        there = one.value is not None
        rows.append(
            {
                "meter": one.meter,
                "quantity": one.quantity,
                "time_s": one.time_s or None,
                "at_ms": one.at_ms if one.time_s else None,
                "value": one.value,
                "quality": one.quality if one.time_s else None,
                "last_value": one.value if there else one.last,
                "last_time_s": one.time_s if there else one.last_time_s,
                "day_value": one.day,
                "day_time_s": one.day_time_s if one.day is not None else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=LIVE)


def write_sites(folder: Path, *lines: str) -> Path:
    """A snapshot with a meter a line, as site,name_ko,name_en,kind,meter,utility,role,multiplier; its folder."""
    cells = [line.split(",") for line in lines]
    sites = {site: [site, *about, 0, True] for site, *about in (row[:4] for row in cells)}
    columns = {
        "gateway": ["g1"] * len(cells),
        "site": [row[0] for row in cells],
        "meter": [row[4] for row in cells],
        "quantity": [REGISTER.get(row[5], "heat_energy_kwh") for row in cells],
        "utility": [UTILITIES.index(row[5]) for row in cells],
        "role": [ROLES.index(row[6]) for row in cells],
        "multiplier": [float(row[7]) for row in cells],
    }
    rows = [dict(zip(snapshot.SITES.names, site, strict=True)) for site in sites.values()]
    snapshot.write(folder, {"sites": pa.Table.from_pylist(rows, snapshot.SITES), "spans": spans(columns)})
    return folder


class NoRows:
    """The portal asks an area for its named tables only."""

    def rows(self, *_: object) -> pa.Table:
        """None."""
        return ROWS.empty_table()


def serve_area(socket: Path, live: Table, gateways: Table = GATEWAYS.empty_table) -> AreaServer:
    """An area's process as the portal sees it: a real Flight server on a real socket."""
    return AreaServer(socket, NoRows(), {"live": live, "gateways": gateways})


def gateway(name: str, site: str, online: bool = True, **more: object) -> dict[str, object]:
    """A row of the table "gateways"."""
    row: dict[str, object] = {"gateway": name, "site": site, "online": online, "state_time_s": NOW_S}
    return row | {"outbox_batches": 0, "warnings": [], "delay_s": 0.3} | more


def gateway_table(*rows: dict[str, object]) -> pa.Table:
    """The table "gateways" with these rows."""
    return pa.Table.from_pylist(list(rows), schema=GATEWAYS)
