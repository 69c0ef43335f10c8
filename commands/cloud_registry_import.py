"""`bitgoeul cloud registry import|columns`: files into the registry, and what such files hold."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from cloud.registry.columns import ENTITIES, KINDS, Column
from commands.cloud_registry_tools import author_of, author_options, progress, say_outcome
from commands.language import language, say
from contract.problems import Text


def import_options(parser: argparse.ArgumentParser) -> None:
    """Which files."""
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=say(
            "CSV, CSV의 폴더, 게이트웨이의 현장 파일(.toml)", "CSV, a folder of it, or a gateway's site file (.toml)"
        ),
    )
    author_options(parser)
    parser.epilog = "\n".join(_explained())


def run_import(args: argparse.Namespace) -> int:
    """All of the files, or nothing."""
    from cloud.registry.importing import import_parts, read_parts  # noqa: PLC0415  # loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415
    from commands.cloud_registry_site import site_parts  # noqa: PLC0415

    tell = progress()
    registry = open_registry(args.registry, args.database, args.database_password_file)
    sites = [path for path in args.files if path.suffix.lower() == ".toml"]
    parts = site_parts(registry, sites) if sites else []
    parts += read_parts([path for path in args.files if path not in sites], tell)
    source = " ".join(path.name for path in args.files)
    return say_outcome(import_parts(registry, parts, author_of(args, source), tell), args.json)


def columns_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    del parser


def run_columns(args: argparse.Namespace) -> int:
    """Explain them."""
    if not args.json:
        print("\n".join(_explained()))
        return 0
    found = {
        name: [
            {
                "column": column.name,
                "kind": column.kind,
                "key": column.key,
                "needed": _needed(column),
                "default": column.default,
                "choices": list(column.choices),
                "about": column.about.of(language()),
            }
            for column in (*entity.columns, *entity.wide)
        ]
        for name, entity in ENTITIES.items()
    }
    print(json.dumps(found, ensure_ascii=False))
    return 0


def _explained() -> Iterator[str]:
    yield say(
        "CSV 파일: 첫 줄은 열 이름, UTF-8이나 CP949. *는 반드시 적는 열, 나머지는 비우거나 뺄 수 있음",
        "CSV files: the first line names the columns, UTF-8 or CP949; * must be given, others may be empty or absent",
    )
    for name, entity in ENTITIES.items():
        yield ""
        yield f"{name}.csv: {entity.about.of(language())}"
        for column in (*entity.columns, *entity.wide):
            yield f"  {column.name + '*' * _needed(column):<14} {column.about.of(language())} ({_kind(column)})"


def _needed(column: Column) -> bool:
    return column.needed or (column.key and column.kind != "from")


def _kind(column: Column) -> str:
    kind: Text = KINDS[column.kind]
    more = f": {', '.join(column.choices)}" if column.choices else ""
    default = say(f", 비면 {column.default}", f"; empty: {column.default}") if column.default else ""
    return kind.of(language()) + more + default
