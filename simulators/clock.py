"""Simulated time: the wall clock, or one that runs faster from an anchor on."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class SimClock:
    """`speed` simulated seconds pass in a second; at `anchor_s` (UTC epoch) both clocks agree."""

    speed: float = 1.0
    anchor_s: float = 0.0

    def at(self, wall_s: float) -> float:
        """The simulated time at a moment of the wall clock, both UTC epoch seconds."""
        return wall_s if self.speed == 1.0 else self.anchor_s + (wall_s - self.anchor_s) * self.speed

    def now(self) -> float:
        """The simulated time."""
        return self.at(time.time())
