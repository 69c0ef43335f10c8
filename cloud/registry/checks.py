"""What contradicts itself in the registry as it would be.

Each check finds rows: their origin, then what fills its text. Since every change is checked as a whole, a
contradiction is always the newest change's.
"""

# ruff: noqa: S608  # the statements are put together from the names below

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from cloud.registry.book import Book, complaints_of, key_sql
from cloud.registry.columns import ENTITIES, LEVELS
from cloud.registry.csvs import MAX_COMPLAINTS, complain
from contract.problems import Problem, Text
from contract.quantities import QUANTITIES


class Contradiction(Problem):
    """What is given cannot be true together with what is known."""


class Check(NamedTuple):
    """`sql` gives (origin, {0}, {1}, …) for each bad row."""

    sql: str
    ko: str
    en: str


# entity, column, the entity that it names, and its column
REFERENCES = (
    ("regions", "parent", "regions", "region"),
    ("predecessors", "region", "regions", "region"),
    ("predecessors", "predecessor", "regions", "region"),
    ("boundaries", "region", "regions", "region"),
    ("sites", "region", "regions", "region"),
    ("buildings", "site", "sites", "site"),
    ("buildings", "region", "regions", "region"),
    ("units", "building", "buildings", "building"),
    ("gateways", "site", "sites", "site"),
    ("meters", "parent", "meters", "meter"),
    ("meters", "building", "buildings", "building"),
    ("lives", "meter", "meters", "meter"),
    ("multipliers", "meter", "meters", "meter"),
    ("assignments", "meter", "meters", "meter"),
    ("assignments", "gateway", "gateways", "gateway"),
    ("capacities", "meter", "meters", "meter"),
    ("outages", "meter", "meters", "meter"),
    ("outages", "gateway", "gateways", "gateway"),
    ("outages", "site", "sites", "site"),
    ("outages", "region", "regions", "region"),
)
# entity, where its time begins and ends
PERIODS = (
    ("regions", "valid_from", "valid_to"),
    ("buildings", "from", "to"),
    ("lives", "installed", "removed"),
    ("assignments", "from", "to"),
    ("outages", "from", "to"),
)
# entity, whose rows must not overlap, beginning and end, and how it is called
STRETCHES = (
    ("buildings", "building", "from_s", "to_s", "건물 '{0}'", "building '{0}'"),
    ("lives", "meter", "installed_s", "removed_s", "계량기 '{0}'의 기기", "devices of meter '{0}'"),
)

_OTHERS = (
    Check(
        "SELECT m.origin, meter, parent FROM now_meters m WHERE parent = meter",
        "계량기 '{0}': 자기 자신의 하위일 수 없습니다",
        "meter '{0}': expected another meter as its parent, not itself",
    ),
    Check(
        "SELECT m.origin, m.meter, m.utility, p.meter, p.utility FROM now_meters m JOIN now_meters p "
        "ON m.parent = p.meter WHERE m.utility != p.utility",
        "계량기 '{0}' ({1}): 상위 '{2}'의 에너지원이 {3}입니다. 같아야 합니다",
        "meter '{0}' ({1}): its parent '{2}' meters {3}; expected the same utility",
    ),
    Check(
        "SELECT origin, meter, unit FROM now_meters WHERE unit IS NOT NULL AND building IS NULL",
        "계량기 '{0}': unit '{1}'에는 building도 필요합니다",
        "meter '{0}': unit '{1}' needs a building",
    ),
    Check(
        "SELECT m.origin, meter, utility, q.quantity FROM "
        "(SELECT origin, meter, utility, unnest(string_split(quantities, ' ')) AS quantity FROM now_meters) m "
        "JOIN quantities q USING (quantity) WHERE q.of NOT IN (m.utility, 'pulses')",
        "계량기 '{0}': {1} 계량기는 '{2}'을(를) 잴 수 없습니다",
        "meter '{0}': quantity '{2}' does not fit the utility {1}",
    ),
    Check(
        "SELECT b.origin, building, region, level FROM now_buildings b JOIN now_regions r USING (region) "
        "WHERE level != 'dong'",
        "건물 '{0}': 지역 {1}은(는) 행정동이 아닙니다 ({2})",
        "building '{0}': region {1} is a {2}; expected a dong",
    ),
    Check(
        "SELECT r.origin, r.region, r.level, p.region, p.level FROM now_regions r "
        "JOIN now_regions p ON r.parent = p.region "
        f"WHERE list_position({list(LEVELS)}, p.level) >= list_position({list(LEVELS)}, r.level)",
        "지역 {0} ({1}): 상위 {2}은(는) 더 높은 단계여야 합니다 ({3})",
        "region {0} ({1}): expected a parent of a higher level, found {2} ({3})",
    ),
    Check(
        "SELECT max(origin), predecessor, round(sum(weight), 6) FROM now_predecessors GROUP BY predecessor "
        "HAVING sum(weight) > 1.000001",
        "지역 {0}: 나눈 몫의 합이 1보다 큽니다 ({1})",
        "region {0}: its shares add up to {1}; expected 1 at most",
    ),
    Check(
        "SELECT origin, outage FROM now_outages WHERE (meter IS NOT NULL)::INT + (gateway IS NOT NULL)::INT "
        "+ (site IS NOT NULL)::INT + (region IS NOT NULL)::INT != 1",
        "정전·단수 '{0}': meter, gateway, site, region 가운데 정확히 하나만 적어야 합니다",
        "outage '{0}': expected exactly one of meter, gateway, site, region",
    ),
)


def check_book(book: Book) -> None:
    """Raises Contradiction that names what contradicts itself, by file and line where it was given in a file.

    What the change does not touch was looked at when it came.
    """
    book.run(
        "CREATE OR REPLACE TABLE quantities AS FROM given",
        given=pa.table({"quantity": list(QUANTITIES), "of": [quantity.utility for quantity in QUANTITIES.values()]}),
    )
    touched = book.touched
    for checks in (_missing(touched), _references(touched), (*_periods(touched), *_OTHERS), _overlaps(touched)):
        find(book, checks)
    if "meters" in touched:
        _refuse_cycles(book)


def find(book: Book, checks: Iterable[Check]) -> None:
    """Raises Problem that tells all that these checks find, up to a limit."""
    found: list[Text] = []
    for check in checks:
        rows = book.query(f"{check.sql} ORDER BY 1 LIMIT {MAX_COMPLAINTS + 1}")
        found += complaints_of(book, rows, check.ko, check.en)
    complain(found, Contradiction)


def check_areas(book: Book) -> None:
    """Raises Problem where a dong is split between areas at one time; reads the table `stretches`."""
    rows = book.query("""
        WITH of_split AS (
            SELECT region, area, from_s, to_s, origin FROM stretches WHERE region IN
                (SELECT region FROM stretches WHERE region > 0 GROUP BY region HAVING count(DISTINCT area) > 1)),
        begun AS (
            SELECT *, from_s > max(to_s) OVER (PARTITION BY region, area ORDER BY from_s, to_s
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS apart FROM of_split),
        numbered AS (
            SELECT *, sum(coalesce(apart, true)::INT) OVER (PARTITION BY region, area ORDER BY from_s, to_s
                ROWS UNBOUNDED PRECEDING) AS island FROM begun),
        islands AS (
            SELECT region, area, min(from_s) AS from_s, max(to_s) AS to_s, max(origin) AS origin
            FROM numbered GROUP BY region, area, island)
        SELECT max(greatest(a.origin, b.origin)), region, any_value(name_ko), a.area, b.area
        FROM islands a JOIN islands b USING (region) LEFT JOIN now_regions USING (region)
        WHERE a.area < b.area AND a.from_s < b.to_s AND b.from_s < a.to_s
        GROUP BY region, a.area, b.area ORDER BY region""")
    ko = "행정동 {0} ({1}): 같은 때에 구역 '{2}'와(과) '{3}'에 나뉩니다. 행정동은 한 구역에만 속합니다"
    en = "dong {0} ({1}): split between the areas '{2}' and '{3}'; expected one area at a time"
    complain(complaints_of(book, rows, ko, en), Contradiction)


def _missing(touched: set[str]) -> Iterator[Check]:
    for entity in ENTITIES.values():
        for column in entity.columns:
            if column.needed and entity.name in touched:
                yield Check(
                    f"SELECT origin, {key_sql(entity)} FROM now_{entity.name} WHERE {column.field} IS NULL",
                    f"{entity.name} '{{0}}': {column.name}이(가) 필요합니다",
                    f"{entity.name} '{{0}}': expected a value of {column.name}",
                )


def _references(touched: set[str]) -> Iterator[Check]:
    for name, column, other, key in REFERENCES:
        if not {name, other} & touched:
            continue
        of_top = " AND r.parent != 0" if (name, column) == ("regions", "parent") else ""
        yield Check(
            f"SELECT r.origin, {key_sql(ENTITIES[name], 'r.')}, r.{column} FROM now_{name} r "
            f"ANTI JOIN now_{other} o ON r.{column} = o.{key} WHERE r.{column} IS NOT NULL{of_top}",
            f"{name} '{{0}}': {column} '{{1}}'이(가) 등록부에 없습니다 ({other})",
            f"{name} '{{0}}': unknown {column} '{{1}}'; expected one of {other}",
        )


def _periods(touched: set[str]) -> Iterator[Check]:
    for name, start, end in PERIODS:
        if name in touched:
            yield Check(
                f"SELECT origin, {key_sql(ENTITIES[name])}, iso({start}_s), iso({end}_s) FROM now_{name} "
                f"WHERE {end}_s <= {start}_s",
                f"{name} '{{0}}': {end} '{{2}}'이(가) {start} '{{1}}'보다 뒤여야 합니다",
                f"{name} '{{0}}': ends before it begins; expected {end} '{{2}}' after {start} '{{1}}'",
            )


def _overlaps(touched: set[str]) -> Iterator[Check]:
    def pairs(name: str, key: str, start: str, end: str) -> str:
        return (
            f"(SELECT *, lag({end}) OVER w AS until, lag(origin) OVER w AS origin_before, "
            f"lag(r) OVER w AS before FROM now_{name} r WHERE {key} IN "
            f"(SELECT {key} FROM now_{name} GROUP BY {key} HAVING count(*) > 1) "
            f"WINDOW w AS (PARTITION BY {key} ORDER BY {start})) WHERE until > {start}"
        )

    for name, key, start, end, ko, en in STRETCHES:
        if name in touched:
            yield Check(
                f"SELECT coalesce(origin, origin_before), {key}, iso({start}), iso(until) "
                f"FROM {pairs(name, key, start, end)}",
                f"{ko}: 기간이 겹칩니다. {{1}}에 시작하는데 앞의 것은 {{2}}에 끝납니다 (비었으면 끝나지 않음)",
                f"{en}: overlapping stretches; one begins at {{1}}, the one before ends at '{{2}}' (empty: never)",
            )
    if "assignments" not in touched:
        return
    ko, en = (
        "계량기 '{0}': {1}에 게이트웨이 '{2}'와(과) '{3}'에",
        "meter '{0}': at {1} it is at gateways '{2}' and '{3}'",
    )
    yield Check(
        "SELECT coalesce(origin, origin_before), meter, iso(from_s), before.gateway, gateway "
        f"FROM {pairs('assignments', 'meter', 'from_s', 'to_s')}",
        f"{ko} 함께 속합니다. 한 때에 하나여야 합니다",
        f"{en}; expected one at a time",
    )


def _refuse_cycles(book: Book) -> None:
    """A meter of a circle has a parent and is one: whatever is left when all others are taken off lies in circles."""
    book.run(
        "CREATE OR REPLACE TEMP TABLE rest AS SELECT origin, meter, parent FROM now_meters WHERE parent IS NOT NULL"
    )
    before = -1
    while (left := int(str(book.query("SELECT count(*) FROM rest")[0][0]))) != before:
        before = left
        book.run(
            "CREATE OR REPLACE TEMP TABLE rest AS FROM rest WHERE parent IN (SELECT meter FROM rest) "
            "AND meter IN (SELECT parent FROM rest)"
        )
    rows = book.query(f"SELECT origin, meter, parent FROM rest ORDER BY origin, meter LIMIT {MAX_COMPLAINTS + 1}")
    ko = "계량기 '{0}': 상위 '{1}'을(를) 따라가면 자기 자신으로 돌아옵니다"
    en = "meter '{0}': a cycle: its parent '{1}' hangs, in the end, behind itself"
    complain(complaints_of(book, rows, ko, en), Contradiction)
