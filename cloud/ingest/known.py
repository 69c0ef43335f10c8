"""Which meters hang on which gateway, and when: `known.csv`, until there is a registry."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from contract.problems import Problem, Text
from contract.quantities import QUANTITIES
from contract.refusals import METER_OF_ANOTHER_GATEWAY, UNKNOWN_METER
from contract.topics import NAME

COLUMNS = ("gateway", "meter", "quantity", "valid_from_s", "valid_to_s")
OPEN_FROM_S, OPEN_TO_S = -(2**62), 2**62
MAX_COMPLAINTS = 20
MAX_BASE_NAMES = 16
NO_ROWS = Text(
    "등록된 계량기가 없습니다. 머리글 아래에 한 줄 이상 있어야 합니다",
    "expected at least one row below the header; with none, no gateway would be known",
)


class Row(NamedTuple):
    """What a gateway may report, from `valid_from_s` on and until before `valid_to_s`."""

    gateway: str
    meter: str
    quantity: str
    valid_from_s: int
    valid_to_s: int


class Known:
    """The rows, indexed. `series[i]` is the store's number for row i; nothing changes but a cache of names."""

    def __init__(self, rows: Sequence[Row], series: npt.NDArray[np.int32]) -> None:
        self.rows = rows
        self.series = series
        self.valid_from_s = np.array([row.valid_from_s for row in rows], np.int64)
        self.valid_to_s = np.array([row.valid_to_s for row in rows], np.int64)
        self._windows: dict[str, list[int]] = {}
        self._names: dict[str, dict[str, int]] = {}
        # ascending, so that a name leads to its latest row
        for at in np.argsort(self.valid_from_s, kind="stable").tolist():
            name = f"{rows[at].meter}/{rows[at].quantity}"
            self._windows.setdefault(name, []).append(at)
            self._names.setdefault(rows[at].gateway, {})[name] = at
        self._suffixes: dict[str, dict[str, dict[str, int]]] = {gateway: {} for gateway in self._names}

    @property
    def gateways(self) -> Iterable[str]:
        """All gateways, once each."""
        return self._names.keys()

    def knows(self, gateway: str) -> bool:
        """Whether any row names the gateway."""
        return gateway in self._names

    def names(self, gateway: str, base_name: str) -> Mapping[str, int]:
        """By what follows the base name, the latest row of each name that this gateway ever reports."""
        cache = self._suffixes.get(gateway)
        if cache is None:
            return {}
        found = cache.get(base_name)
        if found is None:
            if len(cache) >= MAX_BASE_NAMES:
                cache.clear()
            skip = len(base_name)
            found = {name[skip:]: at for name, at in self._names[gateway].items() if name.startswith(base_name)}
            cache[base_name] = found
        return found

    def judge(self, gateway: str, name: str, time_s: int) -> int | str:
        """The row under which the gateway may report `{meter}/{quantity}` at that time, or why it may not."""
        reason = UNKNOWN_METER
        for at in self._windows.get(name, ()):
            if self.rows[at].valid_from_s <= time_s < self.rows[at].valid_to_s:
                if self.rows[at].gateway == gateway:
                    return at
                reason = METER_OF_ANOTHER_GATEWAY
        return reason


def read_known(path: Path) -> list[Row]:
    """The rows of a known.csv. Raises Problem that names every bad row (up to a limit) by line and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except OSError as error:
        raise Problem(
            f"{path}: 읽을 수 없습니다: {error.strerror}", f"{path}: cannot be read: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise Problem(f"{path}: UTF-8 CSV가 아닙니다: {error}", f"{path}: expected UTF-8 CSV: {error}") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        expected = ",".join(COLUMNS)
        raise Problem(f"{path}: 첫 줄은 '{expected}'이어야 합니다", f"{path}: line 1: expected '{expected}'")
    rows: dict[int, Row] = {}
    complaints: list[Text] = []
    for number, cells in enumerate(lines[1:], start=2):
        row = _row(cells) if cells else None
        if isinstance(row, Text):
            complaints.append(Text(f"{number}행 {row.ko}", f"line {number}: {row.en}"))
        elif row is not None:
            rows[number] = row
    complaints += _contradictions(rows)
    if complaints or not rows:
        raise _problem(path, complaints or [NO_ROWS])
    return list(rows.values())


def _row(cells: Sequence[str]) -> Row | Text:
    """The row, or what is wrong with which column."""
    if len(cells) != len(COLUMNS):
        return Text(
            f"열이 {len(COLUMNS)}개여야 하는데 {len(cells)}개입니다",
            f"expected {len(COLUMNS)} columns, found {len(cells)}",
        )
    gateway, meter, quantity, valid_from, valid_to = cells
    for column, name in (("gateway", gateway), ("meter", meter)):
        if not NAME.fullmatch(name):
            return Text(
                f"{column} '{name}': 영문 소문자, 숫자, 하이픈만 1~64자로 쓸 수 있습니다",
                f"{column} '{name}': expected 1 to 64 of a-z, 0-9 and '-'",
            )
    if quantity not in QUANTITIES:
        return Text(
            f"quantity '{quantity}': contract/quantities.py에 없는 측정 항목입니다",
            f"quantity '{quantity}': expected one of contract/quantities.py",
        )
    for column, text in (("valid_from_s", valid_from), ("valid_to_s", valid_to)):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 12):
            return Text(
                f"{column} '{text}': UTC 에포크 초이거나 비어 있어야 합니다",
                f"{column} '{text}': expected UTC epoch seconds, or nothing",
            )
    from_s, to_s = int(valid_from or OPEN_FROM_S), int(valid_to or OPEN_TO_S)
    if from_s >= to_s:
        return Text(
            f"valid_to_s '{valid_to}': valid_from_s보다 뒤여야 합니다",
            f"valid_to_s '{valid_to}': expected a time after valid_from_s",
        )
    return Row(gateway, meter, quantity, from_s, to_s)


def _contradictions(rows: Mapping[int, Row]) -> list[Text]:
    """One complaint for each meter that two gateways would have at one time."""
    by_meter: dict[str, dict[tuple[int, int, str], int]] = {}
    for number, row in rows.items():
        windows = by_meter.setdefault(row.meter, {})
        windows.setdefault((row.valid_from_s, row.valid_to_s, row.gateway), number)
    found = []
    for meter, windows in by_meter.items():
        until, owner, line = OPEN_FROM_S, "", 0
        for (start, end, gateway), number in sorted(windows.items()):
            if start < until and gateway != owner:
                found.append(
                    Text(
                        f"{number}행 meter '{meter}': 같은 시각에 게이트웨이 '{owner}'({line}행)와 "
                        f"'{gateway}' 둘에 속할 수 없습니다",
                        f"line {number}: meter '{meter}': expected one gateway at a time, "
                        f"but line {line} says '{owner}' and this one '{gateway}'",
                    )
                )
                break
            if end > until:
                until, owner, line = end, gateway, number
    return found


def _problem(path: Path, complaints: Sequence[Text]) -> Problem:
    more = len(complaints) - MAX_COMPLAINTS
    return Problem(
        f"{path}: " + "; ".join(text.ko for text in complaints[:MAX_COMPLAINTS]) + (f"; 그 밖에 {more}건" * (more > 0)),
        f"{path}: " + "; ".join(text.en for text in complaints[:MAX_COMPLAINTS]) + (f"; and {more} more" * (more > 0)),
    )
