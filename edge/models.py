"""Meter models: what a manufacturer decided, one TOML file a model in `edge/meters/`."""

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from contract.problems import Problem
from contract.quantities import QUANTITIES, Utility
from edge.files import read_toml

METERS = Path(__file__).parent / "meters"

Table = Literal["input", "holding"]
WordType = Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]
Order = Literal["big", "little"]


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity of a model. `value = decoded * scale`; `address` counts from 0, as it goes over the wire.

    `not_available` lists sentinel values as the manual writes them: "0x80000000" compares the raw words in the
    manual's order, "nan" any NaN. `name` is the manual's name of the register.
    """

    quantity: str
    table: Table
    address: int
    type: WordType
    name: str
    scale: float = 1.0
    not_available: list[str] = []


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One meter model. `manual` names the edition the registers were taken from.

    `word_order` is the order of 16-bit words within a value, `byte_order` that of bytes within a word. A device
    of several channels (a pulse counter) repeats its registers every `channel_words` words. Reads are merged
    over at most `max_gap` unread words into at most `max_words`. `protocol = "sunspec"` has no addresses of its
    own: `register.address` is then unused, and `points` maps quantities to SunSpec points.
    """

    maker: str
    model: str
    manual: str
    utility: Utility
    protocol: Literal["modbus", "sunspec"] = "modbus"
    word_order: Order = "big"
    byte_order: Order = "big"
    max_words: int = 125
    max_gap: int = 16
    channels: int = 1
    channel_words: int = 0
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    register: list[Register] = []
    points: dict[str, str] = {}


@cache
def load_model(name: str) -> Model:
    """The shipped model of that name (the file's, without .toml). Raises Problem."""
    path = METERS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in METERS.glob("*.toml")))
        raise Problem(
            f"계량기 모델 '{name}': 없는 모델입니다. 쓸 수 있는 모델: {known}",
            f"meter model '{name}': not known; expected one of {known}",
        )
    model = read_toml(path, Model)
    for quantity in [register.quantity for register in model.register] + list(model.points):
        if quantity not in QUANTITIES:
            raise Problem(
                f"{path}: 측정 항목 '{quantity}'은(는) contract/quantities.py에 없습니다",
                f"{path}: quantity '{quantity}' is not one of contract/quantities.py",
            )
    return model
