"""`bitgoeul restore FROM …`: a backup into an empty installation, none of whose processes run."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cloud.registry import settings
from commands.cloud_registry_tools import progress
from commands.language import say
from contract.problems import UsageProblem

if TYPE_CHECKING:
    from cloud.store.influx_http import InfluxSettings


def options(parser: argparse.ArgumentParser) -> None:
    """Where the parts go; those without a place stay in the backup."""
    parser.add_argument(
        "backup",
        type=Path,
        metavar="FROM",
        help=say("백업, 또는 백업들의 폴더(최근 것)", "a backup, or a folder of them (the latest)"),
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help=say("구역 파일의 폴더", "folder of the areas' files"))
    parser.add_argument(
        "--area",
        action="append",
        default=[],
        metavar="NAME",
        help=say("이 구역만, 여러 번 가능", "this area only; may be repeated"),
    )
    parser.add_argument(
        "--totals",
        type=Path,
        metavar="DIR",
        help=say("합계 폴더들의 폴더, 기본 DATA/totals", "folder of the areas' totals, default DATA/totals"),
    )
    parser.add_argument("--registry", type=Path, metavar="DIR", help=say("등록부 폴더", "the registry's folder"))
    settings.add_options(parser, say)
    parser.add_argument(
        "--pki", type=Path, metavar="DIR", help=say("인증서 폴더", "folder of the certificate authority")
    )
    _influx_options(parser)
    parser.add_argument(
        "--replace",
        action="store_true",
        help=say(
            "있던 것을 .before-restore-… 폴더로 밀어 둠", "set what is there aside, into .before-restore-… folders"
        ),
    )


def _influx_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--influx-url", default="", metavar="URL", help=say("측정값을 둘 InfluxDB", "InfluxDB for the readings")
    )
    parser.add_argument(
        "--influx-db", default="bitgoeul", metavar="NAME", help=say("기본 bitgoeul", "default bitgoeul")
    )
    parser.add_argument("--influx-username", default="", metavar="NAME")
    for name in ("--influx-password-file", "--influx-ca-file"):
        parser.add_argument(name, type=Path, metavar="FILE")
    parser.add_argument(
        "--allow-plain",
        action="store_true",
        help=say("보호된 망 안에서 http:// 허용", "allow http:// on a network that is protected itself"),
    )


def run(args: argparse.Namespace) -> int:
    """0 once all is on disk."""
    if not (args.data or args.totals or args.registry or args.pki):
        raise UsageProblem(
            "어디에 되살릴지 없습니다: --data, --totals, --registry, --pki",
            "no place to restore to: expected --data, --totals, --registry or --pki",
        )
    from commands.backup_registry import Where  # noqa: PLC0415  # the databases are loaded only by who uses them
    from commands.restore_parts import Places, restore  # noqa: PLC0415

    where = Where(args.registry, args.database, args.database_password_file) if args.registry else None
    places = Places(
        data=args.data,
        totals=args.totals or (args.data / "totals" if args.data else None),
        registry=where,
        pki=args.pki,
        areas=tuple(args.area),
        influx=_influx(args) if args.influx_url else None,
        replace=args.replace,
    )
    restore(args.backup, places, progress())
    return 0


def _influx(args: argparse.Namespace) -> "InfluxSettings":
    from cloud.ingest.settings import AreaSettings, influx_settings  # noqa: PLC0415

    names = ("influx_url", "influx_db", "influx_username", "influx_password_file", "influx_ca_file", "allow_plain")
    given = {name: getattr(args, name) for name in names}
    return influx_settings(AreaSettings("restore", Path(), (), Path(), **given))
