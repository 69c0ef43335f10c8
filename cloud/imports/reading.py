"""What an agency's table says once read: figures, refused rows, and what a person must be told of it."""

import hashlib
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from cloud.imports.cells import OurUnit
from cloud.imports.lots import Lots
from cloud.imports.mapping import Mapping
from cloud.imports.reasons import Refused
from cloud.imports.regions import Regions


@dataclass(frozen=True)
class Terms:
    """Under which a table is read. `expected`: first and last month it may speak of; `today` bounds it in any case."""

    mapping: Mapping
    regions: Regions
    lots: Lots
    today: date
    expected: tuple[date, date] | None = None

    @property
    def recipe(self) -> str:
        """Of all that decides what a file means: with the same, the same file gives the same figures."""
        said = [self.mapping.digest, self.regions.digest, self.lots.digest, str(self.expected)]
        return hashlib.blake2b(" ".join(said).encode(), digest_size=16).hexdigest()


class Figure(NamedTuple):
    """Of one region, month and kind. Null: all its rows were missing or suppressed (`missing` of `rows`).

    `quantity_milli` is of `unit`, over `months` months from `month`; where `missing` is not 0 it is of the others.
    """

    month: date
    months: int
    level: str
    region: int
    kind: str
    unit: OurUnit
    quantity_milli: int | None
    customers: int | None
    rows: int
    missing: int


@dataclass(frozen=True)
class Total:
    """A total in the file beside the sum of the file's own rows, both in thousandths of `unit`."""

    row: int
    column: str
    stated_milli: int
    summed_milli: int
    unit: OurUnit
    rows: int

    @property
    def agrees(self) -> bool:
        """Each row was rounded to a thousandth, so that is what a sum may be off."""
        return abs(self.stated_milli - self.summed_milli) <= self.rows


class First(NamedTuple):
    """An item as it was understood, for a person to look at."""

    row: int
    month: date
    place: str
    kind: str
    quantity_milli: int | None
    unit: OurUnit
    customers: int | None


@dataclass(frozen=True)
class Reading:
    """`rows` are those below the header without totals and notes; `items` what was taken of them.

    A wide row has an item for each of its columns, so that items may be more than rows. `repeated` are the rows that
    say the same again and were taken once; `missing` and `suppressed` count items without a quantity; `skipped` counts
    footnotes and repeated headers.
    """

    figures: tuple[Figure, ...]
    refused: tuple[Refused, ...]
    totals: tuple[Total, ...]
    first: tuple[First, ...]
    rows: int
    items: int
    repeated: tuple[int, ...]
    missing: int
    suppressed: int
    skipped: int

    @property
    def months(self) -> tuple[date, ...]:
        """In order."""
        return tuple(sorted({figure.month for figure in self.figures}))

    @property
    def sums(self) -> Dict[tuple[date, str, OurUnit], int]:
        """Thousandths by month, level and unit: never across levels, since a level may hold the other's again."""
        sums: dict[tuple[date, str, OurUnit], int] = {}
        for figure in self.figures:
            if figure.quantity_milli is not None:
                key = (figure.month, figure.level, figure.unit)
                sums[key] = sums.get(key, 0) + figure.quantity_milli
        return dict(sorted(sums.items()))
