"""Imports kept whole: one in one transaction, the earlier ones under it, and a way back. Raises Problem."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Engine, Row, Subquery, and_, func, insert, select, update

from cloud.imports.mapping import Mapping
from cloud.imports.reading import Reading
from cloud.imports.tables import FIGURES, IMPORTS, MONTHS, looking, writing
from contract.problems import Problem

CURRENT = pa.schema(
    [
        ("import_id", pa.int64()),
        ("source", pa.string()),
        ("agency_ko", pa.string()),
        ("agency_en", pa.string()),
        ("utility", pa.string()),
        ("month", pa.date32()),
        ("months", pa.int32()),
        ("level", pa.string()),
        ("region", pa.int32()),
        ("kind", pa.string()),
        ("unit", pa.string()),
        ("quantity_milli", pa.int64()),
        ("customers", pa.int64()),
        ("rows", pa.int64()),
        ("missing", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Origin:
    """What is being imported, by whom. `part`: an agency's file that is one of several for the same month."""

    mapping_name: str
    mapping: Mapping
    file_name: str
    file_digest: str
    recipe: str
    who: str
    at_s: int
    part: str = ""


@dataclass(frozen=True)
class Listed:
    """`replaces` and `replaced_by` hold for the months in common; `standing` are those still its own."""

    import_id: int
    source: str
    agency_ko: str
    agency_en: str
    utility: str
    mapping: str
    part: str
    file_name: str
    file_digest: str
    recipe: str
    who: str
    at_s: int
    rows: int
    items: int
    refused: int
    undone_at_s: int | None
    undone_by: str | None
    months: tuple[date, ...] = ()
    standing: tuple[date, ...] = ()
    replaces: tuple[int, ...] = ()
    replaced_by: tuple[int, ...] = ()


@dataclass(frozen=True)
class Replaced:
    """An import that stands for some of the months, and the regions that only it has."""

    import_id: int
    file_name: str
    months: tuple[date, ...]
    regions_lost: tuple[int, ...]


@dataclass(frozen=True)
class Done:
    """`already`: that file is what stands, read the same way; nothing was changed."""

    import_id: int
    already: bool
    replaced: tuple[Replaced, ...]


def look(engine: Engine, origin: Origin, reading: Reading) -> Done:
    """What `keep` would do; the id is 0 where it would be a new one."""
    with looking(engine) as connection:
        if (standing := _same(connection, origin, reading)) is not None:
            return Done(standing, True, ())
        return Done(0, False, _replaced(connection, origin, reading))


def keep(engine: Engine, origin: Origin, reading: Reading) -> Done:
    """All of it or nothing; it is on disk when this returns."""
    if not reading.figures:
        raise Problem("가져올 것이 없습니다", "nothing that could be imported")
    with writing(engine) as connection:
        if (standing := _same(connection, origin, reading)) is not None:
            return Done(standing, True, ())
        replaced = _replaced(connection, origin, reading)
        number = _insert(connection, origin, reading)
        _check_once(connection, origin.mapping.source)
        return Done(number, False, replaced)


def undo(engine: Engine, import_id: int | None, who: str, at_s: int) -> Listed:
    """Takes back that import, or the latest that is not taken back; what it replaced stands again."""
    with writing(engine) as connection:
        known = {each.import_id: each for each in _listing(connection)}
        open_ids = [number for number, each in known.items() if each.undone_at_s is None]
        number = max(open_ids, default=0) if import_id is None else import_id
        if number not in open_ids:
            ids = ", ".join(map(str, open_ids)) or "-"
            raise Problem(
                f"되돌릴 가져오기 {import_id or ''}이(가) 없습니다. 되돌릴 수 있는 번호: {ids}",
                f"no import {import_id or ''} to undo; those that stand: {ids}",
            )
        connection.execute(update(IMPORTS).where(IMPORTS.c.import_id == number).values(undone_at_s=at_s, undone_by=who))
        _check_once(connection, known[number].source)
        return known[number]


def listing(engine: Engine) -> list[Listed]:
    """All imports ever, the oldest first."""
    with looking(engine) as connection:
        return _listing(connection)


def current(engine: Engine, utility: str | None = None) -> pa.Table:
    """The figures that stand, as CURRENT."""
    standing = _standing()
    columns: list[Any] = [
        (IMPORTS if field.name in IMPORTS.c and field.name != "rows" else FIGURES).c[field.name] for field in CURRENT
    ]
    query = (
        select(*columns)
        .join(standing, and_(FIGURES.c.import_id == standing.c.import_id, FIGURES.c.month == standing.c.month))
        .join(IMPORTS, IMPORTS.c.import_id == FIGURES.c.import_id)
        .where(IMPORTS.c.utility == utility if utility else IMPORTS.c.utility.is_not(None))
        .order_by(IMPORTS.c.source, FIGURES.c.month, FIGURES.c.level, FIGURES.c.region, FIGURES.c.kind)
    )
    with looking(engine) as connection:
        rows = connection.execute(query).all()
    columns_of = zip(*rows, strict=True) if rows else [()] * len(CURRENT)
    return pa.table([pa.array(values, field.type) for values, field in zip(columns_of, CURRENT, strict=True)], CURRENT)


def _standing() -> Subquery:
    """(source, part, month) and the import that stands for it."""
    return (
        select(MONTHS.c.source, MONTHS.c.part, MONTHS.c.month, func.max(MONTHS.c.import_id).label("import_id"))
        .join(IMPORTS, IMPORTS.c.import_id == MONTHS.c.import_id)
        .where(IMPORTS.c.undone_at_s.is_(None))
        .group_by(MONTHS.c.source, MONTHS.c.part, MONTHS.c.month)
        .subquery()
    )


def _standing_of(connection: Connection, origin: Origin, months: Sequence[date]) -> dict[date, int]:
    standing = _standing()
    query = select(standing.c.month, standing.c.import_id).where(
        standing.c.source == origin.mapping.source, standing.c.part == origin.part
    )
    return {month: number for month, number in connection.execute(query) if month in months}


def _same(connection: Connection, origin: Origin, reading: Reading) -> int | None:
    """The import that stands for all of the months and was made of the same file in the same way."""
    standing = _standing_of(connection, origin, reading.months)
    numbers = set(standing.values())
    if len(numbers) != 1 or len(standing) != len(reading.months):
        return None
    (number,) = numbers
    row = connection.execute(select(IMPORTS.c.file_digest, IMPORTS.c.recipe).where(IMPORTS.c.import_id == number)).one()
    return number if tuple(row) == (origin.file_digest, origin.recipe) else None


def _replaced(connection: Connection, origin: Origin, reading: Reading) -> tuple[Replaced, ...]:
    standing = _standing_of(connection, origin, reading.months)
    new = {(figure.month, figure.region) for figure in reading.figures}
    found = []
    for number in sorted(set(standing.values())):
        months = tuple(sorted(month for month, each in standing.items() if each == number))
        had = connection.execute(
            select(FIGURES.c.month, FIGURES.c.region).where(FIGURES.c.import_id == number).distinct()
        )
        lost = sorted({region for month, region in had if month in months and (month, region) not in new})
        name = connection.scalar(select(IMPORTS.c.file_name).where(IMPORTS.c.import_id == number))
        found.append(Replaced(number, str(name), months, tuple(lost)))
    return tuple(found)


def _insert(connection: Connection, origin: Origin, reading: Reading) -> int:
    mapping = origin.mapping
    made = connection.execute(
        insert(IMPORTS).values(
            source=mapping.source,
            agency_ko=mapping.agency_ko,
            agency_en=mapping.agency_en,
            utility=mapping.utility,
            mapping=origin.mapping_name,
            part=origin.part,
            file_name=origin.file_name,
            file_digest=origin.file_digest,
            recipe=origin.recipe,
            who=origin.who,
            at_s=origin.at_s,
            rows=reading.rows,
            items=reading.items,
            refused=len(reading.refused),
        )
    )
    (number,) = made.inserted_primary_key or (0,)
    common = {"import_id": number, "source": mapping.source, "part": origin.part}
    connection.execute(insert(MONTHS), [common | {"month": month} for month in reading.months])
    connection.execute(insert(FIGURES), [{"import_id": number, **figure._asdict()} for figure in reading.figures])
    return int(number)


def _check_once(connection: Connection, source: str) -> None:
    """Two parts of a source must not both speak of the same thing: their figures are summed."""
    standing = _standing()
    what = (FIGURES.c.month, FIGURES.c.level, FIGURES.c.region, FIGURES.c.kind, FIGURES.c.unit)
    query = (
        select(FIGURES.c.month, FIGURES.c.region, func.min(standing.c.part), func.max(standing.c.part))
        .join(standing, and_(FIGURES.c.import_id == standing.c.import_id, FIGURES.c.month == standing.c.month))
        .where(standing.c.source == source)
        .group_by(*what)
        .having(func.count() > 1)
        .limit(1)
    )
    if (twice := connection.execute(query).first()) is not None:
        month, region, one, other = twice
        raise Problem(
            f"{source} {month:%Y-%m} 지역 {region}: 부분 '{one}'과(와) '{other}'에 모두 있습니다."
            " 같은 --part로 가져오거나 하나를 되돌리십시오",
            f"{source} {month:%Y-%m} region {region}: in part '{one}' and in part '{other}';"
            " import it under the same --part, or undo one of them",
        )


def _listing(connection: Connection) -> list[Listed]:
    rows = connection.execute(select(IMPORTS).order_by(IMPORTS.c.import_id)).all()
    listed = [_listed(row) for row in rows]
    standing = {(row.source, row.part, row.month): row.import_id for row in connection.execute(select(_standing()))}
    months: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(select(MONTHS).order_by(MONTHS.c.month)):
        months.setdefault(row.import_id, []).append(row)
    earlier: dict[tuple[str, str, date], int] = {}
    found = {each.import_id: each for each in listed}
    for each in listed:
        own = months.get(each.import_id, [])
        keys = [(row.source, row.part, row.month) for row in own]
        before = sorted({earlier[key] for key in keys if key in earlier})
        stands = tuple(key[2] for key in keys if standing.get(key) == each.import_id)
        found[each.import_id] = replace(
            found[each.import_id], months=tuple(key[2] for key in keys), standing=stands, replaces=tuple(before)
        )
        if each.undone_at_s is not None:
            continue
        for number in before:
            found[number] = replace(found[number], replaced_by=(*found[number].replaced_by, each.import_id))
        earlier.update(dict.fromkeys(keys, each.import_id))
    return list(found.values())


def _listed(row: Row[Any]) -> Listed:
    return Listed(**row._mapping)
