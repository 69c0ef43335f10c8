"""The register image of one unit on a line: which words stand where, and how a read of them is answered."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from contract.problems import Problem
from edge.models import Register, Table
from simulators.frames import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, MAX_READ_WORDS
from simulators.meters import Served, SimMeter
from simulators.words import word_count

# By meter and quantity: the value that a read covered wholly, None where the meter said "not available".
Values = dict[str, dict[str, float | None]]
# What an answer carries, and what it means.
Found = tuple[tuple[int, ...], Values]


@dataclass(frozen=True)
class Field:
    """`length` words at an address, by simulated time. `quantity` and `meter` are "" where nothing is measured."""

    address: int
    length: int
    content: Callable[[float], Served]
    meter: str = ""
    quantity: str = ""

    @property
    def end(self) -> int:
        """The address after the last word."""
        return self.address + self.length


@dataclass(frozen=True)
class Image:
    """Fields by table, ordered by address. `holes_readable`: between fields a read finds zeros, else exception 2.

    A read of a table without fields gets exception 1, of more than `max_words` exception 3.
    """

    meters: Sequence[SimMeter]
    tables: Mapping[Table, Sequence[Field]]
    holes_readable: bool = True
    max_words: int = MAX_READ_WORDS

    def read(self, table: Table, address: int, count: int, time_s: float) -> Found | int:
        """The words and what they mean, or the code of the exception."""
        fields = self.tables.get(table)
        if not fields:
            return ILLEGAL_FUNCTION
        if not 1 <= count <= self.max_words:
            return ILLEGAL_VALUE
        if address < fields[0].address or address + count > fields[-1].end:
            return ILLEGAL_ADDRESS
        return self._read(fields, address, address + count, time_s)

    def _read(self, fields: Sequence[Field], start: int, end: int, time_s: float) -> Found | int:
        words = [0] * (end - start)
        values: Values = {}
        found = 0
        first = bisect_left(fields, start + 1, key=lambda field: field.end)
        last = bisect_left(fields, end, key=lambda field: field.address)
        for one in fields[first:last]:
            served = one.content(time_s)
            if one.quantity and start <= one.address and one.end <= end:
                values.setdefault(one.meter, {})[one.quantity] = served.value
            low, high = max(start, one.address), min(end, one.end)
            words[low - start : high - start] = served.words[low - one.address : high - one.address]
            found += high - low
        if found < end - start and not self.holes_readable:
            return ILLEGAL_ADDRESS
        return tuple(words), values


def image_of(meters: Sequence[SimMeter], *, holes_readable: bool = True) -> Image:
    """The image of one unit with addresses of its model's own, from the channels that it has; all of one model."""
    model = meters[0].model
    fields = [
        (register.table, _field(meter, register, (meter.channel - 1) * model.channel_words))
        for meter in meters
        for register in model.register
    ]
    tables = {table: _ordered(meters[0], [one for at, one in fields if at == table]) for table, _ in fields}
    return Image(meters, tables, holes_readable, min(model.max_words, MAX_READ_WORDS))


def _field(meter: SimMeter, register: Register, shift: int) -> Field:
    length = word_count(register.type)
    return Field(register.address + shift, length, partial(meter.read, register), meter.name, register.quantity)


def _ordered(meter: SimMeter, fields: Iterable[Field]) -> list[Field]:
    ordered = sorted(fields, key=lambda field: field.address)
    for before, after in pairwise(ordered):
        if before.end > after.address:
            raise Problem(
                f"계량기 '{meter.name}': 모델의 주소 {after.address}에서 레지스터가 겹칩니다",
                f"meter '{meter.name}': registers of its model overlap at address {after.address}",
            )
    return ordered
