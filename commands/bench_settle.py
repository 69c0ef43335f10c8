"""`bitgoeul bench settle`: one slot of a whole city, its day, its registry, and whether a rebuild gives the same.

Each part runs in a process of its own, so that its peak of memory is its own. Beside the time of a slot stands what
merely reading its readings and finding each register's last one takes, with DuckDB in the same run: the limit.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from commands import bench_settle_city as city
from commands import bench_settle_rebuild as rebuild
from commands.language import say
from contract.problems import Problem, UsageProblem

Figures = dict[str, float | bool]

BOUNDS = {
    "settle_s": 15.0,
    "peak_rss_gb": 6.0,
    "bytes_per_reading": 6.0,
    "day_rules_s": 120.0,
    "registry_import_s": 300.0,
    "restart_s": 30.0,
}
Part = Callable[[Path, int], Figures]
PARTS: tuple[tuple[str, Part], ...] = (
    ("registry", city.registry),
    ("fill", city.fill),
    ("settle", city.settle),
    ("restart", city.restart),
    ("day", city.day_rules),
    ("rebuild", rebuild.compare),
)


def options(parser: argparse.ArgumentParser) -> None:
    """How large the city is."""
    parser.add_argument("--meters", type=int, default=2_400_000, help=say("계량기 수", "how many meters"))
    parser.add_argument(
        "--only",
        action="append",
        choices=[name for name, _ in PARTS],
        help=say("이 부분만, 여러 번 가능", "only this part; may be repeated"),
    )
    about = say("모든 것을 둘 폴더, 기본은 임시 폴더", "the folder for everything, default: a temporary one")
    parser.add_argument("--data", type=Path, help=about)
    parser.add_argument("--json", action="store_true", help=say("마지막 줄을 JSON으로", "the last line as JSON"))


def run(args: argparse.Namespace) -> int:
    """0 when every figure is within its bound, and the rebuild is equal."""
    if not 1000 <= args.meters <= 10_000_000:
        raise UsageProblem("--meters: 1000~10000000이어야 합니다", "--meters: expected 1000 to 10000000")
    folder = args.data or Path(tempfile.mkdtemp(prefix="bitgoeul-settle-"))
    folder.mkdir(parents=True, exist_ok=True)
    figures: Figures = {"meters": args.meters}
    try:
        for name, part in PARTS:
            if args.only is None or name in args.only:
                figures |= _measured(name, part, folder, args.meters)
    finally:
        if args.data is None:
            shutil.rmtree(folder, ignore_errors=True)
    over = [name for name, bound in BOUNDS.items() if figures.get(name, 0) > bound]
    over += ["rebuild_equal"] if figures.get("rebuild_equal") is False else []
    if over:
        print(say(f"한계를 넘음: {', '.join(over)}", f"beyond the bound: {', '.join(over)}"))
    if args.json:
        rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
        print(json.dumps(rounded))
    return 1 if over else 0


def _measured(name: str, part: Part, folder: Path, meters: int) -> Figures:
    print(f"{name} …", flush=True)
    found = _apart(part, folder, meters)
    for key, value in found.items():
        print(f"  {key:<28} {value:,.3f}", flush=True)
    return found


def _apart(part: Part, folder: Path, meters: int) -> Figures:
    """The part in a new process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_run_part, args=(part, folder, meters, theirs))
    child.start()
    theirs.close()
    try:
        found: Figures = ours.recv()
    except EOFError as error:
        raise Problem("측정하던 프로세스가 죽었습니다", "the measuring process died") from error
    finally:
        child.join()
    return found


def _run_part(part: Part, folder: Path, meters: int, answer: Connection) -> None:
    answer.send(part(folder, meters))
