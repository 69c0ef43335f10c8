"""The live values after a start, from the rows in the store."""

import pyarrow as pa

from cloud.ingest.live import DAY_S, Live, day_start_s
from cloud.store.protocol import Rows
from contract.senml import FUTURE_TOLERANCE_S

FIRST_LOOK_S = 600
WINDOWS_S = (FIRST_LOOK_S, 3600, 6 * 3600, DAY_S)
MAX_NAMED_METERS = 5000


def rebuild(live: Live, store: Rows, watched: pa.Table, now_s: int) -> None:
    """Give `live` the first and the last values of the day, and the last of the 24 hours before.

    `watched` has columns meter, quantity and series, each pair once. A short look at all series comes first, and
    then longer ones at those that were silent in it. Readings that arrive meanwhile do no harm. Raises
    StoreUnavailable.
    """
    day_s = day_start_s(now_s)
    seen_until_s = day_s
    for window_s in WINDOWS_S:
        _, first_s = live.known_times()
        start_s, seen_until_s = seen_until_s, min(day_s + window_s, now_s)
        _look(live, store, watched, watched.filter(pa.array(first_s >= start_s)), (start_s, seen_until_s))
    seen_since_s = now_s + FUTURE_TOLERANCE_S + 1
    for window_s in WINDOWS_S:
        last_s, _ = live.known_times()
        end_s, seen_since_s = seen_since_s, now_s - window_s
        _look(live, store, watched, watched.filter(pa.array(last_s < end_s)), (seen_since_s, end_s))


def _look(live: Live, store: Rows, watched: pa.Table, wanted: pa.Table, window: tuple[int, int]) -> None:
    start_s, end_s = window
    if start_s >= end_s or not wanted.num_rows:
        return
    meters = None if wanted.num_rows == watched.num_rows else wanted["meter"].unique().to_pylist()
    if meters is not None and len(meters) > MAX_NAMED_METERS:
        meters = None
    rows = store.rows(start_s, end_s, meters)
    live.update(rows.join(watched, ["meter", "quantity"], join_type="inner"), end_s)
