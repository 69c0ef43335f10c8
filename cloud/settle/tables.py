"""What other processes may ask of an area's quality, and the one thing that they may change: edits of single slots."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.codes import SLOT_S
from cloud.settle.days import first_whole_day
from cloud.store.days import ALL_RULES, Days
from cloud.store.settled import EDITS, USAGE, Settled
from contract.problems import Problem

# A refusal in the place of rows: one row.
REFUSED = pa.schema([("problem_ko", pa.string()), ("problem_en", pa.string())])

ROWS = 1000  # of a list, unless told
MOST_MILLI = 2**53

Named = Callable[..., pa.Table]


def quality_tables(settled: Settled, days: Days) -> dict[str, Named]:
    """By name. Times are UTC epoch seconds, days are local; what cannot be answered is REFUSED."""
    return {
        "usage": _answered(lambda meter, start, end: usage(settled, days, meter, start, end)),
        "usages": _answered(lambda meters, start, end: usages(settled, days, meters, start, end)),
        "findings": _answered(
            lambda start, end, rules=ALL_RULES, meter=None, limit=ROWS: days.findings(
                (start, end), rules, _known(days, meter), limit
            )
        ),
        "flagged": _answered(
            lambda start, end, rules=ALL_RULES, grade=None, meter=None, limit=ROWS: days.flagged(
                (start, end), rules, grade, _known(days, meter), limit
            )
        ),
        "grades": days.slot_counts,
        "found": days.day_counts,
        "judged": lambda: judged(settled, days),
        "edits": _answered(lambda meter=None, limit=ROWS: days.edits(_known(days, meter), limit)),
        "edit": _answered(lambda **edit_: edit(settled, days, **edit_)),
    }


def judged(settled: Settled, days: Days) -> pa.Table:
    """Which whole local days were judged, as one row: from `first_day` on until before `end_day`, both 0 where none
    was.
    """
    first, last = first_whole_day(settled.progress()), days.judged()
    found = (0, 0) if first is None or last is None else (first, last + 1)
    return pa.table([[day] for day in found], names=["first_day", "end_day"])


def usage(settled: Settled, days: Days, meter: str, start_s: int, end_s: int) -> pa.Table:
    """slot_s, quantity, milli, grade, flags of start_s <= slot_s < end_s, by quantity and slot. Raises Problem."""
    registers = days.registers(_known(days, meter) or "")
    found = settled.usage(start_s, end_s, np.sort(registers["series"].to_numpy()))
    joined = found.join(registers, "series", join_type="inner").drop_columns(["series"])
    return joined.sort_by([("quantity", "ascending"), ("slot_s", "ascending")])


def usages(settled: Settled, days: Days, meters: str, start_s: int, end_s: int) -> pa.Table:
    """slot_s, meter, quantity, milli, grade, flags of start_s <= slot_s < end_s, of several meters (names divided by
    spaces) in no order; a meter that is not known is passed over.
    """
    registers = days.registers_of(meters.split())
    found = settled.usage(start_s, end_s, registers["series"].to_numpy()) if registers.num_rows else USAGE.empty_table()
    return found.join(registers, "series", join_type="inner").drop_columns(["series"])


def edit(settled: Settled, days: Days, meter: str, quantity: str, **what: str | int | None) -> pa.Table:
    """Keep an edit of one slot (slot_s, milli or None, who, reason) and mark the slot; the edit, as one row.

    Raises Problem.
    """
    slot_s, milli = _slot(settled, what.get("slot_s")), what.get("milli")
    series = _register(days, meter, quantity)
    if milli is not None and not (isinstance(milli, int) and 0 <= milli <= MOST_MILLI):
        raise Problem(
            f"{milli}: 값은 0 이상의 천분의 일 단위 정수여야 합니다",
            f"{milli}: expected thousandths, an integer of 0 or more, or none",
        )
    who, reason = (str(what.get(name) or "").strip() for name in ("who", "reason"))
    if not who or not reason:
        raise Problem("누가 왜 고치는지 적으십시오", "an edit: say who makes it and for what reason")
    row = {"id": 0, "series": series, "slot_s": slot_s, "milli": milli, "reason": reason, "who": who}
    settled.edit(pa.Table.from_pylist([row | {"at_s": int(time.time())}], EDITS))
    return days.edits(meter, 1)


def _known(days: Days, meter: str | None) -> str | None:
    if meter is not None and not days.registers(meter).num_rows:
        raise Problem(
            f"{meter}: 이 구역에 없는 계량기입니다. 등록부에서 이름을 확인하십시오",
            f"{meter}: no such meter in this area; look its name up in the registry",
        )
    return meter


def _register(days: Days, meter: str, quantity: str) -> int:
    """The series of that register."""
    registers = days.registers(_known(days, meter) or "")
    found = registers.filter(pc.equal(registers["quantity"], quantity))["series"].to_pylist()
    if not found:
        has = ", ".join(registers["quantity"].to_pylist())
        raise Problem(
            f"{meter}: '{quantity}' 지침이 없습니다. 있는 것: {has}",
            f"{meter}: has no '{quantity}'; expected one of {has}",
        )
    return int(found[0])


def _slot(settled: Settled, slot_s: object) -> int:
    """A slot that is settled and may still change."""
    progress = settled.progress()
    first_s, end_s = progress.first_s, progress.settled_s
    if not isinstance(slot_s, int) or slot_s % SLOT_S:
        raise Problem(f"{slot_s}: 15분 구간의 시작이 아닙니다", f"{slot_s}: expected the beginning of a slot of 15 min")
    if first_s is None or end_s is None or slot_s >= end_s:
        raise Problem(
            "아직 정산되지 않은 구간입니다. 정산된 뒤에 고치십시오", "this slot is not settled yet; edit it once it is"
        )
    if slot_s < first_s:
        raise Problem(
            "봉인되었거나 정산이 시작되기 전의 구간이라 고칠 수 없습니다",
            "this slot is sealed, or before settling began; it cannot be edited any more",
        )
    return slot_s


def _answered(ask: Named) -> Named:
    def answer(**arguments: str | int | None) -> pa.Table:
        try:
            return ask(**arguments)
        except Problem as problem:
            return pa.table([[problem.text.ko], [problem.text.en]], schema=REFUSED)

    return answer
