"""A line with its units, whatever carries its bytes: a request's PDU in, what happens to it out."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from contract.problems import Problem
from edge.models import Table
from simulators import frames
from simulators.clock import SimClock
from simulators.image import Found, Image, Values, image_of
from simulators.meters import SimMeter
from simulators.served import Entry, ServedLog
from simulators.sunspec import sunspec_image

_TABLES: dict[int, Table] = {frames.READ_HOLDING: "holding", frames.READ_INPUT: "input"}


@dataclass(frozen=True)
class Exchange:
    """What becomes of a request: `pdu` None is silence; `slow_s` is added to the unit's turnaround."""

    unit: int
    pdu: bytes | None
    answer: str
    read: tuple[str, int, int] | None = None
    slow_s: float = 0.0
    values: Values = field(default_factory=dict)

    @property
    def garbled(self) -> bool:
        """Whether the answer's bytes are to be damaged on their way."""
        return self.answer == "garbled"


class Line:
    """The units of one line. Without `log` nothing is written down; `cut` silences all."""

    def __init__(
        self,
        name: str,
        meters: Sequence[SimMeter],
        log: ServedLog | None = None,
        clock: SimClock | None = None,
        *,
        holes_readable: bool = True,
    ) -> None:
        self.name = name
        self.meters = {meter.name: meter for meter in meters}
        self.units = _units(name, meters, holes_readable=holes_readable)
        self.clock = clock or SimClock()
        self.cut = False
        self._log = log
        self._random = random.Random(name)

    def exchange(self, unit: int, pdu: bytes) -> Exchange:
        """Ask a unit, as of now. `pdu` has at least its function code."""
        image = self.units.get(unit)
        if self.cut or image is None:
            return Exchange(unit, None, "silent")
        faults = image.meters[0].device
        table = _TABLES.get(pdu[0])
        asked = frames.read_request(pdu) if table else None
        read = (table, *asked) if table and asked else None
        if faults.dead:
            return Exchange(unit, None, "silent", read)
        found = faults.exception or self._find(image, pdu[0], asked)
        if isinstance(found, int):
            answer, outcome, values = frames.exception(pdu[0], found), f"exception-{found}", {}
        else:
            answer, outcome, values = frames.read_answer(pdu[0], found[0]), "ok", found[1]
        if faults.garble_ratio > 0 and self._random.random() < faults.garble_ratio:
            outcome = "garbled"
        return Exchange(unit, answer, outcome, read, faults.slow_s, values)

    def _find(self, image: Image, function: int, asked: tuple[int, int] | None) -> Found | int:
        table = _TABLES.get(function)
        if table is None:
            return frames.ILLEGAL_FUNCTION
        if asked is None:
            return frames.ILLEGAL_VALUE
        return image.read(table, *asked, self.clock.now())

    def log(self, exchange: Exchange, at_ns: int, *, garbled: bool = False) -> None:
        """Write an exchange down; to be called before its answer leaves. `garbled`: it collided on the way."""
        if self._log:
            answer = "garbled" if garbled else exchange.answer
            values = exchange.values if answer == "ok" else {}
            self._log.write(Entry(at_ns, exchange.unit, answer, exchange.read, values))

    def log_now(self, exchange: Exchange) -> None:
        """`log`, as of now."""
        self.log(exchange, time.time_ns())

    def damaged(self, frame: bytes) -> bytes:
        """The frame with one to three bits turned over, which a CRC-16 always shows, or with its end missing."""
        if self._random.random() < 0.2 and len(frame) > 2:
            return frame[: self._random.randrange(1, len(frame))]
        damaged = bytearray(frame)
        for bit in self._random.sample(range(8 * len(frame)), self._random.choice((1, 3))):
            damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)


def _units(line: str, meters: Sequence[SimMeter], *, holes_readable: bool) -> dict[int, Image]:
    by_unit: dict[int, list[SimMeter]] = {}
    for meter in meters:
        by_unit.setdefault(meter.unit, []).append(meter)
    for unit, group in by_unit.items():
        channels = [meter.channel for meter in group]
        model = group[0].model
        if len(set(channels)) < len(channels) or any(meter.model != model for meter in group):
            raise Problem(
                f"선로 '{line}', 국번 {unit}: 계량기가 겹칩니다: {', '.join(meter.name for meter in group)}",
                f"line '{line}', unit {unit}: meters collide: {', '.join(meter.name for meter in group)}",
            )
        for meter in group:
            meter.device = group[0].device
    return {unit: _image(group, holes_readable=holes_readable) for unit, group in by_unit.items()}


def _image(meters: Sequence[SimMeter], *, holes_readable: bool) -> Image:
    if meters[0].model.protocol == "sunspec":
        return sunspec_image(meters[0])
    return image_of(meters, holes_readable=holes_readable)
