"""The operator's table of lots: in which dong each lot of a legal dong lies."""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from cloud.imports import reasons
from cloud.imports.cells import clean, whole
from cloud.imports.reasons import RowError
from contract.problems import Problem

ANY = -1  # in place of bun or ji: all of the legal dong, all of the bun
Lot = tuple[str, int, int]  # legal dong of 10 digits, bun, ji
_COLUMNS = ("bjdong_code", "bun", "ji")
_NEARLY_ONE = Fraction(1, 1000)


@dataclass(frozen=True)
class Share:
    """`dong` as the table names it, code or name; of a month, it is looked up then."""

    dong: str
    weight: Fraction


@dataclass(frozen=True)
class Lots:
    """`digest` is of the content. The shares of each lot sum up to 1."""

    shares: dict[Lot, tuple[Share, ...]]
    digest: str = ""

    def of(self, lot: Lot) -> tuple[Share, ...]:
        """The lot's own row, else its bun's, else its legal dong's. Raises RowError."""
        code, bun, ji = lot
        for each in ((code, bun, ji), (code, bun, ANY), (code, ANY, ANY)):
            if found := self.shares.get(each):
                return found
        raise RowError(reasons.LOT_WITHOUT_DONG, name(lot))


def name(lot: Lot) -> str:
    """As people write it: 2914011800 12-3."""
    return f"{lot[0]} {lot[1]}-{lot[2]}"


def lot_of(code: str, bun: str, ji: str) -> Lot:
    """Of clean cells; an empty ji is 0. Raises RowError."""
    try:
        legal, lot = str(whole(code)), (whole(bun or "0"), whole(ji or "0"))
    except RowError as error:
        raise RowError(reasons.BAD_LOT, f"{code} {bun}-{ji}") from error
    if len(legal) != 10 or max(lot) > 9999:
        raise RowError(reasons.BAD_LOT, f"{code} {bun}-{ji}")
    return (legal, *lot)


def load(path: Path) -> Lots:
    """Columns bjdong_code, bun, ji (empty: all), dong_code or dong_name, weight (empty: 1). Raises Problem."""
    rows: dict[Lot, list[Share]] = defaultdict(list)
    try:
        data = path.read_bytes()
        reader = csv.DictReader(data.decode("utf-8-sig").splitlines())
        _check_header(reader.fieldnames or ())
        for number, row in enumerate(reader, 2):
            lot, share = _row({key: clean(value or "") for key, value in row.items() if key}, number)
            rows[lot].append(share)
        _check_weights(rows)
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Problem(
            f"{path}: 지번표(UTF-8 CSV)로 읽을 수 없습니다: {error}",
            f"{path}: cannot be read as a table of lots (UTF-8 CSV): {error}",
        ) from error
    return Lots({lot: tuple(shares) for lot, shares in rows.items()}, _digest(data))


def split(milli: int, shares: tuple[Fraction, ...]) -> list[int]:
    """Whole parts that sum up to the whole exactly; the shares sum up to 1."""
    parts, gone, cumulated = [], 0, Fraction(0)
    for share in shares[:-1]:
        cumulated += share
        upto = (2 * milli * cumulated.numerator + cumulated.denominator) // (2 * cumulated.denominator)
        parts.append(upto - gone)
        gone = upto
    return [*parts, milli - gone]


def _check_header(names: Sequence[str]) -> None:
    wanted = set(_COLUMNS) | {"weight"}
    dong = {"dong_code", "dong_name", "dong"} & set(names)
    if not set(_COLUMNS) <= set(names) or not dong:
        expected = ", ".join(sorted(wanted))
        raise Problem(
            f"{expected}, dong_code(또는 dong_name) 열이 있어야 합니다",
            f"expected the columns {expected} and dong_code (or dong_name)",
        )


def _row(row: dict[str, str], number: int) -> tuple[Lot, Share]:
    dong = row.get("dong_code") or row.get("dong_name") or row.get("dong") or ""
    try:
        code, bun, ji = lot_of(row["bjdong_code"], row["bun"], row["ji"])
        weight = Fraction(row.get("weight") or "1")
    except (RowError, ValueError, ZeroDivisionError) as error:
        raise _bad_row(number) from error
    if not dong or not 0 < weight <= 1:
        raise _bad_row(number)
    return (code, bun if row["bun"] else ANY, ji if row["ji"] else ANY), Share(dong, weight)


def _bad_row(number: int) -> Problem:
    return Problem(
        f"{number}행: 법정동 10자리, 번, 지, 행정동, 0 초과 1 이하의 weight여야 합니다",
        f"row {number}: expected 10 digits of the legal dong, bun, ji, a dong, and a weight over 0 and up to 1",
    )


def _check_weights(rows: dict[Lot, list[Share]]) -> None:
    for lot, shares in rows.items():
        total = sum((share.weight for share in shares), Fraction(0))
        if abs(total - 1) > _NEARLY_ONE:
            raise Problem(
                f"{name(lot)}: weight의 합이 1이어야 하는데 {float(total):.3f}입니다",
                f"{name(lot)}: the weights must sum up to 1 but give {float(total):.3f}",
            )


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
