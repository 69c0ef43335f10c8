"""The judge of delivery: a script of its own that knows nothing of edge or cloud but their files.

    python commands/judge.py PLAN.json

compares three witnesses, identity by identity and value by value: what the simulated meters served (their logs),
what the gateways took (their outboxes, as they are at the end and as they were before each was wiped or replaced)
and what the store has. The last line is one JSON object; the exit status is 0 when nothing was lost, doubled,
changed, invented or hidden, or missed without a reason. PLAN.json:

    {"tick_s": 1, "store": {"duckdb": FILE} or {"influx": URL, "database": NAME}, "served": [FILE, …],
     "gateways": [{"name": …, "meters": {NAME: {"tick_s": …, "quantities": […]}, …},
                   "outbox": FILE, "destroyed": [FILE, …],
                   "from_s": …, "to_s": …, "down": [[FROM_S, TO_S], …]}]}

`destroyed` are copies of outboxes that were wiped or replaced: what waited in them for a receipt is no loss of
the system's. `down` are the times from the end of a gateway's process to the start of the next; it may miss ticks
until a meter of it has answered again, and STARTING_S at the most, and the tick that it was about when it ended. A
value is hidden where the store says that it is missing, and the meter had given one; a row is unasked where the store
says that a value is missing while its gateway was up and no meter had a fault: both may be honest (it came too late),
but not often. `readings` are those that have a value.
"""

import bisect
import contextlib
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

DONE, REFUSED = 3, 4  # states of a receipted batch in the outbox; in all others it waits
MISSING_FROM = 16  # a quality from here on says why there is no value
# The answer's last byte leaves the meter after the middle of the exchange, which is the gateway's moment.
SERVED_BEFORE_S, SERVED_AFTER_S = 0.5, 1.5
TAKEN_AFTER_S = 0.5  # a tick is on disk so long after its last answer
STARTING_S = 10.0
HIDDEN_SHARE = 0.002

Served = dict[tuple[str, str], list[tuple[float, float | None]]]

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
    for state, batch in read_batches(path):
        rows |= batch
        if state not in (DONE, REFUSED):
            waiting |= batch.keys()
    return Taken(rows, waiting)


def read_batches(path: str) -> Iterator[tuple[int, dict[Identity, Row]]]:
    """The state and the readings of each batch in an outbox file, oldest first."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        for state, payload in db.execute("SELECT state, payload FROM batch JOIN body USING (id) ORDER BY id"):
            yield state, dict(read_batch(zlib.decompress(payload)))


def read_batch(payload: bytes) -> Iterator[tuple[Identity, Row]]:
    """The readings of one payload, SenML as RFC 8428 has it."""
    base_name, base_time = "", 0.0
    for record in json.loads(payload):
        base_name, base_time = record.get("bn", base_name), record.get("bt", base_time)
        meter, quantity = (base_name + record["n"]).split("/")
        at_ms = round(record.get("at", 0) * 1000)
        quality = -1 if "vs" in record else record.get("q", 0)  # -1: missing, for whatever reason
        yield (meter, quantity, int(base_time + record.get("t", 0))), Row(record.get("v"), quality, at_ms)


def read_served(paths: list[str]) -> Served:
    """What meters served, by (meter, quantity): (when, value) in order of time."""
    served: Served = {}
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


def missed_ticks(
    gateway: dict[str, Any], tick_s: int, found: dict[tuple[str, str], set[int]], excused: set[tuple[str, int]]
) -> list[int]:
    """[ticks at which a meter of the gateway lacks a row, those of them that nothing explains]."""
    missed = unexplained = 0
    first = -(-gateway["from_s"] // tick_s) * tick_s
    for tick in range(int(first), int(gateway["to_s"]), tick_s):
        absent = {meter for meter, about in gateway["meters"].items() if _lacks(meter, about, tick, found)}
        missed += bool(absent)
        down = any(start <= tick <= end for start, end in gateway["down"])
        unexplained += not down and any((meter, tick) not in excused for meter in absent)
    return [missed, unexplained]


def _lacks(meter: str, about: dict[str, Any], tick: int, found: dict[tuple[str, str], set[int]]) -> bool:
    if tick % about["tick_s"]:
        return False
    return any(tick not in found.get((meter, quantity), ()) for quantity in about["quantities"])


def _until_answered(gateway: dict[str, Any], tick_s: int, served: Served) -> list[tuple[float, float]]:
    """The gateway's times away: from the tick that it had not taken yet to the one after its first question."""
    keys = [(meter, quantity) for meter, about in gateway["meters"].items() for quantity in about["quantities"]]
    answers = sorted({at_s for key in keys for at_s, _ in served.get(key, [])})
    away = []
    for start, end in gateway["down"]:
        after = bisect.bisect(answers, end)
        first_s = answers[after] if after < len(answers) else end + STARTING_S
        before = bisect.bisect(answers, start) - 1
        last_s = answers[before] if before >= 0 else -math.inf
        away.append((_not_taken(start, last_s, tick_s), min(first_s, end + STARTING_S) + tick_s))
    return away


def _not_taken(killed_s: float, last_s: float, tick_s: int) -> float:
    """From when on no tick need have been taken; `last_s` is when a meter answered last before the kill."""
    if last_s >= killed_s - TAKEN_AFTER_S:
        return killed_s - tick_s
    begun_s = killed_s // tick_s * tick_s
    return begun_s if last_s < begun_s else killed_s


def judge(plan: dict[str, Any]) -> dict[str, int]:
    """The verdict: counts. What they must be is in `guilty`."""
    stored: dict[Identity, Row] = {}
    raw = changed = 0
    for identity, row in read_store(plan["store"]):
        raw += 1
        changed += identity in stored and stored[identity] != row
        stored[identity] = row
    served = read_served(plan["served"])
    missing = sum(row.quality >= MISSING_FROM for row in stored.values())
    counts = {"readings": len(stored) - missing, "missing": missing, "lost": 0, "duplicated": raw - len(stored)}
    counts |= {"changed": changed, "invented": _invented(stored, served), "hidden": _hidden(stored, served)}
    counts["unasked"] = 0
    counts |= {"destroyed": 0, "ticks_missed": 0, "ticks_unexplained": 0}
    found: dict[tuple[str, str], set[int]] = {}
    for meter, quantity, time_s in stored:
        found.setdefault((meter, quantity), set()).add(time_s)
    for gateway in plan["gateways"]:
        destroyed = _compare(gateway, stored, counts)
        away = gateway | {"down": _until_answered(gateway, plan["tick_s"], served)}
        counts["unasked"] += _unasked(stored, away)
        missed, unexplained = missed_ticks(away, plan["tick_s"], found, destroyed)
        counts["ticks_missed"] += missed
        counts["ticks_unexplained"] += unexplained
    return counts


def guilty(counts: dict[str, int]) -> bool:
    """Whether anything was done that must not be, or nothing was there to judge."""
    crimes = ("lost", "duplicated", "changed", "invented", "ticks_unexplained")
    hidden = max(counts["hidden"], counts["unasked"]) > HIDDEN_SHARE * counts["readings"]
    return hidden or not counts["readings"] or any(counts[name] for name in crimes)


def _compare(gateway: dict[str, Any], stored: dict[Identity, Row], counts: dict[str, int]) -> set[tuple[str, int]]:
    """Count what the gateway took and the store lacks or has otherwise; (meter, tick) that destruction excuses."""
    taken, destroyed = _journal(gateway)
    for identity, row in taken.items():
        have = stored.get(identity)
        if have is None:
            counts["destroyed" if identity in destroyed else "lost"] += 1
        elif (have.value, have.at_ms) != (row.value, row.at_ms) or row.quality not in (-1, have.quality):
            counts["changed"] += 1
    return {(meter, time_s) for meter, _, time_s in destroyed}


def _invented(stored: dict[Identity, Row], served: Served) -> int:
    """How many stored values no meter ever gave about then."""
    return sum(
        not was_served(served.get((meter, quantity), []), time_s + row.at_ms / 1000, row.value)
        for (meter, quantity, time_s), row in stored.items()
        if row.quality < MISSING_FROM
    )


def _hidden(stored: dict[Identity, Row], served: Served) -> int:
    """How many rows say "missing" though the meter gave a value about then."""
    return sum(
        _gave_value(served.get((meter, quantity), []), time_s, time_s + 1)
        for (meter, quantity, time_s), row in stored.items()
        if row.quality >= MISSING_FROM
    )


def _unasked(stored: dict[Identity, Row], gateway: dict[str, Any]) -> int:
    """How many rows of the gateway's meters say "missing" at a time when it was up."""
    return sum(
        meter in gateway["meters"] and not any(start <= time_s <= end for start, end in gateway["down"])
        for (meter, _, time_s), row in stored.items()
        if row.quality >= MISSING_FROM
    )


def _gave_value(entries: list[tuple[float, float | None]], from_s: float, to_s: float) -> bool:
    start = bisect.bisect_left(entries, from_s, key=lambda one: one[0])
    end = bisect.bisect_left(entries, to_s, key=lambda one: one[0])
    return any(value is not None for _, value in entries[start:end])


def _journal(gateway: dict[str, Any]) -> tuple[dict[Identity, Row], set[Identity]]:
    taken, destroyed, receipted = dict[Identity, Row](), set[Identity](), set[Identity]()
    for number, path in enumerate([*gateway["destroyed"], gateway["outbox"]]):
        copy = read_outbox(path)
        taken |= copy.rows
        receipted |= copy.rows.keys() - copy.waiting
        if number < len(gateway["destroyed"]):
            destroyed |= copy.waiting
    # what any of them has a receipt for must be in the store, whatever became of the others
    return taken, destroyed - receipted


def main(path: str) -> int:
    """Judge the plan in the file and print the verdict."""
    with open(path, "rb") as file:  # noqa: PTH123  # a script that stands alone
        counts = judge(json.load(file))
    print(json.dumps(counts))
    return 1 if guilty(counts) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
