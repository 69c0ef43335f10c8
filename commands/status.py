"""`bitgoeul status`: one screen that says what is well and what is not, also while half of it is down."""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cloud.registry import settings
from commands.language import language, say
from commands.table import width
from contract.problems import Text, UsageProblem

if TYPE_CHECKING:
    from commands.status_ask import Asking
    from commands.status_rules import Line

DOCS = "docs/operations"
WIDTH = 80
SIGNS = {"ok": Text("✓ 정상", "✓ ok  "), "warn": Text("! 주의", "! warn"), "bad": Text("✗ 이상", "✗ BAD ")}


@dataclass(frozen=True)
class Option:
    """What may be looked at: named on the command line, or once for all in the environment.

    `key` is that of its lines. Where there are `many`, each is NAME=…, with blanks between them in the variable.
    """

    key: str
    name: str
    metavar: str
    about: Text
    many: bool = False

    @property
    def variable(self) -> str:
        """BITGOEUL_SERVICES, BITGOEUL_BACKUP, …"""
        plural = "S" if self.many and not self.name.endswith("s") else ""
        return f"BITGOEUL_{self.name[2:].upper()}{plural}"


OPTIONS = (
    Option("service", "--service", "URL", Text("서비스의 지표 주소", "where a service has its metrics"), many=True),
    Option("area", "--area", "SOCKET", Text("구역 프로세스의 소켓", "socket of an area's process"), many=True),
    Option("totals", "--totals", "DIR", Text("한 구역의 합계 폴더", "the totals of an area"), many=True),
    Option("disk", "--disk", "DIR", Text("남은 자리를 볼 폴더", "folder whose disk is looked at"), many=True),
    Option("registry", "--registry", "DIR", Text("등록부 폴더", "the registry's folder")),
    Option("backup", "--backup", "DIR", Text("백업을 두는 폴더", "folder of the backups")),
    Option("certificates", "--pki", "DIR", Text("인증서 폴더", "folder of the certificate authority")),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Each part is looked at where it is named; where none is, an installation in containers is, as a whole."""
    for one in OPTIONS:
        about = say(f"{one.about.ko}, 기본 ${one.variable}", f"{one.about.en}, default ${one.variable}")
        if one.many:
            about += say(", 여러 번 가능", "; may be repeated")
            parser.add_argument(one.name, action="append", metavar=f"NAME={one.metavar}", help=about)
        else:
            parser.add_argument(one.name, metavar=one.metavar, help=about)
    settings.add_options(parser, say)
    parser.add_argument("--json", action="store_true", help=say("JSON 하나로", "as one JSON object"))


def run(args: argparse.Namespace) -> int:
    """0 when nothing is bad, 1 otherwise."""
    from commands import status_ask, status_containers  # noqa: PLC0415  # Arrow and the rest take a second to load

    asks = _asks(args)
    if asks:
        lines = status_ask.gather(asks)
    elif status_containers.there():
        lines = status_containers.lines()
    else:
        raise UsageProblem(
            "무엇을 볼지 알려 주십시오 (예: --service area-main=http://127.0.0.1:9464)",
            "nothing to look at; expected some of --service, --area, --registry … (see bitgoeul status --help)",
        )
    print(_as_json(lines) if args.json else "\n".join(_page(lines)))
    return 1 if any(line.state == "bad" for line in lines) else 0


def _asks(args: argparse.Namespace) -> "dict[tuple[str, str], Asking]":
    from commands import status_ask  # noqa: PLC0415  # see run

    asks: dict[tuple[str, str], Asking] = {}
    for option in OPTIONS:
        look = status_ask.LOOKS[option.key]
        for text in _given(args, option):
            name, where = _pair(option.name, text) if option.many else ("", text)
            asks[option.key, name] = partial(look, name, where)
    if args.database:
        asks["database", ""] = partial(status_ask.database, args.database, args.database_password_file)
    return asks


def _given(args: argparse.Namespace, option: Option) -> list[str]:
    value = getattr(args, option.name[2:])
    if value is None:
        return os.environ.get(option.variable, "").split()
    return value if option.many else [value]


def _pair(option: str, text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not (name and value):
        raise UsageProblem(f"{option} '{text}': 이름=값 꼴이어야 합니다", f"{option} '{text}': expected NAME=VALUE")
    return name, value


def _page(lines: "list[Line]") -> Iterator[str]:
    tongue = language()
    names = max(width(line.name.of(tongue)) for line in lines)
    for line in lines:
        sign, name = SIGNS[line.state].of(tongue), line.name.of(tongue)
        head = f"{sign}  {name}{' ' * (names - width(name))}  "
        yield from _wrapped(head, line.words.of(tongue), width(head))
    yield ""
    needy = [line for line in lines if line.state != "ok"]
    if not needy:
        yield say("모두 정상입니다", "all is well")
        return
    yield say(f"손볼 것 {len(needy)}가지:", f"{len(needy)} thing{'s need' if len(needy) > 1 else ' needs'} you:")
    for number, line in enumerate(needy, 1):
        place = f"{DOCS}{'.ko' if tongue == 'ko' else ''}.md#status-{line.key}"
        yield from _wrapped(f"{number:2}. ", f"{line.name.of(tongue)}: {line.todo.of(tongue)} ({place})", 4)


def _wrapped(head: str, text: str, indent: int) -> Iterator[str]:
    """Not wider than a terminal; what is one word stays one."""
    now = head
    for word in text.split():
        if width(now) + width(word) > WIDTH and now.strip() and now != head:
            yield now.rstrip()
            now = " " * indent
        now += word + " "
    yield now.rstrip()


def _as_json(lines: "list[Line]") -> str:
    tongue = language()
    found = [
        {
            "part": line.key,
            "name": line.name.of(tongue),
            "state": line.state,
            "words": line.words.of(tongue),
            "todo": line.todo.of(tongue) if line.state != "ok" else "",
        }
        for line in lines
    ]
    return json.dumps({"well": all(line.state == "ok" for line in lines), "parts": found}, ensure_ascii=False)
