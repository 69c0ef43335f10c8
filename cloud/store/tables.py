"""The tables of an area's file. A new one raises SCHEMA, and is added to files that are older."""

SCHEMA = 2

# `arrival` is the number of the commit that brought a row. Readings have no primary key: it would cost five
# times the bytes and four fifths of the speed, and `rows` returns each identity once without.
READINGS = """
CREATE TABLE area (schema INTEGER NOT NULL, commits BIGINT NOT NULL, quarantined BIGINT NOT NULL);
CREATE TABLE series (series INTEGER NOT NULL, meter VARCHAR NOT NULL, quantity VARCHAR NOT NULL);
CREATE TABLE readings (series INTEGER NOT NULL, time_s BIGINT NOT NULL, arrival BIGINT NOT NULL, value DOUBLE,
    quality UTINYINT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE ledger (gateway VARCHAR NOT NULL, run VARCHAR NOT NULL, n BIGINT NOT NULL, hash UBIGINT NOT NULL);
CREATE TABLE spans (gateway VARCHAR NOT NULL, run VARCHAR NOT NULL, "first" BIGINT NOT NULL, "last" BIGINT NOT NULL);
CREATE TABLE quarantine (id BIGINT NOT NULL, arrived_s DOUBLE NOT NULL, gateway VARCHAR NOT NULL,
    batch VARCHAR NOT NULL, reason VARCHAR NOT NULL, record VARCHAR NOT NULL);
CREATE TABLE quarantine_counts (gateway VARCHAR PRIMARY KEY, held BIGINT NOT NULL, bytes BIGINT NOT NULL,
    dropped BIGINT NOT NULL);
"""

# since schema 2
SETTLING = """
CREATE TABLE IF NOT EXISTS usage (slot_s BIGINT NOT NULL, series INTEGER NOT NULL, milli BIGINT,
    grade UTINYINT NOT NULL, flags UINTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS edges (slot_s BIGINT NOT NULL, series INTEGER NOT NULL, time_s BIGINT NOT NULL,
    value DOUBLE NOT NULL, part_milli BIGINT);
CREATE TABLE IF NOT EXISTS dirty (id BIGINT NOT NULL, series INTEGER NOT NULL, from_s BIGINT NOT NULL,
    to_s BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS stale (slot_s BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS edits (id BIGINT NOT NULL, series INTEGER NOT NULL, slot_s BIGINT NOT NULL, milli BIGINT,
    reason VARCHAR NOT NULL, who VARCHAR NOT NULL, at_s BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS seals (day INTEGER NOT NULL, "rows" BIGINT NOT NULL, hash VARCHAR NOT NULL,
    at_s BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS settling (first_s BIGINT, closed_s BIGINT, settled_s BIGINT, marks BIGINT NOT NULL,
    edits BIGINT NOT NULL, registry VARCHAR NOT NULL);
CREATE TABLE IF NOT EXISTS days (day INTEGER NOT NULL, series INTEGER NOT NULL, milli BIGINT NOT NULL,
    known_slots UTINYINT NOT NULL, measured_slots UTINYINT NOT NULL, trusted_slots UTINYINT NOT NULL,
    estimated_milli BIGINT NOT NULL, highest_milli BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS findings (day INTEGER NOT NULL, series INTEGER NOT NULL, rules UINTEGER NOT NULL,
    passed UINTEGER NOT NULL, shift TINYINT NOT NULL);
CREATE TABLE IF NOT EXISTS rejudge (series INTEGER NOT NULL, next_day INTEGER NOT NULL, last_day INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS restated (day INTEGER NOT NULL, series INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS judged (day INTEGER);
INSERT INTO judged SELECT NULL WHERE NOT EXISTS (FROM judged);
INSERT INTO settling SELECT NULL, NULL, NULL, 0, 0, '' WHERE NOT EXISTS (FROM settling);
"""
