"""`bitgoeul dashboards screenshots`: a picture of every board, and what is wrong on it. Run by hand, not by CI."""

import argparse
from pathlib import Path

from commands.language import say
from contract.problems import Problem, UsageProblem


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument("--url", required=True, help=say("Grafana의 주소", "Grafana's address"))
    parser.add_argument("--user", default="admin", help=say("사용자 이름", "user name"))
    parser.add_argument(
        "--password-file",
        type=Path,
        required=True,
        metavar="FILE",
        help=say("비밀번호가 든 파일", "a file with the password"),
    )
    parser.add_argument(
        "--to", type=Path, default=Path("docs/images"), metavar="FOLDER", help=say("그림을 둘 폴더", "where they go")
    )
    parser.add_argument(
        "--only", action="append", metavar="BOARD", help=say("이 대시보드만 (여러 번)", "this board only (repeatable)")
    )
    parser.add_argument(
        "--choose",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=say("변수의 값, 예: site=suwan (여러 번)", "a variable's value, such as site=suwan (repeatable)"),
    )


def run(args: argparse.Namespace) -> int:
    """Take them all; 1 when something is wrong on one."""
    from dashboards import pictures  # noqa: PLC0415  # Chromium's driver is a developer's

    chosen: dict[str, str] = {}
    for text in args.choose:
        name, separator, value = text.partition("=")
        if not separator:
            raise UsageProblem(
                f"--choose '{text}': '이름=값' 꼴이어야 합니다", f"--choose '{text}': expected NAME=VALUE"
            )
        chosen[name] = value
    try:
        password = args.password_file.read_text("utf-8").strip()
        args.to.mkdir(parents=True, exist_ok=True)
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{args.password_file}: {error}", f"{args.password_file}: {error}") from error
    wish = pictures.Wish(args.url.rstrip("/"), args.user, password, args.to, tuple(args.only or ()), chosen)
    wrong = 0
    for picture in pictures.take(wish):
        print(f"{picture.path}: {'; '.join(picture.faults) or say('이상 없음', 'nothing wrong')}", flush=True)
        wrong += bool(picture.faults)
    print(say(f"이상이 있는 화면 {wrong}개", f"{wrong} pictures with something wrong"))
    return 1 if wrong else 0
