"""`bitgoeul cloud import mapping list|show|suggest|save`."""

import argparse
from pathlib import Path

import msgspec

from cloud.imports import files, mapping, suggest
from commands.cloud_import_common import own_mappings, print_json, printable
from commands.language import say
from commands.table import render
from contract.problems import UsageProblem


def run(args: argparse.Namespace) -> int:
    """0 when it was done."""
    own = own_mappings(args)
    if args.do == "list":
        return _list(args, own)
    if not args.name:
        raise UsageProblem("매핑이나 파일의 이름이 필요합니다", "expected the name of a mapping or of a file")
    if args.do == "suggest":
        table = files.read(Path(args.name))
        found = suggest.suggest(table, args.utility, own)
    else:
        found = mapping.load(args.name, own)[1]
    if args.do == "save" or args.save_as:
        if own is None:
            raise UsageProblem("어디에 둘지 --registry DIR이 필요합니다", "where to? expected --registry DIR")
        path = mapping.save(own, args.save_as or Path(args.name).stem, found)
        print_json({"saved": str(path)}) if args.json else print(path)
        return 0
    if args.json:
        print_json(msgspec.to_builtins(found))
    else:
        print(printable_lines(mapping.to_toml(found)), end="")
    return 0


def printable_lines(text: str) -> str:
    """Every line by itself."""
    return "".join(f"{printable(line)}\n" for line in text.splitlines())


def _list(args: argparse.Namespace, own: Path | None) -> int:
    found = {name: mapping.load(name, own)[1] for name in mapping.names(own)}
    if args.json:
        print_json({"mappings": {name: msgspec.to_builtins(each) for name, each in found.items()}})
        return 0
    rows = [[name, each.utility, each.source, say(each.about_ko, each.about_en)] for name, each in found.items()]
    print("\n".join(render(rows)))
    return 0
