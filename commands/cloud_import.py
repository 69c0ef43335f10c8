"""`bitgoeul cloud import`: files of KEPCO, of the building register, of gas, water and heat suppliers."""

import argparse
import gc
import importlib
from pathlib import Path
from typing import cast

from cloud.registry import settings
from commands.__main__ import Command
from commands.language import say

_MODULES = {
    "preview": "commands.cloud_import_file",
    "run": "commands.cloud_import_file",
    "list": "commands.cloud_import_kept",
    "undo": "commands.cloud_import_kept",
    "compare": "commands.cloud_import_kept",
    "mapping": "commands.cloud_import_mapping",
}


def options(parser: argparse.ArgumentParser) -> None:
    """What to do, and with which file."""
    whats = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    preview = whats.add_parser("preview", help=say("파일을 읽어 보기만 합니다", "read a file, change nothing"))
    run_ = whats.add_parser("run", help=say("파일을 가져옵니다", "import a file"))
    for parser_ in (preview, run_):
        _file_options(parser_)
    run_.add_argument("--who", default="", help=say("가져오는 사람", "who imports it; default: the system's user"))
    run_.add_argument(
        "--strict",
        action="store_true",
        help=say("거부된 행이 있으면 아무것도 가져오지 않습니다", "import nothing where a row is refused"),
    )
    list_ = whats.add_parser("list", help=say("가져온 것을 모두 보입니다", "list all imports"))
    undo = whats.add_parser("undo", help=say("가져온 것을 되돌립니다", "take an import back"))
    undo.add_argument(
        "number", type=int, nargs="?", metavar="N", help=say("번호. 없으면 마지막", "default: the latest")
    )
    undo.add_argument("--who", default="", help=say("되돌리는 사람", "who takes it back"))
    for parser_ in (list_, undo):
        _database_options(parser_)
    _mapping_options(whats.add_parser("mapping", help=say("파일의 모양을 적은 매핑", "what files look like")))
    _compare_options(whats.add_parser("compare", help=say("계량한 것과 나란히 봅니다", "beside what meters measured")))
    for parser_ in whats.choices.values():
        parser_.add_argument("--json", action="store_true", help=say("JSON 하나로", "one JSON object"))


def _database_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", type=Path, metavar="DIR", help=say("등록부 폴더", "the registry's folder"))
    settings.add_options(parser, say)


def _file_options(parser: argparse.ArgumentParser) -> None:
    _database_options(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV, XLSX, XLS")
    parser.add_argument("--mapping", required=True, metavar="M", help=say("이름 또는 TOML 파일", "name or TOML file"))
    parser.add_argument(
        "--month", metavar="M[..M]", help=say("이 월의 자료여야 합니다 (2024-01)", "the month it must be of (2024-01)")
    )
    parser.add_argument("--lots", type=Path, metavar="LOTS.CSV", help=say("지번표", "table of lots"))
    parser.add_argument(
        "--regions", type=Path, metavar="CSV|DIR", help=say("지역 목록 또는 등록부 사본", "regions, or a snapshot")
    )
    parser.add_argument("--sheet", default="", metavar="NAME", help=say("시트 이름", "name of the sheet"))
    parser.add_argument(
        "--part", default="", metavar="NAME", help=say("여러 파일 중 하나일 때 그 이름", "name of one file of several")
    )
    parser.add_argument("--report", type=Path, metavar="CSV", help=say("거부된 행을 쓸 파일", "refused rows go here"))


def _mapping_options(parser: argparse.ArgumentParser) -> None:
    _database_options(parser)
    parser.add_argument("do", choices=("list", "show", "suggest", "save"))
    parser.add_argument(
        "name", nargs="?", metavar="NAME|FILE", help=say("매핑 또는 자료 파일", "mapping, or data file")
    )
    parser.add_argument("--utility", choices=("electricity", "gas", "water", "heat"))
    parser.add_argument("--as", dest="save_as", metavar="NAME", help=say("이 이름으로 저장", "save under this name"))


def _compare_options(parser: argparse.ArgumentParser) -> None:
    _database_options(parser)
    parser.add_argument("--region", required=True, metavar="R", help=say("번호, 코드, 이름", "number, code or name"))
    parser.add_argument("--utility", required=True, choices=("electricity", "gas", "water", "heat"))
    parser.add_argument("--month", required=True, metavar="M", help="2024-01")
    parser.add_argument(
        "--metered", type=Path, metavar="FILE", help=say("계량 합계 (Arrow, Parquet)", "totals of meters")
    )
    parser.add_argument(
        "--regions", type=Path, metavar="CSV|DIR", help=say("지역 목록 또는 등록부 사본", "regions, or a snapshot")
    )


def run(args: argparse.Namespace) -> int:
    """0 when it was done, 1 where nothing could be taken."""
    gc.disable()  # a file of 200,000 rows makes millions of objects and no cycles; looking for some takes half the time
    return cast("Command", importlib.import_module(_MODULES[args.what])).run(args)
