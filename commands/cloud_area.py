"""`bitgoeul cloud area NAME`: the process that owns an area, in the foreground."""

import argparse
from pathlib import Path
from typing import Any

from commands.language import say
from contract.problems import UsageProblem

# option, type, Korean, English; the default is the one of AreaSettings
_NUMBERS: tuple[tuple[str, int, str, str], ...] = (
    ("--metrics-port", 0, "Prometheus용 포트 (0: 빈 포트)", "port for Prometheus (0 picks a free one)"),
    ("--flush-ms", 1, "측정값을 모으는 시간, 기본 100", "how long readings are gathered, default 100"),
    ("--queue-mb", 1, "확정 전 메시지의 한도, 기본 64", "limit of messages not yet stored, default 64"),
    ("--settle-delay-s", 0, "구간이 끝나고 정산하기까지, 기본 90", "until a slot that ended is settled, default 90"),
    ("--tick-days", 1, "15분 경계가 아닌 값의 보관, 기본 14", "readings between slot bounds are kept, default 14"),
    ("--slot-days", 1, "구간별 합계의 보관, 기본 1100", "sums by slot are kept, default 1100"),
    ("--keep-days", 1, "이보다 오래된 값은 받지 않음, 기본 400", "older readings are refused, default 400"),
    ("--gap-timeout-s", 1, "빠진 묶음을 다시 청하기까지, 기본 60", "until a missing batch is asked for, default 60"),
    ("--quarantine-rows", 1, "게이트웨이별 격리 한도(건), 기본 10000", "rows a gateway in quarantine, default 10000"),
    ("--quarantine-mb", 1, "게이트웨이별 격리 한도(MB), 기본 64", "MB a gateway in quarantine, default 64"),
    (
        "--min-free-mb",
        0,
        "디스크에 이만큼 남기고 더 받지 않음(MB), 기본 1024",
        "takes nothing with less free, default 1024",
    ),
)
_PACE = ("settle_delay_s", "tick_days", "slot_days")
_FILES: tuple[tuple[str, str, str], ...] = (
    ("--socket", "다른 프로세스가 묻는 소켓, 기본 DATA/NAME.sock", "socket of other processes, default DATA/NAME.sock"),
    ("--password-file", "브로커 암호 파일", "file with the broker's password"),
    ("--ca-file", "브로커 인증서를 서명한 CA", "CA that signed the broker's certificate"),
    ("--certificate-file", "이 프로세스의 인증서", "certificate of this process"),
    ("--key-file", "이 프로세스의 개인 키", "private key of this process"),
    ("--influx-password-file", "InfluxDB 암호 또는 토큰 파일", "file with InfluxDB's password or token"),
    ("--influx-ca-file", "InfluxDB 인증서를 서명한 CA", "CA that signed InfluxDB's certificate"),
)
_TEXTS: tuple[tuple[str, str, str, str], ...] = (
    ("--influx-url", "URL", "예: http://127.0.0.1:8086", "such as http://127.0.0.1:8086"),
    ("--influx-db", "NAME", "데이터베이스 이름, 기본 bitgoeul", "name of the database, default bitgoeul"),
    ("--metrics-host", "ADDR", "Prometheus용 주소, 기본 127.0.0.1", "address for Prometheus, default 127.0.0.1"),
    ("--influx-username", "NAME", "InfluxDB 사용자", "user at InfluxDB"),
)


def options(parser: argparse.ArgumentParser) -> None:
    """Absent options keep the defaults of AreaSettings."""
    parser.add_argument("name", metavar="NAME", help=say("구역 이름", "the area's name"))
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help=say("저장 파일의 폴더", "folder of the area's file")
    )
    parser.add_argument(
        "--broker",
        dest="brokers",
        action="append",
        required=True,
        metavar="URL",
        help=say("mqtts://호스트[:포트], 여러 번 가능", "mqtts://HOST[:PORT]; may be repeated"),
    )
    parser.add_argument(
        "--registry",
        type=Path,
        required=True,
        metavar="DIR",
        help=say("등록부 또는 그 사본의 폴더", "folder of the registry or its snapshot"),
    )
    parser.add_argument(
        "--totals",
        type=Path,
        metavar="DIR",
        help=say("합계 파일의 폴더, 기본 DATA/totals/NAME", "folder of the totals, default DATA/totals/NAME"),
    )
    _optional(parser)


def _optional(parser: argparse.ArgumentParser) -> None:
    absent: dict[str, Any] = {"default": argparse.SUPPRESS}
    parser.add_argument("--username", help=say("브로커 사용자", "user at the broker"), **absent)
    parser.add_argument(
        "--store",
        choices=("duckdb", "influx"),
        help=say("측정값을 둘 곳, 기본 duckdb", "where readings are kept, default duckdb"),
        **absent,
    )
    for name, metavar, ko, en in _TEXTS:
        parser.add_argument(name, metavar=metavar, help=say(ko, en), **absent)
    parser.add_argument(
        "--allow-plain",
        action="store_true",
        help=say(
            "보호된 망 안에서 암호화하지 않은 mqtt://와 http:// 허용",
            "allow mqtt:// and http:// on a network that is protected itself",
        ),
        **absent,
    )
    for name, ko, en in _FILES:
        dest = {"--socket": "socket_file"}.get(name, name[2:].replace("-", "_"))
        parser.add_argument(name, dest=dest, type=Path, metavar="FILE", help=say(ko, en), **absent)
    for name, _, ko, en in _NUMBERS:
        parser.add_argument(name, type=int, metavar="N", help=say(ko, en), **absent)


def run(args: argparse.Namespace) -> int:
    """Until SIGTERM; 0. SIGHUP reads the registry's snapshot again."""
    from cloud.ingest import area  # noqa: PLC0415  # the databases are loaded only by who uses them
    from cloud.ingest.settings import AreaSettings  # noqa: PLC0415
    from cloud.settle.worker import Settler, SettleSettings  # noqa: PLC0415
    from cloud.store.copying import Copies  # noqa: PLC0415
    from cloud.store.influx import InfluxStore  # noqa: PLC0415

    given = {name: value for name, value in vars(args).items() if name in AreaSettings.__dataclass_fields__}
    for option, least, _, _ in _NUMBERS:
        value = given.get(option[2:].replace("-", "_"), least)
        if value < least:
            raise UsageProblem(
                f"{option} {value}: {least} 이상이어야 합니다", f"{option} {value}: expected {least} or more"
            )
    settings = AreaSettings(**given | {"brokers": tuple(args.brokers)})
    pace = {name: value for name, value in vars(args).items() if name in _PACE}
    settle = SettleSettings(
        area=settings.name,
        registry=settings.registry,
        totals=args.totals or settings.data / "totals" / settings.name,
        applied=settings.data / f"{settings.name}.registry",
        delay_s=pace.get("settle_delay_s", SettleSettings.delay_s),
        tick_days=pace.get("tick_days", SettleSettings.tick_days),
        register_days=settings.keep_days,
        slot_days=pace.get("slot_days", SettleSettings.slot_days),
    )

    def company(store: area.AreaStore) -> list[area.Beside]:
        earliest_s = store.earliest_s if isinstance(store, InfluxStore) else None
        return [Settler(store, settle), Copies(store.file, settle.applied, earliest_s)]

    area.run(settings, company)
    return 0
