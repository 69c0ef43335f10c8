"""PURE: what the live table says of every row of the page and of the city. Missing is missing, never 0."""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from cloud.portal.live.meters import REASONS, Bools, Column, Floats, Ints, Meters, gather, unlisted
from cloud.portal.live.rates import Trail
from cloud.portal.live.rhythm import Rhythm
from cloud.portal.live.sites import Roster
from cloud.portal.live.sums import Figure, Measured, Sums, sum_rows

DAY_S = 86_400
SEOUL_S = 9 * 3600  # Korea has had no summer time since 1988
SLOT_S = 900  # a register read within a slot of midnight is midnight's

# what is shown, by the name that carries its unit: now, and since midnight
NOW = {
    "electricity": "electricity_use_power_kw",
    "gas": "gas_flow_m3_per_h",
    "water": "water_flow_m3_per_h",
    "heat": "heat_power_kw",
    "production": "electricity_production_power_kw",
}
DAY = {
    "electricity": "electricity_use_kwh",
    "gas": "gas_volume_m3",
    "water": "water_volume_m3",
    "heat": "heat_energy_kwh",
    "production": "electricity_production_kwh",
}
# use = import + production - export: (use, import, export)
_NOW_PARTS = (NOW["electricity"], "electricity_import_power_kw", "electricity_export_power_kw")
_DAY_PARTS = (DAY["electricity"], "electricity_import_kwh", "electricity_export_kwh")

_TICKS_TOLD = 20
_RECENT_S = 5  # a gateway further behind the newest tick says nothing about when to ask

_STALE, _WARMING_UP, _NEVER_HEARD, _NO_MIDNIGHT, _FELL = map(
    REASONS.index, ("stale", "warming-up", "never-heard", "no-midnight-register", "register-fell")
)


@dataclass(frozen=True)
class Clock:
    """`now_s` is UTC epoch seconds; a value whose time is nearer than `stale_after_s` to it is live in any case."""

    now_s: float
    stale_after_s: int

    def midnight_s(self) -> int:
        """The last local midnight."""
        return int(self.now_s + SEOUL_S) // DAY_S * DAY_S - SEOUL_S


@dataclass(frozen=True)
class Tick:
    """The newest tick that brought a value: how many series have come in for it, the missing ones too, and the
    first and last moment of reading, epoch milliseconds.

    `reached` has the latest times that any series is at, newest first, and how many series are there or later.
    `lag_s` is the time since reading that 95 of 100 series do not exceed, among these and those that are at most
    some seconds behind.
    """

    time_s: int
    series: int
    first_ms: int
    last_ms: int
    lag_s: float
    reached: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """All that the page shows at one moment; `rows` are parallel to the roster's."""

    made_s: float
    midnight_s: int
    rows: tuple[dict[str, Figure], ...]
    city: dict[str, Figure]
    tick: Tick | None
    unlisted_series: int


@dataclass(frozen=True)
class Trails:
    """What has to be remembered from one snapshot to the next."""

    register: Trail = field(default_factory=Trail)
    export: Trail = field(default_factory=Trail)
    rhythm: Rhythm = field(default_factory=Rhythm)


def snapshot(live: pa.Table, roster: Roster, trails: Trails, clock: Clock) -> Snapshot:
    """`live` as `meters.gather` reads it. Adds what it finds to `trails`."""
    meters = gather(live, roster)
    moment, day = _moment(meters, roster, trails, clock), _day(meters, roster, clock)
    exports_now = meters.instant.heard | meters.export.listed
    sums = _electricity(moment, _NOW_PARTS, exports_now, roster) | _electricity(
        day, _DAY_PARTS, meters.export.listed, roster
    )
    production = roster.expected("electricity", "production")
    sums[NOW["production"]] = sum_rows(moment.net, production, roster)
    sums[DAY["production"]] = sum_rows(day.net, production, roster)
    for utility in ("gas", "water", "heat"):
        mains = roster.expected(utility, "main")
        sums[NOW[utility]] = sum_rows(moment.net, mains, roster)
        sums[DAY[utility]] = sum_rows(day.net, mains, roster)
    rows = zip(*(one.figures() for one in sums.values()), strict=True)
    return Snapshot(
        made_s=clock.now_s,
        midnight_s=clock.midnight_s(),
        rows=tuple(dict(zip(sums, row, strict=True)) for row in rows),
        city={name: one.total() for name, one in sums.items()},
        tick=_newest(live, clock),
        unlisted_series=unlisted(live, roster),
    )


@dataclass(frozen=True)
class _Flows:
    """What came in, what went out, and the one less the other, by meter."""

    inward: Measured
    outward: Measured
    net: Measured


def _moment(meters: Meters, roster: Roster, trails: Trails, clock: Clock) -> _Flows:
    """Now: the instant, or the register's rise where the meter has no instant."""
    instant, register, export = meters.instant, meters.register, meters.export
    derived = ~instant.heard & register.heard
    rise = _rate(register, derived, trails.register, clock.now_s) * roster.multiplier
    fall = _rate(export, derived & export.heard, trails.export, clock.now_s) * roster.multiplier
    power = instant.value * roster.multiplier
    inward = np.where(derived, rise, np.maximum(power, 0))
    outward = np.where(derived, np.where(export.listed, fall, 0), np.maximum(-power, 0))
    time_s = np.where(derived, register.time_s, instant.time_s)
    reason = np.where(derived, register.missing(), instant.missing())
    live = trails.rhythm.is_live(time_s, clock.now_s, clock.stale_after_s)
    reason = np.where((reason == 0) & ~live, _STALE, reason)
    reason = np.where((reason == 0) & np.isnan(inward - outward), _WARMING_UP, reason)

    def measured(value: Floats) -> Measured:
        return Measured(value, time_s, reason, derived, np.zeros_like(time_s))

    return _Flows(measured(inward), measured(outward), measured(inward - outward))


def _rate(column: Column, derived: Bools, trail: Trail, now_s: float) -> Floats:
    at = np.flatnonzero(derived & ~np.isnan(column.value))
    trail.note(now_s, at, column.time_s[at], column.value[at])
    return trail.per_hour(column.time_s, column.value)


def _day(meters: Meters, roster: Roster, clock: Clock) -> _Flows:
    """Since midnight: the registers' differences, as far as each register is known."""
    inward = _since_midnight(meters.register, roster, clock)
    outward = _since_midnight(meters.export, roster, clock)
    exports = meters.export.listed
    net = Measured(
        value=inward.value - np.where(exports, outward.value, 0.0),
        time_s=np.where(exports, np.minimum(inward.time_s, outward.time_s), inward.time_s),
        reason=np.where(exports & (inward.reason == 0), outward.reason, inward.reason),
        derived=inward.derived,
        since_s=np.where(exports, np.maximum(inward.since_s, outward.since_s), inward.since_s),
    )
    return _Flows(inward, outward, net)


def _since_midnight(column: Column, roster: Roster, clock: Clock) -> Measured:
    missing = np.isnan(column.value)
    latest = np.where(missing, column.last_value, column.value)
    time_s = np.where(missing, column.last_time_s, column.time_s)
    rise = (latest - column.day_value) * roster.multiplier
    today = (column.day_time_s >= clock.midnight_s() - SLOT_S) & (time_s >= column.day_time_s)
    reason = np.select(
        [~column.heard, np.isnan(latest), ~today | np.isnan(column.day_value), rise < 0],
        [np.full_like(time_s, _NEVER_HEARD), column.missing(), np.full_like(time_s, _NO_MIDNIGHT), _FELL],
        0,
    )
    return Measured(rise, time_s, reason, np.zeros_like(missing), column.day_time_s)


def _electricity(flows: _Flows, names: tuple[str, str, str], exports: Bools, roster: Roster) -> dict[str, Sums]:
    """Use, import and export. Without a single main a row has no use, whatever it produces."""
    mains, production = (roster.expected("electricity", role) for role in ("main", "production"))
    inward = sum_rows(flows.inward, mains, roster)
    use = sum_rows(flows.net, mains | (production & (inward.expected > 0)[roster.row]), roster)
    # less than nothing was used: what the absent inverters made is missing from the sum
    impossible = (use.value < 0) & (use.counted < use.expected)
    return {
        names[0]: use.without((inward.counted == 0) | impossible),
        names[1]: inward,
        names[2]: sum_rows(flows.outward, mains & exports, roster),
    }


def _newest(live: pa.Table, clock: Clock) -> Tick | None:
    """The newest tick that holds a value; None where none does. A clock that runs far ahead does not count."""
    time_s = live["time_s"].fill_null(0).to_numpy()
    there = live["value"].is_valid().to_numpy() & (time_s <= clock.now_s + clock.stale_after_s)
    if not there.any():
        return None
    newest = int(time_s[there].max())
    recent = there & (time_s > newest - _RECENT_S)
    moments_ms = time_s[recent] * 1000 + live["at_ms"].cast(pa.int64()).fill_null(0).to_numpy()[recent]
    of_tick = moments_ms[time_s[recent] == newest]
    lag_s = clock.now_s - float(np.quantile(moments_ms, 0.05)) / 1000
    return Tick(newest, int((time_s == newest).sum()), int(of_tick.min()), int(of_tick.max()), lag_s, _reached(time_s))


def _reached(time_s: Ints) -> tuple[tuple[int, int], ...]:
    times, counts = np.unique(time_s[time_s > 0], return_counts=True)
    latest = slice(None, -1 - _TICKS_TOLD, -1)
    return tuple(zip(times[latest].tolist(), np.cumsum(counts[::-1])[:_TICKS_TOLD].tolist(), strict=True))
