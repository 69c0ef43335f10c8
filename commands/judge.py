"""The judge of delivery: a script of its own that knows nothing of edge or cloud but their files.

    python commands/judge.py PLAN.json

compares three witnesses, identity by identity and value by value: what the simulated meters served (their logs),
what the gateways took (their outboxes, as they are at the end and as they were before each was wiped or replaced)
and what the store has. The last line is one JSON object; the exit status is 0 when nothing was lost, doubled,
changed, invented, or missed without a reason. PLAN.json:

    {"tick_s": 1, "store": {"duckdb": FILE} or {"influx": URL, "database": NAME}, "served": [FILE, …],
     "gateways": [{"name": …, "meters": {NAME: TICK_S, …}, "outbox": FILE, "destroyed": [FILE, …],
                   "from_s": …, "to_s": …, "down": [[FROM_S, TO_S], …]}]}

`destroyed` are copies of outboxes that were wiped or replaced: what waited in them for a receipt is no loss of
the system's. `down` are the times in which the gateway did not run, the moments of starting included.
"""

import bisect
import csv
import io
import json
import math
import sqlite3
import sys
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb

DONE = 3  # state of a receipted batch in the outbox
MISSING_FROM = 16  # a quality from here on says why there is no value
# The answer's last byte leaves the meter after the middle of the exchange, which is the gateway's moment.
SERVED_BEFORE_S, SERVED_AFTER_S = 0.5, 1.5

Identity = tuple[str, str, int]


class Row(NamedTuple):
    """A value as the gateway took it, or as the store has it."""

    value: float | None
    quality: int
    at_ms: int


class Taken(NamedTuple):
    """All readings of an outbox, and those of them that no receipt had confirmed."""

    rows: dict[Identity, Row]
    waiting: set[Identity]


def read_outbox(path: str) -> Taken:
    """Every reading in an outbox file, by identity."""
    rows: dict[Identity, Row] = {}
    waiting: set[Identity] = set()
    db = sqlite3.connect(path)
    for state, payload in db.execute("SELECT state, payload FROM batch JOIN body USING (id)"):
        batch = dict(read_batch(zlib.decompress(payload)))
        rows |= batch
        if state != DONE:
            waiting |= batch.keys()
    db.close()
    return Taken(rows, waiting)


def read_batch(payload: bytes) -> Iterator[tuple[Identity, Row]]:
    """The readings of one payload, SenML as RFC 8428 has it."""
    base_name, base_time = "", 0.0
    for record in json.loads(payload):
        base_name, base_time = record.get("bn", base_name), record.get("bt", base_time)
        meter, quantity = (base_name + record["n"]).split("/")
        at_ms = round(record.get("at", 0) * 1000)
        quality = -1 if "vs" in record else record.get("q", 0)  # -1: missing, for whatever reason
        yield (meter, quantity, int(base_time + record.get("t", 0))), Row(record.get("v"), quality, at_ms)


def read_served(paths: list[str]) -> dict[tuple[str, str], list[tuple[float, float | None]]]:
    """What meters served, by (meter, quantity): (when, value) in order of time."""
    served: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123  # a script that stands alone
            for line in file:
                entry = json.loads(line) if line.endswith(b"\n") else {}
                for meter, values in entry.get("values", {}).items():
                    for quantity, value in values.items():
                        served.setdefault((meter, quantity), []).append((entry["at_ns"] / 1e9, value))
    for entries in served.values():
        entries.sort(key=lambda one: one[0])
    return served


def read_store(store: dict[str, str]) -> Iterator[tuple[Identity, Row]]:
    """Every row of the store; of a DuckDB file the raw ones, so that a row stored twice comes twice."""
    if "duckdb" in store:
        with duckdb.connect(store["duckdb"], read_only=True) as db:
            query = "SELECT meter, quantity, time_s, value, quality, at_ms FROM readings JOIN series USING (series)"
            for meter, quantity, time_s, value, quality, at_ms in db.execute(query).fetchall():
                yield (meter, quantity, time_s), Row(value, quality, at_ms)
        return
    for (measurement,) in _influx(store, "SHOW MEASUREMENTS", "name"):
        query = f'SELECT value, quality, at_ms, meter FROM "{measurement}"'  # noqa: S608  # the store's own name
        for time, value, quality, at_ms, meter in _influx(store, query, "time", "value", "quality", "at_ms", "meter"):
            missing = int(quality) >= MISSING_FROM or not value
            yield (meter, measurement, int(time)), Row(None if missing else float(value), int(quality), int(at_ms))


def _influx(store: dict[str, str], query: str, *columns: str) -> Iterator[tuple[str, ...]]:
    # InfluxDB names the first column of SHOW MEASUREMENTS' answer for the table; its values stand last
    parameters = urllib.parse.urlencode({"db": store["database"], "q": query, "epoch": "s"})
    request = urllib.request.Request(f"{store['influx']}/query?{parameters}", headers={"Accept": "application/csv"})  # noqa: S310  # loopback, from the plan
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # the same
        lines = list(csv.reader(io.TextIOWrapper(answer, "utf-8")))
    for line in lines[1:]:
        found = dict(zip(lines[0], line, strict=True))
        yield (line[-1],) if columns == ("name",) else tuple(found[column] for column in columns)


def same(one: float | None, other: float | None) -> bool:
    """Equal as far as a register's single precision and its scale allow."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=2e-7, abs_tol=1e-9)


def was_served(entries: list[tuple[float, float | None]], moment_s: float, value: float | None) -> bool:
    """Whether a meter gave this value about then."""
    start = bisect.bisect_left(entries, moment_s - SERVED_BEFORE_S, key=lambda one: one[0])
    for at_s, given in entries[start:]:
        if at_s > moment_s + SERVED_AFTER_S:
            return False
        if same(given, value):
            return True
    return False


def missed_ticks(gateway: dict[str, Any], tick_s: int, found: dict[str, set[int]], excused: set[int]) -> list[int]:
    """[ticks at which a meter of the gateway has no row, those of them that nothing explains]."""
    missed = unexplained = 0
    first = -(-gateway["from_s"] // tick_s) * tick_s
    for tick in range(int(first), int(gateway["to_s"]), tick_s):
        if all(tick % own_s or tick in found.get(meter, ()) for meter, own_s in gateway["meters"].items()):
            continue
        missed += 1
        down = any(start - tick_s <= tick <= end for start, end in gateway["down"])
        unexplained += not down and tick not in excused
    return [missed, unexplained]


def judge(plan: dict[str, Any]) -> dict[str, int]:
    """The verdict: counts; all but `readings`, `ticks_missed` and `destroyed` must be 0."""
    stored: dict[Identity, Row] = {}
    raw = changed = 0
    for identity, row in read_store(plan["store"]):
        raw += 1
        changed += identity in stored and stored[identity] != row
        stored[identity] = row
    counts = {"readings": len(stored), "lost": 0, "duplicated": raw - len(stored), "changed": changed}
    counts["invented"] = _invented(stored, read_served(plan["served"]))
    counts |= {"destroyed": 0, "ticks_missed": 0, "ticks_unexplained": 0}
    found: dict[str, set[int]] = {}
    for meter, _, time_s in stored:
        found.setdefault(meter, set()).add(time_s)
    for gateway in plan["gateways"]:
        destroyed = _compare(gateway, stored, counts)
        missed, unexplained = missed_ticks(gateway, plan["tick_s"], found, destroyed)
        counts["ticks_missed"] += missed
        counts["ticks_unexplained"] += unexplained
    return counts


def _compare(gateway: dict[str, Any], stored: dict[Identity, Row], counts: dict[str, int]) -> set[int]:
    """Count what the gateway took and the store lacks or has otherwise; the ticks that destruction excuses."""
    taken, destroyed = _journal(gateway)
    for identity, row in taken.items():
        have = stored.get(identity)
        if have is None:
            counts["destroyed" if identity in destroyed else "lost"] += 1
        elif (have.value, have.at_ms) != (row.value, row.at_ms) or row.quality not in (-1, have.quality):
            counts["changed"] += 1
    return {time_s for _, _, time_s in destroyed}


def _invented(stored: dict[Identity, Row], served: dict[tuple[str, str], list[tuple[float, float | None]]]) -> int:
    """How many stored values no meter ever gave about then."""
    return sum(
        not was_served(served.get((meter, quantity), []), time_s + row.at_ms / 1000, row.value)
        for (meter, quantity, time_s), row in stored.items()
        if row.quality < MISSING_FROM
    )


def _journal(gateway: dict[str, Any]) -> tuple[dict[Identity, Row], set[Identity]]:
    final = read_outbox(gateway["outbox"])
    taken, destroyed = dict(final.rows), set[Identity]()
    for path in gateway["destroyed"]:
        copy = read_outbox(path)
        taken |= copy.rows
        destroyed |= copy.waiting
    return taken, destroyed - (final.rows.keys() - final.waiting)


def main(path: str) -> int:
    """Judge the plan in the file and print the verdict."""
    with open(path, "rb") as file:  # noqa: PTH123  # a script that stands alone
        counts = judge(json.load(file))
    print(json.dumps(counts))
    guilty = ("lost", "duplicated", "changed", "invented", "ticks_unexplained")
    return 1 if any(counts[name] for name in guilty) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
