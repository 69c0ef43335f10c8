"""`bitgoeul cloud import list|undo|compare`: what was imported, taking it back, and looking at it beside meters."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from cloud.imports import store
from cloud.imports.compare import METERED, Comparison, Imported, compare
from cloud.imports.reasons import REASONS, RowError
from cloud.imports.tables import open_database
from commands.cloud_import_common import (
    SEOUL,
    amount,
    month_of,
    needed_url,
    print_json,
    printable,
    regions_of,
    user,
)
from commands.language import say
from commands.table import render
from contract.problems import Problem, UsageProblem


def run(args: argparse.Namespace) -> int:
    """0 when it was done."""
    engine = open_database(needed_url(args), args.database_password_file)
    try:
        if args.what == "list":
            return _list(args, store.listing(engine))
        if args.what == "undo":
            return _undo(args, store.undo(engine, args.number, args.who or user(), int(time.time())))
        return _compare(args, store.current(engine, args.utility))
    finally:
        engine.dispose()


def _list(args: argparse.Namespace, found: list[store.Listed]) -> int:
    if args.json:
        print_json({"imports": [asdict(each) for each in found]})
        return 0
    head = say(
        "번호 출처 부분 파일 월 항목 거부 때 누가 상태", "no source part file months items refused when who state"
    )
    rows = [
        [
            str(each.import_id),
            each.source,
            each.part or "-",
            printable(each.file_name),
            _span([f"{month:%Y-%m}" for month in each.months]),
            f"{each.items:,}",
            f"{each.refused:,}",
            _moment(each.at_s),
            printable(each.who) or "-",
            _state(each),
        ]
        for each in found
    ]
    print("\n".join(render([head.split(), *rows], right=(0, 5, 6))))
    return 0


def _span(months: list[str]) -> str:
    if not months:
        return "-"
    return months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"


def _moment(at_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_s + int(SEOUL.utcoffset(None).total_seconds())))


def _state(each: store.Listed) -> str:
    if each.undone_at_s is not None:
        return say("되돌림", "undone")
    by = ", ".join(map(str, each.replaced_by))
    if by and not each.standing:
        return say(f"{by}번이 대신함", f"replaced by {by}")
    return say(f"일부를 {by}번이 대신함", f"partly replaced by {by}") if by else say("유효", "stands")


def _undo(args: argparse.Namespace, gone: store.Listed) -> int:
    if args.json:
        print_json({"undone": gone.import_id, "stands_again": list(gone.replaces)})
        return 0
    print(say(f"{gone.import_id}번({gone.file_name})을 되돌렸습니다", f"{gone.import_id} ({gone.file_name}) is undone"))
    if gone.replaces:
        again = ", ".join(map(str, gone.replaces))
        print(say(f"다시 유효: {again}번", f"stands again: {again}"))
    return 0


def _compare(args: argparse.Namespace, figures: pa.Table) -> int:
    regions, month = regions_of(args), month_of(args.month)
    if args.region.isdigit() and int(args.region) in regions.by_number:
        region = regions.by_number[int(args.region)]
    else:
        try:
            region = regions.find(args.region, month)
        except RowError as error:
            reason = REASONS[error.code]
            raise UsageProblem(f"'{args.region}': {reason.ko}", f"'{args.region}': {reason.en}") from error
    metered = _metered(args.metered) if args.metered else METERED.empty_table()
    found = compare(metered, figures, regions, region.region, args.utility, month)
    if args.json:
        print_json(asdict(found))
        return 0
    print(f"{region.name_ko} {args.utility} {month:%Y-%m}")
    print("\n".join(render(_rows(found), right=(1, 3, 4))))
    if any(each.overlaps for each in found.imported):
        print(
            say(
                "겹침: 같은 에너지를 따로 센 것이므로 더하지 마십시오",
                "overlapping: they count the same energy, each in its own way; never add them up",
            )
        )
    return 0


def _rows(found: Comparison) -> list[list[str]]:
    head = say("출처 양 단위 차이 비율 비고", "source quantity unit difference ratio remarks").split()
    metered = found.metered
    coverage = "-" if metered.coverage is None else f"{metered.coverage:.1%}"
    remark = say(f"계량, 수집률 {coverage}", f"meters, coverage {coverage}")
    rows = [head, [say("계량", "metered"), amount(metered.total_milli), metered.unit, "", "", remark]]
    return rows + [_row(each) for each in found.imported]


def _row(each: Imported) -> list[str]:
    remarks = []
    if each.parts < each.parts_expected:
        remarks.append(
            say(
                f"{each.level} {each.parts_expected}곳 중 {each.parts}곳",
                f"{each.parts} of {each.parts_expected} {each.level}s",
            )
        )
    if each.missing:
        remarks.append(say(f"빈 값 {each.missing:,}", f"{each.missing:,} missing"))
    if each.months > 1:
        remarks.append(say(f"{each.months}개월치", f"of {each.months} months"))
    if each.overlaps:
        remarks.append(say("겹침: ", "overlaps ") + ", ".join(each.overlaps))
    ratio = "-" if each.ratio is None else f"{each.ratio:.3f}"
    return [
        each.source,
        amount(each.quantity_milli),
        each.unit,
        amount(each.difference_milli),
        ratio,
        "; ".join(remarks),
    ]


def _metered(path: Path) -> pa.Table:
    """Totals of meters as METERED. Raises Problem."""
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path).cast(METERED)
        with pa.memory_map(str(path)) as source:
            return ipc.open_file(source).read_all().cast(METERED)
    except (OSError, pa.ArrowException, ValueError) as error:
        names = ", ".join(METERED.names)
        raise Problem(
            f"{path}: 계량 합계(Arrow 또는 .parquet, 열 {names})가 아닙니다: {str(error).splitlines()[0]}",
            f"{path}: no totals of meters (Arrow or .parquet, columns {names}): {str(error).splitlines()[0]}",
        ) from error
