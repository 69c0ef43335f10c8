"""Whole days of usage put into a real area's file as if settled, and judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from cloud.metering.calendar import begin_s
from cloud.metering.codes import SLOT_S, Grade
from cloud.metering.quality import rule_ids
from cloud.settle.days import judge_day, pending_days
from cloud.store.settled import EDGES, USAGE, Batch
from tests.settle.small_city import START, City

FIRST = (START + 9 * 3600) // 86_400  # 2026-01-01, a Thursday
IMPORT = "electricity_import_kwh"

Register = tuple[str, str]


@dataclass
class KeptDays(City):
    """A city whose usage is given day by day, 96 thousandths each; None is a missing slot."""

    kept: int = 0

    def keep(self, usage: Mapping[Register, Sequence[int | None]]) -> None:
        """The next day."""
        series = self.store.series([meter for meter, _ in usage], [quantity for _, quantity in usage])
        start_s = begin_s(FIRST + self.kept)
        rows = [
            (
                start_s + SLOT_S * n,
                int(one),
                milli,
                Grade.N if milli is None else Grade.A,
                0 if milli is not None else 8,
            )
            for one, values in zip(series, usage.values(), strict=True)
            for n, milli in enumerate(values)
        ]
        given = pa.table([list(column) for column in zip(*rows, strict=True)], schema=USAGE).sort_by("slot_s")
        settled = self.store.settled
        self.kept += 1
        end_s = begin_s(FIRST + self.kept)
        settled.close_until(end_s)
        settled.append(given, EDGES.empty_table())
        settled.finish(Batch(USAGE.empty_table(), EDGES.empty_table(), settled_s=end_s))

    def restate(self, meter: str, day: int, slots: Mapping[int, int]) -> None:
        """Settled slots become others, as late readings would have it."""
        (series,) = self.store.series([meter], [IMPORT])
        rows = [(begin_s(FIRST + day) + SLOT_S * slot, int(series), milli, Grade.A, 0) for slot, milli in slots.items()]
        usage = pa.table([list(column) for column in zip(*rows, strict=True)], schema=USAGE)
        self.store.settled.finish(Batch(usage, EDGES.empty_table(), stale=[row[0] for row in rows]))

    def pending(self) -> list[int]:
        """Days after the first."""
        return [day - FIRST for day in pending_days(self.store.days, self.store.settled.progress())]

    def judge(self) -> list[int]:
        """All that is pending; which days that were."""
        done = self.pending()
        for day in done:
            assert judge_day(self.engine, self.store.days, FIRST + day, lambda: True, lambda _done, _of: None)
        return done

    def found(self, meter: str | None = None) -> dict[tuple[int, str], list[str]]:
        """Rules by day and meter."""
        table = self.store.days.findings((FIRST, FIRST + 400), 2**32 - 1, meter, 1000)
        return {(row["day"] - FIRST, row["meter"]): rule_ids(row["rules"]) for row in table.to_pylist()}

    def sums(self, meter: str, quantity: str = IMPORT) -> list[tuple[int, ...]]:
        """Of each judged day: thousandths, slots known and measured and trusted, estimated, highest."""
        series = self.store.series([meter], [quantity])
        table = self.store.days.sums(FIRST, FIRST + 400, series).sort_by("day")
        table = table.filter(pa.array(np.isin(table["series"].to_numpy(), series)))
        return [tuple(row.values())[2:] for row in table.to_pylist()]
