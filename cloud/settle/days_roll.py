"""The registers that hang there on a local day, and what the day's rules have to know of each."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.metering.arrays import Bools, Floats, Ints
from cloud.metering.calendar import begin_s
from cloud.metering.codes import DAY_S, ROLES, SLOT_S, UTILITIES
from cloud.metering.day_rules_data import Limits
from cloud.settle.inputs import local
from cloud.settle.plan import PRODUCED, Spans

# By unit: kWh, m3. A cubic metre of gas holds ten kWh, and a household uses half of one of water a day.
LIMITS = (Limits(), Limits(spike_least_milli=50, day_least_milli=200))

_PRODUCTION, _HEAT = ROLES.index("production"), UTILITIES.index("heat")
_VOLUMES = [UTILITIES.index("gas"), UTILITIES.index("water")]


@dataclass(frozen=True)
class Roll:
    """Registers of a day, by series, ascending. `steady`: one device and one multiplier from its begin to its end."""

    day: int
    series: npt.NDArray[np.int32]
    expected_slots: Ints
    steady: Bools
    multiplier: Floats
    volume: Bools  # m3, not kWh
    heat: Bools
    production: Bools

    def some(self, series: npt.NDArray[np.int32]) -> "Roll":
        """Those of these series (ascending) that are there."""
        at = local(series, self.series)
        which = at[at >= 0]
        return Roll(self.day, *(getattr(self, field.name)[which] for field in fields(self)[1:]))


def roll_of(spans: Spans, day: int) -> Roll:
    """Who is there in any slot of the day; a stretch that begins or ends within a slot has that slot."""
    start_s, end_s = begin_s(day), begin_s(day) + DAY_S
    rows = np.flatnonzero((spans.from_s < end_s) & (spans.to_s > start_s))
    series = spans.series[rows]
    begins = np.append(True, series[1:] != series[:-1])[: len(series)]
    starts = np.flatnonzero(begins)
    lasts = np.append(starts[1:], len(rows))[: len(starts)] - 1
    first, last = rows[starts], rows[lasts]
    from_s, to_s = np.maximum(spans.from_s[first], start_s), np.minimum(spans.to_s[last], end_s)
    broken = ~begins
    broken[1:] &= (spans.life[rows[1:]] != spans.life[rows[:-1]]) | (
        spans.multiplier[rows[1:]] != spans.multiplier[rows[:-1]]
    )
    steady = (spans.from_s[first] <= start_s) & (spans.to_s[last] >= end_s)
    steady[np.unique(np.cumsum(begins)[broken] - 1)] = False
    about = spans.table.select(["utility", "role", "quantity"]).take(pa.array(last))
    utility, role = about["utility"].to_numpy(), about["role"].to_numpy()
    produced = pc.is_in(about["quantity"].cast(pa.string()), pa.array(PRODUCED)).to_numpy()
    return Roll(
        day,
        spans.series[last],
        -(-to_s // SLOT_S) - from_s // SLOT_S,
        steady,
        spans.multiplier[last],
        np.isin(utility, _VOLUMES),
        (utility == _HEAT) & (role != _PRODUCTION),
        (role == _PRODUCTION) | produced,
    )


def series_limits(roll: Roll) -> tuple[Ints, Ints]:
    """The places of those that each of LIMITS is for."""
    return np.flatnonzero(~roll.volume), np.flatnonzero(roll.volume)
