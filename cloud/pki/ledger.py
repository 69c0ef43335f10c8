"""What was issued and what was taken back: a line of JSON for each certificate."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from cloud.pki.files import OPEN, exists, read_file, write_file
from contract.problems import Problem

FILE = "issued.jsonl"

Kind = Literal["gateway", "process", "server", "takeover"]


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One certificate. `revoked_s` is None while it holds; `serial` is hexadecimal."""

    name: str
    kind: Kind
    serial: str
    from_s: int
    to_s: int
    area: str = ""
    revoked_s: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Standing:
    """Where a name stands now: its newest certificate, and whether another of its certificates still holds."""

    entry: Entry
    holding: tuple[Entry, ...]


def read_ledger(folder: Path) -> list[Entry]:
    """Oldest first; empty where nothing was issued yet. Raises Problem, which names the line."""
    path = folder / FILE
    if not exists(path):
        return []
    entries = []
    for number, line in enumerate(read_file(path).splitlines(), 1):
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(
                f"{path}: {number}번째 줄을 읽을 수 없습니다. 백업에서 되살리십시오: {error}",
                f"{path}: line {number} cannot be read; take the file from a backup: {error}",
            ) from error
    return entries


def write_ledger(folder: Path, entries: list[Entry]) -> None:
    """Replace it in one step. Raises Problem."""
    write_file(folder / FILE, b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries), OPEN)


def holding(entries: Iterable[Entry], now_s: int) -> dict[str, list[Entry]]:
    """By name, the certificates that would let somebody in now, but for those of a take-over."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind != "takeover" and entry.revoked_s is None and entry.to_s > now_s:
            found.setdefault(entry.name, []).append(entry)
    return found


def standings(entries: list[Entry], kinds: Collection[Kind], now_s: int) -> list[Standing]:
    """Each name of these kinds, in order, by its newest certificate."""
    newest = {entry.name: entry for entry in entries if entry.kind in kinds}
    held = holding(entries, now_s)
    return [Standing(newest[name], tuple(held.get(name, ()))) for name in sorted(newest)]
