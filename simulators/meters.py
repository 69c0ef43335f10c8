"""One simulated meter: what its registers say at a time, from a source of true values and the faults it has."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from contract.quantities import QUANTITIES
from edge.models import Model, Register
from simulators.faults import DeviceFaults, MeterFaults
from simulators.words import is_float, limits, meaning, sentinel_words, to_raw, to_words


class Source(Protocol):
    """What there is to measure, in the quantity's own unit and as the meter's terminals see it.

    `time_s` is simulated UTC epoch seconds; a register's value never falls as time goes on.
    """

    def __call__(self, quantity: str, time_s: float) -> float: ...


class Served(NamedTuple):
    """`value` is what the words mean, None for a sentinel and for what is no number."""

    words: tuple[int, ...]
    value: float | None


@dataclass
class SimMeter:
    """A meter on a line. `unit` is its Modbus address, `channel` counts from 1 on devices that have several.

    On a line the channels of one unit have one and the same `device`. Of a SunSpec device `block` is the number
    of the one that it has (0: a usual one of its model), `rated_kw` what its scale factors are chosen for.
    """

    name: str
    model: Model
    unit: int
    source: Source
    channel: int = 1
    block: int = 0
    rated_kw: float = 100.0
    faults: MeterFaults = field(default_factory=MeterFaults)
    device: DeviceFaults = field(default_factory=DeviceFaults)
    swaps: int = 0
    # By quantity that was set anew: what the register is to show, and the source's value at that moment.
    _restarts: dict[str, tuple[float, float]] = field(default_factory=dict)
    # By quantity: the value at which the register starts again at 0, where that was set.
    _capacities: dict[str, float] = field(default_factory=dict)

    @property
    def serial(self) -> str:
        """The serial number on the plate; a swapped meter has another."""
        return f"{random.Random(f'{self.name}/{self.swaps}').randrange(10**8):08d}"

    @property
    def quantities(self) -> list[str]:
        """All that the model reports."""
        return [register.quantity for register in self.model.register] or list(self.model.points)

    def read(self, register: Register, time_s: float) -> Served:
        """One register at a simulated time."""
        orders = self.model.word_order, self.model.byte_order
        if register.quantity in self.faults.not_available and register.not_available:
            return Served(sentinel_words(register.type, register.not_available[0], *orders), None)
        stuck_at_s = self.faults.stuck_at_s
        value = self._value(register.quantity, time_s if stuck_at_s is None else min(stuck_at_s, time_s))
        raw = to_raw(register.type, value / register.scale, counts_up=_counts_up(register.quantity))
        words = to_words(register.type, raw, *orders)
        # an overflow may look like a sentinel, and then means the same
        missing = any(sentinel_words(register.type, text, *orders) == words for text in register.not_available)
        return Served(words, None if missing else meaning(register.type, raw, register.scale))

    def swap(self, time_s: float) -> None:
        """Another meter of the same model takes this one's place: other serial, registers nearly new."""
        self.swaps += 1
        # a new meter has counted a little already, in the maker's test and on the fitter's bench
        shown = random.Random(f"{self.name}/{self.swaps}/start").uniform(0.05, 20.0)
        for quantity in filter(_counts_up, self.quantities):
            self._restarts[quantity] = shown, self.source(quantity, time_s)
            self._capacities.pop(quantity, None)

    def roll_over(self, quantity: str, capacity: float, remaining: float, time_s: float) -> None:
        """Set a register to `remaining` below `capacity`, where it starts again at 0."""
        self._restarts[quantity] = capacity - remaining, self.source(quantity, time_s)
        self._capacities[quantity] = capacity

    def _value(self, quantity: str, time_s: float) -> float:
        value = self.source(quantity, time_s)
        if quantity in self._restarts:
            shown, was = self._restarts[quantity]
            value = shown + max(value - was, 0.0)
        capacity = self._capacities.get(quantity)
        return value if capacity is None else value % capacity


def register_capacity(register: Register) -> float:
    """Where a register of that type is taken to roll over: a power of ten, as its display has whole digits."""
    if is_float(register.type):
        return 10.0**6
    digits = min(len(str(limits(register.type)[1])) - 1, 9)
    return float(10**digits) * register.scale


def _counts_up(quantity: str) -> bool:
    return QUANTITIES[quantity].kind == "register"
