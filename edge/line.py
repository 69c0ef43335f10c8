"""One owner for each line: it alone asks the meters there, tick by tick, and between them for whoever wants to see."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from contract.messages import LineState
from contract.problems import Problem
from contract.quality import Quality
from contract.reading import Reading
from edge.config import LineConfig
from edge.drivers.down import Down, explain
from edge.drivers.driver import Driver
from edge.drivers.modbus import modbus_driver
from edge.meter import Meter, Tick, configured
from edge.models import Model, load_model
from edge.schedule import begun_tick, due_tick, had_turn, is_due, missed_ticks, patience_s, probe, turns

# How long the clock is slept without a look at whether it was set.
_LOOK_S = 1.0
# What a meter was not asked in this tick, or asked in vain, is asked once more where there is time.
_AGAIN = (Quality.NO_ANSWER, Quality.GARBLED)

MayTick = Callable[[str, int], bool]
Take = Callable[[str, int, list[Reading]], None]

log = logging.getLogger(__name__)


class Line:
    """`now_s` is UTC epoch seconds, of a clock that may be set at any time; `model_of` gives a model by its name.

    `down` says why the line was down in the last turn, None when it was not.
    """

    def __init__(
        self,
        config: LineConfig,
        tick_s: int,
        now_s: Callable[[], float],
        model_of: Callable[[str], Model] = load_model,
    ) -> None:
        self.config = config
        self.tick_s = config.tick_s or tick_s
        self.meters = [configured(meter, config, model_of(meter.model)) for meter in config.meter]
        self._now_s = now_s
        self.down: Down | None = None
        self._driver: Driver = modbus_driver(config)
        self._lock = asyncio.Lock()
        self._last_s: int | None = None
        self._last_at_s = 0.0
        self._last_probe_s = 0.0
        self._revived = False
        self._turns = 0
        self._after_silence = False
        self._state = LineState()
        self._state_s = time.monotonic()
        self._busy_s = 0.0

    async def run(self, may_tick: MayTick, take: Take) -> None:
        """Read tick after tick until cancelled. A tick that `may_tick` refuses is passed over.

        `take` is called once a tick with a reading for each quantity of each meter that was due.
        """
        if self._last_s is None:  # run again after a failure, it goes on from the last tick that was done with
            now_s = self._now_s()
            self._last_s = begun_tick(now_s, self.tick_s)
            self._last_at_s = time.monotonic() - (now_s - self._last_s)
        try:
            while True:
                tick = await self._next_tick(self._last_s)
                started_s = time.monotonic()
                if may_tick(self.config.name, tick):
                    take(self.config.name, tick, await self._round(Tick(tick, self._now_s(), started_s)))
                else:
                    await asyncio.sleep(0)
                elapsed_s = started_s - self._last_at_s
                self._state.ticks_missed += missed_ticks(tick, self._last_s, self.tick_s, elapsed_s)
                self._last_s, self._last_at_s = tick, started_s
        finally:
            self._driver.close()

    def state(self) -> LineState:
        """How the line is; `use_ratio` is since the last call."""
        now_s = time.monotonic()
        elapsed_s = max(now_s - self._state_s, 0.001)
        dead = [meter.config.name for meter in self.meters if meter.health.dead]
        use_ratio = round(min(self._busy_s / elapsed_s, 1.0), 3)
        self._state_s, self._busy_s = now_s, 0.0
        return msgspec.structs.replace(self._state, use_ratio=use_ratio, dead_meters=dead)

    async def read_now(self, name: str) -> list[Reading]:
        """Read one meter between the others, whatever its tick. Raises Problem for a name not on this line."""
        meter = next((meter for meter in self.meters if meter.config.name == name), None)
        if meter is None:
            raise Problem(
                f"선로 '{self.config.name}'에 계량기 '{name}'이(가) 없습니다",
                f"line '{self.config.name}' has no meter '{name}'",
            )
        now_s = self._now_s()
        return await self._turn(meter, Tick(int(now_s), now_s, time.monotonic()), patient=True)

    def close(self) -> None:
        """Give the port back after `read_now`; `run` does so itself."""
        self._driver.close()

    async def _next_tick(self, last_s: int) -> int:
        while True:
            now_s = self._now_s()
            tick = due_tick(now_s, self.tick_s, last_s)
            if tick is not None:
                return tick
            await asyncio.sleep(min(begun_tick(now_s, self.tick_s) + self.tick_s - now_s, _LOOK_S))

    async def _round(self, tick: Tick) -> list[Reading]:
        end_s = tick.monotonic_s + max(0.0, tick.time_s + self.tick_s - tick.wall_s)
        found: dict[str, list[Reading]] = {}
        due = [meter for meter in self.meters if is_due(meter.health, tick.time_s, self.tick_s)]
        order = [due[i] for i in turns([meter.health for meter in due])]
        for meter in order:
            if time.monotonic() < end_s:
                found[meter.config.name] = await self._turn(meter, tick)
            else:
                found[meter.config.name] = meter.missing(Quality.OVERLOAD, tick.time_s)
        await self._again(order, found, tick, end_s)
        await self._probe(due, found, tick, end_s)
        self._say_overloaded(any(_is_cut(readings) for readings in found.values()))
        for meter in due:
            if meter.config.name not in found:
                found[meter.config.name] = meter.missing(Quality.BACKED_OFF, tick.time_s)
        return [reading for readings in found.values() for reading in readings]

    async def _turn(self, meter: Meter, tick: Tick, *, patient: bool = False) -> list[Reading]:
        async with self._lock:
            # behind a gateway the next question waits until the silent unit's has timed out there too
            patient = patient or (self._after_silence and not self.config.port)
            started_s = time.monotonic()
            found = await meter.turn(self._driver, tick, patient=patient)
            self._busy_s += time.monotonic() - started_s
        self._after_silence = any(reading.quality is Quality.NO_ANSWER for reading in found)
        self._turns += 1
        meter.health = had_turn(meter.health, self._turns)
        failed = any(reading.quality is Quality.LINE_DOWN for reading in found)
        self._say_up(explain(self._driver.error) if failed and self._driver.error else None)
        return found

    async def _again(self, order: list[Meter], found: dict[str, list[Reading]], tick: Tick, end_s: float) -> None:
        """A second question to who did not answer the first, in the time that is left."""
        for meter in order:
            failed = any(reading.quality in _AGAIN for reading in found[meter.config.name])
            if failed and not meter.health.dead and time.monotonic() + patience_s(meter.health) < end_s:
                second = await self._turn(meter, tick)
                first = {reading.quantity: reading for reading in found[meter.config.name]}
                better = [new if new.value is not None else first.get(new.quantity, new) for new in second]
                found[meter.config.name] = better

    async def _probe(self, due: list[Meter], found: dict[str, list[Reading]], tick: Tick, end_s: float) -> None:
        """Probe the dead ones, until one stays silent: that costs at most one time-out."""
        limit_s = max((meter.health.limit_s for meter in due), default=0.0)
        while True:
            now_s = time.monotonic()
            healths = [meter.health for meter in due]
            busy = now_s + limit_s >= end_s
            one = probe(healths, now_s, last_s=self._last_probe_s, busy=busy, eager=self._revived)
            if one is None:
                self._revived = False
                return
            self._last_probe_s = now_s
            found[due[one].config.name] = await self._turn(due[one], tick)
            self._revived = not due[one].health.dead
            if all(meter.health.dead for meter in self.meters):
                # a connection that a firewall has forgotten, or an adapter that hangs, is as silent as dead meters
                self._driver.close()
            if busy or not self._revived:
                return

    def _say_up(self, down: Down | None) -> None:
        if down and down != self.down:
            log.warning("line-down line=%s %s", self.config.name, down)
        elif self.down and not down:
            log.warning("line-up line=%s", self.config.name)
        self.down, self._state.up = down, down is None

    def _say_overloaded(self, overloaded: bool) -> None:
        if overloaded and not self._state.overloaded:
            action = "make-tick_s-longer-or-the-baud-rate-higher-or-mend-silent-meters"
            log.warning("line-overloaded line=%s tick_s=%d action=%s", self.config.name, self.tick_s, action)
        self._state.overloaded = overloaded


def _is_cut(readings: list[Reading]) -> bool:
    return any(reading.quality is Quality.OVERLOAD for reading in readings)
