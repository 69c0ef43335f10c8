"""What the boards need of the registry: names, places, and which meters are shown by themselves."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import DAY_S, SEOUL_S
from cloud.portal.live.sites import HOUSEHOLD
from cloud.registry import facts, regions, snapshot

MAX_METERS = 2000  # of single meters: what somebody may look through


@dataclass(frozen=True)
class Known:
    """Of one version: snapshot.REGIONS, SITES that are live, their SPANS, and OUTAGES. No home is told apart.

    `sites` have a column `district`, and `region` as text. `districts` has the district of each dong.
    """

    version: str
    regions: pa.Table
    districts: Mapping[int, int]
    sites: pa.Table
    spans: pa.Table
    outages: pa.Table
    homes: int  # live sites that are homes

    def shown(self, now_s: float) -> pa.Table:
        """The SPANS of that moment."""
        begun = pc.less_equal(self.spans["from_s"], int(now_s))
        return self.spans.filter(pc.and_(begun, pc.greater(self.spans["to_s"], int(now_s))))


class Registry:
    """The current version, read again when it changed. Any thread may ask."""

    def __init__(self, folder: Path) -> None:
        """Raises Problem where there is none."""
        self._folder = folder
        self._lock = threading.Lock()
        self._known = _load(folder)

    def known(self) -> Known:
        """Raises Problem where the snapshot has gone bad."""
        with self._lock:
            if snapshot.version(self._folder) not in ("", self._known.version):
                self._known = _load(self._folder)
            return self._known


def _districts(known: pa.Table, day: int) -> dict[int, int]:
    lying = regions.roll_up(known, regions.MEMBERSHIPS.empty_table(), "district", day)
    return dict(zip(lying["dong"].to_pylist(), lying["region"].to_pylist(), strict=True))


def _placed(sites: pa.Table, districts: Mapping[int, int]) -> pa.Table:
    numbers = [number or 0 for number in sites["region"].to_pylist()]
    sites = sites.set_column(sites.schema.get_field_index("region"), "region", pa.array(map(str, numbers), pa.string()))
    above = pa.array([str(districts.get(number, 0)) for number in numbers], pa.string())
    return sites.append_column("district", above)


def _load(folder: Path) -> Known:
    found = snapshot.load(folder)
    live = found.sites.filter(found.sites["live"])
    home = pc.equal(live["kind"], HOUSEHOLD)
    known_regions = found.regions if found.regions.num_rows else facts.shipped_regions()
    districts = _districts(known_regions, int(time.time() + SEOUL_S) // DAY_S)
    sites = _placed(live.filter(pc.invert(home)), districts)
    site = found.spans["site"].cast(pa.string())
    ours = pc.and_(found.spans["live"], pc.is_in(site, sites["site"].combine_chunks()))
    known = Known(
        found.version,
        known_regions,
        districts,
        sites,
        found.spans.filter(ours),
        found.outages,
        pc.sum(home).as_py() or 0,
    )
    del found, site
    pa.default_memory_pool().release_unused()  # of a city, the meters that are not shown are several hundred MB
    return known
