"""What `cloud quality` takes from the command line and asks of an area's process. Times are KST, as ISO 8601."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from cloud.metering.calendar import begin_s
from cloud.metering.codes import SLOT_S
from contract.problems import Problem, UsageProblem

TIMEOUT_S = 30.0
KST = timezone(timedelta(hours=9))
_EPOCH = date(1970, 1, 1)

__all__ = ["begin_s", "day", "day_text", "days", "fetch", "milli", "milli_text", "print_json", "printable", "slot",
           "slot_text"]  # fmt: skip


def fetch(
    socket: Path, table: str, timeout_s: float = TIMEOUT_S, **arguments: str | int | None
) -> list[dict[str, Any]]:
    """The rows of a named table. Raises Problem, also that which the other side tells."""
    from cloud.store.flight import fetch_table  # noqa: PLC0415  # the database is loaded only by who uses it
    from cloud.store.protocol import StoreUnavailable  # noqa: PLC0415

    try:
        rows: list[dict[str, Any]] = fetch_table(socket, table, timeout_s, **arguments).to_pylist()
    except StoreUnavailable as error:
        raise Problem(
            f"{socket}: 구역 프로세스가 대답하지 않습니다. 실행 중이어야 합니다 ({error})",
            f"{socket}: the area's process does not answer; it must be running ({error})",
        ) from error
    if rows and "problem_en" in rows[0]:
        raise Problem(rows[0]["problem_ko"], rows[0]["problem_en"])
    return rows


def day(text: str) -> int:
    """A local day, from YYYY-MM-DD."""
    try:
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise UsageProblem(
            f"{text}: 날짜는 2026-01-31처럼 적으십시오", f"{text}: expected a day such as 2026-01-31"
        ) from None


def days(one: str | None, first: str | None, last: str | None) -> tuple[int, int]:
    """The first day and the one after the last; yesterday where nothing is said."""
    if one is not None and (first or last):
        raise UsageProblem("--day와 --from, --to는 함께 쓸 수 없습니다", "--day: expected without --from and --to")
    yesterday = (datetime.now(KST).date() - _EPOCH).days - 1
    begin = day(one or first or last or day_text(yesterday))
    end = day(one or last or day_text(max(yesterday, begin))) + 1
    if end <= begin:
        raise UsageProblem(f"{last}: --from보다 앞섭니다", f"{last}: --to lies before --from")
    return begin, end


def slot(text: str) -> int:
    """The moment at which a slot begins, from an ISO time; without an offset it is Korean."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageProblem(
            f"{text}: 시각은 2026-01-31T13:15처럼 적으십시오", f"{text}: expected a time such as 2026-01-31T13:15"
        ) from None
    time_s = (when if when.tzinfo else when.replace(tzinfo=KST)).timestamp()
    if time_s % SLOT_S:
        raise UsageProblem(
            f"{text}: 15분 구간의 시작(00, 15, 30, 45분)이어야 합니다",
            f"{text}: expected the beginning of a slot (a multiple of 15 minutes)",
        )
    return int(time_s)


def milli(text: str) -> int | None:
    """Thousandths; None for `missing`. More than three decimals are no thousandths."""
    if text == "missing":
        return None
    try:
        value = Decimal(text) * 1000
    except ArithmeticError:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0 or value > 2**53 or value != int(value):
        raise UsageProblem(
            f"{text}: 0 이상의 수(소수 셋째 자리까지)나 missing이어야 합니다",
            f"{text}: expected a number of 0 or more with at most three decimals, or 'missing'",
        )
    return int(value)


def day_text(number: int) -> str:
    """YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=number)).isoformat()


def slot_text(time_s: int) -> str:
    """ISO 8601 in Korean time."""
    return datetime.fromtimestamp(time_s, UTC).astimezone(KST).isoformat()


def milli_text(value: int | None) -> str:
    """Thousandths as a decimal number; "-" where missing."""
    return "-" if value is None else f"{value // 1000:,}.{value % 1000:03d}"


def print_json(found: object) -> int:
    """One line; 0."""
    print(json.dumps(found, ensure_ascii=False))
    return 0


def printable(text: str) -> str:
    """The text without what a terminal would obey: people typed it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
