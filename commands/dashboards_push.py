"""`bitgoeul dashboards push`: our boards into an existing Grafana, showing first what would change."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from commands.language import say
from contract.problems import Problem, UsageProblem

if TYPE_CHECKING:
    from dashboards.changes import Change


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument("--url", required=True, help=say("Grafana의 주소", "Grafana's address"))
    parser.add_argument(
        "--token-file",
        type=Path,
        required=True,
        metavar="FILE",
        help=say("서비스 계정 토큰이 든 파일", "a file with a service account's token"),
    )
    parser.add_argument(
        "--folder",
        default="",
        metavar="NAME",
        help=say(
            "모두 넣을 폴더 (기본: 언어마다 빛고을, Bitgoeul)", "one folder for all (default: 빛고을 and Bitgoeul)"
        ),
    )
    parser.add_argument(
        "--language", choices=("ko", "en", "both"), default="both", help=say("어느 언어를", "which language")
    )
    parser.add_argument(
        "--datasource",
        default="",
        metavar="UID",
        help=say("그 Grafana의 데이터 소스 (기본: bitgoeul-boards)", "its data source (default: bitgoeul-boards)"),
    )
    parser.add_argument("--yes", action="store_true", help=say("묻지 않습니다", "do not ask"))


def run(args: argparse.Namespace) -> int:
    """Show, ask, push; 1 when the person says no."""
    from dashboards import push  # noqa: PLC0415  # its client for Grafana is installed in a place of its own

    wish = push.Wish(
        url=args.url,
        token=_word_in(args.token_file),
        folder=args.folder,
        languages=("ko", "en") if args.language == "both" else (args.language,),
        datasource=args.datasource,
    )
    grafana = push.connect(wish)
    changes = push.plan(grafana, wish)
    for change in changes:
        print(_line(change))
    due = [change for change in changes if change.state != "same"]
    if not due:
        print(say("바뀔 것이 없습니다", "nothing to change"))
        return 0
    if not args.yes and not _agreed(len(due)):
        print(say("아무것도 바꾸지 않았습니다", "nothing was changed"))
        return 1
    for change in due:
        push.put(grafana, wish, change)
    print(say(f"대시보드 {len(due)}개를 넣었습니다", f"{len(due)} boards pushed"))
    return 0


def _line(change: "Change") -> str:
    state = {
        "new": say("새로 만듦", "new    "),
        "changed": say("바뀜     ", "changed"),
        "same": say("그대로   ", "same   "),
    }[change.state]
    what = list(change.panels) + ([say("(설정)", "(settings)")] if change.other else [])
    return f"  {state}  {change.title} ({change.uid})" + (f": {', '.join(what)}" if what else "")


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageProblem(
            "dashboards push: 물어볼 터미널이 없습니다. 바꾸려면 --yes를 주십시오",
            "dashboards push: no terminal to ask on; give --yes to change them",
        )
    answer = input(say(f"대시보드 {count}개를 넣을까요? [y/N] ", f"Push {count} boards? [y/N] "))
    return answer.strip().lower() in ("y", "yes", "예", "네")


def _word_in(path: Path) -> str:
    try:
        words = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"--token-file {path}: 읽을 수 없습니다", f"--token-file {path}: cannot be read") from error
    if len(words) != 1:
        raise Problem(
            f"--token-file {path}: 토큰 하나만 있어야 합니다",
            f"--token-file {path}: expected one token and nothing else",
        )
    return words[0]
