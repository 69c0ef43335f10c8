"""The constant stretches of `snapshot.SPANS`, cut out of all dated facts of the book at once, and the other tables."""

# ruff: noqa: S608  # what is put into the statements are the numbers below

from collections.abc import Mapping

import pyarrow as pa

from cloud.metering.codes import ROLES, UTILITIES
from cloud.registry import snapshot
from cloud.registry.book import Book
from cloud.registry.canonical import canonical
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S

# The registers that a person reads off a meter: openings, closings and limits are theirs.
REGISTERS = (
    "electricity_import_kwh",
    "electricity_export_kwh",
    "electricity_production_kwh",
    "gas_volume_m3",
    "water_volume_m3",
    "heat_energy_kwh",
    "pulses_count",
)
_REPORTED = pa.schema(
    [
        ("quantities", pa.string()),
        ("quantity", pa.string()),
        ("scaled", pa.bool_()),
        ("capped", pa.bool_()),
        ("first", pa.bool_()),
    ]
)
# what a transformer or a pulse weight stands before; not voltages, temperatures, ratios
_SCALED = ("_kwh", "_kvarh", "_kvah", "_kw", "_kvar", "_kva", "_m3", "_m3_per_h", "_a", "_count")

# A meter of which no device is recorded has one, from ever to ever.
_MOUNTED = f"""
    CREATE TABLE mounted AS
    SELECT meter, installed_s AS from_s, removed_s AS to_s, digits, opening, closing, origin,
        row_number() OVER (PARTITION BY meter ORDER BY installed_s) AS life FROM now_lives
    UNION ALL
    SELECT meter, {OPEN_FROM_S}, {OPEN_TO_S}, NULL, NULL, NULL, NULL, 1
    FROM now_meters ANTI JOIN now_lives USING (meter)"""
_UNTIL_NEXT = f"""
    CREATE TABLE {{name}} AS
    SELECT meter, from_s, lead(from_s, 1, {OPEN_TO_S}) OVER (PARTITION BY meter ORDER BY from_s) AS to_s, {{value}}
    FROM now_{{of}}
    UNION ALL
    SELECT meter, {OPEN_FROM_S}, min(from_s), NULL FROM now_{{of}} GROUP BY meter HAVING min(from_s) > {OPEN_FROM_S}"""
# Where a building is not recorded, its meters are still there.
_HOUSED = f"""
    CREATE TABLE housed AS
    SELECT building, from_s, to_s, site, region, use, origin FROM now_buildings
    UNION ALL
    SELECT building, {OPEN_FROM_S}, min(from_s), NULL, NULL, NULL, NULL FROM now_buildings
    GROUP BY building HAVING min(from_s) > {OPEN_FROM_S}
    UNION ALL
    SELECT building, to_s, later, NULL, NULL, NULL, NULL FROM
        (SELECT building, to_s, lead(from_s, 1, {OPEN_TO_S}) OVER (PARTITION BY building ORDER BY from_s) AS later
        FROM now_buildings) WHERE to_s < later"""
# Every fact covers all time, or its absence ends the stretch: so joining on names alone and intersecting is enough.
_CUT = """
    CREATE TABLE cut AS SELECT * FROM (
        SELECT m.meter, greatest(l.from_s, a.from_s, s.from_s, c.from_s, h.from_s) AS from_s,
            least(l.to_s, a.to_s, s.to_s, c.to_s, h.to_s) AS to_s, m.quantities, m.utility, m.role, m.parent,
            a.gateway, g.area, coalesce(h.site, g.site) AS site, coalesce(h.region, t.region) AS region,
            h.use, l.life, l.digits, l.opening,
            l.closing, s.multiplier, c.max_per_h, greatest(m.origin, l.origin, a.origin, g.origin, h.origin) AS origin
        FROM now_meters m JOIN mounted l USING (meter) JOIN now_assignments a USING (meter)
        JOIN now_gateways g USING (gateway) LEFT JOIN scaled s USING (meter) LEFT JOIN limited c USING (meter)
        LEFT JOIN housed h USING (building) LEFT JOIN now_sites t ON t.site = coalesce(h.site, g.site))
    WHERE from_s < to_s"""
# what may change in time
_SAME = "gateway, area, site, region, use, life, digits, opening, closing, multiplier, max_per_h"
_JOINED = f"""
    CREATE TABLE stretches AS
    WITH several AS (SELECT meter FROM cut GROUP BY meter HAVING count(*) > 1),
    compared AS (
        SELECT *, row({_SAME}) AS facts, lag(to_s) OVER w AS until, lag(row({_SAME})) OVER w AS facts_before
        FROM cut SEMI JOIN several USING (meter) WINDOW w AS (PARTITION BY meter ORDER BY from_s)),
    begins AS (SELECT *, until IS DISTINCT FROM from_s OR facts IS DISTINCT FROM facts_before AS begin FROM compared),
    numbered AS (SELECT *, sum(begin::INT) OVER (PARTITION BY meter ORDER BY from_s) AS n FROM begins)
    SELECT * EXCLUDE (until, facts, facts_before, begin, n)
        REPLACE (max(to_s) OVER (PARTITION BY meter, n) AS to_s, max(origin) OVER (PARTITION BY meter, n) AS origin)
    FROM numbered QUALIFY begin
    UNION ALL FROM cut ANTI JOIN several USING (meter)"""
_SPANS = f"""
    SELECT s.meter, q.quantity, s.from_s, s.to_s, s.area, s.gateway, s.site,
        coalesce(s.region, 0)::INT AS region, coalesce(s.use, 0)::UTINYINT AS use,
        (list_position({list(UTILITIES)}, s.utility) - 1)::UTINYINT AS utility,
        (list_position({list(ROLES)}, s.role) - 1)::UTINYINT AS role, s.parent, s.life::INT AS life,
        coalesce(s.digits, 0)::UTINYINT AS digits, if(q.scaled, coalesce(s.multiplier, 1), 1) AS multiplier,
        if(q.capped, s.max_per_h, NULL) AS max_per_h, if(q.first, s.opening, NULL) AS opening,
        if(q.first, s.closing, NULL) AS closing, coalesce(t.live, false) AS live
    FROM stretches s JOIN reported q USING (quantities) LEFT JOIN now_sites t USING (site)
    ORDER BY s.gateway, s.meter, q.quantity, s.from_s"""
_SMALL = {
    "sites": "SELECT site, name_ko, coalesce(name_en, name_ko) AS name_en, kind, coalesce(region, 0) AS region, live "
    "FROM now_sites ORDER BY site",
    "regions": "SELECT region, level, parent, coalesce(code, '') AS code, name_ko, "
    "coalesce(name_en, name_ko) AS name_en, "
    "valid_from_s, valid_to_s, longitude, latitude, households, persons FROM now_regions ORDER BY region",
    "predecessors": "SELECT region, predecessor, weight FROM now_predecessors ORDER BY region, predecessor",
    "outages": "SELECT from_s, to_s, meter, gateway, site, coalesce(region, 0) AS region, "
    f"(list_position({list(UTILITIES)}, utility) - 1)::UTINYINT AS utility, reason "
    "FROM now_outages ORDER BY from_s, to_s, outage",
    # a figure per m2 is of the city as it stands
    "floors": "SELECT region, use, sum(floor_m2 ORDER BY building) AS floor_m2 FROM now_buildings "
    f"WHERE to_s = {OPEN_TO_S} AND region IS NOT NULL AND use IS NOT NULL AND floor_m2 IS NOT NULL "
    "GROUP BY region, use ORDER BY region, use",
}


def build_stretches(book: Book) -> None:
    """The table `stretches`: what SPANS has, once a meter, and the `origin` of what is newest in it."""
    book.run(_MOUNTED)
    book.run(_UNTIL_NEXT.format(name="scaled", of="multipliers", value="multiplier"))
    book.run(_UNTIL_NEXT.format(name="limited", of="capacities", value="max_per_h"))
    book.run(_HOUSED)
    book.run(_CUT)
    for name in ("mounted", "scaled", "limited", "housed"):
        book.run(f"DROP TABLE {name}")
    book.run(_JOINED)
    book.run("DROP TABLE cut")


def snapshot_tables(book: Book) -> Mapping[str, pa.Table]:
    """The tables of a snapshot; `build_stretches` comes before. The same book gives the same tables, row for row."""
    reported = [
        {
            "quantities": str(words),
            "quantity": name,
            "scaled": name.endswith(_SCALED),
            "capped": name in REGISTERS,
            "first": name == next((one for one in str(words).split() if one in REGISTERS), None),
        }
        for (words,) in book.query("SELECT DISTINCT quantities FROM now_meters")
        for name in str(words).split()
    ]
    book.run("CREATE OR REPLACE TABLE reported AS FROM given", given=pa.Table.from_pylist(reported, _REPORTED))
    return {
        name: canonical(book.table(sql), snapshot.SCHEMAS[name]) for name, sql in {**_SMALL, "spans": _SPANS}.items()
    }
