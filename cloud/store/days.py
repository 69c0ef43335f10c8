"""What is kept of whole local days in the area's file: sums by register, what the day's rules found, and what of
them is to be judged again.

Nothing here judges.
"""

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store.file import AreaFile

# A register's day: `milli` over its known slots, `measured_slots` came from the meter, `trusted_slots` serve as like
# days, `estimated_milli` is what of the sum rests on an estimate, `highest_milli` the highest measured slot.
DAY_SUMS = pa.schema(
    [
        ("day", pa.int32()),
        ("series", pa.int32()),
        ("milli", pa.int64()),
        ("known_slots", pa.uint8()),
        ("measured_slots", pa.uint8()),
        ("trusted_slots", pa.uint8()),
        ("estimated_milli", pa.int64()),
        ("highest_milli", pa.int64()),
    ]
)

# Rules of a day as bits, those among them that passed their second look, and V15's shift in slots.
FINDINGS = pa.schema(
    [
        ("day", pa.int32()),
        ("series", pa.int32()),
        ("rules", pa.uint32()),
        ("passed", pa.uint32()),
        ("shift", pa.int8()),
    ]
)

FAMILIES = 1 << 12  # V13 has rows of its own, since it looks at all meters at once
DENSE = 4  # where more than one in so many numbers is asked for, a range is cheaper than a list

_FIRST = "(SELECT (first_s + 32400 + 86399) // 86400 FROM settling)"  # the first whole local day
_CHANGED = "CREATE OR REPLACE TEMP TABLE changed AS SELECT DISTINCT (slot_s + 32400) // 86400 AS day, series FROM given"
_REJUDGE = f"""
    INSERT INTO rejudge SELECT series, greatest(day, {_FIRST}), day + 28 FROM changed
    WHERE day <= (SELECT day FROM judged) AND day + 28 >= {_FIRST} AND NOT EXISTS (
        FROM rejudge r WHERE r.series = changed.series AND r.next_day <= changed.day AND r.last_day >= changed.day + 28)
"""  # noqa: S608  # our own names
_RESTATED = "INSERT INTO restated SELECT day, series FROM changed ANTI JOIN restated USING (day, series)"
_FORGET = (
    f"DELETE FROM days WHERE day >= {_FIRST}",  # noqa: S608  # our own names
    f"DELETE FROM findings WHERE day >= {_FIRST}",  # noqa: S608  # our own names
    "DELETE FROM rejudge",
    "UPDATE judged SET day = NULL",
)

SeriesArray = npt.NDArray[np.int32]


def mark_changed(writer: duckdb.DuckDBPyConnection, changed: pa.Table, *, settled_before: bool) -> None:
    """Within a transaction: these (slot_s, series) are no longer what they were, and so are days that are judged.

    What is kept of 28 days is looked back at, so that as many after it are judged again, of these series alone.
    `settled_before` are those that were settled once: V18.
    """
    if not changed.num_rows:
        return
    writer.register("given", changed)
    writer.execute(_CHANGED)
    writer.unregister("given")
    writer.execute(_REJUDGE)
    if settled_before:
        writer.execute(_RESTATED)


def forget_judged(writer: duckdb.DuckDBPyConnection) -> None:
    """Within a transaction: drop what can be judged again. What came late once stays so."""
    for statement in _FORGET:
        writer.execute(statement)


class Days:
    """Any thread of the owning process may call; one writes. Raises StoreUnavailable."""

    def __init__(self, file: AreaFile) -> None:
        self._file = file

    def judged(self) -> int | None:
        """The latest local day that was judged; days are judged in their order."""
        with self._file.reading() as connection:
            ((day,),) = connection.execute("SELECT day FROM judged").fetchall()
        return None if day is None else int(day)

    def rejudged(self) -> list[int]:
        """Judged days of which something is to be judged again, ascending."""
        query = """SELECT DISTINCT unnest(range(next_day, least(last_day, (SELECT day FROM judged)) + 1)) AS day
            FROM (SELECT DISTINCT next_day, last_day FROM rejudge) ORDER BY day"""
        with self._file.reading() as connection:
            return [int(day) for (day,) in connection.execute(query).fetchall()]

    def rejudged_series(self, day: int) -> SeriesArray:
        """The series whose day is to be judged again, ascending."""
        query = "SELECT DISTINCT series FROM rejudge WHERE $day BETWEEN next_day AND last_day ORDER BY series"
        with self._file.reading() as connection:
            found = connection.sql(query, params={"day": day}).to_arrow_table()
        series: SeriesArray = found["series"].to_numpy()
        return series

    def usage(self, span: tuple[int, int], series: SeriesArray, columns: str = "*") -> pa.Table:
        """USAGE, or these columns of it, of span[0] <= slot_s < span[1], of these series and perhaps of others."""
        return self._of_series(f"SELECT {columns} FROM usage WHERE slot_s >= $start AND slot_s < $end", span, series)  # noqa: S608  # our own names

    def sums(self, first_day: int, end_day: int, series: SeriesArray) -> pa.Table:
        """DAY_SUMS of first_day <= day < end_day, of these series and perhaps of others."""
        query = "SELECT * FROM days WHERE day >= $start AND day < $end"
        return self._of_series(query, (first_day, end_day), series).cast(DAY_SUMS)

    def restated(self, day: int, series: SeriesArray) -> SeriesArray:
        """Those of the series, and perhaps others, of whose day something came or changed after it was settled."""
        query = "SELECT DISTINCT series FROM restated WHERE day >= $start AND day < $end"
        found: SeriesArray = self._of_series(query, (day, day + 1), series)["series"].to_numpy()
        return found

    def replace(self, day: int, series: SeriesArray, sums: pa.Table, findings: pa.Table) -> None:
        """DAY_SUMS and FINDINGS (without V13) of these series' day, whatever was there."""

        def work(writer: duckdb.DuckDBPyConnection, _number: int) -> None:
            given = pa.table({"series": series})
            for table, more in (("days", ""), ("findings", f"AND rules != {FAMILIES}")):
                statement = f"""DELETE FROM {table} WHERE day = {int(day)} {more}
                    AND series IN (SELECT series FROM given)"""  # noqa: S608  # our own names and numbers
                _with(writer, given, statement)
            _with(writer, sums, "INSERT INTO days FROM given")
            _with(writer, findings, "INSERT INTO findings FROM given")

        self._file.write(None, work)

    def finish(self, day: int, families: pa.Table) -> None:
        """The day is judged: FINDINGS of V13 replace those before, and nothing of it is to be judged again."""

        def work(writer: duckdb.DuckDBPyConnection, _number: int) -> None:
            writer.execute("DELETE FROM findings WHERE day = ? AND rules = ?", [day, FAMILIES])
            _with(writer, families, "INSERT INTO findings FROM given")
            writer.execute("UPDATE judged SET day = greatest(coalesce(day, $day), $day)", {"day": day})
            statement = f"UPDATE rejudge SET next_day = $day + 1 WHERE next_day = $day OR next_day < {_FIRST}"  # noqa: S608  # our own names
            writer.execute(statement, {"day": day})
            writer.execute("DELETE FROM rejudge WHERE next_day > last_day")

        self._file.write(None, work)

    def _of_series(self, query: str, span: tuple[int, int], series: SeriesArray) -> pa.Table:
        bounds = {"start": span[0], "end": span[1], "low": int(series[0]), "high": int(series[-1])}
        query += " AND series BETWEEN $low AND $high"
        with self._file.reading() as connection:
            if len(series) * DENSE < bounds["high"] - bounds["low"] + 1:
                connection.register("asked", pa.table({"series": series}))
                query += " AND series IN (SELECT series FROM asked)"
            return connection.sql(query, params=bounds).to_arrow_table()


def read_findings(connection: duckdb.DuckDBPyConnection, where: str, values: dict[str, object]) -> pa.Table:
    """FINDINGS, one row a day and series, of which `where` (about d.day and s.meter) holds; with meter and quantity."""
    query = f"""SELECT d.day, s.meter, s.quantity, bit_or(rules) AS rules, bit_or(passed) AS passed,
            max(shift) + min(shift) AS shift
        FROM findings d JOIN series s USING (series) WHERE {where} GROUP BY ALL ORDER BY d.day, s.meter, s.quantity"""  # noqa: S608  # our own names
    return connection.sql(query, params=values).to_arrow_table()


def _with(writer: duckdb.DuckDBPyConnection, given: pa.Table, statement: str) -> None:
    if given.num_rows:
        writer.register("given", given)
        writer.execute(statement)
        writer.unregister("given")
