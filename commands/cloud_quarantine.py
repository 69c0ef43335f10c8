"""`bitgoeul cloud quarantine list|replay`: what an area refused, asked of its running process."""

import argparse
import time
from collections import Counter
from pathlib import Path

from commands.language import language, say
from contract.problems import Problem
from contract.refusals import REFUSALS

REPLAY_TIMEOUT_S = 600.0
SHOWN = 60  # characters of a record in the list


def options(parser: argparse.ArgumentParser) -> None:
    """What to do, and whom to ask."""
    parser.add_argument("what", choices=("list", "replay"))
    parser.add_argument("name", metavar="NAME", help=say("구역 이름", "the area's name"))
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help=say("그 구역의 --data", "the area's own --data")
    )


def run(args: argparse.Namespace) -> int:
    """0 when it was done."""
    socket = args.data / f"{args.name}.sock"
    return _list(socket) if args.what == "list" else _replay(socket)


def _list(socket: Path) -> int:
    """The oldest rows, one a line, then how many there are by gateway."""
    rows = _fetch(socket, "quarantine").to_pylist()
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["arrived_s"]))
        print(when, row["gateway"], row["batch"] or "-", row["reason"], _printable(row["record"][:SHOWN]))
    for reason in Counter(row["reason"] for row in rows):
        print(f"{reason}: {REFUSALS[reason].of(language())}")
    for row in _fetch(socket, "quarantine-counts").to_pylist():
        gateway, held, dropped = row["gateway"], row["held"], row["dropped"]
        print(
            say(
                f"{gateway}: 격리 {held:,}건, 한도를 넘어 버린 {dropped:,}건",
                f"{gateway}: {held:,} in quarantine, {dropped:,} dropped beyond its share",
            )
        )
    return 0


def _printable(text: str) -> str:
    """The text without what a terminal would obey: whoever sent it is not to be trusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _replay(socket: Path) -> int:
    (done,) = _fetch(socket, "replay", REPLAY_TIMEOUT_S).to_pylist()
    readings, released, left = done["readings"], done["released"], done["left"]
    print(
        say(
            f"측정값 {readings:,}건을 저장하고 격리에서 {released:,}건을 꺼냈습니다. 남은 격리: {left:,}건",
            f"{readings:,} readings stored, {released:,} rows released from quarantine, {left:,} left in it",
        )
    )
    return 0


def _fetch(socket: Path, table: str, timeout_s: float = 10.0):  # type: ignore[no-untyped-def]  # pyarrow ships no types
    from cloud.store.flight import fetch_table  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.store.protocol import StoreUnavailable  # noqa: PLC0415

    try:
        return fetch_table(socket, table, timeout_s)
    except StoreUnavailable as error:
        raise Problem(
            f"{socket}: 구역 프로세스가 대답하지 않습니다. 실행 중이어야 합니다 ({error})",
            f"{socket}: the area's process does not answer; it must be running ({error})",
        ) from error
