"""`bitgoeul edge`: what runs on a gateway, and what a technician asks of it."""

import argparse
import faulthandler
import importlib
import logging
from pathlib import Path
from typing import cast

from commands import edge_check, edge_read, logs
from commands.language import say
from edge.config import load_site


def options(parser: argparse.ArgumentParser) -> None:
    """Subcommands check, read, run and drain, each with a site file."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="check|read|run|drain")
    check = actions.add_parser(
        "check", help=say("사이트 파일을 검사하고 읽기 계획을 보입니다", "check a site, show its reads")
    )
    read = actions.add_parser("read", help=say("계량기 하나를 지금 읽습니다", "read one meter now"))
    run_ = actions.add_parser("run", help=say("게이트웨이를 실행합니다", "run the gateway"))
    drain = actions.add_parser(
        "drain",
        help=say(
            "선로를 읽지 않고, 대기함에 남은 값을 다 보내고 끝냅니다",
            "read no line; send what the outbox holds, then end",
        ),
    )
    for action in (check, read, run_, drain):
        action.add_argument("site", type=Path, metavar="SITE", help=say("사이트 파일 (TOML)", "the site file (TOML)"))
    read.add_argument("meter", metavar="METER", help=say("계량기 이름", "the meter's name"))
    for action in (check, read):
        action.add_argument("--json", action="store_true", help=say("JSON으로 출력", "print JSON"))


def run(args: argparse.Namespace) -> int:
    """0 when all is well: for `read`, when at least one value came; for `drain`, when nothing is left."""
    site = load_site(args.site)
    if args.action == "check":
        return edge_check.show(site, as_json=args.json)
    if args.action == "read":
        logging.disable()  # what it would say is said on the page
        return edge_read.show(site, args.meter, as_json=args.json)
    logs.set_up()
    # systemd ends a gateway that hangs with SIGABRT: then the log says where it hung
    faulthandler.enable()
    # imported here, since neither check nor read needs the outbox and the uplink
    agent = importlib.import_module("edge.agent")
    return cast("int", agent.drain(site) if args.action == "drain" else agent.run(site))
