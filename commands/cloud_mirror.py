"""`bitgoeul cloud mirror`: totals and states into the InfluxDB that Grafana's boards read, in the foreground."""

import argparse
from pathlib import Path

from commands.language import say
from contract.problems import UsageProblem

# option, metavar, type, default, Korean, English
_Option = tuple[str, str, type, object, str, str]
_DOORS: tuple[_Option, ...] = (
    ("--influx-db", "NAME", str, "boards", "데이터베이스 이름, 기본 boards", "name of the database, default boards"),
    ("--influx-username", "NAME", str, "", "InfluxDB 사용자", "user at InfluxDB"),
    (
        "--influx-password-file",
        "FILE",
        Path,
        None,
        "InfluxDB 암호 또는 토큰 파일",
        "file with InfluxDB's password or token",
    ),
    ("--influx-ca-file", "FILE", Path, None, "InfluxDB 인증서를 서명한 CA", "CA that signed InfluxDB's certificate"),
    (
        "--broker",
        "URL",
        str,
        "",
        "상태를 볼 Mosquitto, mqtts://호스트[:포트]",
        "a Mosquitto to tell of, mqtts://HOST[:PORT]",
    ),
    ("--username", "NAME", str, "", "브로커 사용자", "user at the broker"),
    ("--password-file", "FILE", Path, None, "브로커 암호 파일", "file with the broker's password"),
    ("--ca-file", "FILE", Path, None, "브로커 인증서를 서명한 CA", "CA that signed the broker's certificate"),
    ("--certificate-file", "FILE", Path, None, "이 프로세스의 인증서", "certificate of this process"),
    ("--key-file", "FILE", Path, None, "이 프로세스의 개인 키", "private key of this process"),
)
_OWN: tuple[_Option, ...] = (
    ("--metrics-host", "HOST", str, "127.0.0.1", "Prometheus용 주소, 기본 127.0.0.1", "address for Prometheus"),
    ("--metrics-port", "N", int, 0, "Prometheus용 포트 (0: 빈 포트)", "port for Prometheus (0 picks a free one)"),
    (
        "--history-days",
        "N",
        int,
        400,
        "처음에 채우는 일별 합계의 일수, 기본 400",
        "days of daily sums that are filled in at first, default 400",
    ),
    (
        "--live-days",
        "N",
        int,
        14,
        "실시간 값을 두는 최소 일수, 주 단위로 지움, 기본 14 (0: 지우지 않음)",
        "days that live values are kept at least, gone by the week, default 14 (0 keeps them)",
    ),
    (
        "--stale-after",
        "SECONDS",
        int,
        180,
        "포털과 같게: 이보다 오래된 값은 실시간이 아님, 기본 180",
        "as the portal's: older values are not live, default 180",
    ),
)


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument(
        "--registry",
        type=Path,
        required=True,
        metavar="DIR",
        help=say("등록부 또는 그 사본의 폴더", "folder of the registry or its snapshot"),
    )
    parser.add_argument(
        "--influx-url",
        required=True,
        metavar="URL",
        help=say("예: http://127.0.0.1:8086", "such as http://127.0.0.1:8086"),
    )
    _repeated(parser)
    parser.add_argument(
        "--allow-plain",
        action="store_true",
        help=say(
            "보호된 망 안에서 암호화하지 않은 mqtt://와 http:// 허용",
            "allow mqtt:// and http:// on a network that is protected itself",
        ),
    )
    for name, metavar, kind, default, ko, en in _DOORS + _OWN:
        parser.add_argument(name, type=kind, default=default, metavar=metavar, help=say(ko, en))


def _repeated(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--totals",
        action="append",
        required=True,
        type=Path,
        metavar="DIR",
        help=say("한 구역의 합계 폴더, 여러 번 가능", "the totals of an area; may be repeated"),
    )
    for option, metavar, needed, ko, en in (
        (
            "--area",
            "NAME=SOCKET",
            True,
            "구역 프로세스의 소켓, 여러 번 가능",
            "socket of an area's process; may be repeated",
        ),
        (
            "--scrape",
            "NAME=URL",
            False,
            "서비스의 /metrics가 있는 주소 (예: portal=http://127.0.0.1:8080), 여러 번 가능",
            "where a service has its /metrics (such as portal=http://127.0.0.1:8080); may be repeated",
        ),
        ("--disk", "NAME=DIR", False, "여유를 볼 폴더, 여러 번 가능", "a folder whose room is told; may be repeated"),
    ):
        parser.add_argument(option, action="append", default=[], required=needed, metavar=metavar, help=say(ko, en))


def run(args: argparse.Namespace) -> int:
    """Until a signal ends it; 0."""
    from cloud.mirror.process import run as run_mirror  # noqa: PLC0415  # DuckDB is loaded only by who uses it
    from cloud.mirror.settings import Doors, MirrorSettings, named  # noqa: PLC0415

    for option, value, least in (
        ("--history-days", args.history_days, 1),
        ("--live-days", args.live_days, 0),
        ("--stale-after", args.stale_after, 1),
    ):
        if value < least:
            raise UsageProblem(
                f"{option} {value}: {least} 이상이어야 합니다", f"{option} {value}: expected {least} or more"
            )
    doors = Doors(**{name: value for name, value in vars(args).items() if name in Doors.__dataclass_fields__})
    run_mirror(
        MirrorSettings(
            registry=args.registry,
            totals=tuple(args.totals),
            areas={name: Path(path) for name, path in named("--area", args.area).items()},
            influx=doors.influx(),
            broker=doors.link(),
            scrape=named("--scrape", args.scrape),
            disks={name: Path(path) for name, path in named("--disk", args.disk).items()},
            metrics_host=args.metrics_host,
            metrics_port=args.metrics_port,
            history_days=args.history_days,
            live_days=args.live_days,
            stale_after_s=args.stale_after,
        )
    )
    return 0
