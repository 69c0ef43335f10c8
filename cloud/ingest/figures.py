"""Figures that are looked up when an area's metrics are scraped: how far settling is, and how full its disk."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloud.store.protocol import StoreUnavailable

SETTLE = {  # of the table "settle"
    "marks": ("marks", "Registers with slots to be settled again"),
    "stale": ("stale_slots", "Slots whose sums are to be made anew"),
    "slot_took_s": ("slot_seconds", "Duration of the latest slot"),
    "sums_took_s": ("sums_seconds", "Duration of the latest sums"),
}


class Settling(Collector):
    """`ask` gives the table "settle"."""

    def __init__(self, ask: Callable[..., pa.Table]) -> None:
        self._ask = ask

    def describe(self) -> Iterable[Metric]:
        """Nothing: it would ask a store that is not open yet."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Gauges; what is not known yet is left out."""
        try:
            (row,) = self._ask().to_pylist()
        except StoreUnavailable:
            row = {"trouble": "store unavailable"}
        yield from (_gauge("settle", *SETTLE[name], value) for name, value in _known(row, SETTLE).items())
        if row.get("settled_s") is not None:
            age_s = time.time() - row["settled_s"]
            yield _gauge("settle", "settled_age_seconds", "Since the end of the latest slot that is settled", age_s)
        yield _gauge("settle", "well", "0 while settling cannot go on", not row["trouble"])


class Disk(Collector):
    """Of the file system that a folder is on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        """Nothing."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Gauges; none where it cannot be looked at."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return
        yield _gauge("disk", "free_bytes", "Free where the area's file is", usage.free)
        yield _gauge("disk", "used_bytes", "Used there", usage.used)
        yield _gauge("disk", "size_bytes", "Size of that file system", usage.total)


def _known(row: Mapping[str, object], names: Iterable[str]) -> dict[str, float]:
    return {name: value for name in names if isinstance(value := row.get(name), int | float)}


def _gauge(what: str, name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"bitgoeul_{what}_{name}", about, float(value))
