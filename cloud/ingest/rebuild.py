"""The live values after a start, from the rows in the store."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.ingest.live import DAY_S, Live, day_start_s
from cloud.store.protocol import Rows
from contract.senml import FUTURE_TOLERANCE_S

FIRST_LOOK_S = 600
WINDOWS_S = (FIRST_LOOK_S, 3600, 6 * 3600, DAY_S)
METERS_AT_ONCE = 5000


def rebuild(live: Live, store: Rows, now_s: int) -> None:
    """Give `live` the first and the last values of the day, and the last of the 24 hours before.

    A short look at all that it shows comes first, and then longer ones at what was silent in it. Readings that
    arrive meanwhile do no harm; what is shown must not change meanwhile. Raises StoreUnavailable.
    """
    day_s = day_start_s(now_s)
    seen_until_s = day_s
    for window_s in WINDOWS_S:
        _, first_s = live.known_times()
        start_s, seen_until_s = seen_until_s, min(day_s + window_s, now_s)
        _look(live, store, first_s >= start_s, (start_s, seen_until_s))
    seen_since_s = now_s + FUTURE_TOLERANCE_S + 1
    for window_s in WINDOWS_S:
        last_s, _ = live.known_times()
        end_s, seen_since_s = seen_since_s, now_s - window_s
        _look(live, store, last_s < end_s, (seen_since_s, end_s))


def _look(live: Live, store: Rows, wanted: npt.NDArray[np.bool_], window: tuple[int, int]) -> None:
    start_s, end_s = window
    if start_s >= end_s:
        return
    watched = live.watched.filter(pa.array(wanted))
    meters = watched["meter"].unique().to_pylist()
    for at in range(0, len(meters), METERS_AT_ONCE):
        rows = store.rows(start_s, end_s, meters[at : at + METERS_AT_ONCE])
        live.update(rows.join(watched, ["meter", "quantity"], join_type="inner"), end_s)
