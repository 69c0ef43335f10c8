"""What the registry's subcommands share: who makes a change, progress, and results for people and programs."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from commands.language import language, say
from contract.problems import Text

if TYPE_CHECKING:
    from cloud.registry.change import Author, Outcome


def author_options(parser: argparse.ArgumentParser) -> None:
    """--by and --reason."""
    parser.add_argument("--by", required=True, metavar="NAME", help=say("누가 바꾸는지", "who makes the change"))
    parser.add_argument("--reason", default="", metavar="TEXT", help=say("까닭", "why"))


def author_of(args: argparse.Namespace, source: str) -> "Author":
    """The author whom the options name."""
    from cloud.registry.change import Author  # noqa: PLC0415  # the database is loaded only by who uses it

    return Author(args.by, args.reason, source)


def progress() -> Callable[[Text], None]:
    """Lines of progress with the seconds since now, on standard error."""
    begun = time.monotonic()

    def tell(text: Text) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {text.of(language())}", file=sys.stderr, flush=True)

    return tell


def say_outcome(outcome: "Outcome", as_json: bool) -> int:
    """What a change did; the exit status."""
    if as_json:
        done = {"act": outcome.act, "version": outcome.version}
        kinds = {"added": outcome.added, "changed": outcome.changed, "removed": outcome.removed}
        print(json.dumps(done | {kind: dict(counts) for kind, counts in kinds.items()}))
        return 0
    if not outcome.act:
        print(say("바뀐 것이 없습니다", "nothing changed"))
        return 0
    _say_counts(say("더함", "added"), outcome.added)
    _say_counts(say("바꿈", "changed"), outcome.changed)
    _say_counts(say("지움", "removed"), outcome.removed)
    print(say(f"기록 {outcome.act}번, 사본 {outcome.version}", f"log entry {outcome.act}, snapshot {outcome.version}"))
    return 0


def _say_counts(what: str, counts: Mapping[str, int]) -> None:
    if counts:
        print(f"{what}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()))
