"""`bitgoeul cloud registry set|remove|outage`: one change at a time."""

import argparse

from commands.cloud_registry_tools import author_of, author_options, say_outcome
from commands.language import say

OUTAGE_CELLS = ("meter", "gateway", "site", "region", "utility")


def set_options(parser: argparse.ArgumentParser) -> None:
    """What is to be set to what."""
    _row_options(parser)
    parser.add_argument("field", metavar="FIELD", help=say("열 (columns 참조)", "the column (see columns)"))
    parser.add_argument("value", metavar="VALUE", help=say("새 값, ''이면 비움", "the new value; '' clears it"))
    parser.add_argument(
        "--from",
        dest="since",
        default="",
        metavar="TIME",
        help=say(
            "이때부터: 계량기의 multiplier, max_per_h, gateway와 건물의 항목",
            "from when on: for a meter's multiplier, max_per_h and gateway, and all of a building",
        ),
    )
    author_options(parser)


def run_set(args: argparse.Namespace) -> int:
    """Change one field of one row."""
    from cloud.registry.editing import Setting, set_field  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    setting = Setting(args.entity, args.key, args.field, args.value, args.since)
    registry = open_registry(args.registry, args.database, args.database_password_file)
    return say_outcome(set_field(registry, setting, author_of(args, "set")), args.json)


def remove_options(parser: argparse.ArgumentParser) -> None:
    """Which row."""
    _row_options(parser)
    author_options(parser)


def run_remove(args: argparse.Namespace) -> int:
    """Take out one row."""
    from cloud.registry.editing import remove_row  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    registry = open_registry(args.registry, args.database, args.database_password_file)
    return say_outcome(remove_row(registry, args.entity, args.key, author_of(args, "remove")), args.json)


def outage_options(parser: argparse.ArgumentParser) -> None:
    """When, of what, why."""
    parser.add_argument(
        "--from", dest="since", required=True, metavar="TIME", help=say("이때부터", "from when"),
    )  # fmt: skip
    parser.add_argument("--to", default="", metavar="TIME", help=say("이때까지, 비면 계속", "until when; empty: open"))
    for name in OUTAGE_CELLS:
        parser.add_argument(f"--{name}", default="", metavar=name.upper())
    parser.add_argument("--outage", default="", metavar="NAME", help=say("이름, 비면 지어 줌", "its name; empty: made"))
    author_options(parser)


def run_outage(args: argparse.Namespace) -> int:
    """Enter an outage; its reason is that of the change, too."""
    from cloud.registry.editing import add_outage  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    cells = {name: getattr(args, name) for name in ("outage", *OUTAGE_CELLS, "to", "reason")} | {"from": args.since}
    registry = open_registry(args.registry, args.database, args.database_password_file)
    return say_outcome(add_outage(registry, cells, author_of(args, "outage")), args.json)


def _row_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("entity", metavar="ENTITY", help=say("종류 (columns 참조)", "the entity (see columns)"))
    parser.add_argument(
        "key",
        metavar="KEY",
        help=say("이름, 또는 이름@시각처럼 '@'로 이은 것", "its name, or the parts of its key with '@' between"),
    )
