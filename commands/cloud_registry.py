"""`bitgoeul cloud registry WHAT`: the registry of sites, buildings, meters, gateways and regions."""

import argparse
import importlib
from pathlib import Path
from types import ModuleType

from cloud.registry import settings
from commands.language import language, say
from contract.problems import Text

WHAT: dict[str, tuple[str, Text]] = {
    "init": ("manage", Text("등록부를 만들거나 이 판으로 올립니다", "create a registry, or upgrade one")),
    "import": ("import", Text("CSV와 게이트웨이 현장 파일을 들입니다", "take in CSV files, and gateways' site files")),
    "export": ("look", Text("CSV로 내보냅니다", "write everything as CSV")),
    "columns": ("import", Text("CSV 파일의 열을 설명합니다", "explain the columns of the CSV files")),
    "list": ("look", Text("등록된 것을 보입니다", "show what is registered")),
    "set": ("change", Text("한 항목을 바꿉니다", "change one field")),
    "remove": ("change", Text("한 줄을 지웁니다", "take out one row")),
    "outage": ("change", Text("정전·단수·통신 두절을 적습니다", "enter an outage")),
    "boundaries": ("manage", Text("지역 경계를 들이거나 내보냅니다", "take in boundaries of regions, or write them")),
    "log": ("look", Text("누가 언제 무엇을 왜 바꿨는지 보입니다", "who changed what, when and why")),
    "publish": ("manage", Text("다른 프로세스가 읽을 사본을 씁니다", "write the snapshot that other processes read")),
}


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand each."""
    every = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, (module, about) in WHAT.items():
        one = every.add_parser(
            name,
            help=about.of(language()),
            description=about.of(language()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name != "columns":
            _common(one)
        one.add_argument("--json", action="store_true", help=say("결과를 JSON으로", "the result as JSON"))
        getattr(_module(module), f"{name}_options")(one)


def run(args: argparse.Namespace) -> int:
    """Do what was asked for."""
    done: int = getattr(_module(WHAT[args.what][0]), f"run_{args.what}")(args)
    return done


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--registry",
        type=Path,
        required=True,
        metavar="DIR",
        help=say("등록부 폴더: registry.sqlite와 snapshot/", "the registry's folder: registry.sqlite and snapshot/"),
    )
    settings.add_options(parser, say)


def _module(name: str) -> ModuleType:
    """Where a subcommand has its two functions: `NAME_options` and `run_NAME`."""
    return importlib.import_module(f"commands.cloud_registry_{name}")
