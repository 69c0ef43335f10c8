"""`bitgoeul cloud registry list|log|export`: looking into the registry."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from commands.language import say
from commands.table import render
from contract.problems import UsageProblem


def list_options(parser: argparse.ArgumentParser) -> None:
    """Of what, and which of it."""
    parser.add_argument("entity", metavar="ENTITY", help=say("종류 (columns 참조)", "the entity (see columns)"))
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help=say("이런 것만, 여러 번 가능", "only those that have this; may be repeated"),
    )
    _limit(parser)


def run_list(args: argparse.Namespace) -> int:
    """Show rows."""
    from cloud.registry.looking import list_rows  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    where = {}
    for text in args.where:
        field, equals, value = text.partition("=")
        if not equals:
            raise UsageProblem(f"--where '{text}': 항목=값 꼴이어야 합니다", f"--where '{text}': expected FIELD=VALUE")
        where[field] = value
    return _say_rows(
        list_rows(
            open_registry(args.registry, args.database, args.database_password_file), args.entity, where, args.limit
        ),
        args.json,
    )


def log_options(parser: argparse.ArgumentParser) -> None:
    """Of what."""
    parser.add_argument("--entity", default="", metavar="ENTITY", help=say("이 종류만", "of this entity only"))
    parser.add_argument("--key", default="", metavar="KEY", help=say("이 이름만", "of this name only"))
    _limit(parser)


def run_log(args: argparse.Namespace) -> int:
    """Show the newest changes first."""
    from cloud.registry.looking import list_log  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    rows = list_log(
        open_registry(args.registry, args.database, args.database_password_file), args.entity, args.key, args.limit
    )
    return _say_rows(rows, args.json)


def export_options(parser: argparse.ArgumentParser) -> None:
    """Where to, and of what."""
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=say("쓸 폴더", "folder to write to"))
    parser.add_argument(
        "entities", nargs="*", metavar="ENTITY", help=say("이것들만, 없으면 모두", "only these; without any, all")
    )


def run_export(args: argparse.Namespace) -> int:
    """Write the files, and say where."""
    from cloud.registry.columns import ENTITIES  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.looking import export_files  # noqa: PLC0415
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    paths = export_files(
        open_registry(args.registry, args.database, args.database_password_file),
        args.to,
        args.entities or list(ENTITIES),
    )
    print(json.dumps([str(path) for path in paths]) if args.json else "\n".join(map(str, paths)))
    return 0


def _limit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=100, metavar="N", help=say("기본 100줄", "default 100 rows"))


def _say_rows(rows: Sequence[Mapping[str, object]], as_json: bool) -> int:
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False))
    elif not rows:
        print(say("해당하는 것이 없습니다", "there is none"))
    else:
        cells = [["" if value is None else _printable(str(value)) for value in row.values()] for row in rows]
        print("\n".join(render([list(rows[0]), *cells], indent="")))
    return 0


def _printable(text: str) -> str:
    """One line, at most so long that a table stays one."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown if len(shown) <= 60 else shown[:59] + "…"
