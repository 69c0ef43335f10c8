"""`bitgoeul cloud settle TOOL --socket FILE`: how far it is, settle again, rebuild, seals; asks the area's process."""

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from commands.language import say
from commands.table import render
from contract.problems import Problem, UsageProblem

KST = timezone(timedelta(hours=9))
WATCH_S = 1.0


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    tools = parser.add_subparsers(dest="settle_tool", required=True, metavar="TOOL")
    for name, ko, en in (
        ("status", "정산이 어디까지 되었는지", "how far settling is"),
        ("again", "한 기간을 다시 정산", "settle a stretch of time again"),
        ("rebuild", "봉인되지 않은 것을 모두 처음부터 다시 정산", "settle all that is not sealed from nothing"),
        ("seals", "봉인된 날과 그 해시", "the sealed days and their hashes"),
    ):
        tool = tools.add_parser(name, help=say(ko, en), description=say(ko, en))
        tool.add_argument(
            "--socket",
            type=Path,
            required=True,
            metavar="FILE",
            help=say("구역의 소켓", "socket of the area's process"),
        )
        tool.add_argument("--json", action="store_true", help=say("JSON으로", "as JSON"))
        if name in ("again", "rebuild"):
            tool.add_argument(
                "--wait", action="store_true", help=say("끝날 때까지 보여 줌", "show progress until it is done")
            )
        if name == "again":
            for option in ("--from", "--to"):
                tool.add_argument(
                    option,
                    dest=f"{option[2:]}_time",
                    type=_moment,
                    required=True,
                    metavar="TIME",
                    help=say("한국 시각, 예: 2026-11-27T09:00", "Korean time, such as 2026-11-27T09:00"),
                )
            tool.add_argument("--meter", help=say("한 계량기만", "one meter only"))


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            say(f"'{text}': 2026-11-27T09:00 꼴이어야 합니다", f"'{text}': expected such as 2026-11-27T09:00")
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=KST)).timestamp())


def run(args: argparse.Namespace) -> int:
    """Ask, print; 0."""
    from cloud.store.protocol import StoreUnavailable  # noqa: PLC0415  # loaded only by who uses it

    try:
        return _TOOLS[args.settle_tool](args)
    except StoreUnavailable as unavailable:
        raise Problem(
            f"{args.socket}: 구역 프로세스가 답하지 않습니다: {unavailable}",
            f"{args.socket}: the area's process does not answer: {unavailable}",
        ) from unavailable


def _fetch(args: argparse.Namespace, name: str, **arguments: str | int | None) -> list[dict[str, Any]]:
    from cloud.store.flight import fetch_table  # noqa: PLC0415

    return list(fetch_table(args.socket, name, 60.0, **arguments).to_pylist())


def _status(args: argparse.Namespace) -> int:
    (row,) = _fetch(args, "settle")
    if args.json:
        print(json.dumps(row))
    else:
        print(_words(row))
    return 0


def _words(row: dict[str, Any]) -> str:
    if row["settled_s"] is None:
        return say("아직 정산할 값이 없습니다", "there is nothing to settle yet")
    lines = [
        say(f"{_kst(row['settled_s'])}까지 정산됨", f"settled until {_kst(row['settled_s'])}"),
        say(f"다시 정산할 표시 {row['marks']:,}건", f"{row['marks']:,} marks to settle again"),
        say(f"다시 더할 구간 {row['stale']:,}개", f"{row['stale']:,} slots to sum again"),
    ]
    if row["doing"]:
        doing = f"{row['doing']} {row['done']:,} / {row['waiting']:,}"
        lines.append(say(f"지금: {doing}", f"now: {doing}"))
    if row["trouble"]:
        lines.append(say(f"문제: {row['trouble']}", f"trouble: {row['trouble']}"))
    return "\n".join(lines)


def _again(args: argparse.Namespace) -> int:
    if args.from_time >= args.to_time:
        raise UsageProblem("--to: --from보다 뒤여야 합니다", "--to: expected a time after --from")
    (row,) = _fetch(args, "settle-mark", from_s=args.from_time, to_s=args.to_time, meter=args.meter)
    if not row["registers"]:
        raise Problem(
            f"계량기 '{args.meter}': 이 구역에 그런 계량기가 없습니다",
            f"meter '{args.meter}': no such meter in this area",
        )
    return _done(
        args,
        row,
        say(f"{row['registers']:,}개 레지스터를 다시 정산합니다", f"{row['registers']:,} registers are settled again"),
    )


def _rebuild(args: argparse.Namespace) -> int:
    (row,) = _fetch(args, "settle-rebuild")
    return _done(args, row, say("처음부터 다시 정산합니다", "settling from nothing"))


def _done(args: argparse.Namespace, row: dict[str, Any], words: str) -> int:
    print(words, file=sys.stderr if args.json else sys.stdout, flush=True)
    if args.wait:
        time.sleep(2 * WATCH_S)
        row = _watch(args)
    if args.json:
        print(json.dumps(row))
    return 0


def _watch(args: argparse.Namespace) -> dict[str, Any]:
    """Until nothing waits any more; says how far it is on standard error."""
    while True:
        (row,) = _fetch(args, "settle")
        if not (row["marks"] or row["stale"] or row["doing"]):
            return row
        print(f"  {row['doing']} {row['done']:,} / {row['waiting']:,}", file=sys.stderr, flush=True)
        time.sleep(WATCH_S)


def _seals(args: argparse.Namespace) -> int:
    rows = _fetch(args, "seals")
    if args.json:
        print(json.dumps(rows))
        return 0
    head = say("날", "day"), say("행", "rows"), say("해시", "hash"), say("봉인", "sealed")
    lines = [(_day(row["day"]), f"{row['rows']:,}", row["hash"], _kst(row["at_s"])) for row in rows]
    print("\n".join(render([head, *lines], right=[1], indent="")))
    return 0


def _kst(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, KST).strftime("%Y-%m-%d %H:%M")


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


_TOOLS = {"status": _status, "again": _again, "rebuild": _rebuild, "seals": _seals}
