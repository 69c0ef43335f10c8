"""`bitgoeul backup --to DIR …` while all goes on, and `bitgoeul backup check DIR`."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cloud.registry import settings
from commands.cloud_registry_tools import progress
from commands.language import say
from contract.problems import Problem, Text, UsageProblem
from contract.topics import check_name
from contract.version import VERSION

if TYPE_CHECKING:
    from commands.backup_folder import Manifest, Tell


def options(parser: argparse.ArgumentParser) -> None:
    """What is to be copied: each only where it is named."""
    parser.add_argument("--to", type=Path, metavar="DIR", help=say("백업을 둘 폴더", "folder to put the backup in"))
    parser.add_argument(
        "--keep", type=int, metavar="N", help=say("이만큼만 남기고 오래된 것을 지움", "drop all but the N latest")
    )
    parser.add_argument(
        "--area",
        action="append",
        default=[],
        metavar="NAME=SOCKET",
        help=say("구역 프로세스의 소켓, 여러 번 가능", "socket of an area's process; may be repeated"),
    )
    parser.add_argument(
        "--totals",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help=say("한 구역의 합계 폴더, 또는 그런 폴더들의 폴더", "the totals of an area, or a folder of such"),
    )
    parser.add_argument(
        "--registry",
        type=Path,
        metavar="DIR",
        help=say("등록부 또는 그 사본의 폴더", "folder of the registry or its snapshot"),
    )
    settings.add_options(parser, say)
    parser.add_argument(
        "--pki", type=Path, metavar="DIR", help=say("인증서 폴더", "folder of the certificate authority")
    )
    every = parser.add_subparsers(dest="what", metavar="WHAT")
    about = say("백업이 온전한지 봅니다", "see whether backups are whole")
    every.add_parser("check", help=about, description=about).add_argument("backup", type=Path, metavar="DIR")


def run(args: argparse.Namespace) -> int:
    """0, or 1 where a backup is damaged."""
    if args.what == "check":
        from commands.backup_check import check  # noqa: PLC0415  # the databases are loaded only by who uses them

        return check(args.backup, progress())
    if args.to is None:
        raise UsageProblem("--to DIR이 필요합니다", "expected --to DIR")
    if not (args.area or args.totals or args.registry or args.pki):
        raise UsageProblem(
            "무엇을 백업할지 없습니다: --area, --totals, --registry, --pki",
            "nothing to back up: expected --area, --totals, --registry or --pki",
        )
    if args.keep is not None and args.keep < 1:
        raise UsageProblem(f"--keep {args.keep}: 1 이상이어야 합니다", f"--keep {args.keep}: expected 1 or more")
    return _backup(args)


def _backup(args: argparse.Namespace) -> int:
    from commands import backup_folder  # noqa: PLC0415  # the databases are loaded only by who uses them

    areas = dict(_pair("--area", text) for text in args.area)
    totals = dict(one for text in args.totals for one in _totals(text))
    if len(areas) < len(args.area):
        raise UsageProblem("--area: 같은 이름이 두 번 있습니다", "--area: a name stands twice")
    tell = progress()
    with backup_folder.new_backup(args.to) as folder:
        manifest = backup_folder.Manifest(VERSION, time.time())
        with backup_folder.told(args.to):
            _copy(args, (areas, totals), (folder, manifest), tell)
            backup_folder.seal(folder, manifest, tell)
    dropped = backup_folder.keep_latest(args.to, args.keep) if args.keep else []
    for one in dropped:
        tell(Text(f"지움: {one}", f"dropped: {one}"))
    if manifest.left_out:
        names = ", ".join(manifest.left_out)
        tell(Text(f"암호화되지 않은 개인 키는 넣지 않음: {names}", f"left out, private keys not encrypted: {names}"))
    tell(Text("암호와 비밀 파일은 백업에 없음", "passwords and other secrets are not in the backup"))
    print(folder.with_suffix(""))
    return 0


def _copy(
    args: argparse.Namespace,
    named: tuple[dict[str, Path], dict[str, Path]],
    into: tuple[Path, "Manifest"],
    tell: "Tell",
) -> None:
    """Areas first: what they then settle anew replaces totals that were copied after them."""
    from commands import backup_files as files  # noqa: PLC0415  # the databases are loaded only by who uses them
    from commands.backup_area import copy_area  # noqa: PLC0415
    from commands.backup_folder import AREAS, PKI, REGISTRY, SNAPSHOT, TOTALS  # noqa: PLC0415

    (areas, totals), (folder, manifest) = named, into
    for name, socket in areas.items():
        manifest.areas[name] = copy_area(name, socket, folder / AREAS / name, tell)
    for name, source in totals.items():
        files.copy_totals(source, folder / TOTALS / name, tell)
        manifest.totals.append(name)
    if args.registry:
        manifest.registry_snapshot = files.copy_snapshot(args.registry, folder / SNAPSHOT, tell)
        if args.database or (args.registry / "registry.sqlite").is_file():
            from commands import backup_registry  # noqa: PLC0415

            where = backup_registry.Where(args.registry, args.database, args.database_password_file)
            manifest.registry_revision = backup_registry.dump(where, folder / REGISTRY, tell)
    if args.pki:
        manifest.left_out = files.copy_certificates(args.pki, folder / PKI, tell)


def _totals(text: str) -> list[tuple[str, Path]]:
    """The totals of one area, or of all that a folder has."""
    if "=" in text:
        return [_pair("--totals", text)]
    folder = Path(text)
    if not folder.is_dir():
        raise Problem(f"--totals {folder}: 폴더가 없습니다", f"--totals {folder}: no such folder")
    inner = sorted(path.parent for path in folder.glob("*/manifest.json"))
    if inner and not (folder / "manifest.json").exists():
        return [(path.name, path) for path in inner]
    return [(folder.resolve().name, folder)]


def _pair(option: str, text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or not path:
        raise UsageProblem(f"{option} '{text}': '이름=경로' 꼴이어야 합니다", f"{option} '{text}': expected NAME=PATH")
    return check_name(option, name), Path(path)
