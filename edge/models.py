"""Meter models: what a manufacturer decided, one TOML file a model in `edge/meters/`."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from contract.problems import Problem
from contract.quantities import QUANTITIES, Utility
from edge.files import read_toml

_FILE = re.compile(r"[a-z0-9_]{1,64}")
METERS = Path(__file__).parent / "meters"

Table = Literal["input", "holding"]
WordType = Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
Order = Literal["big", "little"]

# How many 16-bit words a value of each type takes.
WORDS: dict[WordType, int] = {
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "uint64": 4,
    "int64": 4,
    "float32": 2,
    "float64": 4,
}
MAX_WORDS = 125  # what one Modbus answer holds


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity of a model. `value = decoded * scale`; `address` counts from 0, as it goes over the wire.

    `not_available` lists sentinel values as the manual writes them: "0x80000000" compares the raw words, most
    significant first, "nan" any NaN. `low` and `high` are the manual's limits, in the quantity's unit; a value
    outside is kept, and marked suspect. Where `exponent_address` is set, the value is multiplied by ten to the
    power of the int16 found there. `name` is the manual's name of the register.
    """

    quantity: str
    table: Table
    address: int
    type: WordType
    name: str
    scale: float = 1.0
    not_available: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    exponent_address: int | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meter model. `manual` names the edition the registers were taken from.

    `word_order` is the order of 16-bit words within a value, `byte_order` that of bytes within a word. A device
    of several channels (a pulse counter) repeats its registers every `channel_words` words. Reads are merged
    over at most `max_gap` unread words into at most `max_words`. Quirks: `pause_ms` is the rest a meter needs
    after an answer before the next question goes over the line, `timeout_s` a patience longer than the line's
    for a meter that answers slowly, `interval_s` how often it may be read at most (a battery would not last).
    `baud`, `parity` and `stop_bits` are what the maker ships.

    `protocol = "sunspec"`: no register has an address of its own; `points` maps quantities to the points of
    whichever block of `blocks` the device is found to have.
    """

    maker: str
    model: str
    manual: str
    utility: Utility
    protocol: Literal["modbus", "sunspec"] = "modbus"
    word_order: Order = "big"
    byte_order: Order = "big"
    max_words: int = MAX_WORDS
    max_gap: int = 16
    channels: int = 1
    channel_words: int = 0
    pause_ms: int = 0
    timeout_s: float = 0.0
    interval_s: int = 0
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    register: tuple[Register, ...] = ()
    points: dict[str, str] = {}
    blocks: tuple[int, ...] = ()


@cache
def load_model(name: str) -> Model:
    """The shipped model of that name (the file's, without .toml). Raises Problem."""
    path = METERS / f"{name}.toml"
    if not _FILE.fullmatch(name) or not path.is_file():
        known = ", ".join(sorted(file.stem for file in METERS.glob("*.toml")))
        raise Problem(
            f"계량기 모델 '{name}': 없는 모델입니다. 쓸 수 있는 모델: {known}",
            f"meter model '{name}': not known; expected one of {known}",
        )
    return read_model(path)


def quantities(model: Model) -> list[str]:
    """What a meter of that model reports, in the model's order."""
    return [register.quantity for register in model.register] or list(model.points)


def read_model(path: Path) -> Model:
    """A model file, checked. Raises Problem."""
    model = read_toml(path, Model)
    for ko, en in _complaints(model):
        raise Problem(f"{path}: {ko}", f"{path}: {en}")
    return model


def _complaints(model: Model) -> Iterator[tuple[str, str]]:
    """What is wrong with a model that its types do not tell, in Korean and English."""
    for quantity in (*(register.quantity for register in model.register), *model.points):
        if quantity not in QUANTITIES:
            yield (
                f"측정 항목 '{quantity}'은(는) contract/quantities.py에 없습니다",
                f"quantity '{quantity}' is not one of contract/quantities.py",
            )
    if not 1 <= model.max_words <= MAX_WORDS:
        yield (
            f"max_words = {model.max_words}: 1~{MAX_WORDS}이어야 합니다",
            f"max_words = {model.max_words}: expected 1 to {MAX_WORDS}",
        )
    if model.channels > 1 and model.channel_words < 1:
        yield ("channels가 있으면 channel_words도 써야 합니다", "channels need channel_words")
    if (model.protocol == "sunspec") != bool(model.points and model.blocks):
        yield (
            "protocol = 'sunspec'에는 points와 blocks가, 그 밖에는 register가 필요합니다",
            "protocol = 'sunspec' needs points and blocks, any other needs registers",
        )
    for register in model.register:
        yield from _register_complaints(register, (model.channels - 1) * model.channel_words)


def _register_complaints(register: Register, shift: int) -> Iterator[tuple[str, str]]:
    last = register.address + shift + WORDS[register.type] - 1
    if register.address < 0 or last > 0xFFFF:
        yield (
            f"'{register.name}': 주소 {register.address}이(가) 0~65535를 벗어납니다",
            f"'{register.name}': address {register.address} does not lie within 0 to 65535",
        )
    for sentinel in register.not_available:
        if not _is_sentinel(sentinel, register.type):
            yield (
                f"'{register.name}': not_available '{sentinel}'은(는) 'nan' 또는 {register.type} 크기의 '0x…'입니다",
                f"'{register.name}': not_available '{sentinel}': expected 'nan' or '0x…' as long as {register.type}",
            )


def _is_sentinel(text: str, kind: WordType) -> bool:
    if text == "nan":
        return kind.startswith("float")
    return re.fullmatch(f"0x[0-9a-fA-F]{{{4 * WORDS[kind]}}}", text) is not None
