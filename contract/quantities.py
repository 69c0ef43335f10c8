"""Every quantity that a meter may report. The name carries the unit, one unit per quantity.

A *register* counts up for the meter's whole life and is what usage is made from; an *instant* is a value of
the moment, and the first to be thinned out when a gateway's outbox is full.
"""

from dataclasses import dataclass
from typing import Literal

Utility = Literal["electricity", "gas", "water", "heat", "pulses"]
Kind = Literal["register", "instant"]


@dataclass(frozen=True)
class Quantity:
    """`unit` is the SenML unit where RFC 8428 or 8798 has one, else the unit as the name has it."""

    name: str
    utility: Utility
    kind: Kind
    unit: str


def _phases(stem: str, suffix: str, unit: str) -> list[Quantity]:
    names = [f"{stem}_{phase}_{suffix}" for phase in ("l1", "l2", "l3")]
    return [Quantity(name, "electricity", "instant", unit) for name in names]


_ALL = [
    Quantity("electricity_import_kwh", "electricity", "register", "kWh"),
    Quantity("electricity_export_kwh", "electricity", "register", "kWh"),
    Quantity("electricity_production_kwh", "electricity", "register", "kWh"),
    Quantity("electricity_reactive_import_kvarh", "electricity", "register", "kvarh"),
    Quantity("electricity_reactive_export_kvarh", "electricity", "register", "kvarh"),
    Quantity("electricity_apparent_kvah", "electricity", "register", "kVAh"),
    Quantity("electricity_power_kw", "electricity", "instant", "kW"),
    Quantity("electricity_production_power_kw", "electricity", "instant", "kW"),
    Quantity("electricity_reactive_power_kvar", "electricity", "instant", "kvar"),
    Quantity("electricity_apparent_power_kva", "electricity", "instant", "kVA"),
    Quantity("electricity_power_factor_ratio", "electricity", "instant", "/"),
    Quantity("electricity_frequency_hz", "electricity", "instant", "Hz"),
    *_phases("electricity_power", "kw", "kW"),
    *_phases("electricity_voltage", "v", "V"),
    *_phases("electricity_current", "a", "A"),
    Quantity("gas_volume_m3", "gas", "register", "m3"),
    Quantity("gas_flow_m3_per_h", "gas", "instant", "m3/h"),
    Quantity("gas_temperature_c", "gas", "instant", "Cel"),
    Quantity("gas_pressure_kpa", "gas", "instant", "kPa"),
    Quantity("water_volume_m3", "water", "register", "m3"),
    Quantity("water_flow_m3_per_h", "water", "instant", "m3/h"),
    Quantity("water_temperature_c", "water", "instant", "Cel"),
    Quantity("heat_energy_kwh", "heat", "register", "kWh"),
    Quantity("heat_volume_m3", "heat", "register", "m3"),
    Quantity("heat_power_kw", "heat", "instant", "kW"),
    Quantity("heat_flow_m3_per_h", "heat", "instant", "m3/h"),
    Quantity("heat_supply_temperature_c", "heat", "instant", "Cel"),
    Quantity("heat_return_temperature_c", "heat", "instant", "Cel"),
    # What a pulse counts is a fact of the installation (the registry's multiplier), not of the counter.
    Quantity("pulses_count", "pulses", "register", "count"),
]

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}
