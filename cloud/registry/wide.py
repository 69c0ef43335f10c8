"""A meters.csv with everything in one row, taken apart into meters and what is dated about them."""

# ruff: noqa: S608  # what is put into a statement are names of `cloud.registry.columns`

from collections.abc import Iterator

import pyarrow as pa

from cloud.registry.book import Book
from cloud.registry.checks import Check, find
from cloud.registry.columns import ENTITIES
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S

_LIFE = ("serial", "digits", "opening", "closing")


def take_apart(book: Book, rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Rows by entity, one after the other, as `book.merge` takes them; "areas" are (gateway, area, origin).

    Raises Problem. A column that the file has not says nothing; neither does an empty gateway, multiplier or max_per_h.
    """
    stated = set(rows.column_names)
    start = _first_of(("from_s", "installed_s"), stated, OPEN_FROM_S)
    till = _first_of(("to_s", "removed_s"), stated, OPEN_TO_S)
    book.run(f"CREATE TEMP TABLE wide AS SELECT *, {start} AS start, {till} AS till FROM given", given=rows)
    own = [column.field for column in ENTITIES["meters"].values if column.field in stated]
    life = [name for name in ("removed_s", *_LIFE) if name in stated]
    keys = ["meter", "installed_s"] if "installed_s" in stated else ["meter"]
    _refuse(book, own, keys, life)
    del rows
    yield "meters", _grouped(book, ["meter"], own, "true")
    if life or "installed_s" in stated:
        some = " OR ".join(f"{name} IS NOT NULL" for name in (*keys[1:], *life))
        yield "lives", _grouped(book, keys, life, some)
    for name, value, more in (
        ("multipliers", "multiplier", ""),
        ("capacities", "max_per_h", ""),
        ("assignments", "gateway", "till AS to_s, "),
    ):
        if value in stated:
            yield (
                name,
                book.table(f"SELECT meter, start AS from_s, {more}{value}, origin FROM wide WHERE {value} IS NOT NULL"),
            )
    if {"gateway", "area"} <= stated:
        yield (
            "areas",
            book.table(
                "SELECT gateway, area, min(origin) AS origin FROM wide WHERE gateway IS NOT NULL AND area IS NOT NULL "
                "GROUP BY gateway, area ORDER BY origin"
            ),
        )
    book.run("DROP TABLE wide")


def _first_of(names: tuple[str, ...], stated: set[str], otherwise: int) -> str:
    return f"coalesce({', '.join([*(name for name in names if name in stated), str(otherwise)])})"


def _grouped(book: Book, keys: list[str], values: list[str], condition: str) -> pa.Table:
    """One row a key: its rows say the same, as `_refuse` saw to."""
    shown = "".join(f", first({name}) AS {name}" for name in values)
    return book.table(
        f"SELECT {', '.join(keys)}{shown}, min(origin) AS origin FROM wide WHERE {condition} GROUP BY {', '.join(keys)}"
    )


def _refuse(book: Book, own: list[str], of_life: list[str], life: list[str]) -> None:
    several = "meter IN (SELECT meter FROM wide GROUP BY meter HAVING count(*) > 1)"
    checks = [
        Check(
            "SELECT origin, coalesce(meter, ''), iso(start), iso(till) FROM wide WHERE till <= start OR meter IS NULL",
            "계량기 '{0}': 이름이 있어야 하고, 끝 '{2}'이(가) 시작 '{1}'보다 뒤여야 합니다",
            "meter '{0}': expected a name, and an end '{2}' after the beginning '{1}'",
        ),
        Check(
            "SELECT origin, meter, iso(start), iso(until) FROM (SELECT *, lag(till) OVER (PARTITION BY meter "
            f"ORDER BY start, till) AS until FROM wide WHERE {several}) WHERE until > start",
            "계량기 '{0}': 같은 때에 두 줄이 있습니다. {1}에 시작하는데 앞의 줄은 '{2}'에 끝납니다 (비면 끝없음)",
            "meter '{0}': two rows of one name at one time: overlapping stretches, one begins at {1}, "
            "the one before ends at '{2}' (empty: never)",
        ),
    ]
    for keys, names in (("meter", own), (", ".join(of_life), life)):
        checks += [
            Check(
                f"SELECT max(origin), meter FROM wide WHERE {several} GROUP BY {keys} "
                f"HAVING min({name}) IS DISTINCT FROM max({name}) OR count({name}) NOT IN (0, count(*))",
                f"계량기 '{{0}}': 줄마다 {name}이(가) 다릅니다",
                f"meter '{{0}}': its rows say different things of {name}",
            )
            for name in names
        ]
    find(book, checks)
