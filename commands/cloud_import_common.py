"""What the parts of `bitgoeul cloud import` share: where things are, months, and figures as text."""

import argparse
import getpass
import json
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cloud.imports import cells, regions
from cloud.imports.reasons import RowError
from cloud.imports.tables import FILE, url_of
from cloud.registry import snapshot
from contract.problems import Problem, UsageProblem

SNAPSHOT = "snapshot"  # in a registry's folder; its own module would load what migrates databases
SEOUL = timezone(timedelta(hours=9))


def database_url(args: argparse.Namespace) -> str | None:
    """What --database or else --registry say, None where neither is given."""
    if args.database:
        return str(args.database)
    return url_of(args.registry) if args.registry else None


def needed_url(args: argparse.Namespace) -> str:
    """The same, where it cannot be done without. Raises UsageProblem."""
    if (url := database_url(args)) is None:
        raise UsageProblem(
            "어디에 둘지 --registry DIR 또는 --database URL로 알려 주십시오",
            "where to? expected --registry DIR or --database URL",
        )
    if args.registry:
        try:
            args.registry.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"{args.registry}: 쓸 수 없습니다: {error.strerror}",
                f"{args.registry}: cannot be written: {error.strerror}",
            ) from error
    return url


def existing_url(args: argparse.Namespace) -> str | None:
    """The same where there is one already: looking makes none."""
    url = database_url(args)
    return None if not args.database and args.registry and not (args.registry / FILE).is_file() else url


def own_mappings(args: argparse.Namespace) -> Path | None:
    """Where the operator's own mappings are."""
    return args.registry / "mappings" if args.registry else None


def regions_of(args: argparse.Namespace) -> regions.Regions:
    """Those of --regions (a CSV file or a snapshot), else of the registry where it has some, else those shipped."""
    if args.regions:
        path: Path = args.regions
        return regions.from_table(snapshot.load(path).regions) if path.is_dir() else regions.from_csv(path)
    published = args.registry / SNAPSHOT if args.registry else None
    if published is not None and snapshot.version(published):
        table = snapshot.load(published).regions
        if table.num_rows:
            return regions.from_table(table)
    return regions.shipped()


def month_of(text: str) -> date:
    """Raises UsageProblem."""
    try:
        return cells.month(cells.clean(text))
    except RowError as error:
        raise UsageProblem(f"'{text}': 월이 아닙니다. 2024-01", f"'{text}': not a month; expected 2024-01") from error


def months_of(text: str | None) -> tuple[date, date] | None:
    """2024-01, or 2024-01..2024-12. Raises UsageProblem."""
    if not text:
        return None
    first, _, last = text.partition("..")
    found = (month_of(first), month_of(last or first))
    if found[0] > found[1]:
        raise UsageProblem(f"'{text}': 끝이 시작보다 앞섭니다", f"'{text}': ends before it begins")
    return found


def today() -> date:
    """In Korea."""
    return datetime.now(SEOUL).date()


def user() -> str:
    """Who runs this, as the system knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, in a container
        return ""


def amount(milli: int | None) -> str:
    """Thousandths with separators, "-" for none."""
    if milli is None:
        return "-"
    sign, rest = ("-", -milli) if milli < 0 else ("", milli)
    fraction = f"{rest % 1000:03}".rstrip("0")
    return f"{sign}{rest // 1000:,}" + (f".{fraction}" if fraction else "")


def printable(text: str) -> str:
    """The text without what a terminal would obey: whoever made the file is not to be trusted."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_json(value: dict[str, Any]) -> None:
    """One line; days as 2024-01-01."""
    print(json.dumps(value, ensure_ascii=False, default=str))
