"""`bitgoeul stack init|check`: what the compose file needs on this machine, and whether it is all there."""

import argparse
from pathlib import Path

from commands.language import say
from contract.problems import UsageProblem

ROOT = Path(__file__).parent.parent


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="init|check")
    init = actions.add_parser(
        "init",
        help=say(
            "암호, 인증기관, .env를 만듭니다 (있는 것은 그대로 둡니다)",
            "make secrets, the authority and .env; what exists stays",
        ),
    )
    init.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help=say(
            "브라우저와 게이트웨이가 이 서버를 부르는 이름이나 주소, 여러 번 가능, 기본 localhost",
            "name or address by which browsers and gateways reach this server; may be repeated, default localhost",
        ),
    )
    check = actions.add_parser("check", help=say("빠지거나 잘못된 것을 말합니다", "say what is missing or wrong"))
    for action in (init, check):
        action.add_argument(
            "--root",
            type=Path,
            default=ROOT,
            metavar="DIR",
            help=say("docker-compose.yml이 있는 폴더", "folder of docker-compose.yml"),
        )


def run(args: argparse.Namespace) -> int:
    """`check`: 0 when nothing is wrong."""
    from commands.stack_files import Installation  # noqa: PLC0415  # cryptography is loaded only by who uses it

    root = args.root.resolve()
    if not (root / "docker-compose.yml").is_file():
        raise UsageProblem(
            f"--root {root}: docker-compose.yml이 없습니다", f"--root {root}: expected a folder with docker-compose.yml"
        )
    if args.action == "init":
        from commands.stack_init import init  # noqa: PLC0415  # as above

        init(Installation(root), args.host or ["localhost"], lambda text: print(text, flush=True))
        return 0
    from commands.stack_check import check  # noqa: PLC0415  # as above

    found = check(Installation(root))
    for line in found:
        print(line)
    if not found:
        print(say("이상 없습니다.", "Nothing is wrong."))
    return 1 if found else 0
