"""`bitgoeul cloud registry init|boundaries|publish`."""

import argparse
import json
from pathlib import Path

from commands.cloud_registry_tools import author_of, progress, say_outcome
from commands.language import say
from contract.problems import Problem


def init_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    del parser


def run_init(args: argparse.Namespace) -> int:
    """Create the registry, or upgrade it; its snapshot is there when this returns."""
    from cloud.registry.change import publish  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import init_registry  # noqa: PLC0415

    registry = init_registry(args.registry, args.database, args.database_password_file, progress())
    return _say_version(publish(registry), args.json)


def publish_options(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    del parser


def run_publish(args: argparse.Namespace) -> int:
    """Write the snapshot."""
    from cloud.registry.change import publish  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    return _say_version(
        publish(open_registry(args.registry, args.database, args.database_password_file), progress()), args.json
    )


def boundaries_options(parser: argparse.ArgumentParser) -> None:
    """From which file, or to which."""
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE.geojson", help=say("들일 파일", "file to take in"))
    parser.add_argument("--to", type=Path, metavar="FILE.geojson", help=say("내보낼 파일", "file to write instead"))
    parser.add_argument(
        "--key",
        metavar="PROPERTY",
        help=say("지역의 코드나 이름이 있는 속성", "the property that has the region's code or name"),
    )
    parser.add_argument(
        "--at",
        default="",
        metavar="TIME",
        help=say("이때 있던 지역과 맞춤, 기본은 지금", "regions of then; default: now"),
    )
    parser.add_argument("--by", default="", metavar="NAME", help=say("누가 바꾸는지", "who makes the change"))
    parser.add_argument("--reason", default="", metavar="TEXT", help=say("까닭", "why"))


def run_boundaries(args: argparse.Namespace) -> int:
    """Take in a file's boundaries, or write all that there are."""
    from cloud.registry import mapping  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.registry.cells import parse_time  # noqa: PLC0415
    from cloud.registry.opening import open_registry  # noqa: PLC0415

    registry = open_registry(args.registry, args.database, args.database_password_file)
    if args.file:
        at_s = parse_time(args.at) if args.at else None
        outcome = mapping.import_boundaries(registry, args.file, author_of(args, args.file.name), args.key, at_s)
        return say_outcome(outcome, args.json)
    text = json.dumps(mapping.export_boundaries(registry), ensure_ascii=False)
    if args.to is None:
        print(text)
        return 0
    try:
        args.to.write_text(text, "utf-8")
    except OSError as error:
        raise Problem(
            f"{args.to}: 쓸 수 없습니다: {error.strerror}", f"{args.to}: cannot be written: {error.strerror}"
        ) from error
    print(args.to)
    return 0


def _say_version(version: str, as_json: bool) -> int:
    print(json.dumps({"version": version}) if as_json else say(f"사본 {version}", f"snapshot {version}"))
    return 0
