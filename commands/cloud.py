"""`bitgoeul cloud TOOL`: an area's process, the portal, the mirror, and what looks after them."""

import argparse
import importlib
from typing import cast

from commands import logs
from commands.__main__ import Command
from commands.language import language
from contract.problems import Text

TOOLS: dict[str, tuple[str, Text]] = {
    "area": (
        "commands.cloud_area",
        Text("한 구역의 측정값을 받아 보관합니다", "take in and keep the readings of one area"),
    ),
    "portal": ("commands.cloud_portal", Text("포털을 띄웁니다", "serve the portal")),
    "mirror": (
        "commands.cloud_mirror",
        Text("대시보드용 InfluxDB에 합계와 상태를 옮깁니다", "mirror totals and states into the boards' InfluxDB"),
    ),
    "registry": (
        "commands.cloud_registry",
        Text(
            "시설, 건물, 계량기, 게이트웨이, 지역의 등록부",
            "the registry of sites, buildings, meters, gateways and regions",
        ),
    ),
    "gateways": (
        "commands.cloud_gateways",
        Text("게이트웨이의 인증서를 발급하고 폐기합니다", "issue gateways' certificates, and take them back"),
    ),
    "import": (
        "commands.cloud_import",
        Text("기관이 가진 월별 자료를 가져옵니다", "import the monthly figures that agencies hold"),
    ),
    "settle": (
        "commands.cloud_settle",
        Text("사용량 정산의 진행과 다시 정산", "how far usage is settled, and settling again"),
    ),
    "quality": (
        "commands.cloud_quality",
        Text("측정값을 얼마나 믿을 수 있는지 보고, 고칩니다", "see how far to trust what was measured, and edit it"),
    ),
    "quarantine": (
        "commands.cloud_quarantine",
        Text("거부된 측정값을 보거나 다시 시도합니다", "list refused readings, or try them again"),
    ),
}


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand a tool, with the options of its module."""
    tools = parser.add_subparsers(dest="tool", required=True, metavar="TOOL")
    for name, (module, about) in TOOLS.items():
        tool = tools.add_parser(name, help=about.of(language()), description=about.of(language()))
        _module(module).options(tool)


def run(args: argparse.Namespace) -> int:
    """Run the chosen tool; its log lines go to standard error."""
    logs.set_up()
    return _module(TOOLS[args.tool][0]).run(args)


def _module(name: str) -> Command:
    return cast("Command", importlib.import_module(name))
