"""The city now, by the rules of the live page, and the readings of the meters that are shown by themselves."""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from cloud.ingest.live import LIVE
from cloud.mirror.points import MISSING, Field, Point, tagged, whole
from cloud.mirror.registry import MAX_METERS, Known
from cloud.mirror.tables import meter_points, site_points
from cloud.mirror.writing import Boards
from cloud.portal.live.feed import Ask
from cloud.portal.live.rhythm import Rhythm
from cloud.portal.live.rules import DAY, NOW, Clock, Snapshot, Trails, snapshot
from cloud.portal.live.sites import Roster, Rosters
from cloud.portal.live.sums import Figure
from cloud.store.protocol import StoreUnavailable

EVERY_S = 10

# The live page's figures by the boards' measurements.
MEASUREMENTS: Mapping[str, str] = {
    NOW["electricity"]: "electricity_power_kw",
    NOW["production"]: "electricity_production_power_kw",
    NOW["gas"]: "gas_flow_m3_per_h",
    NOW["water"]: "water_flow_m3_per_h",
    NOW["heat"]: "heat_power_kw",
    "electricity_import_power_kw": "electricity_import_power_kw",
    "electricity_export_power_kw": "electricity_export_power_kw",
    DAY["electricity"]: "today_usage_electricity_kwh",
    DAY["production"]: "today_production_electricity_kwh",
    DAY["gas"]: "today_usage_gas_m3",
    DAY["water"]: "today_usage_water_m3",
    DAY["heat"]: "today_usage_heat_kwh",
    "electricity_import_kwh": "today_import_electricity_kwh",
    "electricity_export_kwh": "today_export_electricity_kwh",
}


class LiveCity:
    """Keeps what the rules remember from one turn to the next."""

    def __init__(self, rosters: Rosters, asks: Mapping[str, Ask], stale_after_s: int) -> None:
        self._rosters, self._asks, self._stale_after_s = rosters, asks, stale_after_s
        self._roster, self._trails = rosters.at(time.time()), Trails()
        self._fresh = Fresh(stale_after_s)
        self._last = dict.fromkeys(asks, LIVE.empty_table())  # an area that is silent grows stale by the rules
        self.silent: dict[str, str] = {}  # why, by area
        self.models: Mapping[str, str] = {}  # of meters, as their gateways last said

    def turn(self, boards: Boards, known: Known, now_s: float) -> None:
        """Ask, and write."""
        for area, ask in self._asks.items():
            try:
                self._last[area] = ask("live").select(LIVE.names).cast(LIVE)
                self.silent.pop(area, None)
            except (StoreUnavailable, KeyError, pa.ArrowException) as error:
                self.silent[area] = str(error)
        live = pa.concat_tables(self._last.values())
        roster = self._rosters.at(now_s)
        if roster is not self._roster:
            self._roster, self._trails = roster, Trails()
        shown = snapshot(live, roster, self._trails, Clock(now_s, self._stale_after_s))
        moment_s = int(now_s) // EVERY_S * EVERY_S
        boards.write(city_points(shown, roster, known), moment_s)
        boards.write(site_points(shown, roster, known), moment_s)
        boards.write(meter_points(self._fresh.of(live, known, now_s), known, self.models, now_s), moment_s)
        for quantity, rows in meter_rows(live, known.shown(now_s), known):
            boards.write_rows(quantity, rows)


class Fresh:
    """Tells by the live page's rule which of the latest readings are near enough to now; it learns how often each
    quantity of a meter is read.
    """

    def __init__(self, stale_after_s: int) -> None:
        self._stale_after_s = stale_after_s
        self._names, self._rhythm = LIVE.empty_table().select(["meter", "quantity"]), Rhythm()

    def of(self, live: pa.Table, known: Known, now_s: float) -> pa.Table:
        """LIVE of the meters that are shown by themselves, with a column `fresh`."""
        ours = live.filter(pc.is_in(live["meter"], pc.unique(known.shown(now_s)["meter"])))
        names = ours.select(["meter", "quantity"])
        if not names.equals(self._names):
            self._names, self._rhythm = names, Rhythm()
        time_s = ours["time_s"].fill_null(0).to_numpy()
        return ours.append_column("fresh", pa.array(self._rhythm.is_live(time_s, now_s, self._stale_after_s)))


def city_points(shown: Snapshot, roster: Roster, known: Known) -> Iterator[Point]:
    """City, kinds of site, and sites."""
    districts = dict(zip(known.sites["site"].to_pylist(), known.sites["district"].to_pylist(), strict=True))
    yield from _points(shown.city, {"level": "city"})
    kinds: dict[str, list[dict[str, Figure]]] = {}
    for row, figures in zip(roster.rows, shown.rows, strict=True):
        kinds.setdefault(row.kind, []).append(figures)
        district = districts.get(row.site, "0")
        yield from _points(figures, {"level": "site", "site": row.site, "kind": row.kind, "district": district})
    for kind, rows in kinds.items():
        yield from _points({name: _together([one[name] for one in rows]) for name in shown.city}, _kind(kind))


def _kind(kind: str) -> Mapping[str, str]:
    return {"level": "kind", "kind": kind}


def _together(figures: Sequence[Figure]) -> Figure:
    def add(one: Figure, other: Figure) -> Figure:
        known = [figure.value for figure in (one, other) if figure.value is not None]
        return Figure(
            value=sum(known) if known else None,
            expected=one.expected + other.expected,
            counted=one.counted + other.counted,
            derived=one.derived + other.derived,
        )

    return reduce(add, figures)


def _points(figures: Mapping[str, Figure], tags: Mapping[str, str]) -> Iterator[Point]:
    for name, figure in figures.items():
        if figure.expected:
            yield Point(MEASUREMENTS[name], tags, _fields(figure))


def _fields(figure: Figure) -> Mapping[str, Field]:
    quality = MISSING if figure.value is None else int(figure.derived > 0)
    return {"value": figure.value, "quality": quality, "live": figure.counted, "meters": figure.expected}


def meter_rows(live: pa.Table, spans: pa.Table, known: Known) -> Iterator[tuple[str, pa.Table]]:
    """The latest reading of each quantity of these SPANS, as there really is of it, by measurement; at the times at
    which they were read, so that what is stale makes no new points.
    """
    read = live.filter(pc.is_valid(live["time_s"]))
    about = spans.select(["meter", "quantity", "site", "multiplier"])
    about = about.set_column(1, "quantity", about["quantity"].cast(pa.string()))
    about = about.set_column(2, "site", about["site"].cast(pa.string()))
    meters = pc.unique(about["meter"])[:MAX_METERS]
    about = about.filter(pc.is_in(about["meter"], meters))
    kinds = known.sites.select(["site", "kind"])
    rows = read.join(about, ["meter", "quantity"], join_type="inner").join(kinds, "site", join_type="inner")
    for quantity in pc.unique(rows["quantity"]).to_pylist():
        of = rows.filter(pc.equal(rows["quantity"], quantity))
        names = {name: whole(of[name]) for name in ("kind", "meter", "site")}
        value = pc.multiply(whole(of["value"]), whole(of["multiplier"]))
        tags = tagged(of.num_rows, names | {"level": "meter"})
        yield quantity, pa.table({"tags": tags, "time_s": of["time_s"], "value": value, "quality": of["quality"]})
