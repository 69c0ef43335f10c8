"""A SunSpec device: the marker, the common block, one block of measurements and the end, from pysunspec2's models."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
from sunspec2 import device, mdef

from contract.problems import Problem
from edge.models import Register, WordType
from simulators.image import Field, Image
from simulators.meters import Served, SimMeter

BASE = 40000
_MARKER = (0x5375, 0x6E53)  # "SunS"
_END = (0xFFFF, 0)
_COMMON = 1
_USUAL_BLOCKS = (103, 203)

_TYPES: dict[str, WordType] = {
    "int16": "int16",
    "uint16": "uint16",
    "acc32": "uint32",
    "uint32": "uint32",
    "int32": "int32",
    "acc64": "uint64",
    "uint64": "uint64",
    "int64": "int64",
    "float32": "float32",
    "float64": "float64",
}
# What stands in the first word of a point that the device does not have; the other words are as `_rest` says.
_ABSENT = {"int16": 0x8000, "int32": 0x8000, "int64": 0x8000, "sunssf": 0x8000, "pad": 0x8000, "float32": 0x7FC0}
_ABSENT_ZERO = ("acc16", "acc32", "acc64", "string")
# The contract's unit in the point's: a point in W holds a thousand times what is in kW.
_UNITS = {"W": 0.001, "Wh": 0.001, "VA": 0.001, "var": 0.001, "varh": 0.001, "VAh": 0.001, "Pct": 0.01}
_RATED_W = {"W", "VA", "var"}
_FINE_EXPONENT = {"A": -1, "V": -1, "Hz": -2, "Pct": -1, "Wh": 0}


class Point(msgspec.Struct, frozen=True):
    """A point as pysunspec2's model definitions describe it; much of that is of no use here."""

    name: str
    type: str
    size: int
    sf: str | int | None = None
    units: str = ""


@dataclass(frozen=True)
class _Block:
    number: int
    points: list[Point]
    meter: SimMeter

    def exponent(self, scale_factor: str) -> int | None:
        """The power of ten that this device chose for a scale factor; None where none of its points uses it."""
        units = {point.units for point in self.points if point.sf == scale_factor and self.quantity(point)}
        if not units:
            return None
        if units & _RATED_W:
            # the finest with which half as much again as the rated power still fits 16 bits
            return max(math.ceil(math.log10(1500 * self.meter.rated_kw / 32000)), -2)
        return _FINE_EXPONENT.get(units.pop(), 0)

    def quantity(self, point: Point) -> str:
        """The quantity that stands there, or ""."""
        return next((quantity for quantity, name in self.meter.model.points.items() if name == point.name), "")


def sunspec_image(meter: SimMeter) -> Image:
    """The image of one unit: its holding registers from BASE on."""
    fields = [Field(BASE, 2, _constant(_MARKER))]
    usual = [block for block in _USUAL_BLOCKS if block in meter.model.blocks] or list(meter.model.blocks)
    for number in (_COMMON, meter.block or usual[0]):
        fields += _fields(_Block(number, _points(number), meter), fields[-1].end)
    fields.append(Field(fields[-1].end, 2, _constant(_END)))
    return Image([meter], {"holding": fields})


def _points(number: int) -> list[Point]:
    try:
        definition = device.get_model_def(number)
    except mdef.ModelDefinitionError as error:
        raise Problem(
            f"SunSpec 모델 {number}: 정의를 찾을 수 없습니다", f"SunSpec model {number}: no definition found"
        ) from error
    return [msgspec.convert(point, Point) for point in definition["group"]["points"]]


def _fields(block: _Block, address: int) -> Iterator[Field]:
    for point in block.points:
        yield _field(block, point, address)
        address += point.size


def _field(block: _Block, point: Point, address: int) -> Field:
    quantity = block.quantity(point)
    if quantity and point.type in _TYPES:
        read = partial(block.meter.read, _register(block, point, quantity, address))
        return Field(address, point.size, read, block.meter.name, quantity)
    if point.name == "SN":
        return Field(address, point.size, lambda _: Served(_text(block.meter.serial, point.size), None))
    return Field(address, point.size, _constant(_fixed(block, point)))


def _register(block: _Block, point: Point, quantity: str, address: int) -> Register:
    exponent = point.sf if isinstance(point.sf, int) else block.exponent(point.sf or "") or 0
    scale = float(f"1e{exponent}") * _UNITS.get(point.units, 1.0)
    absent = _absent(point)
    sentinel = "nan" if point.type.startswith("float") else "0x" + "".join(f"{word:04x}" for word in absent)
    return Register(
        quantity=quantity,
        table="holding",
        address=address,
        type=_TYPES[point.type],
        name=point.name,
        scale=float(f"{scale:.6g}"),
        not_available=(sentinel,),  # of a counter that is 0: SunSpec cannot tell the two apart
    )


def _fixed(block: _Block, point: Point) -> tuple[int, ...]:
    """Words that do not change."""
    model = block.meter.model
    texts = {"Mn": model.maker, "Md": model.model, "Vr": "1.0"}
    numbers = {"ID": block.number, "L": sum(one.size for one in block.points) - 2, "DA": block.meter.unit, "St": 4}
    if point.name in texts:
        return _text(texts[point.name], point.size)
    if point.name in numbers:
        return (numbers[point.name],)
    exponent = block.exponent(point.name) if point.type == "sunssf" else None
    return _absent(point) if exponent is None else (exponent & 0xFFFF,)


def _absent(point: Point) -> tuple[int, ...]:
    if point.type in _ABSENT_ZERO:
        return (0,) * point.size
    first = _ABSENT.get(point.type, 0xFFFF)
    return (first, *(0xFFFF if first == 0xFFFF else 0 for _ in range(point.size - 1)))


def _text(text: str, words: int) -> tuple[int, ...]:
    data = text.encode("ascii", "replace")[: 2 * words].ljust(2 * words, b"\0")
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, 2 * words, 2))


def _constant(words: tuple[int, ...]) -> Callable[[float], Served]:
    return lambda _: Served(words, None)
