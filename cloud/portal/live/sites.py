"""Which sites the live page shows, and what their meters measure: from the registry's snapshot."""

import logging
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry import snapshot
from cloud.registry.columns import SITE_KINDS
from contract.problems import Problem
from contract.quantities import QUANTITIES

_log = logging.getLogger(__name__)

RETRY_S = 60.0
HOUSEHOLD = "household"
ALL_HOUSEHOLDS = "all_households"  # no site can have this name: an underscore is not allowed in one

_REGISTERS = pa.array([name for name, quantity in QUANTITIES.items() if quantity.kind == "register"])


@dataclass(frozen=True)
class Row:
    """One row of the page: a site, or all households together (nobody's home is a row of its own)."""

    site: str
    name_ko: str
    name_en: str
    kind: str
    sites: int


@dataclass(frozen=True)
class Roster:
    """`rows` in the page's order. The arrays are parallel, one element a meter: its row, and the positions of its
    utility and role in UTILITIES and ROLES; `multiplier` turns what the meter reports into the quantity's unit.

    From `until_s` on it is another one: a meter begins or ends then. `tag` is another where the rows are.
    """

    rows: tuple[Row, ...]
    meters: pa.Array
    row: npt.NDArray[np.int64]
    utility: npt.NDArray[np.int64]
    role: npt.NDArray[np.int64]
    multiplier: npt.NDArray[np.float64]
    until_s: int = snapshot.OPEN_TO_S
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", blake2b(repr(self.rows).encode(), digest_size=6).hexdigest())

    def expected(self, utility: str, role: str) -> npt.NDArray[np.bool_]:
        """Which meters measure `utility` in `role`."""
        mask: npt.NDArray[np.bool_] = (self.utility == UTILITIES.index(utility)) & (self.role == ROLES.index(role))
        return mask


def load_roster(folder: Path, now_s: float) -> Roster:
    """Raises Problem where the registry's snapshot cannot be read, or no site of it is live."""
    found = snapshot.load(folder)
    spans = found.spans.filter(found.spans["live"])
    sites = found.sites.filter(found.sites["live"])
    if not sites.num_rows:
        raise Problem(
            f"{folder}: 등록부 사본에 실시간 화면에 보일(live) 시설이 없습니다",
            f"{folder}: no site in the registry's snapshot is live, expected at least one",
        )
    del found
    pa.default_memory_pool().release_unused()  # of a city, all that the page does not show is several hundred MB
    return roster_of(sites, spans, now_s)


def roster_of(sites: pa.Table, spans: pa.Table, now_s: float) -> Roster:
    """Of SITES and SPANS that are live: every site, and the meters that hang there at that moment."""
    rows, row_of_site = _rows(sites)
    from_s, to_s = (spans[name].to_numpy() for name in ("from_s", "to_s"))
    changes_s = np.concatenate([from_s, to_s])
    site = pc.fill_null(pc.index_in(spans["site"].cast(pa.string()), sites["site"].combine_chunks()), -1).to_numpy()
    now = spans.filter(pa.array((from_s <= now_s) & (now_s < to_s) & (site >= 0)))
    meters = now.take(_one_of_each_meter(now))
    place = pc.index_in(meters["site"].cast(pa.string()), sites["site"].combine_chunks()).to_numpy()
    return Roster(
        rows=rows,
        meters=pa.array(meters["meter"].to_pylist(), pa.string()),
        row=row_of_site[place],
        utility=meters["utility"].to_numpy().astype(np.int64),
        role=meters["role"].to_numpy().astype(np.int64),
        multiplier=meters["multiplier"].to_numpy(),
        until_s=int(changes_s[changes_s > now_s].min(initial=snapshot.OPEN_TO_S)),
    )


class Rosters:
    """The latest roster that could be read; one thread at a time may ask."""

    def __init__(self, folder: Path, now_s: float) -> None:
        """Raises Problem where there is none."""
        self._folder, self._seen = folder, snapshot.version(folder)
        self._roster = load_roster(folder, now_s)
        self._until_s: float = self._roster.until_s

    def at(self, now_s: float) -> Roster:
        """The same object while nothing about it changes. A snapshot gone bad is logged, and the earlier one stays."""
        seen = snapshot.version(self._folder)
        if seen == self._seen and now_s < self._until_s:
            return self._roster
        self._seen = seen
        try:
            found = load_roster(self._folder, now_s)
        except Problem as problem:
            _log.error("event=registry-unreadable error=%r", problem.text.en)
            self._until_s = now_s + RETRY_S
            return self._roster
        self._until_s = found.until_s
        if not _same(found, self._roster):
            _log.info("event=registry-read sites=%d meters=%d", len(found.rows), len(found.meters))
            self._roster = found
        return self._roster


def _same(one: Roster, other: Roster) -> bool:
    arrays = ("row", "utility", "role", "multiplier")
    return (
        one.rows == other.rows
        and one.meters.equals(other.meters)
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    )


def _one_of_each_meter(spans: pa.Table) -> npt.NDArray[np.int64]:
    """Which rows: a meter's register says what it is multiplied by, sooner than its voltage does."""
    meter = spans["meter"].combine_chunks().dictionary_encode().indices.to_numpy()
    register = pc.is_in(spans["quantity"].cast(pa.string()), _REGISTERS).to_numpy()
    order = np.lexsort((~register, meter))
    first: npt.NDArray[np.int64] = order[np.unique(meter[order], return_index=True)[1]]
    return first


def _rows(sites: pa.Table) -> tuple[tuple[Row, ...], npt.NDArray[np.int64]]:
    """In the page's order, and the position of each site's among them."""
    homes = pc.sum(pc.equal(sites["kind"], HOUSEHOLD)).as_py()
    found: dict[str, Row] = {}
    keys = []
    for site in sites.to_pylist():
        if site["kind"] == HOUSEHOLD:
            row = Row(ALL_HOUSEHOLDS, "", "", HOUSEHOLD, homes)
        else:
            row = Row(site["site"], site["name_ko"], site["name_en"] or site["name_ko"], site["kind"], 1)
        found[row.site] = row
        keys.append(row.site)
    ordered = sorted(found.values(), key=lambda row: SITE_KINDS.index(row.kind))
    position = {row.site: at for at, row in enumerate(ordered)}
    return tuple(ordered), np.array([position[key] for key in keys], np.int64)
