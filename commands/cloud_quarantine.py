"""`bitgoeul cloud quarantine list|replay`: what an area refused, asked of its running process."""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from commands.language import language, say
from contract.problems import Problem, UsageProblem
from contract.refusals import REFUSALS

LIST_TIMEOUT_S = 10.0
REPLAY_TIMEOUT_S = 600.0
ROWS = 1000  # of the list
SHOWN = 60  # characters of a record in the list


def options(parser: argparse.ArgumentParser) -> None:
    """What to do, and whom to ask."""
    parser.add_argument("what", choices=("list", "replay"))
    parser.add_argument("name", metavar="NAME", help=say("구역 이름", "the area's name"))
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help=say("그 구역의 --data", "the area's own --data")
    )
    parser.add_argument(
        "--gateway", metavar="NAME", help=say("list: 이 게이트웨이의 것만", "list: what this gateway sent only")
    )
    parser.add_argument(
        "--reason",
        choices=sorted(REFUSALS),
        metavar="CODE",
        help=say("list: 이 이유로 거부된 것만", "list: what was refused for this reason only"),
    )


def run(args: argparse.Namespace) -> int:
    """0 when it was done."""
    socket = args.data / f"{args.name}.sock"
    if args.what == "list":
        return _list(socket, args.gateway, args.reason)
    if args.gateway or args.reason:
        raise UsageProblem(
            "--gateway와 --reason은 list에만 쓸 수 있습니다. replay는 모두 다시 시도합니다",
            "--gateway, --reason: expected with list only; replay tries everything again",
        )
    return _replay(socket)


def _list(socket: Path, gateway: str | None, reason: str | None) -> int:
    """The oldest rows, one a line, then how many there are by reason and by gateway."""
    # one more than is shown tells whether there are more
    found = _fetch(socket, "quarantine", LIST_TIMEOUT_S, gateway=gateway, reason=reason, limit=ROWS + 1).to_pylist()
    rows = found[:ROWS]
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["arrived_s"]))
        print(when, row["gateway"], row["batch"] or "-", row["reason"], _printable(row["record"][:SHOWN]))
    if not rows:
        print(say("격리된 것 가운데 해당하는 것이 없습니다", "no such row in quarantine"))
    if len(found) > ROWS:
        print(
            say(
                f"가장 오래된 {ROWS:,}건만 보이고 세었습니다. 더 있습니다 (--gateway나 --reason으로 좁히십시오)",
                f"only the oldest {ROWS:,} rows are shown and counted; there are more (see --gateway and --reason)",
            )
        )
    for code, count in Counter(row["reason"] for row in rows).most_common():
        print(f"{code} ({count:,}): {REFUSALS[code].of(language())}")
    _say_counts([row for row in _fetch(socket, "quarantine-counts").to_pylist() if gateway in (None, row["gateway"])])
    return 0


def _say_counts(rows: list[dict[str, Any]]) -> None:
    """What each gateway has there, shown or not."""
    for row in rows:
        gateway, held, dropped = row["gateway"], row["held"], row["dropped"]
        print(
            say(
                f"{gateway}: 격리 {held:,}건, 한도를 넘어 버린 {dropped:,}건",
                f"{gateway}: {held:,} in quarantine, {dropped:,} dropped beyond its share",
            )
        )


def _printable(text: str) -> str:
    """The text without what a terminal would obey: whoever sent it is not to be trusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _replay(socket: Path) -> int:
    (done,) = _fetch(socket, "replay", REPLAY_TIMEOUT_S).to_pylist()
    readings, released, left = done["readings"], done["released"], done["left"]
    print(
        say(
            f"격리에서 {released:,}건을 꺼내 측정값 {readings:,}건을 저장했습니다."
            f" 여전히 또는 다시 거부되어 격리에 있는 것: {left:,}건",
            f"{released:,} rows taken out of quarantine, {readings:,} readings of them stored;"
            f" {left:,} rows refused still or again are in it",
        )
    )
    return 0


def _fetch(  # type: ignore[no-untyped-def]  # pyarrow ships no types
    socket: Path, table: str, timeout_s: float = LIST_TIMEOUT_S, **arguments: str | int | None
):
    from cloud.store.flight import fetch_table  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.store.protocol import StoreUnavailable  # noqa: PLC0415

    try:
        return fetch_table(socket, table, timeout_s, **arguments)
    except StoreUnavailable as error:
        raise Problem(
            f"{socket}: 구역 프로세스가 대답하지 않습니다. 실행 중이어야 합니다 ({error})",
            f"{socket}: the area's process does not answer; it must be running ({error})",
        ) from error
