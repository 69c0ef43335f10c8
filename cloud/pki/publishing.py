"""What the broker reads: the authority's certificate, what was taken back, and the rules. All of it follows from the
ledger, so that it can be written again at any time.
"""

import time
from pathlib import Path

from cloud.pki.acl import INGEST, rules
from cloud.pki.authority import CERTIFICATE, CRL
from cloud.pki.files import OPEN, SECRET, exists, read_file, write_file
from cloud.pki.ledger import Entry, holding, read_ledger

BROKER = "broker"
ACL = "acl"
SERVER = "server.pem"  # key and certificate of the broker, in one file so that they change together


def publish(folder: Path) -> None:
    """Write what the broker reads, the rules before the list: whoever sees the list in force has the rules, too.

    Raises Problem.
    """
    entries = read_ledger(folder)
    text = rules(_areas(entries), _denied(entries, int(time.time())))
    _write_changed(folder / BROKER / ACL, text.encode(), SECRET)
    for name in (CERTIFICATE, CRL):
        _write_changed(folder / BROKER / name, read_file(folder / name), OPEN)


def _write_changed(path: Path, data: bytes, mode: int) -> None:
    if not exists(path) or read_file(path) != data:
        write_file(path, data, mode)


def _areas(entries: list[Entry]) -> list[str]:
    return sorted({entry.name.removeprefix(INGEST) for entry in entries if entry.name.startswith(INGEST)})


def _denied(entries: list[Entry], now_s: int) -> list[str]:
    """Who had something taken back and has nothing that holds."""
    taken_back = {entry.name for entry in entries if entry.revoked_s is not None}
    return sorted(taken_back - holding(entries, now_s).keys())
