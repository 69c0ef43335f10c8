"""What is kept of whole local days in the area's file: sums by register, what the day's rules found, and what of
them is to be judged again.

Nothing here judges.
"""

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.store.file import AreaFile
from contract.quantities import QUANTITIES

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

_FINDINGS = """
    SELECT day, meter, quantity, bit_or(rules) AS rules, bit_or(passed) AS passed, sum(shift)::TINYINT AS shift
    FROM findings JOIN series USING (series)
    WHERE day >= $start AND day < $end AND ($meter IS NULL OR meter = $meter)
    GROUP BY day, meter, quantity HAVING bit_or(rules) & $rules != 0 ORDER BY day, meter, quantity LIMIT $limit"""
_FLAGGED = """
    SELECT slot_s, meter, quantity, milli, grade, flags FROM usage JOIN series USING (series)
    WHERE slot_s >= $start AND slot_s < $end AND ($meter IS NULL OR meter = $meter)
        AND (grade = $grade OR ($grade IS NULL AND (grade != 0 OR flags != 0)))
        AND (flags & $rules != 0 OR $rules = $all)
    ORDER BY slot_s, meter, quantity LIMIT $limit"""
_EDITS = """
    SELECT id, meter, quantity, slot_s, milli, reason, who, at_s FROM edits JOIN series USING (series)
    WHERE $meter IS NULL OR meter = $meter ORDER BY id DESC LIMIT $limit"""
_REGISTERS = [name for name, quantity in QUANTITIES.items() if quantity.kind == "register"]

ALL_RULES = 2**32 - 1

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

    def usage(self, start_s: int, end_s: int, series: SeriesArray, columns: str = "milli, grade, flags") -> pa.Table:
        """Of start_s <= slot_s < end_s, at most a day: nth (of the slots), series, and these columns of USAGE; of these
        series and perhaps of others between the first and the last of them.
        """
        query = f"""SELECT ((slot_s - $start) // 900)::UTINYINT AS nth, series, {columns} FROM usage
            WHERE slot_s >= $start AND slot_s < $end"""  # noqa: S608  # our own names
        return self._of_series(query, (start_s, end_s), series)

    def sums(self, first_day: int, end_day: int, series: SeriesArray) -> pa.Table:
        """DAY_SUMS of first_day <= day < end_day, of these series and perhaps of others between them."""
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

    def forget_before(self, day: int) -> None:
        """Drop what is kept of earlier days. Judging looks 28 days back."""

        def work(writer: duckdb.DuckDBPyConnection, _number: int) -> None:
            for table in ("days", "findings", "restated"):
                writer.execute(f"DELETE FROM {table} WHERE day < ?", [day])  # noqa: S608  # our own names

        self._file.write(None, work)

    def registers(self, meter: str) -> pa.Table:
        """The meter's registers: series and quantity."""
        query = """SELECT series, quantity FROM series WHERE meter = $meter AND quantity IN (SELECT unnest($registers))
            ORDER BY quantity"""
        return self._look(query, {"meter": meter, "registers": _REGISTERS})

    def registers_of(self, meters: Sequence[str]) -> pa.Table:
        """The registers of these meters: series, meter and quantity; a meter that is not known has none."""
        query = """SELECT series, meter, quantity FROM series WHERE meter IN (SELECT unnest($meters))
            AND quantity IN (SELECT unnest($registers)) ORDER BY series"""
        return self._look(query, {"meters": list(meters), "registers": _REGISTERS})

    def findings(self, span: tuple[int, int], rules: int, meter: str | None, limit: int) -> pa.Table:
        """day, meter, quantity, rules, passed, shift of the days span[0] <= day < span[1] on which any of these rules
        fired.
        """
        values = {"start": span[0], "end": span[1], "rules": rules, "meter": meter, "limit": limit}
        return self._look(_FINDINGS, values)

    def flagged(self, span: tuple[int, int], rules: int, grade: int | None, meter: str | None, limit: int) -> pa.Table:
        """slot_s, meter, quantity, milli, grade, flags of slots with that grade (None: any but A, or a flag) and any of
        these rules (ALL_RULES: or none).
        """
        values = {"start": span[0], "end": span[1], "rules": rules, "all": ALL_RULES, "limit": limit}
        return self._look(_FLAGGED, values | {"grade": grade, "meter": meter})

    def slot_counts(self, start_s: int, end_s: int) -> pa.Table:
        """grade, flags, and how many slots of registers have them."""
        query = """SELECT grade, flags, count(*) AS slots FROM usage WHERE slot_s >= $start AND slot_s < $end
            GROUP BY grade, flags ORDER BY grade, flags"""
        return self._look(query, {"start": start_s, "end": end_s})

    def day_counts(self, first_day: int, end_day: int) -> pa.Table:
        """rules, and how many days of registers have these findings."""
        query = """SELECT rules, count(*) AS days FROM findings WHERE day >= $start AND day < $end
            GROUP BY rules ORDER BY rules"""
        return self._look(query, {"start": first_day, "end": end_day})

    def edits(self, meter: str | None, limit: int) -> pa.Table:
        """id, meter, quantity, slot_s, milli, reason, who, at_s; the latest first."""
        return self._look(_EDITS, {"meter": meter, "limit": limit})

    def _look(self, query: str, values: Mapping[str, object]) -> pa.Table:
        with self._file.reading() as connection:
            return connection.sql(query, params=dict(values)).to_arrow_table()

    def _of_series(self, query: str, span: tuple[int, int], series: SeriesArray) -> pa.Table:
        bounds = {"start": span[0], "end": span[1], "low": int(series[0]), "high": int(series[-1])}
        query += " AND series BETWEEN $low AND $high"
        with self._file.reading() as connection:
            if len(series) * DENSE < bounds["high"] - bounds["low"] + 1:
                connection.register("asked", pa.table({"series": series}))
                query += " AND series IN (SELECT series FROM asked)"
            return connection.sql(query, params=bounds).to_arrow_table()


def _with(writer: duckdb.DuckDBPyConnection, given: pa.Table, statement: str) -> None:
    if given.num_rows:
        writer.register("given", given)
        writer.execute(statement)
        writer.unregister("given")
