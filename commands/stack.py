"""`bitgoeul stack init|check`: what the compose file needs on this machine, and whether it is all there."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from commands.language import say
from contract.problems import UsageProblem

if TYPE_CHECKING:
    from simulators.site import SimSite

ROOT = Path(__file__).parent.parent


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="init|check|demo")
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
            "브라우저와 게이트웨이가 이 서버를 부르는 이름이나 주소, 여러 번 가능, 기본은 .env의 것, 없으면 localhost",
            "name or address that browsers and gateways use; may be repeated, default those of .env, or localhost",
        ),
    )
    init.add_argument(
        "--area",
        action="append",
        default=[],
        metavar="NAME",
        help=say(
            "main 밖의 구역: 그 프로세스의 인증서와 브로커의 규칙, 여러 번 가능",
            "an area beside main: its process's certificate and the broker's rules; may be repeated",
        ),
    )
    init.add_argument(
        "--demo",
        action="store_true",
        help=say(
            "모의 시설의 게이트웨이도 등록합니다 (deploy/demo의 CSV를 등록부에 들이십시오)",
            "enrol the gateways of simulated sites too; import the CSV files in deploy/demo into the registry",
        ),
    )
    _demo_options(actions.add_parser("demo", help=say("모의 시설을 돌립니다", "run the simulated sites")))
    check = actions.add_parser("check", help=say("빠지거나 잘못된 것을 말합니다", "say what is missing or wrong"))
    for action in (init, check):
        action.add_argument(
            "--root",
            type=Path,
            default=ROOT,
            metavar="DIR",
            help=say("docker-compose.yml이 있는 폴더", "folder of docker-compose.yml"),
        )


def _demo_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("sites", nargs="*", metavar="SITE", help=say("기본 hanam suwan", "default hanam suwan"))
    for name, ko, en in (
        ("--data", "포트, 기록, 대기함의 폴더", "folder of ports, logs and outboxes"),
        ("--credentials", "NAME.pem의 폴더", "folder of NAME.pem"),
    ):
        demo.add_argument(name, type=Path, required=True, metavar="DIR", help=say(ko, en))
    demo.add_argument(
        "--broker", required=True, metavar="URL", help=say("mqtts://호스트[:포트]", "mqtts://HOST[:PORT]")
    )


def run(args: argparse.Namespace) -> int:
    """`check`: 0 when nothing is wrong."""
    if args.action == "demo":
        from commands import stack_demo  # noqa: PLC0415  # the simulators are loaded only by who uses them

        return stack_demo.run(args.sites, args.data, args.broker, args.credentials)
    from commands.stack_files import Installation  # noqa: PLC0415  # cryptography is loaded only by who uses it

    root = args.root.resolve()
    if not (root / "docker-compose.yml").is_file():
        raise UsageProblem(
            f"--root {root}: docker-compose.yml이 없습니다", f"--root {root}: expected a folder with docker-compose.yml"
        )
    if args.action == "init":
        from commands.stack_init import Asked, init  # noqa: PLC0415  # as above

        asked = Asked(args.host or (), args.area, _demo_sites() if args.demo else ())
        init(Installation(root), asked, lambda text: print(text, flush=True))
        return 0
    from commands.stack_check import check  # noqa: PLC0415  # as above

    found = check(Installation(root))
    for line in found:
        print(line)
    if not found:
        print(say("이상 없습니다.", "Nothing is wrong."))
    return 1 if found else 0


def _demo_sites() -> "tuple[SimSite, ...]":
    from commands.stack_demo import SITES  # noqa: PLC0415  # as above
    from simulators.site import load_sim_site  # noqa: PLC0415

    return tuple(load_sim_site(name) for name in SITES)
