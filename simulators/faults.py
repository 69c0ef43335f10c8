"""What can go wrong with a meter while it runs. Switching one on or off is one assignment, from any thread."""

from dataclasses import dataclass


@dataclass
class DeviceFaults:
    """Faults of the device and its wiring; all channels of one unit share them.

    `garble_ratio` is the share of answers whose bytes are damaged, `exception` the code that every request is
    answered with, `slow_s` how late each answer comes.
    """

    dead: bool = False
    slow_s: float = 0.0
    garble_ratio: float = 0.0
    exception: int = 0


@dataclass
class MeterFaults:
    """Faults of what the registers say. `stuck_at_s` freezes all values as they were at that simulated time; the
    quantities in `not_available` are answered with their model's sentinel.
    """

    stuck_at_s: float | None = None
    not_available: frozenset[str] = frozenset()
