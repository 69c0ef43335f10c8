"""One meter on a line: what it is asked, what it has taught by refusing, and how it is."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contract.quality import Quality
from contract.reading import Reading
from edge import sunspec
from edge.config import LineConfig, MeterConfig
from edge.drivers.driver import Answer, Driver, Question
from edge.models import Model, Register, quantities
from edge.registers import Learnt, Read, learn, missing, plan, readings, restore, select
from edge.schedule import Health, answered, patience_s, silent

# How often a register that the meter refused is asked for again: its firmware may have been renewed.
REFUSED_AGAIN_S = 3600.0
# So many registers refused one by one, and none answered yet: the meter is booting, or is another model.
REFUSALS_ENOUGH = 3
# Modbus exceptions: the address is not there, or not as many words; a gateway that cannot reach the unit.
_REFUSED = (2, 3)
_UNREACHED = (10, 11)

log = logging.getLogger(__name__)


class Tick(NamedTuple):
    """A tick, and when its reading began by both clocks: a clock that is set meanwhile moves no reading."""

    time_s: int
    wall_s: float
    monotonic_s: float

    def at_ms(self, monotonic_s: float) -> int:
        """Milliseconds after the tick."""
        return round((self.wall_s - self.time_s + monotonic_s - self.monotonic_s) * 1000)

    def moment(self, answer: Answer) -> tuple[int, int]:
        """(tick in s, ms after it) of the middle of an exchange."""
        return self.time_s, self.at_ms((answer.sent_s + answer.ended_s) / 2)


@dataclass
class Meter:
    """`heard` are the answers of its last turn, for whoever wants to see the words."""

    config: MeterConfig
    model: Model
    health: Health
    registers: tuple[Register, ...]
    learnt: Learnt = field(default_factory=Learnt)
    heard: list[tuple[Read, tuple[int, ...]]] = field(default_factory=list)
    _refused_again_s: float = 0.0
    # It refused all that it was asked in its last turn; how many registers it was then asked for singly.
    _refusing: bool = False
    _scouted: int = 0

    @property
    def quantities(self) -> list[str]:
        """What the meter reports, in the model's order."""
        chosen = self.config.quantities
        return [quantity for quantity in quantities(self.model) if not chosen or quantity in chosen]

    async def turn(self, driver: Driver, tick: Tick, *, patient: bool = False) -> list[Reading]:
        """Read all of it: one reading for each quantity, missing ones with their reason.

        Silence ends the turn, and so do two garbled answers in a row. `patient` waits as long as the settings allow.
        """
        self.heard.clear()
        if not self.registers and (failed := await self._discover(driver, patient=patient)):
            return self._rest((), failed.quality, tick)
        scouted = self._refusing
        if scouted and (failed := await self._scout(driver, patient=patient)):
            return self._rest((), failed.quality, tick)
        before, again_s = self.learnt, self._refused_again_s
        found, rest = await self._read_all(driver, tick, patient=patient, sure=scouted)
        self._refusing = not self.heard and self.learnt != before
        if self._refusing:  # that taught nothing: a meter that boots refuses what it has, too
            self.learnt, self._refused_again_s = before, again_s
        self._say_refused(before)
        return found + self._rest(found, rest, tick)

    async def _read_all(
        self, driver: Driver, tick: Tick, *, patient: bool, sure: bool
    ) -> tuple[list[Reading], Quality]:
        """What was found, and why the rest was not. `sure`: the meter has answered, and what it refuses it lacks."""
        found: list[Reading] = []
        refusals = 0
        todo = deque(self._reads())
        while todo:
            read = todo.popleft()
            answer = await self._ask(driver, Question(self.config.unit, *read[:3]), patient=patient)
            if answer.quality in (Quality.NO_ANSWER, Quality.LINE_DOWN) or self._is_noise(answer):
                return found, answer.quality
            if answer.code in _REFUSED:
                self._learn(read)
                if len(read.registers) > 1:
                    todo.extendleft(reversed(self._plan(read.registers)))
                    continue
                refusals += 1
            found += self._readings(read, answer, tick)
            if refusals == REFUSALS_ENOUGH and not (sure or self.heard):
                return found, Quality.EXCEPTION
        # what is not asked for at all: a SunSpec block without the point, a register that was refused before
        return found, Quality.NOT_AVAILABLE if self.model.protocol == "sunspec" else Quality.EXCEPTION

    async def _scout(self, driver: Driver, *, patient: bool) -> Answer | None:
        """Ask for a few single registers, others each time, until one is answered; a refusal if none is."""
        chosen = [register for register in self.registers if register not in self.learnt.refused]
        answer = Answer(Quality.EXCEPTION)
        for _ in chosen[:REFUSALS_ENOUGH]:
            read = plan((chosen[self._scouted % len(chosen)],), self.model.max_words, 0)[0]
            self._scouted += 1
            answer = await self._ask(driver, Question(self.config.unit, *read[:3]), patient=patient)
            if answer.quality is Quality.GOOD:
                return None
            if answer.code not in _REFUSED:
                break
        return answer

    def missing(self, quality: Quality, time_s: int) -> list[Reading]:
        """A reading for each quantity that says why there is none."""
        return [Reading(self.config.name, quantity, time_s, None, quality) for quantity in self.quantities]

    async def _ask(self, driver: Driver, question: Question, *, patient: bool) -> Answer:
        answer = await driver.read(question, self.health.limit_s if patient else patience_s(self.health))
        if answer.code in _UNREACHED:
            answer = answer._replace(quality=Quality.NO_ANSWER)
        if answer.quality in (Quality.GOOD, Quality.EXCEPTION):
            self._note(answered(self.health, answer.response_s))
            if self.model.pause_ms:
                driver.rest(self.model.pause_ms / 1000)
        elif answer.quality is not Quality.LINE_DOWN or self.health.dead:
            # who is never understood costs its line as much as who is silent
            self._note(silent(self.health, answer.ended_s))
        return answer

    def _is_noise(self, answer: Answer) -> bool:
        """One answer that was hit on its way costs the meter no other register; after a second nothing better comes."""
        return answer.quality is Quality.GARBLED and self.health.failures > 1

    def _note(self, health: Health) -> None:
        if health.dead != self.health.dead:
            action = " action=check-its-address-and-settings-and-wiring-and-power" if health.dead else ""
            event = "meter-silent" if health.dead else "meter-answers"
            log.warning("%s meter=%s unit=%d%s", event, self.config.name, self.config.unit, action)
        self.health = health

    async def _discover(self, driver: Driver, *, patient: bool) -> Answer | None:
        """Find the registers of a SunSpec device; the answer that kept us from it, or None."""
        last = Answer(Quality.NO_ANSWER)

        async def ask(address: int, words: int) -> Sequence[int] | None:
            nonlocal last
            last = await self._ask(driver, Question(self.config.unit, "holding", address, words), patient=patient)
            if last.quality not in (Quality.GOOD, Quality.EXCEPTION):
                raise ConnectionError
            return last.words or None

        try:
            chain = await sunspec.discover(ask)
        except ConnectionError:
            return last
        chosen = sunspec.resolve(self.model, chain)
        self.registers = tuple(one for one in chosen if one.quantity in self.quantities)
        if not self.registers:
            log.warning("meter=%s problem=%r blocks=%s", self.config.name, "no SunSpec block of its model", chain)
            return last._replace(quality=Quality.EXCEPTION)
        return None

    def _reads(self) -> tuple[Read, ...]:
        if self.learnt.refused.issuperset(self.registers):  # one after another: there is nothing left to ask for
            self.learnt = Learnt()
        reads = self._plan(self.registers)
        if self.learnt.refused and time.monotonic() >= self._refused_again_s:
            self._refused_again_s = time.monotonic() + REFUSED_AGAIN_S
            reads += plan(tuple(self.learnt.refused), self.model.max_words, -1)
        return reads

    def _plan(self, registers: Sequence[Register]) -> tuple[Read, ...]:
        return plan(registers, self.model.max_words, self.model.max_gap, self.learnt)

    def _learn(self, read: Read) -> None:
        if self.model.protocol == "sunspec":
            self.registers = ()  # the chain has changed: it is walked again in the next turn
        self.learnt = learn(self.learnt, read)
        if len(read.registers) == 1:
            self._refused_again_s = time.monotonic() + REFUSED_AGAIN_S

    def _say_refused(self, before: Learnt) -> None:
        for register in sorted(self.learnt.refused - before.refused, key=lambda register: register.address):
            log.warning("meter=%s register=%r state=refused", self.config.name, register.name)

    def _readings(self, read: Read, answer: Answer, tick: Tick) -> list[Reading]:
        moment = tick.moment(answer)
        if answer.quality is not Quality.GOOD:
            return missing(self.config.name, read.registers, answer.quality, moment)
        self.heard.append((read, answer.words))
        for register in self.learnt.refused.intersection(read.registers):
            self.learnt = restore(self.learnt, register)
        return readings(self.config.name, read, self.model, answer.words, moment)

    def _rest(self, found: Sequence[Reading], quality: Quality, tick: Tick) -> list[Reading]:
        """Readings of the quantities that were not found."""
        there = {reading.quantity for reading in found}
        at_ms = found[-1].at_ms if found else tick.at_ms(time.monotonic())
        return [
            Reading(self.config.name, quantity, tick.time_s, None, quality, at_ms)
            for quantity in self.quantities
            if quantity not in there
        ]


def configured(config: MeterConfig, line: LineConfig, model: Model) -> Meter:
    """A meter as it stands in the site file."""
    interval_s = 0 if config.mains_powered else model.interval_s
    health = Health(limit_s=max(line.timeout_s, model.timeout_s), interval_s=interval_s)
    return Meter(config, model, health, select(model, config.quantities, config.channel))
