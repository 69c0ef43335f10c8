"""CSV files into the registry: all of them, or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cloud.registry.book import Book, Tell, merge
from cloud.registry.cells import parse_column
from cloud.registry.change import Author, Outcome, Registry, change, quiet
from cloud.registry.checks import Check, find
from cloud.registry.columns import ENTITIES, Entity
from cloud.registry.csvs import columns_of, complain, entity_of, read_text
from cloud.registry.wide import take_apart
from contract.problems import Problem, Text


@dataclass(frozen=True)
class Part:
    """Rows of one entity from one file: fields as in the database, and `line`."""

    place: str
    entity: Entity
    rows: pa.Table


def import_parts(registry: Registry, parts: list[Part], author: Author, tell: Tell = quiet) -> Outcome:
    """Merge all parts into the registry; the list is empty then. Raises Problem, and nothing is changed."""
    order = list(ENTITIES)
    parts.sort(key=lambda part: order.index(part.entity.name), reverse=True)

    def edit(book: Book) -> None:
        areas = []
        while parts:
            areas += _merge(book, parts.pop())  # nobody needs it any more, and a city's is large
        if areas:
            _add_gateways(book, pa.concat_tables(areas))

    return change(registry, author, edit, tell)


def read_parts(paths: Iterable[Path], tell: Tell = quiet) -> list[Part]:
    """The CSV files, and those of the registry's in folders. Raises Problem that names the bad cells."""
    complaints: list[Text] = []
    parts = []
    for path in _files(paths):
        entity = entity_of(path)
        text = read_text(path, entity)
        if text.num_rows > 100_000:
            tell(Text(f"{path}: {text.num_rows:,}줄", f"{path}: {text.num_rows:,} rows"))
        columns = columns_of(entity)
        rows: dict[str, pa.Array] = {"line": text.column("line")}
        for name in text.column_names[:-1]:
            values, found = parse_column(path, columns[name], text.column(name), text.column("line"))
            rows[columns[name].field] = values
            complaints += found
        parts.append(Part(str(path), entity, pa.table(rows)))
    complain(complaints)
    return parts


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = [one for one in sorted(path.glob("*.csv")) if _is_ours(one)] if path.is_dir() else [path]
        if not inside:
            names = ", ".join(f"{name}.csv" for name in ENTITIES)
            raise Problem(
                f"{path}: 등록부 파일이 없습니다 ({names})", f"{path}: expected some of {names} in this folder"
            )
        found += inside
    return found


def _is_ours(path: Path) -> bool:
    try:
        return bool(entity_of(path))
    except Problem:
        return False


def _merge(book: Book, part: Part) -> list[pa.Table]:
    """The areas of gateways that the part states, if it does."""
    origin = pc.add(part.rows.column("line").cast(pa.int64()), book.origin(part.place))
    rows = part.rows.drop_columns("line").append_column("origin", origin)
    if not {column.field for column in part.entity.wide} & set(rows.column_names):
        merge(book, part.entity.name, rows)
        return []
    areas = []
    for name, table in take_apart(book, rows):
        if name == "areas":
            areas.append(table)
        else:
            merge(book, name, table)
    return areas


def _add_gateways(book: Book, areas: pa.Table) -> None:
    """New gateways that stand in a meters.csv with their area; one area each, and the one that is known."""
    book.run("CREATE TEMP TABLE areas AS FROM given", given=areas)
    two = Check(
        "SELECT max(a.origin), gateway, min(a.area), max(coalesce(g.area, a.area)) FROM areas a "
        "LEFT JOIN now_gateways g USING (gateway) GROUP BY gateway HAVING count(DISTINCT a.area) > 1 "
        "OR bool_or(g.area != a.area)",
        "게이트웨이 '{0}': 구역 '{1}'와(과) '{2}' 둘에 속할 수 없습니다 (구역은 gateways.csv에서 바꿉니다)",
        "gateway '{0}': in the areas '{1}' and '{2}'; expected one (an area is changed in gateways.csv)",
    )
    find(book, [two])
    new = book.table(
        "SELECT gateway, any_value(area) AS area, min(origin) AS origin FROM areas "
        "ANTI JOIN now_gateways USING (gateway) GROUP BY gateway"
    )
    if new.num_rows:
        merge(book, "gateways", new)
