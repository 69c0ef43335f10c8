"""PURE: values to register words, written apart from the gateway's decoder, which it thereby checks."""

import math
import struct
from decimal import Decimal
from functools import lru_cache

import numpy as np

from edge.models import Order, WordType

# struct's letter and the number of 16-bit words
_FORMAT: dict[WordType, tuple[str, int]] = {
    "uint16": ("H", 1),
    "int16": ("h", 1),
    "uint32": ("I", 2),
    "int32": ("i", 2),
    "uint64": ("Q", 4),
    "int64": ("q", 4),
    "float32": ("f", 2),
    "float64": ("d", 4),
}


def word_count(kind: WordType) -> int:
    """How many 16-bit words a value of that type takes."""
    return _FORMAT[kind][1]


def is_float(kind: WordType) -> bool:
    """Whether the type is a floating-point one."""
    return kind in ("float32", "float64")


def limits(kind: WordType) -> tuple[int, int]:
    """Smallest and largest integer of an integer type."""
    bits = 16 * word_count(kind)
    return (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def to_raw(kind: WordType, scaled: float, *, counts_up: bool) -> int | float:
    """The number that a register of that type holds for a value divided by its scale.

    A register that counts up shows whole steps passed, and starts again at 0 after its type's largest;
    an instant is rounded, and stays at the end of its type's range.
    """
    if is_float(kind):
        letter = _FORMAT[kind][0]
        return float(struct.unpack(f">{letter}", struct.pack(f">{letter}", scaled))[0])
    low, high = limits(kind)
    if counts_up:
        return math.floor(scaled) % (high + 1)
    return min(max(round(scaled), low), high)


def meaning(kind: WordType, raw: float, scale: float) -> float:
    """What a register that holds `raw` says: the product of the two as decimal numbers, rounded once.

    A float32 stands for the shortest decimal that it is nearest to: the number on the meter's display.
    """
    shown = str(np.float32(raw)) if kind == "float32" else str(raw)
    return float(Decimal(shown) * Decimal(str(scale)))


def to_words(kind: WordType, raw: float, word_order: Order, byte_order: Order) -> tuple[int, ...]:
    """The words in the order in which they are sent; `byte_order` is that of the two bytes of each word."""
    letter, count = _FORMAT[kind]
    packed = struct.pack(f">{letter}", raw if is_float(kind) else int(raw))
    return _ordered(struct.unpack(f">{count}H", packed), word_order, byte_order)


@lru_cache
def sentinel_words(kind: WordType, sentinel: str, word_order: Order, byte_order: Order) -> tuple[int, ...]:
    """The words of a model's `not_available` text: "nan", or the value's bits as hexadecimal."""
    if sentinel.lower() == "nan":
        return to_words(kind, math.nan, word_order, byte_order)
    count = word_count(kind)
    packed = int(sentinel, 16).to_bytes(2 * count, "big")
    return _ordered(struct.unpack(f">{count}H", packed), word_order, byte_order)


def _ordered(words: tuple[int, ...], word_order: Order, byte_order: Order) -> tuple[int, ...]:
    if byte_order == "little":
        words = tuple((word & 0xFF) << 8 | word >> 8 for word in words)
    return words if word_order == "big" else words[::-1]
