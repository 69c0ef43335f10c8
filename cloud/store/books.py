"""The tables beside the readings: series, ledger, spans and quarantine, as SQL on the area's file."""

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store.protocol import LEDGER, QUARANTINE_COUNTS, QUARANTINED, SPANS, Commit

_SERIES = "SELECT place, series FROM asked JOIN series USING (meter, quantity)"
_NEW_SERIES = """
    INSERT INTO series
    SELECT (SELECT coalesce(max(series), 0) FROM series) + row_number() OVER (ORDER BY min(place)), meter, quantity
    FROM asked ANTI JOIN series USING (meter, quantity) GROUP BY meter, quantity"""


def find_series(
    connection: duckdb.DuckDBPyConnection, meters: Sequence[str], quantities: Sequence[str]
) -> npt.NDArray[np.int32] | None:
    """The number of each (meter, quantity), or None when there is one that has none yet."""
    connection.register("asked", _asked(meters, quantities))
    place, found = (column.to_numpy() for column in connection.sql(_SERIES).to_arrow_table().columns)
    if len(found) < len(meters):
        return None
    series = np.empty(len(meters), np.int32)
    series[place] = found
    return series


def add_series(connection: duckdb.DuckDBPyConnection, meters: Sequence[str], quantities: Sequence[str]) -> None:
    """Number those that have none, in the order in which they stand here: neighbours compress best."""
    connection.register("asked", _asked(meters, quantities))
    connection.execute(_NEW_SERIES)
    connection.unregister("asked")


_PICKED = """
    SELECT series, meter, quantity, (row_number() OVER (ORDER BY meter, quantity) - 1)::INTEGER AS place
    FROM series
    WHERE ($meters IS NULL OR meter IN (SELECT unnest($meters)))
        AND ($quantities IS NULL OR quantity IN (SELECT unnest($quantities))) ORDER BY place"""


def pick_series(
    connection: duckdb.DuckDBPyConnection, meters: Sequence[str] | None, quantities: Sequence[str] | None
) -> pa.Table:
    """The series of these meters and quantities, ordered by both; `place` counts them from 0."""
    asked = {
        "meters": None if meters is None else list(meters),
        "quantities": None if quantities is None else list(quantities),
    }
    return connection.sql(_PICKED, params=asked).to_arrow_table()


def series_from(connection: duckdb.DuckDBPyConnection, number: int) -> pa.Table:
    """All series from that number on, by number."""
    query = "SELECT series, meter, quantity FROM series WHERE series >= $number ORDER BY series"
    return connection.sql(query, params={"number": number}).to_arrow_table()


def _asked(meters: Sequence[str], quantities: Sequence[str]) -> pa.Table:
    return pa.table([_texts(meters), _texts(quantities), np.arange(len(meters))], ["meter", "quantity", "place"])


def _texts(names: Sequence[str]) -> pa.Array:
    """Millions of names come as Arrow arrays, which need no objects."""
    return names.cast(pa.string()) if isinstance(names, pa.Array | pa.ChunkedArray) else pa.array(names, pa.string())


def write_books(connection: duckdb.DuckDBPyConnection, commit: Commit, share: tuple[int, int]) -> None:
    """All of `commit` but its readings. `share` is what each gateway may have in quarantine: rows and bytes."""
    if commit.forgotten.num_rows:
        for statement in _FORGET_RUNS:
            run(connection, statement, commit.forgotten)
    if commit.spans.num_rows:
        _replace_spans(connection, commit.spans)
    if commit.ledger.num_rows:  # after the spans: the latest contents stay known
        run(connection, "INSERT INTO ledger SELECT gateway, run, n, hash FROM given", commit.ledger)
    if len(commit.released):
        _release(connection, commit.released)
    if commit.quarantine.num_rows:
        _quarantine(connection, commit.quarantine, share)


def run(connection: duckdb.DuckDBPyConnection, statement: str, given: pa.Table, *parameters: object) -> None:
    """Run `statement`, for which the table is there under the name `given`."""
    connection.register("given", given)
    connection.execute(statement, list(parameters))
    # after a failure the name stays until the next table takes it: an aborted transaction allows nothing more
    connection.unregister("given")


_FORGET_SPANS = "DELETE FROM spans t USING given WHERE t.gateway = given.gateway AND t.run = given.run"
_FORGET_RUNS = (
    _FORGET_SPANS,
    "DELETE FROM ledger t USING given WHERE t.gateway = given.gateway AND t.run = given.run",
)
_KEEP_SPANS = 'INSERT INTO spans SELECT gateway, run, "first", "last" FROM given'
_FORGET_COVERED = """
    DELETE FROM ledger t USING given
    WHERE t.gateway = given.gateway AND t.run = given.run AND t.n BETWEEN given."first" AND given."last" """


def _replace_spans(connection: duckdb.DuckDBPyConnection, spans: pa.Table) -> None:
    for statement in (_FORGET_SPANS, _KEEP_SPANS, _FORGET_COVERED):
        run(connection, statement, spans)


_COUNT = """
    INSERT INTO quarantine_counts SELECT gateway, count(*), sum(strlen(record)), 0 FROM given GROUP BY gateway
    ON CONFLICT (gateway) DO UPDATE SET held = held + excluded.held, bytes = bytes + excluded.bytes"""
_KEEP = """
    INSERT INTO quarantine
    SELECT (SELECT quarantined FROM area) + row_number() OVER (), arrived_s, gateway, batch, reason, record
    FROM given"""
_DROP = """
    WITH newest AS (
        SELECT id, row_number() OVER w AS place, sum(strlen(record)) OVER w AS bytes
        FROM quarantine WHERE gateway = $gateway WINDOW w AS (ORDER BY id DESC))
    DELETE FROM quarantine WHERE id IN (SELECT id FROM newest WHERE place > $rows OR bytes > $bytes)"""
_RECOUNT = """
    UPDATE quarantine_counts c SET dropped = dropped + c.held - $held, held = $held, bytes = $bytes
    WHERE gateway = $gateway"""


def _quarantine(connection: duckdb.DuckDBPyConnection, rows: pa.Table, share: tuple[int, int]) -> None:
    run(connection, _COUNT, rows)
    run(connection, _KEEP, rows)
    connection.execute("UPDATE area SET quarantined = quarantined + ?", [rows.num_rows])
    over = "SELECT gateway FROM quarantine_counts WHERE held > ? OR bytes > ?"
    for (gateway,) in connection.execute(over, list(share)).fetchall():
        # an eighth more than needed, so that a flood of refusals is not trimmed at every commit
        room = {"rows": share[0] - share[0] // 8, "bytes": share[1] - share[1] // 8}
        connection.execute(_DROP, {"gateway": gateway, **room})
        left = "SELECT count(*), coalesce(sum(strlen(record)), 0) FROM quarantine WHERE gateway = ?"
        ((held, size),) = connection.execute(left, [gateway]).fetchall()
        connection.execute(_RECOUNT, {"gateway": gateway, "held": held, "bytes": size})


def _release(connection: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> None:
    given = pa.table({"id": pa.array(ids, pa.int64())})
    leaving = """
        UPDATE quarantine_counts c SET held = c.held - l.held, bytes = c.bytes - l.bytes
        FROM (SELECT gateway, count(*) AS held, sum(strlen(record)) AS bytes
              FROM quarantine SEMI JOIN given USING (id) GROUP BY gateway) l
        WHERE c.gateway = l.gateway"""
    run(connection, leaving, given)
    run(connection, "DELETE FROM quarantine WHERE id IN (SELECT id FROM given)", given)


def ledger(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """LEDGER, whole, oldest rows first."""
    return connection.sql("SELECT gateway, run, n, hash FROM ledger ORDER BY rowid").to_arrow_table().cast(LEDGER)


def spans(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """SPANS, whole."""
    return connection.sql('SELECT gateway, run, "first", "last" FROM spans').to_arrow_table().cast(SPANS)


def quarantined(connection: duckdb.DuckDBPyConnection, gateway: str | None, reason: str | None, limit: int) -> pa.Table:
    """QUARANTINED, oldest first, at most `limit`; None takes all gateways or reasons."""
    query = """
        SELECT id, arrived_s, gateway, batch, reason, record FROM quarantine
        WHERE gateway = coalesce($gateway, gateway) AND reason = coalesce($reason, reason) ORDER BY id LIMIT $limit"""
    found = connection.sql(query, params={"gateway": gateway, "reason": reason, "limit": limit})
    return found.to_arrow_table().cast(QUARANTINED)


def quarantine_counts(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """QUARANTINE_COUNTS, by gateway."""
    query = "SELECT gateway, held, dropped FROM quarantine_counts ORDER BY gateway"
    return connection.sql(query).to_arrow_table().cast(QUARANTINE_COUNTS)
