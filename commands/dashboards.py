"""`bitgoeul dashboards TOOL`: Grafana's boards, built, checked, pushed and looked at.

The tools' modules load what they need only when they run: `push` runs beside libraries of its own.
"""

import argparse
import importlib
from typing import cast

from commands.__main__ import Command
from commands.language import language
from contract.problems import Text

TOOLS: dict[str, tuple[str, Text]] = {
    "build": (
        "commands.dashboards_build",
        Text("대시보드와 설정 파일을 만듭니다", "write the boards and the files that provision them"),
    ),
    "check": (
        "commands.dashboards_check",
        Text("만든 파일이 코드와 같은지 봅니다", "whether what was built is what the code says"),
    ),
    "push": (
        "commands.dashboards_push",
        Text(
            "이미 있는 Grafana에 넣습니다. 바뀔 것을 먼저 보입니다",
            "to an existing Grafana, showing first what changes",
        ),
    ),
    "screenshots": (
        "commands.dashboards_screenshots",
        Text("모든 대시보드를 그림으로 남기고 흠을 찾습니다", "take a picture of every board, and look for faults"),
    ),
}


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand a tool, with the options of its module."""
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    for name, (module, about) in TOOLS.items():
        tool = tools.add_parser(name, help=about.of(language()), description=about.of(language()))
        _module(module).options(tool)


def run(args: argparse.Namespace) -> int:
    """Run the chosen tool."""
    return _module(TOOLS[args.tool][0]).run(args)


def _module(name: str) -> Command:
    return cast("Command", importlib.import_module(name))
