"""What an operator decides for the portal: one frozen value, built once from the command line."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cloud.registry import settings as database
from contract.problems import UsageProblem
from contract.topics import check_name


@dataclass(frozen=True)
class Area:
    """One area's process: `socket` is where it answers Arrow Flight."""

    name: str
    socket: Path


@dataclass(frozen=True)
class Settings:
    """`registry` is the folder of the registry's snapshot, `totals` a folder for each area.

    `stale_after_s`: a value up to this old is live in any case, an older one while its meter keeps its rhythm.

    `hosts` are the names under which browsers may ask for the portal; anything else in a Host header is refused.
    """

    registry: Path
    areas: tuple[Area, ...]
    totals: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8080
    staff_token_file: Path | None = None  # without one there is no staff room
    database: str = ""  # the staff room's; without a URL it is in the registry's folder
    database_password_file: Path | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    stale_after_s: int = 180
    max_listeners: int = 1000
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None  # without one there are no metrics
    city_ko: str = "광주광역시"
    city_en: str = "Gwangju"


def add_options(parser: argparse.ArgumentParser, say: Callable[[str, str], str]) -> None:
    """The options of `bitgoeul cloud portal`; `say` chooses between Korean and English."""
    parser.add_argument(
        "--registry",
        type=Path,
        required=True,
        metavar="DIR",
        help=say("등록부 또는 그 사본의 폴더", "folder of the registry or its snapshot"),
    )
    parser.add_argument(
        "--area",
        action="append",
        required=True,
        metavar="NAME=SOCKET",
        help=say("구역 프로세스의 소켓, 여러 번 가능", "socket of an area's process; may be repeated"),
    )
    parser.add_argument(
        "--totals",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help=say("한 구역의 합계 폴더, 여러 번 가능", "the totals of an area; may be repeated"),
    )
    parser.add_argument(
        "--staff-token-file",
        type=Path,
        metavar="FILE",
        help=say(
            "직원용 API의 토큰이 든 파일 (0600). 없으면 직원용 API를 끔",
            "file (0600) with the token of the staff's API; without it that API is off",
        ),
    )
    database.add_options(parser, say)
    _server_options(parser, say)


def _server_options(parser: argparse.ArgumentParser, say: Callable[[str, str], str]) -> None:
    _add_address(parser, say)
    _add_metrics(parser, say)
    parser.add_argument(
        "--stale-after",
        type=int,
        default=Settings.stale_after_s,
        metavar="SECONDS",
        help=say(
            "이보다 오래된 값은 실시간으로 보이지 않음, 기본 180", "older values are not shown as live, default 180"
        ),
    )


def _add_address(parser: argparse.ArgumentParser, say: Callable[[str, str], str]) -> None:
    parser.add_argument("--host", default=Settings.host, help=say("기본 127.0.0.1", "default 127.0.0.1"))
    parser.add_argument("--port", type=int, default=Settings.port, help=say("기본 8080", "default 8080"))
    parser.add_argument(
        "--public-host",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help=say("브라우저가 쓰는 호스트 이름, 쉼표로 여럿, 여러 번 가능", "names that browsers use; may be repeated"),
    )


def _add_metrics(parser: argparse.ArgumentParser, say: Callable[[str, str], str]) -> None:
    parser.add_argument(
        "--metrics-port",
        type=int,
        metavar="N",
        help=say(
            "/metrics와 /healthz의 포트 (0: 빈 포트). 없으면 끔",
            "port of /metrics and /healthz (0 picks a free one); without it they are off",
        ),
    )
    parser.add_argument(
        "--metrics-host",
        default=Settings.metrics_host,
        metavar="HOST",
        help=say("그 주소, 기본 127.0.0.1", "their address, default 127.0.0.1"),
    )


def from_args(args: argparse.Namespace) -> Settings:
    """Raises UsageProblem for what no portal could be started with."""
    for option, port in (("--port", args.port), ("--metrics-port", args.metrics_port or 0)):
        if not 0 <= port <= 65535:
            raise UsageProblem(f"{option} {port}: 0~65535이어야 합니다", f"{option} {port}: expected 0 to 65535")
    if args.stale_after < 1:
        raise UsageProblem(
            f"--stale-after {args.stale_after}: 1 이상이어야 합니다",
            f"--stale-after {args.stale_after}: expected 1 or more",
        )
    areas = tuple(_area(text) for text in args.area)
    names = [area.name for area in areas]
    if len(set(names)) < len(names):
        raise UsageProblem("--area: 같은 구역 이름이 두 번 있습니다", "--area: an area is named twice")
    return Settings(
        registry=args.registry,
        areas=areas,
        totals=tuple(args.totals),
        staff_token_file=args.staff_token_file,
        database=args.database,
        database_password_file=args.database_password_file,
        host=args.host,
        port=args.port,
        hosts=(*Settings.hosts, *(name for given in args.public_host for name in given.split(",") if name)),
        stale_after_s=args.stale_after,
        metrics_host=args.metrics_host,
        metrics_port=args.metrics_port,
    )


def _area(text: str) -> Area:
    name, separator, socket = text.partition("=")
    if not separator or not socket:
        raise UsageProblem(
            f"--area '{text}': '이름=소켓경로' 꼴이어야 합니다", f"--area '{text}': expected NAME=SOCKET"
        )
    return Area(check_name("--area", name), Path(socket))
