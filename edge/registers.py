"""PURE: words to readings, and the plan of reads.

Addresses count from 0, as they go over the wire; a word is a 16-bit unsigned integer.
"""

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import msgspec

from contract.quality import Quality
from contract.reading import Reading
from edge.models import MAX_WORDS, WORDS, Model, Register, Table

_FORMATS = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
    "float32": ">f",
    "float64": ">d",
}
_EXPONENT_LIMIT = 10  # SunSpec's; 0x8000, "not implemented", lies outside too


class Wall(NamedTuple):
    """No read of this meter may hold both the word at `address` and the one before it."""

    table: Table
    address: int


class Learnt(NamedTuple):
    """What a meter has taught by refusing: where reads must not be merged, and registers that it does not have."""

    walls: frozenset[Wall] = frozenset()
    refused: frozenset[Register] = frozenset()


class Read(NamedTuple):
    """One question to a meter: `words` from `address` on, and the registers that its answer holds."""

    table: Table
    address: int
    words: int
    registers: tuple[Register, ...]


def select(model: Model, quantities: Sequence[str] = (), channel: int = 1) -> tuple[Register, ...]:
    """The registers of `quantities` (all of them if empty), moved to where `channel` (from 1) has them."""
    shift = (channel - 1) * model.channel_words
    chosen = [register for register in model.register if not quantities or register.quantity in quantities]
    return tuple(_moved(register, shift) for register in chosen) if shift else tuple(chosen)


def _moved(register: Register, shift: int) -> Register:
    exponent = register.exponent_address
    moved = None if exponent is None else exponent + shift
    return msgspec.structs.replace(register, address=register.address + shift, exponent_address=moved)


def extent(register: Register) -> tuple[int, int]:
    """[first, last + 1) word that is needed to know the register's value: its own, and its exponent's."""
    first, end = register.address, register.address + WORDS[register.type]
    if register.exponent_address is None:
        return first, end
    return min(first, register.exponent_address), max(end, register.exponent_address + 1)


def plan(registers: Sequence[Register], max_words: int, max_gap: int, learnt: Learnt | None = None) -> tuple[Read, ...]:
    """The fewest reads that hold every register but the refused ones, without crossing a wall.

    Registers are merged over at most `max_gap` unread words into reads of at most `max_words`. Each table is
    read in ascending order; a register wider than `max_words` is a read of its own.
    """
    reads: list[Read] = []
    walls, refused = learnt or Learnt()
    asked = [register for register in registers if register not in refused]
    for register in sorted(asked, key=lambda register: (register.table, extent(register))):
        merged = _merged(reads[-1], register) if reads else None
        if merged and _gap(reads[-1], register) <= max_gap and _allowed(merged, max_words, walls):
            reads[-1] = merged
        else:
            first, end = extent(register)
            reads.append(Read(register.table, first, end - first, (register,)))
    return tuple(reads)


def _merged(read: Read, register: Register) -> Read | None:
    if read.table != register.table:
        return None
    end = max(read.address + read.words, extent(register)[1])
    return Read(read.table, read.address, end - read.address, (*read.registers, register))


def _gap(read: Read, register: Register) -> int:
    return extent(register)[0] - (read.address + read.words)


def _allowed(read: Read, max_words: int, walls: frozenset[Wall]) -> bool:
    if read.words > min(max_words, MAX_WORDS):
        return False
    return not any(
        wall.table == read.table and read.address < wall.address < read.address + read.words for wall in walls
    )


def learn(learnt: Learnt, read: Read) -> Learnt:
    """What is known after the meter has refused `read` for its addresses (Modbus exception 2 or 3).

    A merged read gets a wall at its widest hole, or in its middle when it has none; repeated, this finds the
    culprit. A register refused alone is left out, and the walls that were raised in search of it fall again.
    """
    if len(read.registers) == 1:
        refused = learnt.refused | {read.registers[0]}
        walls = {Wall(register.table, edge) for register in refused for edge in extent(register)}
        return Learnt(frozenset(walls), refused)
    middle = read.address + read.words / 2
    _, _, address = max((gap, -abs(address - middle), address) for gap, address in _seams(read))
    return Learnt(learnt.walls | {Wall(read.table, address)}, learnt.refused)


def _seams(read: Read) -> list[tuple[int, int]]:
    """(unread words before it, address) for each register but the first at which the read could be cut."""
    seams = []
    end = extent(read.registers[0])[1]
    for register in read.registers[1:]:
        first, last = extent(register)
        if first >= end:
            seams.append((first - end, first))
        end = max(end, last)
    return seams


def restore(learnt: Learnt, register: Register) -> Learnt:
    """What is known after a refused register has been answered after all: it is read with the others again."""
    refused = learnt.refused - {register}
    walls = {Wall(other.table, edge) for other in refused for edge in extent(other)}
    return Learnt(frozenset(walls), refused)


def value(register: Register, model: Model, words: Sequence[int], exponent: int = 0) -> tuple[float | None, Quality]:
    """The register's own `words` as (value in the quantity's unit, quality); `exponent` is a power of ten.

    A float32 becomes the shortest decimal number that it stands for: what the meter's display shows.
    """
    data = _bytes(words, model)
    if any(sentinel.lower() == f"0x{data.hex()}" for sentinel in register.not_available):
        return None, Quality.NOT_AVAILABLE
    (raw,) = struct.unpack(_FORMATS[register.type], data)
    if isinstance(raw, float):
        if not math.isfinite(raw):
            return None, Quality.NOT_AVAILABLE
        raw = _shortest(raw, data) if register.type == "float32" else raw
    factor = _factor(register.scale, exponent)
    scaled = raw * factor.numerator / factor.denominator
    if not math.isfinite(scaled):
        return None, Quality.NOT_AVAILABLE
    low, high = register.low, register.high
    suspect = (low is not None and scaled < low) or (high is not None and scaled > high)
    return scaled, Quality.SUSPECT if suspect else Quality.GOOD


def _bytes(words: Sequence[int], model: Model) -> bytes:
    """The words' bytes, most significant first."""
    ordered = words if model.word_order == "big" else words[::-1]
    return b"".join(word.to_bytes(2, model.byte_order) for word in ordered)


@lru_cache(maxsize=256)
def _factor(scale: float, exponent: int) -> Fraction:
    """As a fraction, since 12345 * 0.001 is 12.345000000000001, and 12345 / 1000 is not."""
    return Fraction(scale).limit_denominator(1_000_000_000) * Fraction(10) ** exponent


def _shortest(number: float, data: bytes) -> float:
    for digits in range(6, 9):
        short = float(f"{number:.{digits}g}")
        if struct.pack(">f", short) == data:
            return short
    return float(f"{number:.9g}")


def readings(meter: str, read: Read, model: Model, words: Sequence[int], moment: tuple[int, int]) -> list[Reading]:
    """One reading for each register of a whole answer. `moment` is (tick in s, ms after it)."""
    return [
        Reading(meter, register.quantity, moment[0], *_held(register, read, model, words), moment[1])
        for register in read.registers
    ]


def _held(register: Register, read: Read, model: Model, words: Sequence[int]) -> tuple[float | None, Quality]:
    exponent = 0
    if register.exponent_address is not None:
        word = words[register.exponent_address - read.address]
        exponent = word - 0x10000 if word & 0x8000 else word
        if abs(exponent) > _EXPONENT_LIMIT:
            return None, Quality.NOT_AVAILABLE
    first = register.address - read.address
    return value(register, model, words[first : first + WORDS[register.type]], exponent)


def missing(meter: str, registers: Sequence[Register], quality: Quality, moment: tuple[int, int]) -> list[Reading]:
    """One reading without a value for each register, for the reason that `quality` is."""
    return [Reading(meter, register.quantity, moment[0], None, quality, moment[1]) for register in registers]
