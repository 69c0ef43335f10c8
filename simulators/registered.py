"""What the cloud must know of simulated sites: the registry's snapshot, as the registry itself would publish it."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry import snapshot
from cloud.registry.facts import shipped_predecessors, shipped_regions
from contract.quantities import QUANTITIES
from edge.models import Model
from simulators.meters import register_capacity
from simulators.site import Place, SimSite, check_unique, load_sim_site, places, quantities

# Neither transformers nor pulse weights change these.
_UNSCALED = {"V", "Hz", "/", "Cel", "kPa"}

_USUAL = {
    "from_s": snapshot.OPEN_FROM_S,
    "to_s": snapshot.OPEN_TO_S,
    "area": "main",
    "site": "",
    "region": 0,
    "use": 0,
    "utility": 0,
    "role": 0,
    "parent": None,
    "life": 1,
    "digits": 0,
    "multiplier": 1.0,
    "max_per_h": None,
    "opening": None,
    "closing": None,
    "live": True,
}


def write_registry(sites: Iterable[str | Path | SimSite], folder: Path) -> Path:
    """Make these sites (names, paths or loaded ones) the folder's snapshot; the folder. Raises Problem."""
    loaded = [site if isinstance(site, SimSite) else load_sim_site(site) for site in sites]
    placed = [(site, place) for site in loaded for place in places(site)]
    check_unique("계량기", "meter", [place.name for _, place in placed])
    check_unique("게이트웨이", "gateway", [gateway.name for site in loaded for gateway in site.gateway])
    rows = [row for site, place in placed for row in _spans(site, place)]
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    about = [
        {name: getattr(site, name) for name in ("site", "name_ko", "name_en", "kind", "region")} | {"live": True}
        for site in loaded
    ]
    tables = {"spans": spans(columns), "sites": pa.Table.from_pylist(about, snapshot.SITES)}
    snapshot.write(folder, tables | {"regions": shipped_regions(), "predecessors": shipped_predecessors()})
    return folder


def spans(columns: Mapping[str, object]) -> pa.Table:
    """`snapshot.SPANS` of these columns (sequences or arrays of one length), with at least gateway, meter and
    quantity. What is not among them is what is usual of a meter that hangs there for ever.
    """
    given = {name: pa.array(values) for name, values in columns.items()}
    size = len(given.get("meter", ()))
    if not size:
        return snapshot.SPANS.empty_table()
    arrays = [
        given[field.name] if field.name in given else pa.repeat(pa.scalar(_USUAL[field.name], _plain(field.type)), size)
        for field in snapshot.SPANS
    ]
    table = pa.table(arrays, snapshot.SPANS.names)
    order = [(name, "ascending") for name in ("gateway", "meter", "quantity", "from_s")]
    return table.sort_by(order).cast(snapshot.SPANS)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _spans(site: SimSite, place: Place) -> Iterator[dict[str, object]]:
    """One row for each quantity that the gateway reads: ingest judges by them."""
    group = place.group
    for quantity in quantities(place):
        yield {
            "meter": place.name,
            "quantity": quantity,
            "area": site.area,
            "gateway": place.gateway,
            "site": site.site,
            "region": site.region,
            "use": group.building_use or site.building_use,
            "utility": UTILITIES.index(group.utility),
            "role": ROLES.index(group.role),
            "parent": place.parent or None,
            "digits": _digits(place.model, quantity),
            "multiplier": 1.0 if QUANTITIES[quantity].unit in _UNSCALED else group.multiplier,
        }


def _digits(model: Model, quantity: str) -> int:
    """Of a register before its decimal point; 0 for what counts nothing, and where the model does not say."""
    if QUANTITIES[quantity].kind != "register":
        return 0
    return next((round(math.log10(register_capacity(one))) for one in model.register if one.quantity == quantity), 0)
