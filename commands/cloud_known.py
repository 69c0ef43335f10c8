"""`bitgoeul cloud known SITE… --to DIR`: what the cloud must know of sites, until there is a registry."""

import argparse
from pathlib import Path

from commands.language import say
from contract.problems import Problem


def options(parser: argparse.ArgumentParser) -> None:
    """Sites by name or file."""
    parser.add_argument("sites", nargs="+", metavar="SITE", help=say("시설 이름이나 파일", "names or files of sites"))
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=say("쓸 폴더", "folder to write to"))


def run(args: argparse.Namespace) -> int:
    """Write both files, and say where."""
    from simulators.site import write_cloud_files  # noqa: PLC0415  # the simulators are loaded only by who uses them

    try:
        args.to.mkdir(parents=True, exist_ok=True)
        written = write_cloud_files(args.sites, args.to)
    except OSError as error:
        raise Problem(
            f"{args.to}: 쓸 수 없습니다: {error.strerror}", f"{args.to}: cannot be written: {error.strerror}"
        ) from error
    for path in written:
        print(path)
    return 0
