"""`bitgoeul cloud import preview|run FILE`."""

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloud.imports import files, lots, mapping, parse, store
from cloud.imports.reading import Reading, Terms
from cloud.imports.reasons import REASONS, Refused
from cloud.imports.tables import open_database
from commands.cloud_import_common import (
    amount,
    existing_url,
    months_of,
    needed_url,
    own_mappings,
    print_json,
    printable,
    regions_of,
    today,
    user,
)
from commands.language import language, say
from commands.table import render
from contract.problems import Problem

SHOWN = 20  # refused rows, and totals that do not agree


def run(args: argparse.Namespace) -> int:
    """0 when it was done or could be, 1 where nothing can be taken, or --strict found a refused row."""
    url = needed_url(args) if args.what == "run" else existing_url(args)
    name, chosen = mapping.load(args.mapping, own_mappings(args))
    terms = Terms(
        mapping=chosen,
        regions=regions_of(args),
        lots=lots.load(args.lots) if args.lots else lots.Lots({}),
        today=today(),
        expected=months_of(args.month),
    )
    table = files.read(args.file, args.sheet or chosen.sheet)
    reading = _parsed(args.file, table, terms)
    if args.report:
        write_report(args.report, reading.refused)
    takes = bool(reading.figures) and not (args.what == "run" and args.strict and reading.refused)
    done = _act(args, url, _origin(args, name, table, terms), reading) if url and takes else None
    if args.json:
        print_json(_as_json(table, reading, done))
    else:
        _say(args, table, reading)
        _say_done(args, terms, takes, done)
    return 0 if takes else 1


def write_report(path: Path, refused: Sequence[Refused]) -> None:
    """Every refused row, for a spreadsheet. Raises Problem."""
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "column", "code", "value", "reason_ko", "reason_en"])
            for each in refused:
                reason = REASONS[each.code]
                cells = [_inert(each.column), each.code, _inert(each.value), reason.ko, reason.en]
                writer.writerow([each.row, *cells])
    except OSError as error:
        raise Problem(
            f"{path}: 쓸 수 없습니다: {error.strerror}", f"{path}: cannot be written: {error.strerror}"
        ) from error


def _inert(text: str) -> str:
    """A spreadsheet takes no text for a formula that begins with a quote."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _parsed(path: Path, table: files.Table, terms: Terms) -> Reading:
    progress = _progress(len(table.rows))
    try:
        return parse.parse(table, terms, progress)
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem
    finally:
        if progress and len(table.rows) > parse.PROGRESS_ROWS:
            print(file=sys.stderr)


def _progress(rows: int) -> Callable[[int], None] | None:
    """On a terminal only: a line that is written over."""
    if not sys.stderr.isatty():
        return None

    def tell(done: int) -> None:
        print(say(f"\r{done:,} / {rows:,}행", f"\r{done:,} of {rows:,} rows"), end="", file=sys.stderr, flush=True)

    return tell


def _origin(args: argparse.Namespace, name: str, table: files.Table, terms: Terms) -> store.Origin:
    return store.Origin(
        mapping_name=name,
        mapping=terms.mapping,
        file_name=table.name,
        file_digest=table.digest,
        recipe=terms.recipe,
        who=getattr(args, "who", "") or user(),
        at_s=int(time.time()),
        part=args.part,
    )


def _act(args: argparse.Namespace, url: str, origin: store.Origin, reading: Reading) -> store.Done:
    engine = open_database(url, args.database_password_file)
    try:
        return store.keep(engine, origin, reading) if args.what == "run" else store.look(engine, origin, reading)
    finally:
        engine.dispose()


def _as_json(table: files.Table, reading: Reading, done: store.Done | None) -> dict[str, Any]:
    return {
        "file": table.name,
        "form": table.form,
        "sheet": table.sheet,
        "rows": reading.rows,
        "items": reading.items,
        "missing": reading.missing,
        "suppressed": reading.suppressed,
        "repeated_rows": reading.repeated,
        "skipped": reading.skipped,
        "first": [first._asdict() for first in reading.first],
        "sums": [
            {"month": month, "level": level, "unit": unit, "sum_milli": milli}
            for (month, level, unit), milli in reading.sums.items()
        ],
        "totals": [asdict(total) | {"agrees": total.agrees} for total in reading.totals],
        "refused": [asdict(each) | {"ko": each.text.ko, "en": each.text.en} for each in reading.refused],
        "import": asdict(done) if done else None,
    }


def _say(args: argparse.Namespace, table: files.Table, reading: Reading) -> None:
    """What was understood."""
    where = f", {table.sheet}" if table.sheet else ""
    print(printable(f"{table.name} ({table.form}{where}): ") + _counts(reading))
    if args.what == "preview" and reading.first:
        head = say("행 월 장소 구분 양 단위 고객", "row month place kind quantity unit customers").split()
        lines = [
            [
                str(each.row),
                f"{each.month:%Y-%m}",
                each.place,
                printable(each.kind) or "-",
                amount(each.quantity_milli),
                each.unit,
                "-" if each.customers is None else f"{each.customers:,}",
            ]
            for each in reading.first
        ]
        print("\n".join(render([head, *lines], right=(0, 4, 6))))
    sums = [[f"{month:%Y-%m}", level, amount(milli), unit] for (month, level, unit), milli in reading.sums.items()]
    if sums:
        head = say("월 단계 합 단위", "month level sum unit").split()
        print("\n".join(render([head, *sums], right=(2,))))
    _say_totals(reading)
    _say_refused(args, reading)


def _counts(reading: Reading) -> str:
    text = say(
        f"{reading.rows:,}행에서 {reading.items:,}개 항목을 읽음, 빈 값 {reading.missing:,}, 비공개"
        f" {reading.suppressed:,}, 거부 {len(reading.refused):,}",
        f"{reading.items:,} items of {reading.rows:,} rows, {reading.missing:,} missing,"
        f" {reading.suppressed:,} suppressed, {len(reading.refused):,} refused",
    )
    if reading.repeated:
        rows = ", ".join(map(str, reading.repeated[:5])) + ("…" if len(reading.repeated) > 5 else "")
        text += say(
            f"\n같은 행이 {len(reading.repeated):,}번 되풀이되어 한 번만 셈: {rows}행",
            f"\n{len(reading.repeated):,} rows say the same again and were taken once: row {rows}",
        )
    return text


def _say_totals(reading: Reading) -> None:
    wrong = [total for total in reading.totals if not total.agrees]
    if reading.totals:
        agree = len(reading.totals) - len(wrong)
        print(
            say(
                f"합계 {len(reading.totals):,}개 중 {agree:,}개가 맞음",
                f"{agree:,} of {len(reading.totals):,} totals agree",
            )
        )
    for each in wrong[:SHOWN]:
        stated, summed, off = map(amount, (each.stated_milli, each.summed_milli, each.stated_milli - each.summed_milli))
        print(
            say(
                f"  {each.row}행 {each.column}: 적힌 합계 {stated}, 행의 합 {summed}, 차이 {off} {each.unit}",
                f"  row {each.row} {each.column}: states {stated}, its rows give {summed}: {off} {each.unit} off",
            )
        )


def _say_refused(args: argparse.Namespace, reading: Reading) -> None:
    for code, count in Counter(each.code for each in reading.refused).most_common():
        print(f"{code} ({count:,}): {REASONS[code].of(language())}")
    for each in reading.refused[:SHOWN]:
        print("  " + printable(each.text.of(language())))
    if (more := len(reading.refused) - SHOWN) > 0 and not args.report:
        print(say(f"  … 그 밖에 {more:,}건 (--report FILE)", f"  … and {more:,} more (see --report FILE)"))


def _say_done(args: argparse.Namespace, terms: Terms, takes: bool, done: store.Done | None) -> None:
    if not takes:
        print(say("가져올 수 없습니다: 아무것도 바뀌지 않았습니다", "not imported: nothing was changed"))
    if done is None:
        return
    if done.already:
        print(
            say(
                f"이미 {done.import_id}번으로 가져온 파일입니다: 바뀐 것이 없습니다",
                f"already imported as {done.import_id}: nothing was changed",
            )
        )
        return
    if args.what == "run":
        print(say(f"{done.import_id}번으로 가져왔습니다", f"imported as {done.import_id}"))
    for each in done.replaced:
        months = ", ".join(f"{month:%Y-%m}" for month in each.months)
        print(
            say(
                f"  앞선 {each.import_id}번({each.file_name})의 {months}을 대신합니다",
                f"  in place of {each.import_id} ({printable(each.file_name)}) for {months}",
            )
        )
        if each.regions_lost:
            lost = ", ".join(terms.regions.by_number[number].name_ko for number in each.regions_lost[:10])
            print(
                say(
                    f"  그 파일에만 있던 지역은 없어집니다: {lost}. 나누어 온 파일이면 --part를 쓰십시오",
                    f"  regions that only that file has are gone: {lost}; use --part where a month comes in parts",
                )
            )
