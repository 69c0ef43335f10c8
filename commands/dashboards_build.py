"""`bitgoeul dashboards build`: write dashboards/generated."""

import argparse
from pathlib import Path

from commands.language import say
from contract.problems import Problem


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument(
        "--map-url",
        default="",
        metavar="URL",
        help=say(
            "구 경계 GeoJSON의 주소 (브라우저가 가져감; 기본: 같은 서버의 포털)",
            "address of the districts' GeoJSON, fetched by the browser (default: the portal on the same host)",
        ),
    )
    parser.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help=say("둘 폴더 (기본: dashboards/generated)", "the folder (default: dashboards/generated)"),
    )


def run(args: argparse.Namespace) -> int:
    """Write all."""
    from dashboards import build  # noqa: PLC0415  # `push` runs where what this needs is not installed

    folder: Path = args.to or build.GENERATED
    try:
        written = build.write(folder, args.map_url or build.MAP_URL)
    except OSError as error:
        raise Problem(
            f"{folder}: 쓸 수 없습니다: {error.strerror}", f"{folder}: cannot be written: {error.strerror}"
        ) from error
    print(say(f"{folder}: 파일 {len(written)}개", f"{folder}: {len(written)} files"))
    return 0
