"""Each gateway's tick as plain SenML batches: texts prepared once, into which only the digits are written.

Numbers have as many places in every batch, and JSON allows blanks where they have fewer digits.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from simulators.city import QUANTITIES, City, registers

PART_SERIES = 1800  # more would not fit into a batch of 128 kB
_HEADER = '[{"bn":"m","bt":0000000000,"sent":0000000000.000,"clock":"ntp",'
_BASE_TIME, _SENT = slice(16, 26), slice(34, 48)
_DECIMALS = 3


class Part(NamedTuple):
    """The series first..last (excluded) of a gateway, and where their text is."""

    gateway: int
    first: int
    last: int
    start: int
    end: int


class Batches:
    """`parts` are all batches of one tick; `take` reads the registers, `payload` gives one of them."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._width = int(city.meters.digits.max()) + 1 + _DECIMALS
        self.parts: list[Part] = []
        texts: list[str] = []
        names = city.meter_names().to_pylist()
        quantities = [f'/{name}","v":{"0.000".rjust(self._width)}}}' for name in QUANTITIES]
        meters, codes = city.series.meter.tolist(), city.series.quantity.tolist()
        start = 0
        for gateway, first, last in _spans(city):
            places = zip(meters[first:last], codes[first:last], strict=True)
            records = [f'"n":"{names[meter][1:]}{quantities[code]}' for meter, code in places]
            text = _HEADER + ",{".join(records) + "]"
            texts.append(text)
            self.parts.append(Part(gateway, first, last, start, start + len(text)))
            start += len(text)
        self._text = np.frombuffer(bytearray("".join(texts).encode()), np.uint8)
        self._last_digit = self._digits()
        self._shown = np.zeros(len(meters), np.int64)

    def _digits(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Where in the text each series' last digit is: before the bracket that ends its record."""
        ends = np.flatnonzero(self._text == ord("}"))
        assert len(ends) == len(self._city.series.meter)
        return ends - 1

    def take(self, time_s: int) -> None:
        """All registers at that tick; what `payload` gives is of this tick from now on."""
        self._shown = registers(self._city, time_s)
        for part in self.parts:
            self._write(part.start, _BASE_TIME, f"{time_s:010d}")

    def payload(self, number: int, sent_s: float) -> bytes:
        """One of `parts`."""
        part = self.parts[number]
        self._write(part.start, _SENT, f"{sent_s:014.3f}")
        left, at = self._shown[part.first : part.last], self._last_digit[part.first : part.last]
        for place in range(self._width - 1):
            # one place is the point's, and one digit stands before it in any case
            behind = place < _DECIMALS
            digit = left % 10 + ord("0")
            text = digit if place <= _DECIMALS else np.where(left > 0, digit, ord(" "))
            self._text[at - (place if behind else place + 1)] = text
            left = left // 10
        return self._text[part.start : part.end].tobytes()

    def _write(self, start: int, field: slice, text: str) -> None:
        self._text[start + field.start : start + field.stop] = np.frombuffer(text.encode(), np.uint8)


def _spans(city: City) -> list[tuple[int, int, int]]:
    """(gateway, first series, last series) of each batch."""
    gateway = city.meters.gateway[city.series.meter]
    bounds = [0, *(np.flatnonzero(np.diff(gateway)) + 1).tolist(), len(gateway)]
    return [
        (int(gateway[first]), start, min(start + PART_SERIES, last))
        for first, last in pairwise(bounds)
        for start in range(first, last, PART_SERIES)
    ]
