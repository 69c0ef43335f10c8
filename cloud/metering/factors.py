"""PURE: what an amount of energy or water means in CO2, oil equivalent or money, by the day on which it was used.

Several editions of a factor stand side by side, each with its time. Of the defaults that are in force on a day the one
given last counts, so that a city's own factors are added behind those shipped. Where none is in force nothing is known.
Days are local (Asia/Seoul), as days since 1970-01-01.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal

import numpy as np
import pyarrow as pa

from cloud.metering.arrays import Floats, Ints
from cloud.metering.codes import UTILITIES
from contract.problems import Problem

Kind = Literal["co2", "toe", "won"]

OPEN_FROM_DAY, OPEN_TO_DAY = -(2**31), 2**31 - 1
EPOCH = date(1970, 1, 1)
NUMERATORS: Mapping[Kind, tuple[str, ...]] = {"co2": ("kgCO2eq", "kgCO2"), "toe": ("toe",), "won": ("won",)}
DENOMINATORS = ("kWh", "m3", "m3", "kWh")  # by the place in codes.UTILITIES
CONFIDENCES = ("high", "medium", "low")
BY_DAY = pa.schema([("day", pa.int32()), ("utility", pa.uint8()), ("value", pa.float64())])

NEEDED = ("factor", "utility", "edition", "value", "unit", "source")
OPTIONAL = ("valid_from", "valid_to", "scope", "boundary", "basis", "confidence", "default")


@dataclass(frozen=True)
class Factor:
    """`value` of `unit`, in force from `from_day` until before `to_day`; the rest says what it covers and whose it is.

    One edition may have several values, one after the other. Only a default is taken where no edition is asked for.
    """

    kind: Kind
    utility: int  # place in codes.UTILITIES
    edition: str
    value: float
    unit: str
    from_day: int
    to_day: int
    scope: int | None  # 1, 2 or 3 of the greenhouse gas protocol
    boundary: str
    basis: str  # gross or net, Nm3 or m3, which set of warming potentials
    source: str
    confidence: str
    default: bool

    @property
    def series(self) -> tuple[Kind, int, str]:
        """What an edition is one of."""
        return self.kind, self.utility, self.edition


def factor_of(cells: Mapping[str, str]) -> Factor:
    """A factor from the cells of its row, by NEEDED and OPTIONAL. Raises Problem, which names the column."""
    for name in NEEDED:
        if not cells.get(name):
            raise Problem(f"'{name}' 칸이 비어 있습니다", f"'{name}' is empty")
    kind = _kind(cells["factor"])
    utility = UTILITIES.index(_one_of(cells, "utility", UTILITIES))
    units = [f"{above}/{DENOMINATORS[utility]}" for above in NUMERATORS[kind]]
    bounds = _day(cells, "valid_from", OPEN_FROM_DAY), _day(cells, "valid_to", OPEN_TO_DAY)
    if bounds[0] >= bounds[1]:
        raise Problem("'valid_to'는 'valid_from'보다 뒤여야 합니다", "'valid_to' must be after 'valid_from'")
    scope = _one_of(cells, "scope", ("", "1", "2", "3"))
    return Factor(
        kind,
        utility,
        cells["edition"],
        _value(cells["value"]),
        _one_of(cells, "unit", units),
        *bounds,
        int(scope) if scope else None,
        cells.get("boundary", ""),
        cells.get("basis", ""),
        cells["source"],
        _one_of(cells, "confidence", ("", *CONFIDENCES)),
        _one_of(cells, "default", ("", "0", "1")) == "1",
    )


def overlap(factors: Sequence[Factor]) -> tuple[int, int] | None:
    """The places of two factors that are in force on one day, as one edition or as defaults; None: there are none."""
    defaults = [(factor.series[:2], place) for place, factor in enumerate(factors) if factor.default]
    editions = [(factor.series, place) for place, factor in enumerate(factors)]
    for keyed in (editions, defaults):
        rows = sorted((key, factors[place].from_day, place) for key, place in keyed)
        for (key, _, place), (next_key, next_from, next_place) in pairwise(rows):
            if key == next_key and next_from < factors[place].to_day:
                return min(place, next_place), max(place, next_place)
    return None


def merged(shipped: Sequence[Factor], own: Sequence[Factor]) -> tuple[Factor, ...]:
    """Those shipped with a city's own behind them: an edition of the city replaces that of the same name."""
    replaced = {factor.series for factor in own}
    return (*(factor for factor in shipped if factor.series not in replaced), *own)


def in_force(
    factors: Sequence[Factor], kind: Kind, utility: int, day: int, edition: str | None = None
) -> Factor | None:
    """The default of that day, or the edition asked for; None: not known."""
    found = [factor for factor in _matching(factors, kind, utility, edition) if factor.from_day <= day < factor.to_day]
    return found[-1] if found else None


def per_day(factors: Sequence[Factor], kind: Kind, utility: int, days: Ints, edition: str | None = None) -> Floats:
    """The value of `in_force` for each day, NaN where it is not known."""
    values = np.full(days.size, np.nan)
    for factor in _matching(factors, kind, utility, edition):
        values[(days >= factor.from_day) & (days < factor.to_day)] = factor.value
    return values


def by_day(factors: Sequence[Factor], kind: Kind, days: Ints, editions: Mapping[int, str] | None = None) -> pa.Table:
    """BY_DAY for all utilities, without those not known; `editions` by utility, where not the default."""
    parts = []
    for utility in range(len(UTILITIES)):
        values = per_day(factors, kind, utility, days, (editions or {}).get(utility))
        known = ~np.isnan(values)
        columns = [days[known].astype(np.int32), np.full(known.sum(), utility, np.uint8), values[known]]
        parts.append(pa.table(columns, schema=BY_DAY))
    return pa.concat_tables(parts).combine_chunks()


def converted(total_milli: Ints, values: Floats) -> Floats:
    """kgCO2eq, toe or won of thousandths of kWh or m3; NaN where the factor is."""
    return total_milli / 1000 * values


def _matching(factors: Sequence[Factor], kind: Kind, utility: int, edition: str | None) -> list[Factor]:
    return [
        factor
        for factor in factors
        if (factor.kind, factor.utility) == (kind, utility)
        and (factor.default if edition is None else factor.edition == edition)
    ]


def _kind(text: str) -> Kind:
    for kind in NUMERATORS:
        if kind == text:
            return kind
    kinds = ", ".join(NUMERATORS)
    raise Problem(f"'factor' 칸은 {kinds} 중 하나여야 합니다: '{text}'", f"'factor' must be one of {kinds}: '{text}'")


def _one_of(cells: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    text = cells.get(name, "")
    if text in choices:
        return text
    listed = ", ".join(filter(None, choices))
    raise Problem(f"'{name}' 칸은 {listed} 중 하나여야 합니다: '{text}'", f"'{name}' must be one of {listed}: '{text}'")


def _value(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value < math.inf:
        return value
    raise Problem(f"'value' 칸은 0 이상의 수여야 합니다: '{text}'", f"'value' must be a number from 0: '{text}'")


def _day(cells: Mapping[str, str], name: str, default: int) -> int:
    text = cells.get(name, "")
    if not text:
        return default
    try:
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        raise Problem(
            f"'{name}' 칸은 2026-07-01 같은 날짜이거나 비어 있어야 합니다: '{text}'",
            f"'{name}' must be a date such as 2026-07-01, or empty: '{text}'",
        ) from None
