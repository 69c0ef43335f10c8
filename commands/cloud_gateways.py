"""`bitgoeul cloud gateways add|revoke|list`: who may connect to the broker as which gateway."""

import argparse
import getpass
import sys
from pathlib import Path

from commands.language import say
from commands.stack_files import read_environment
from contract.problems import Problem, UsageProblem

DEFAULT_PKI = Path("deploy/pki")
DEFAULT_BROKER = "mqtts://localhost"
MOST_DAYS = 9_000


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand for each thing to do."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="add|revoke|list")
    add = actions.add_parser("add", help=say("게이트웨이에 인증서를 발급합니다", "issue certificates to gateways"))
    revoke = actions.add_parser(
        "revoke",
        help=say("인증서를 폐기하고 연결을 끊습니다", "take a gateway's certificates back, end its connection"),
    )
    list_ = actions.add_parser("list", help=say("발급한 인증서를 보입니다", "show what was issued"))
    for action in (add, revoke, list_):
        action.add_argument(
            "--pki",
            type=Path,
            default=DEFAULT_PKI,
            metavar="DIR",
            help=say(f"인증기관의 폴더, 기본 {DEFAULT_PKI}", f"folder of the authority, default {DEFAULT_PKI}"),
        )
    for action in (add, revoke):
        action.add_argument(
            "--passphrase-file",
            type=Path,
            metavar="FILE",
            help=say(
                "인증기관의 암호 파일. 없으면 묻습니다", "file with the authority's passphrase; asked for otherwise"
            ),
        )
    _add_options(add)
    revoke.add_argument("name", metavar="NAME", help=say("게이트웨이 이름", "the gateway's name"))
    revoke.add_argument("--reason", required=True, metavar="TEXT", help=say("까닭", "why"))
    revoke.add_argument(
        "--broker",
        metavar="URL",
        help=say(
            f"연결을 끊을 브로커, 기본 {DEFAULT_BROKER}에 .env의 포트",
            f"where it is connected, default {DEFAULT_BROKER} with the port of .env",
        ),
    )
    list_.add_argument(
        "--all",
        action="store_true",
        help=say("클라우드의 프로세스와 서버의 것도", "those of the cloud's processes and servers, too"),
    )
    list_.add_argument("--json", action="store_true", help=say("JSON으로 출력", "print JSON"))


def _add_options(add: argparse.ArgumentParser) -> None:
    add.add_argument("names", nargs="+", metavar="NAME", help=say("게이트웨이 이름", "the gateway's name"))
    add.add_argument(
        "--days", type=int, metavar="N", help=say("유효 기간, 기본 3년", "how long it holds, default 3 years")
    )
    add.add_argument(
        "--area", default="", metavar="NAME", help=say("구역, 장부에 적습니다", "its area, for the ledger")
    )
    add.add_argument(
        "--renew", action="store_true", help=say("유효한 것이 있어도 발급합니다", "issue though one still holds")
    )
    add.add_argument(
        "--to", type=Path, metavar="DIR", help=say("NAME.pem을 둘 곳, 기본 PKI/gateways", "default PKI/gateways")
    )


def run(args: argparse.Namespace) -> int:
    """0 when it was done; 1 where a certificate was taken back and the live connection could not be ended."""
    from commands import cloud_gateways_work  # noqa: PLC0415  # cryptography is loaded only by who uses it

    if args.action == "list":
        return cloud_gateways_work.show(args.pki, everything=args.all, as_json=args.json)
    if args.action == "add":
        if args.days is not None and not 1 <= args.days <= MOST_DAYS:
            raise UsageProblem(
                f"--days {args.days}: 1~{MOST_DAYS}이어야 합니다", f"--days {args.days}: expected 1 to {MOST_DAYS}"
            )
        wanted = cloud_gateways_work.Wanted(
            args.names, args.area, args.days, args.renew, args.to or args.pki / "gateways"
        )
        return cloud_gateways_work.add(args.pki, _passphrase(args), wanted)
    broker = args.broker or _broker(args.pki)
    return cloud_gateways_work.revoke(args.pki, _passphrase(args), args.name, args.reason, broker)


def _broker(pki: Path) -> str:
    """That of the installation that the authority is of."""
    environment = read_environment(pki.absolute().parent.parent / ".env")
    return f"{DEFAULT_BROKER}:{environment.get('BITGOEUL_MQTTS_PORT') or 8883}"


def _passphrase(args: argparse.Namespace) -> str:
    from cloud.secrets import read_secret  # noqa: PLC0415  # as above

    if args.passphrase_file:
        return read_secret(args.passphrase_file)
    return ask_passphrase("--passphrase-file")


def ask_passphrase(otherwise: str) -> str:
    """From the terminal; where there is none, a Problem that names what is expected `otherwise`."""
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"인증기관의 암호를 물을 터미널이 없습니다. {otherwise}에 주십시오",
            f"no terminal to ask for the authority's passphrase; expected {otherwise}",
        )
    try:
        return getpass.getpass(say("인증기관의 암호: ", "passphrase of the authority: "))
    except (EOFError, KeyboardInterrupt) as error:
        raise Problem("암호를 받지 못했습니다", "no passphrase was given") from error
