"""The latest reading of every series, and the register at the start of the local day. Arrays; shared by threads."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contract.quality import FIRST_MISSING

# Korea has kept no summer time since 1988, so a fixed offset is its time zone.
SEOUL_OFFSET_S = 9 * 3600
DAY_S = 86_400
NEVER_S, NOT_YET_S = -(2**62), 2**62

# `value` is null while the latest reading is missing, `last_value` is the latest that was not; `day_value` is the
# first at or after local midnight. A series that was never read has its names and nothing else.
LIVE = pa.schema(
    [
        ("meter", pa.string()),
        ("quantity", pa.string()),
        ("time_s", pa.int64()),
        ("at_ms", pa.int32()),
        ("value", pa.float64()),
        ("quality", pa.uint8()),
        ("last_value", pa.float64()),
        ("last_time_s", pa.int64()),
        ("day_value", pa.float64()),
        ("day_time_s", pa.int64()),
    ]
)

# All of it by series number, with what an untouched place says.
_ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "time_s": (np.int64, NEVER_S),
    "at_ms": (np.int32, 0),
    "value": (np.float64, 0),
    "quality": (np.uint8, 0),
    "last_value": (np.float64, 0),
    "last_time_s": (np.int64, NEVER_S),
    "day_value": (np.float64, 0),
    "day_time_s": (np.int64, NOT_YET_S),
}


def day_start_s(now_s: float) -> int:
    """Local midnight at or before that moment."""
    return (int(now_s) + SEOUL_OFFSET_S) // DAY_S * DAY_S - SEOUL_OFFSET_S


class Live:
    """`watch` says which series are shown; `update` takes readings in any order, and a late one turns nothing back."""

    def __init__(self, now_s: float) -> None:
        self._lock = threading.Lock()
        self._day_s = day_start_s(now_s)
        self._by_series = {name: np.full(0, fill, kind) for name, (kind, fill) in _ARRAYS.items()}
        self._watched = np.empty(0, np.int64)
        self._names = (pa.array([], pa.string()), pa.array([], pa.string()))

    def watch(self, meters: Sequence[str], quantities: Sequence[str], series: npt.NDArray[np.int32]) -> None:
        """Show these, in this order."""
        with self._lock:
            self._reserve(int(series.max(initial=-1)))
            self._watched = series.astype(np.int64)
            self._names = (pa.array(meters, pa.string()), pa.array(quantities, pa.string()))

    def update(self, readings: pa.Table, now_s: float) -> None:
        """Take readings that are stored. `readings` has at least the columns of APPEND."""
        if readings.num_rows == 0:
            return
        series = readings["series"].to_numpy().astype(np.int64)
        time_s = readings["time_s"].to_numpy()
        # by series, then by time, then by arrival
        order = np.lexsort((time_s, series))
        series, time_s = series[order], time_s[order]
        quality = readings["quality"].to_numpy()[order]
        value = readings["value"].to_numpy()[order]
        at_ms = readings["at_ms"].to_numpy()[order]
        present = quality < FIRST_MISSING
        with self._lock:
            self._roll(now_s)
            self._reserve(int(series[-1]))
            into = self._by_series
            ends = np.flatnonzero(np.append(series[1:] != series[:-1], True))
            ends = ends[time_s[ends] >= into["time_s"][series[ends]]]
            for name, column in (("time_s", time_s), ("at_ms", at_ms), ("value", value), ("quality", quality)):
                into[name][series[ends]] = column[ends]
            self._update_present(series[present], time_s[present], value[present])

    def table(self, now_s: float) -> pa.Table:
        """LIVE, one row for each series that is watched."""
        with self._lock:
            self._roll(now_s)
            shown = {name: column[self._watched] for name, column in self._by_series.items()}
        unread = shown["time_s"] == NEVER_S
        valueless = shown["last_time_s"] == NEVER_S
        dayless = shown["day_time_s"] == NOT_YET_S
        masks = {
            "time_s": unread,
            "at_ms": unread,
            "value": unread | (shown["quality"] >= FIRST_MISSING),
            "quality": unread,
            "last_value": valueless,
            "last_time_s": valueless,
            "day_value": dayless,
            "day_time_s": dayless,
        }
        columns = [pa.array(shown[name], mask=mask) for name, mask in masks.items()]
        return pa.Table.from_arrays([*self._names, *columns], schema=LIVE)

    def known_times(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each series that is watched, the times of its last value and of its first value today."""
        with self._lock:
            last_s, day_s = self._by_series["last_time_s"], self._by_series["day_time_s"]
            return last_s[self._watched], day_s[self._watched]

    def _update_present(
        self, series: npt.NDArray[np.int64], time_s: npt.NDArray[np.int64], value: npt.NDArray[np.float64]
    ) -> None:
        if not len(series):
            return
        into = self._by_series
        ends = np.flatnonzero(np.append(series[1:] != series[:-1], True))
        ends = ends[time_s[ends] >= into["last_time_s"][series[ends]]]
        into["last_time_s"][series[ends]] = time_s[ends]
        into["last_value"][series[ends]] = value[ends]
        today = time_s >= self._day_s
        series, time_s, value = series[today], time_s[today], value[today]
        if not len(series):
            return
        starts = np.flatnonzero(np.append(True, series[1:] != series[:-1]))
        starts = starts[time_s[starts] < into["day_time_s"][series[starts]]]
        into["day_time_s"][series[starts]] = time_s[starts]
        into["day_value"][series[starts]] = value[starts]

    def _roll(self, now_s: float) -> None:
        """At midnight the day begins anew, with what has come in for it already."""
        day_s = day_start_s(now_s)
        if day_s <= self._day_s:
            return
        self._day_s = day_s
        into = self._by_series
        begun = into["last_time_s"] >= day_s
        into["day_time_s"] = np.where(begun, into["last_time_s"], NOT_YET_S)
        into["day_value"] = np.where(begun, into["last_value"], 0.0)

    def _reserve(self, highest: int) -> None:
        size = len(self._by_series["time_s"])
        if highest < size:
            return
        more = max(highest + 1, 2 * size) - size
        for name, (kind, fill) in _ARRAYS.items():
            self._by_series[name] = np.concatenate([self._by_series[name], np.full(more, fill, kind)])
