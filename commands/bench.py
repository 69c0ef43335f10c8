"""`bitgoeul bench NAME`: each benchmark is a module of its own; with --json its last line is one JSON object."""

import argparse
import importlib
import signal
from types import FrameType
from typing import cast

from commands.__main__ import Command
from commands.install import install
from commands.language import language
from contract.problems import Text

BENCHES: dict[str, tuple[str, Text]] = {
    "ingest": (
        "commands.bench_ingest",
        Text("브로커에서 저장소까지 초당 몇 건을 받는가", "readings a second from broker to store"),
    ),
    "delivery": (
        "commands.bench_delivery",
        Text("무엇이 죽어도 잃거나 겹치지 않는가", "nothing lost or doubled, whatever is killed"),
    ),
    "city": (
        "commands.bench_city",
        Text("도시 전체를 받고 정산하며 얼마나 남는가", "a whole city taken in and settled, and what is left idle"),
    ),
    "settle": (
        "commands.bench_settle",
        Text("도시 한 구간의 정산과 하루의 규칙", "one slot of a whole city settled, and the rules of its day"),
    ),
    "line": (
        "commands.bench_line",
        Text("선로를 얼마나 채워 쓰고 죽은 계량기를 견디는가", "how full a line is used, and dead meters borne"),
    ),
    "stack": (
        "commands.bench_stack",
        Text("설치 전체를 컨테이너로 띄우고 죽이고 되살린다", "the whole installation started, killed and restored"),
    ),
    "query": (
        "commands.bench_query",
        Text("한 해 합계를 물으면 얼마나 걸리는가", "how long a question about a year of totals takes"),
    ),
}


def options(parser: argparse.ArgumentParser) -> None:
    """One subcommand a benchmark, with the options of its module."""
    benches = parser.add_subparsers(dest="bench", required=True, metavar="NAME")
    for name, (module, about) in BENCHES.items():
        bench = benches.add_parser(name, help=about.of(language()), description=about.of(language()))
        bench.set_defaults(module=module)
        _module(module).options(bench)


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark; whoever ends it ends its servers too."""
    signal.signal(signal.SIGTERM, _interrupt)
    install(("mosquitto", "influxd"))
    return _module(args.module).run(args)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _module(name: str) -> Command:
    return cast("Command", importlib.import_module(name))
