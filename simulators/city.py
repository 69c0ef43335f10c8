"""A whole city of meters as arrays: what hangs where, and what every register shows at any moment.

Meters are numbered in the order of dong, gateway, premises and utility, a block's homes right behind its main;
series (a meter's quantities) in the order of meters, then by name. Registers are closed forms of the time: what one
shows is exact, in thousandths as the meter shows it (times its multiplier there are so many thousandths of kWh or
m3), and the same whichever process asks. A block's main counts the thousandths of its homes and its own beside them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulators.city_plan import Dong, PremiseClass
from simulators.city_profiles import Profiles

Ints = npt.NDArray[np.int64]

FULL_METERS = 2_400_000
QUANTITIES = (
    "electricity_export_kwh",
    "electricity_import_kwh",
    "electricity_production_kwh",
    "gas_volume_m3",
    "heat_energy_kwh",
    "water_volume_m3",
)
EXPORT, IMPORT, PRODUCTION, GAS, HEAT, WATER = range(len(QUANTITIES))


@dataclass(frozen=True)
class Sites:
    """One row for each premises."""

    klass: npt.NDArray[np.int16]  # place in City.classes
    dong: npt.NDArray[np.int16]  # place in City.dongs
    live: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Meters:
    """One row for each meter. `parent` is -1 where there is none; codes are those of cloud.metering.codes."""

    site: npt.NDArray[np.int32]
    gateway: npt.NDArray[np.int32]
    utility: npt.NDArray[np.uint8]
    role: npt.NDArray[np.uint8]
    parent: npt.NDArray[np.int32]
    digits: npt.NDArray[np.uint8]
    multiplier: Ints
    max_per_h: npt.NDArray[np.float64]  # of what there is, not of what is shown


@dataclass(frozen=True)
class CitySeries:
    """One row for each quantity of a meter. `scale` is thousandths of what there is for each hour at factor 1,
    `first` what was shown at EPOCH_S; the series of the `children` meters behind a main follow it.
    """

    meter: npt.NDArray[np.int32]
    quantity: npt.NDArray[np.uint8]  # place in QUANTITIES
    profile: npt.NDArray[np.int16]
    scale: npt.NDArray[np.float64]
    first: Ints
    children: npt.NDArray[np.int32]


@dataclass(frozen=True)
class City:
    """Made by `simulators.city_build.build`."""

    seed: int
    classes: tuple[PremiseClass, ...]
    dongs: tuple[Dong, ...]
    sites: Sites
    meters: Meters
    series: CitySeries
    profiles: Profiles
    gateways: int

    @cached_property
    def mains(self) -> Ints:
        """The series that have others behind them."""
        return np.flatnonzero(self.series.children)

    @cached_property
    def multiplied(self) -> Ints:
        """The series whose meters have a multiplier."""
        return np.flatnonzero(self.meters.multiplier[self.series.meter] != 1)

    @cached_property
    def regions(self) -> npt.NDArray[np.int32]:
        """The dong of each meter, by its number in the registry."""
        numbers = np.array([dong.region for dong in self.dongs], np.int32)
        return numbers[self.sites.dong[self.meters.site]]

    @cached_property
    def uses(self) -> npt.NDArray[np.uint8]:
        """The building's use of each meter."""
        return np.array([klass.use for klass in self.classes], np.uint8)[self.sites.klass[self.meters.site]]

    def meter_names(self) -> pa.Array:
        """By number, ascending."""
        return numbered("m", np.arange(len(self.meters.site)) + 1, 7)

    def gateway_names(self) -> pa.Array:
        """By number, ascending."""
        return numbered("gw-", np.arange(self.gateways) + 1, 4)

    def site_names(self) -> pa.Array:
        """By number, ascending."""
        return numbered("site-", np.arange(len(self.sites.klass)) + 1, 6)

    def series_names(self) -> tuple[list[str], list[str]]:
        """Meter and quantity of every series, as Store.series asks for them."""
        meters = self.meter_names().take(pa.array(self.series.meter)).to_pylist()
        quantities = pa.array(QUANTITIES).take(pa.array(self.series.quantity)).to_pylist()
        return meters, quantities


def registers(city: City, time_s: int, series: Ints | None = None) -> Ints:
    """What all series (or these) show at that moment, in thousandths; they never fall, and do not roll over."""
    table = city.series
    if series is None:
        taken = _taken(city, time_s, None)
        mains = city.mains
        if len(mains):
            bounds = np.stack([mains + 1, mains + 1 + table.children[mains]], axis=1).ravel()
            taken[mains] += np.add.reduceat(np.append(taken, 0), bounds)[::2]
        some = city.multiplied
        taken[some] //= city.meters.multiplier[table.meter[some]]
        return taken + table.first
    taken = _taken(city, time_s, series)
    mains = np.flatnonzero(table.children[series])
    if len(mains):
        counts = table.children[series[mains]].astype(np.int64)
        starts = np.cumsum(counts) - counts
        homes = np.arange(counts.sum()) + np.repeat(series[mains] + 1 - starts, counts)
        taken[mains] += np.add.reduceat(_taken(city, time_s, homes), starts)
    return taken // city.meters.multiplier[table.meter[series]] + table.first[series]


def _taken(city: City, time_s: int, series: Ints | None) -> Ints:
    """Thousandths since EPOCH_S, each series by itself."""
    totals = city.profiles.totals(time_s)
    if series is None:
        return (city.series.scale * totals[city.series.profile]).astype(np.int64)
    return (city.series.scale[series] * totals[city.series.profile[series]]).astype(np.int64)


def numbered(prefix: str, numbers: Ints, digits: int) -> pa.Array:
    """Names such as m0000017, made without a loop."""
    width = len(prefix) + digits
    text = np.empty((len(numbers), width), np.uint8)
    text[:, : len(prefix)] = np.frombuffer(prefix.encode(), np.uint8)
    for place in range(digits):
        text[:, width - 1 - place] = numbers // 10**place % 10 + ord("0")
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text.ravel()))
