"""The latest reading of every series, and the register at the start of the local day. Arrays; shared by threads."""

import threading
from typing import Any

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

# What is shown: `series` is from `Store.series`.
WATCHED = pa.schema([("meter", pa.string()), ("quantity", pa.string()), ("series", pa.int32())])

# All of it by place, with what an untouched place says.
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
        self._place = np.empty(0, np.int32)  # by series number, where it is shown; -1: not at all
        self._shown = _untouched(0)
        self.watched = WATCHED.empty_table()

    def watch(self, watched: pa.Table) -> bool:
        """Show these (WATCHED), each series once, in this order. What is known of any of them stays.

        Whether there is one among them that was not shown before.
        """
        watched = watched.cast(WATCHED).combine_chunks()
        series = watched["series"].to_numpy()
        with self._lock:
            earlier = self._places(series)
            kept = earlier >= 0
            shown = _untouched(len(series))
            for name, column in shown.items():
                column[kept] = self._shown[name][earlier[kept]]
            self._place = np.full(series.max(initial=-1) + 1, -1, np.int32)
            self._place[series] = np.arange(len(series), dtype=np.int32)
            self._shown, self.watched = shown, watched
        return not kept.all()

    def update(self, readings: pa.Table, now_s: float) -> None:
        """Take readings that are stored. `readings` has at least the columns of APPEND."""
        with self._lock:
            self._roll(now_s)
            place = self._places(readings["series"].to_numpy())
            rows = np.flatnonzero(place >= 0)
            if not len(rows):
                return
            # by place, then by time, then by arrival
            rows = rows[np.lexsort((readings["time_s"].to_numpy()[rows], place[rows]))]
            place = place[rows]
            new = {name: readings[name].to_numpy()[rows] for name in ("time_s", "at_ms", "value", "quality")}
            into, time_s = self._shown, new["time_s"]
            ends = np.flatnonzero(np.append(place[1:] != place[:-1], True))
            ends = ends[time_s[ends] >= into["time_s"][place[ends]]]
            for name, column in new.items():
                into[name][place[ends]] = column[ends]
            present = new["quality"] < FIRST_MISSING
            self._update_present(place[present], time_s[present], new["value"][present])

    def table(self, now_s: float) -> pa.Table:
        """LIVE, one row for each series that is watched."""
        with self._lock:
            self._roll(now_s)
            shown = {name: column.copy() for name, column in self._shown.items()}
            names = [self.watched["meter"], self.watched["quantity"]]
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
        return pa.Table.from_arrays([*names, *columns], schema=LIVE)

    def known_times(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each series that is watched, the times of its last value and of its first value today."""
        with self._lock:
            return self._shown["last_time_s"].copy(), self._shown["day_time_s"].copy()

    def _update_present(
        self, place: npt.NDArray[np.int32], time_s: npt.NDArray[np.int64], value: npt.NDArray[np.float64]
    ) -> None:
        if not len(place):
            return
        into = self._shown
        ends = np.flatnonzero(np.append(place[1:] != place[:-1], True))
        ends = ends[time_s[ends] >= into["last_time_s"][place[ends]]]
        into["last_time_s"][place[ends]] = time_s[ends]
        into["last_value"][place[ends]] = value[ends]
        today = time_s >= self._day_s
        place, time_s, value = place[today], time_s[today], value[today]
        if not len(place):
            return
        starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
        starts = starts[time_s[starts] < into["day_time_s"][place[starts]]]
        into["day_time_s"][place[starts]] = time_s[starts]
        into["day_value"][place[starts]] = value[starts]

    def _places(self, series: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Where each of these is shown; -1 for what is not."""
        inside = series < len(self._place)
        if inside.all():
            return self._place[series]
        place = np.full(len(series), -1, np.int32)
        place[inside] = self._place[series[inside]]
        return place

    def _roll(self, now_s: float) -> None:
        """At midnight the day begins anew, with what has come in for it already."""
        day_s = day_start_s(now_s)
        if day_s <= self._day_s:
            return
        self._day_s = day_s
        into = self._shown
        begun = into["last_time_s"] >= day_s
        into["day_time_s"] = np.where(begun, into["last_time_s"], NOT_YET_S)
        into["day_value"] = np.where(begun, into["last_value"], 0.0)


def _untouched(size: int) -> dict[str, npt.NDArray[Any]]:
    return {name: np.full(size, fill, kind) for name, (kind, fill) in _ARRAYS.items()}
