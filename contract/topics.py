"""The topic tree `bitgoeul/v1/{area}/{gateway}/…`; who publishes what is in `docs/contract.md`."""

import re
from typing import Literal, NamedTuple

from contract.problems import Problem

ROOT = "bitgoeul/v1"
NAME = re.compile(r"[a-z0-9-]{1,64}")
_BATCH = re.compile(r"([a-z0-9]{1,32})-([1-9][0-9]{0,14})")

Leaf = Literal["readings", "receipts", "birth", "state"]
LEAVES: tuple[Leaf, ...] = ("readings", "receipts", "birth", "state")


class BatchId(NamedTuple):
    """`run` is random and new at every start of the agent; `n` counts from 1 within it."""

    run: str
    n: int

    def __str__(self) -> str:
        return f"{self.run}-{self.n}"


class Address(NamedTuple):
    """A parsed topic. `batch` is None but under `readings/`, and there too for a gateway without numbers."""

    area: str
    gateway: str
    leaf: Leaf
    batch: BatchId | None = None


def check_name(what: str, name: str) -> str:
    """Return `name` if it may stand in a topic; `what` names the thing in the complaint."""
    if not NAME.fullmatch(name):
        raise Problem(
            f"{what} '{name}': 영문 소문자, 숫자, 하이픈만 1~64자로 쓸 수 있습니다",
            f"{what} '{name}': expected 1 to 64 of a-z, 0-9 and '-'",
        )
    return name


def parse_batch(text: str) -> BatchId | None:
    """`{run}-{n}` as a BatchId, or None if it is not of that form."""
    match = _BATCH.fullmatch(text)
    return BatchId(match[1], int(match[2])) if match else None


def topic(area: str, gateway: str, leaf: Leaf, batch: BatchId | None = None) -> str:
    """The topic of one leaf of a gateway; `batch` goes with `readings` only."""
    base = f"{ROOT}/{area}/{gateway}/{leaf}"
    return base if batch is None else f"{base}/{batch}"


def parse_topic(text: str) -> Address | None:
    """The parts of a topic of ours, or None for any other."""
    parts = text.split("/")
    if len(parts) not in (5, 6) or "/".join(parts[:2]) != ROOT:
        return None
    area, gateway, leaf = parts[2:5]
    if not (NAME.fullmatch(area) and NAME.fullmatch(gateway)):
        return None
    if len(parts) == 6:
        batch = parse_batch(parts[5]) if leaf == "readings" else None
        return Address(area, gateway, "readings", batch) if batch else None
    for known in LEAVES:
        if leaf == known:
            return Address(area, gateway, known)
    return None
