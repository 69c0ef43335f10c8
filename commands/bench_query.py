"""`bitgoeul bench query`: how long a person waits for a figure of totals, over a year of a whole city.

The atoms are made and written as settling writes them; then a new process, which opens no store, is asked in mixed
order. Beside each figure stands, from the same run, what merely reading the needed columns of the needed row groups
takes with pyarrow: that is the limit.
"""

import argparse
import json
import shutil
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from cloud.metering.codes import DAY_S, SEOUL_S, SLOT_S
from cloud.store.parquet import TotalsWriter
from cloud.store.totals_schema import SLOT_ATOMS
from commands.bench_questions import BOUND, KINDS, TODAY, USES, YEAR, ask
from commands.language import say
from contract.problems import Problem, UsageProblem

LIMIT_MS = 50.0
_SLOTS = DAY_S // SLOT_S


def options(parser: argparse.ArgumentParser) -> None:
    """How much to make, and how often to ask."""
    parser.add_argument("--dongs", type=int, default=96, help=say("동의 수", "how many dongs"))
    parser.add_argument("--days", type=int, default=31, help=say("슬롯까지 있는 날의 수", "days that have slots too"))
    parser.add_argument("--runs", type=int, default=200, help=say("질문마다 몇 번", "how often each question"))
    parser.add_argument("--json", action="store_true", help=say("마지막 줄을 JSON으로", "the last line as JSON"))


def run(args: argparse.Namespace) -> int:
    """0 when each 95th percentile is within the bound."""
    for name, least, most in (("dongs", 1, 999), ("days", 1, YEAR - 1), ("runs", 1, 100_000)):
        if not least <= getattr(args, name) <= most:
            raise UsageProblem(f"--{name}: {least}~{most}이어야 합니다", f"--{name}: expected {least} to {most}")
    folder = Path(tempfile.mkdtemp(prefix="bitgoeul-bench-"))
    try:
        figures = _made(folder / "main", args.dongs, args.days) | _asked(folder / "main", args.dongs, args.runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for key, value in figures.items():
        print(f"{key:<32} {value:,.2f}" if value < 1000 else f"{key:<32} {value:,.0f}")
    late = [name for name in BOUND if figures[f"{name}_p95_ms"] > LIMIT_MS]
    if late:
        print(say(f"{LIMIT_MS:.0f} ms를 넘음: {', '.join(late)}", f"over {LIMIT_MS:.0f} ms: {', '.join(late)}"))
    if args.json:
        print(json.dumps({key: round(value, 3) for key, value in figures.items()}))
    return 1 if late else 0


def _made(folder: Path, dongs: int, days: int) -> dict[str, float]:
    """Write a year: the last `days` of it, and today, slot by slot; the days before with all of a day in one slot."""
    began, rows, rng = time.perf_counter(), 0, np.random.default_rng(1)
    writer = TotalsWriter(folder)
    first, fine = TODAY - YEAR + 1, TODAY - days
    for start in range(first, fine, 28):
        batch = {day: atoms(day, dongs, 1, rng) for day in range(start, min(start + 28, fine))}
        rows += sum(table.num_rows for table in batch.values())
        writer.write_days(batch)
    for day in range(fine, TODAY + 1):
        table = atoms(day, dongs, _SLOTS, rng)
        rows += table.num_rows
        writer.write_day(day, table)
        if day % 8 == 0:
            print(f"  {say(f'{rows:,}행을 썼습니다', f'{rows:,} rows written')}", flush=True)
    seconds = time.perf_counter() - began
    return {"made_s": seconds, "rows": rows, "mb": sum(path.stat().st_size for path in folder.iterdir()) / 1e6}


def atoms(day: int, dongs: int, slots: int, rng: np.random.Generator) -> pa.Table:
    """SLOT_ATOMS of a day: every dong, use and kind, in each of its first `slots` slots; some meters missing."""
    series = len(KINDS) * dongs * USES
    utility, direction = (
        np.repeat(np.array(part, np.uint8), dongs * USES * slots) for part in zip(*KINDS, strict=True)
    )
    region = np.tile(np.repeat(np.arange(1, dongs + 1, dtype=np.int32), USES * slots), len(KINDS))
    use = np.tile(np.repeat(np.arange(1, USES + 1, dtype=np.uint8), slots), len(KINDS) * dongs)
    slot_s = np.tile(day * DAY_S - SEOUL_S + np.arange(slots, dtype=np.int64) * SLOT_S, series)
    expected = np.repeat(rng.integers(1, 900, series), slots)
    counted = expected - (rng.random(series * slots) < 0.05)
    estimated_count = np.minimum(counted, rng.random(series * slots) < 0.03)
    total = counted * rng.integers(20_000, 300_000, series * slots)
    estimated = estimated_count * rng.integers(20_000, 300_000, series * slots)
    columns = (slot_s, region, use, utility, direction, total, estimated, counted, estimated_count, expected)
    return pa.Table.from_arrays(
        [pa.array(values).cast(field.type) for values, field in zip(columns, SLOT_ATOMS, strict=True)],
        schema=SLOT_ATOMS,
    )


def _asked(folder: Path, dongs: int, runs: int) -> dict[str, float]:
    """What a new process measures, which finds nothing but the files."""
    ours, theirs = get_context("spawn").Pipe()
    child = get_context("spawn").Process(target=ask, args=(folder, dongs, runs, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        figures: dict[str, float] = ours.recv()
    except EOFError:
        raise Problem(
            "묻는 프로세스가 도중에 끝났습니다", "the process that asks ended before it had answers"
        ) from None
    finally:
        child.join()
    return figures
