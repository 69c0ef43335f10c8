"""SunSpec: which blocks a device has, and where the points of a block stand. Definitions are pysunspec2's.

A SunSpec device begins, at one of three addresses, with the text "SunS"; then follow blocks, each with its number
and length, up to one numbered 0xFFFF:

    "SunS" │ 1, 66, … common … │ 103, 50, … inverter … │ 0xFFFF, 0
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Any, NamedTuple

from edge.models import WORDS, Model, Register, WordType

STARTS = (40000, 50000, 0)
MARK = [0x5375, 0x6E53]
END = 0xFFFF
MAX_BLOCKS = 64
LAST_HEADER = 0xFFFE

# Asks for `words` words of the holding table from `address` on; None where the device refuses.
Ask = Callable[[int, int], Awaitable[Sequence[int] | None]]


class Point(NamedTuple):
    """`offset` counts from the block's number. The scale factor is a power of ten: `exponent`, or what stands
    at `exponent_offset`.
    """

    offset: int
    kind: str
    unit: str
    label: str
    exponent: int
    exponent_offset: int | None


class Block(NamedTuple):
    """`words` is the block's whole length, number and length included."""

    number: int
    words: int
    points: Mapping[str, Point]


class Found(NamedTuple):
    """A block of a device: `address` is where its number stands."""

    number: int
    address: int
    words: int


# SunSpec's types as words, and how each says "not implemented".
_KINDS: dict[str, tuple[WordType, str]] = {
    "uint16": ("uint16", "0xffff"),
    "int16": ("int16", "0x8000"),
    "uint32": ("uint32", "0xffffffff"),
    "int32": ("int32", "0x80000000"),
    "uint64": ("uint64", "0xffffffffffffffff"),
    "int64": ("int64", "0x8000000000000000"),
    "acc16": ("uint16", "0x0000"),
    "acc32": ("uint32", "0x00000000"),
    "acc64": ("uint64", "0x0000000000000000"),
    "float32": ("float32", "nan"),
    "float64": ("float64", "nan"),
}
# From a point's unit to the quantity's.
_SCALES = {"Wh": 0.001, "varh": 0.001, "VAh": 0.001, "W": 0.001, "var": 0.001, "VA": 0.001, "Pct": 0.01}


@cache
def block(number: int) -> Block:
    """The definition of a block. Raises FileNotFoundError for a number that SunSpec has not given out."""
    text = (files("sunspec2") / "models" / "json" / f"model_{number}.json").read_text("utf-8")
    points = json.loads(text)["group"]["points"]
    offsets = dict(zip((point["name"] for point in points), accumulate(_sizes(points), initial=0), strict=False))
    known = {point["name"]: _point(point, offsets) for point in points if point["type"] in _KINDS}
    return Block(number, sum(_sizes(points)), known)


def _sizes(points: Sequence[dict[str, int]]) -> list[int]:
    return [point["size"] for point in points]


def _point(point: Mapping[str, Any], offsets: Mapping[str, int]) -> Point:
    factor = point.get("sf")  # a point's name, or a number
    fixed = factor if isinstance(factor, int) else 0
    return Point(
        offset=offsets[point["name"]],
        kind=point["type"],
        unit=point.get("units", ""),
        label=point.get("label", point["name"]),
        exponent=fixed,
        exponent_offset=offsets[factor] if isinstance(factor, str) else None,
    )


async def discover(ask: Ask) -> list[Found]:
    """The blocks of a device, in its order; none if it is no SunSpec device. What `ask` raises goes through."""
    for start in STARTS:
        if list(await ask(start, 2) or ()) == MARK:
            return await _walk(ask, start + 2)
    return []


async def _walk(ask: Ask, address: int) -> list[Found]:
    chain: list[Found] = []
    while len(chain) < MAX_BLOCKS and address <= LAST_HEADER:
        header = await ask(address, 2)
        if header is None or header[0] == END:
            break
        number, length = header
        chain.append(Found(number, address, length + 2))
        address += length + 2
    return chain


def resolve(model: Model, chain: Sequence[Found]) -> tuple[Register, ...]:
    """The registers of the first block that the model knows; none if the device has none of them."""
    for found in chain:
        if found.number in model.blocks:
            definition = block(found.number)
            points = {quantity: definition.points.get(name) for quantity, name in model.points.items()}
            return tuple(
                _register(quantity, point, found)
                for quantity, point in points.items()
                if point
                and max(point.offset + WORDS[_KINDS[point.kind][0]], (point.exponent_offset or 0) + 1) <= found.words
            )
    return ()


def _register(quantity: str, point: Point, found: Found) -> Register:
    kind, sentinel = _KINDS[point.kind]
    return Register(
        quantity=quantity,
        table="holding",
        address=found.address + point.offset,
        type=kind,
        name=f"{point.label} (model {found.number})",
        scale=_SCALES.get(point.unit, 1.0) * 10.0**point.exponent,
        not_available=(sentinel,),
        exponent_address=None if point.exponent_offset is None else found.address + point.exponent_offset,
    )
