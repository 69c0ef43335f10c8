"""Simulated time: the wall clock, or one that runs faster from a moment on."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class SimClock:
    """`speed` simulated seconds pass in a second; at `wall_s` it was `simulated_s` (both UTC epoch seconds)."""

    speed: float = 1.0
    wall_s: float = 0.0
    simulated_s: float = 0.0

    def at(self, wall_s: float) -> float:
        """The simulated time at a moment of the wall clock."""
        return self.simulated_s + (wall_s - self.wall_s) * self.speed

    def now(self) -> float:
        """The simulated time."""
        return self.at(time.time())
