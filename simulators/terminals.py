"""PURE: what a meter finds at its terminals: every quantity of the contract, from one load and a few traits.

A load is in kW, m3/h or kW of heat at the building; what the meter sees is that divided by the installation's
multiplier (current transformers, litres a pulse), which the registry knows and the meter does not.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from simulators.shapes import EPOCH_S, Load

NOMINAL_V = 220.0  # phase to neutral; 380 V between phases
NOMINAL_HZ = 60.0
_KWH_PER_M3_K = 1.163  # water


@dataclass(frozen=True)
class Terminals:
    """A `simulators.meters.Source`. `nominal` is the load's usual size, for magnetising power and first register."""

    load: Load
    nominal: float
    seed: int
    multiplier: float = 1.0
    phases: int = 3

    def __call__(self, quantity: str, time_s: float) -> float:
        """The quantity at a moment, in its own unit."""
        return _QUANTITIES[quantity](self, time_s)

    def rate(self, time_s: float) -> float:
        """What flows, per hour."""
        return max(self.load.rate(time_s), 0.0) / self.multiplier

    def total(self, time_s: float) -> float:
        """What has flown since the meter was mounted, some time before EPOCH_S."""
        return (self.load.total(time_s) + self.traits.hours_before * self.nominal) / self.multiplier

    def reactive_kvar(self, time_s: float) -> float:
        """Of motors, and a little that is there without load."""
        return self.rate(time_s) * self.traits.tan_phi + self._magnetising_kvar

    def reactive_kvarh(self, time_s: float) -> float:
        """The integral of `reactive_kvar`."""
        hours = max(time_s - EPOCH_S, 0.0) / 3600 + self.traits.hours_before
        return self.total(time_s) * self.traits.tan_phi + hours * self._magnetising_kvar

    def apparent_kva(self, time_s: float) -> float:
        """Of active and reactive power."""
        return math.hypot(self.rate(time_s), self.reactive_kvar(time_s))

    def power_factor(self, time_s: float) -> float:
        """Of active and reactive power; 1 where nothing flows."""
        apparent = self.apparent_kva(time_s)
        return self.rate(time_s) / apparent if apparent else 1.0

    def phase_share(self, phase: int, time_s: float) -> float:
        """The share of the load that a phase (0 to 2) carries."""
        if self.phases == 1:
            return 1.0 if phase == 0 else 0.0
        swing = 0.015 * math.sin(math.tau * (time_s / 1800 + phase / 3))
        return self.traits.shares[phase] + swing

    def voltage_v(self, phase: int, time_s: float) -> float:
        """Phase to neutral: lower by day, a little restless, and pulled down by the meter's own load."""
        daily = -0.008 * math.sin(math.tau * (time_s / 86400 + 0.15))
        restless = 0.003 * math.sin(time_s / 47 + phase * 2.1 + self.seed) + 0.002 * math.sin(time_s / 6.3 + phase)
        loaded = -0.012 * min(self.load.rate(time_s) / self.nominal, 2.5) if self.nominal else 0.0
        return NOMINAL_V * (1.015 + daily + restless + loaded)

    def current_a(self, phase: int, time_s: float) -> float:
        """From the phase's share of apparent power."""
        share = self.phase_share(phase, time_s)
        return self.apparent_kva(time_s) * share * 1000 / self.voltage_v(phase, time_s)

    def supply_c(self, time_s: float) -> float:
        """District heat leaves the plant hotter in winter."""
        return 80 + 12 * _winter(time_s) + 1.5 * math.sin(time_s / 900 + self.seed)

    @cached_property
    def traits(self) -> "_Traits":
        """What makes this installation differ from its neighbour."""
        chance = random.Random(self.seed)
        first, second = chance.uniform(0.30, 0.37), chance.uniform(0.30, 0.37)
        return _Traits(
            hours_before=chance.uniform(500, 4000),
            tan_phi=math.tan(math.acos(chance.uniform(0.88, 0.985))),
            shares=(first, second, 1 - first - second),
            spread_k=chance.uniform(28, 42),
        )

    @property
    def _magnetising_kvar(self) -> float:
        return 0.02 * self.nominal / self.multiplier


@dataclass(frozen=True)
class _Traits:
    hours_before: float
    tan_phi: float
    shares: tuple[float, float, float]
    spread_k: float  # between supply and return


_Quantity = Callable[[Terminals, float], float]


def _winter(time_s: float) -> float:
    """1 in the middle of January, -1 in the middle of July."""
    return math.cos(math.tau * ((time_s - EPOCH_S) / 86400 - 15) / 365.25)


def _frequency_hz(terminals: Terminals, time_s: float) -> float:
    del terminals  # one grid
    return NOMINAL_HZ + 0.02 * math.sin(time_s / 97) + 0.01 * math.sin(time_s / 13.7)


def _nothing(terminals: Terminals, time_s: float) -> float:
    del terminals, time_s  # nothing is fed back: a solar array behind a main meter is smaller than the load
    return 0.0


def _rate(terminals: Terminals, time_s: float) -> float:
    return terminals.rate(time_s)


def _total(terminals: Terminals, time_s: float) -> float:
    return terminals.total(time_s)


def _by_phase(stem: str, suffix: str, of: Callable[[Terminals, int, float], float]) -> dict[str, _Quantity]:
    def at(phase: int) -> _Quantity:
        return lambda terminals, time_s: of(terminals, phase, time_s)

    return {f"electricity_{stem}_l{phase + 1}_{suffix}": at(phase) for phase in range(3)}


_QUANTITIES: dict[str, _Quantity] = {
    "electricity_import_kwh": _total,
    "electricity_export_kwh": _nothing,
    "electricity_production_kwh": _total,
    "electricity_reactive_import_kvarh": Terminals.reactive_kvarh,
    "electricity_reactive_export_kvarh": _nothing,
    "electricity_apparent_kvah": lambda one, at_s: math.hypot(one.total(at_s), one.reactive_kvarh(at_s)),
    "electricity_power_kw": _rate,
    "electricity_production_power_kw": _rate,
    "electricity_reactive_power_kvar": Terminals.reactive_kvar,
    "electricity_apparent_power_kva": Terminals.apparent_kva,
    "electricity_power_factor_ratio": Terminals.power_factor,
    "electricity_frequency_hz": _frequency_hz,
    **_by_phase("power", "kw", lambda one, phase, at_s: one.rate(at_s) * one.phase_share(phase, at_s)),
    **_by_phase("voltage", "v", Terminals.voltage_v),
    **_by_phase("current", "a", Terminals.current_a),
    "gas_volume_m3": _total,
    "gas_flow_m3_per_h": _rate,
    "gas_temperature_c": lambda one, at_s: 15 - 9 * _winter(at_s) + math.sin(at_s / 1300 + one.seed),
    "gas_pressure_kpa": lambda one, at_s: 103.8 + 0.3 * math.sin(at_s / 500 + one.seed),
    "water_volume_m3": _total,
    "water_flow_m3_per_h": _rate,
    "water_temperature_c": lambda one, at_s: 15 - 8 * _winter(at_s) + 0.5 * math.sin(at_s / 2100 + one.seed),
    "heat_energy_kwh": _total,
    "heat_volume_m3": lambda one, at_s: one.total(at_s) / (_KWH_PER_M3_K * one.traits.spread_k),
    "heat_power_kw": _rate,
    "heat_flow_m3_per_h": lambda one, at_s: one.rate(at_s) / (_KWH_PER_M3_K * one.traits.spread_k),
    "heat_supply_temperature_c": Terminals.supply_c,
    "heat_return_temperature_c": lambda one, at_s: one.supply_c(at_s) - one.traits.spread_k,
    "pulses_count": _total,
}
