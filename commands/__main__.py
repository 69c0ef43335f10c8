"""The command line. One table of commands; each is a module of its own, imported only when it is called."""

import argparse
import importlib
import os
import sys
import traceback
from typing import Protocol, cast

from commands.language import language, say
from contract.problems import Problem, Text, UsageProblem


class Command(Protocol):
    """What a module in the table offers."""

    def options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own options and subcommands."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; the exit status."""
        ...


COMMANDS: dict[str, tuple[str, Text]] = {
    "demo": (
        "commands.demo",
        Text("모의 도시를 통째로 띄우고 주소를 알려 줍니다", "run a simulated city, whole, and print its address"),
    ),
    "edge": ("commands.edge", Text("게이트웨이: check, read, run, drain", "the gateway: check, read, run, drain")),
    "cloud": (
        "commands.cloud",
        Text(
            "클라우드: area, portal, registry, import, quarantine",
            "the cloud: area, portal, registry, import, quarantine",
        ),
    ),
    "backup": ("commands.backup", Text("돌아가는 채로 모두 백업합니다", "copy everything while it runs")),
    "restore": ("commands.restore", Text("백업을 빈 자리에 되살립니다", "bring a backup back, into an empty place")),
    "dashboards": (
        "commands.dashboards",
        Text("Grafana 대시보드: build, check, push, screenshots", "Grafana's boards: build, check, push, screenshots"),
    ),
    "status": (
        "commands.status",
        Text("무엇이 정상이고 무엇이 아닌지 한 화면에 보입니다", "say in one screen what is well and what is not"),
    ),
    "simulate": ("commands.simulate", Text("모의 계량기와 선로를 띄웁니다", "run simulated meters and lines")),
    "stack": (
        "commands.stack",
        Text("컨테이너로 돌리는 설치를 준비하고 점검합니다", "prepare and check an installation in containers"),
    ),
    "bench": ("commands.bench", Text("성능과 전달을 측정합니다", "measure speed and delivery")),
    "check": ("commands.check", Text("형식, 린트, 타입, 의존 규칙을 검사합니다", "format, lint, types, import rules")),
    "test": ("commands.test", Text("모든 테스트를 실행합니다", "run every test")),
    "docs": (
        "commands.docs",
        Text("코드에서 만드는 문서를 새로 씁니다", "write the documents that are made from the code"),
    ),
    "lock": ("commands.lock", Text("잠금 파일을 새로 만듭니다", "make the lock files anew")),
}


class _Parser(argparse.ArgumentParser):
    """argparse, whose complaints become Problems so that there is one place that prints."""

    def error(self, message: str) -> None:  # type: ignore[override]  # raises instead of exiting
        raise UsageProblem(
            f"{self.prog}: {message} (사용법: {self.prog} --help)", f"{self.prog}: {message} (see {self.prog} --help)"
        )


# What argparse itself says. It asks gettext, which would want a compiled catalogue in a place of its own.
_KOREAN = {
    "usage: ": "사용법: ",
    "options": "옵션",
    "positional arguments": "인자",
    "show this help message and exit": "이 도움말을 보이고 끝냅니다",
    "the following arguments are required: %s": "다음 인자가 필요합니다: %s",
    "unrecognized arguments: %s": "알 수 없는 인자: %s",
    "argument %(argument_name)s: %(message)s": "%(argument_name)s: %(message)s",
    "invalid choice: %(value)r (choose from %(choices)s)": "%(value)r은(는) 없습니다 (가능한 값: %(choices)s)",
    "invalid %(type)s value: %(value)r": "%(value)r: %(type)s 값이 아닙니다",
    "expected one argument": "값 하나가 필요합니다",
    "expected at least one argument": "값이 하나 이상 필요합니다",
    "ambiguous option: %(option)s could match %(matches)s": "%(option)s: 둘 이상으로 읽힙니다: %(matches)s",
}


def _overview() -> str:
    lines = [say("빛고을: 도시 전체의 에너지 계량", "Bitgoeul: energy metering for a whole city"), ""]
    lines += [f"  {name:<9} {about.of(language())}" for name, (_, about) in COMMANDS.items()]
    lines += ["", say("자세히: bitgoeul 명령 --help", "more: bitgoeul COMMAND --help")]
    return "\n".join(lines)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise UsageProblem(
            f"bitgoeul: '{name}' 명령은 없습니다. 가능한 명령: {known}",
            f"bitgoeul: no command '{name}'; expected one of {known}",
        )
    korean = language() == "ko"
    argparse._ = lambda text: _KOREAN.get(text, text) if korean else text  # type: ignore[attr-defined]  # its only way in
    command = cast("Command", importlib.import_module(COMMANDS[name][0]))
    parser = _Parser(prog=f"bitgoeul {name}", description=COMMANDS[name][1].of(language()))
    command.options(parser)
    return command.run(parser.parse_args(arguments[1:]))


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every Problem becomes one line here, and its trace is shown only with --debug."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        return _dispatch([argument for argument in given if argument != "--debug"])
    except Problem as problem:
        if debug:
            traceback.print_exc()
        print(f"bitgoeul: {problem.text.of(language())}".replace("bitgoeul: bitgoeul", "bitgoeul"), file=sys.stderr)
        return 2 if isinstance(problem, UsageProblem) else 1
    except BrokenPipeError:
        # the reader of our output went away (`| head`): nothing is wrong, and nothing can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
