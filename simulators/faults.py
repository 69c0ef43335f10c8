"""What can go wrong with a meter while it runs. Switching one on or off is one assignment, from any thread."""

from dataclasses import dataclass


@dataclass
class MeterFaults:
    """Faults of the device (the first four; channels of one unit share them) and of what its registers say.

    `garble_ratio` is the share of answers whose bytes are damaged, `exception` the code that every request is
    answered with. `stuck_at_s` freezes all values as they were at that simulated time; the quantities in
    `not_available` are answered with their model's sentinel.
    """

    dead: bool = False
    slow_s: float = 0.0
    garble_ratio: float = 0.0
    exception: int = 0
    stuck_at_s: float | None = None
    not_available: frozenset[str] = frozenset()
