"""Which of our regions an agency means by a code or a Korean name in a month."""

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa

from cloud.imports import reasons
from cloud.imports.cells import fold, month_after
from cloud.imports.reasons import RowError
from cloud.metering.codes import SEOUL_S
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from contract.problems import Problem

SHIPPED = Path(__file__).parent.parent / "registry" / "data" / "regions.csv"
_SEOUL = timezone(timedelta(seconds=SEOUL_S))
_TOPS = ("province", "city")
_SUFFIX = re.compile(r"(광역시|특별시|특별자치시|통합특별시|특별자치도|시|도)$")


@dataclass(frozen=True)
class Region:
    """Valid in [from_s, to_s)."""

    region: int
    level: str
    parent: int
    code: str
    name_ko: str
    from_s: int
    to_s: int


@dataclass(frozen=True)
class Regions:
    """Made by `of`; `found` remembers what was asked before."""

    by_number: dict[int, Region]
    by_code: dict[str, list[Region]]
    by_name: dict[str, list[Region]]
    digest: str  # of what they were made of
    found: dict[tuple[str, date], Region | str] = field(default_factory=dict)

    def find(self, text: str, month: date) -> Region:
        """The region of a code (5, 8 or 10 digits; 2 for the city) or name, as it was at the month's beginning.

        One that began later in the month counts where there was none at its beginning. Raises RowError.
        """
        key = (text, month)
        if key not in self.found:
            self.found[key] = self._look(text, month)
        found = self.found[key]
        if isinstance(found, str):
            raise RowError(found, text)
        return found

    def children(self, region: int, month: date) -> tuple[int, ...]:
        """The numbers of what lay in it at the month's beginning."""
        start_s = _start_s(month)
        return tuple(
            each.region
            for each in self.by_number.values()
            if each.parent == region and each.from_s <= start_s < each.to_s
        )

    def _look(self, text: str, month: date) -> Region | str:
        name = re.sub(r"\.0+$", "", text)
        if not name:
            return reasons.NO_REGION
        known = self.by_code.get(canonical(name), []) if name.isdigit() else self.by_name.get(_plain(name), [])
        start_s, end_s = _start_s(month), _start_s(month_after(month, 1))
        then = [region for region in known if region.from_s <= start_s < region.to_s]
        then = then or [region for region in known if start_s < region.from_s < end_s]
        if len(then) == 1:
            return then[0]
        return reasons.AMBIGUOUS_REGION if then else reasons.UNKNOWN_REGION


def of(rows: Iterable[Region]) -> Regions:
    """Indexes them by code and by every form of their names."""
    by_number = {region.region: region for region in sorted(rows, key=lambda region: region.region)}
    by_code: dict[str, list[Region]] = defaultdict(list)
    by_name: dict[str, list[Region]] = defaultdict(list)
    tops = {"": None} | {form: None for each in by_number.values() if each.level in _TOPS for form in _forms(each)}
    for region in by_number.values():
        if region.code:
            by_code[canonical(region.code)].append(region)
        for name in _names(region, by_number, list(tops)):
            by_name[name].append(region)
    digest = hashlib.blake2b(repr(list(by_number.values())).encode(), digest_size=16).hexdigest()
    return Regions(by_number, dict(by_code), dict(by_name), digest)


def shipped() -> Regions:
    """Those of the city that this comes with."""
    return from_csv(SHIPPED)


def from_csv(path: Path) -> Regions:
    """A file with the columns of the registry's entity `regions`; times as days. Raises Problem."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return of([_region(row) for row in csv.DictReader(file)])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{path}: 지역 목록으로 읽을 수 없습니다: {error}", f"{path}: cannot be read as regions: {error}"
        ) from error


def from_table(table: pa.Table) -> Regions:
    """The table `regions` of a registry's snapshot."""
    return of(
        Region(
            row["region"],
            row["level"],
            row["parent"],
            row["code"] or "",
            row["name_ko"],
            row["valid_from_s"],
            row["valid_to_s"],
        )
        for row in table.to_pylist()
    )


def canonical(code: str) -> str:
    """Ten digits of a code of 2, 5, 8 or 10; anything else stays, and is no region's."""
    return code.ljust(10, "0") if len(code) in (2, 5, 8) else code


def _region(row: dict[str, str]) -> Region:
    return Region(
        int(row["region"]),
        row["level"],
        int(row["parent"] or 0),
        row["code"],
        row["name_ko"],
        _start_s(date.fromisoformat(row["valid_from"])) if row["valid_from"] else OPEN_FROM_S,
        _start_s(date.fromisoformat(row["valid_to"])) if row["valid_to"] else OPEN_TO_S,
    )


def _start_s(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=_SEOUL).timestamp())


def _plain(name: str) -> str:
    """Names differ in blanks, and in "중흥제1동" against "중흥1동"."""
    return re.sub(r"제(?=\d)", "", fold(name)).replace("·", "").replace(".", "")


def _forms(top: Region) -> tuple[str, ...]:
    """Short forms too: "광주광역시" is also "광주" and "광주시"."""
    name = _plain(top.name_ko)
    short = _SUFFIX.sub("", name)
    return (name, short, f"{short}시") if top.level == "city" else (name, short)


def _names(region: Region, by_number: dict[int, Region], tops: list[str]) -> set[str]:
    if region.level in _TOPS:
        return set(_forms(region))
    name, above = _plain(region.name_ko), by_number.get(region.parent)
    names = {name}
    if above and above.level not in _TOPS:
        names.add(_plain(above.name_ko) + name)
    return {top + each for top in tops for each in names}
