"""Which meters hang on which gateway, and when: the registry's spans of one area, as arrays."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.registry import snapshot
from contract.problems import Problem
from contract.refusals import METER_OF_ANOTHER_GATEWAY, UNKNOWN_METER

COLUMNS = ("gateway", "meter", "quantity", "from_s", "to_s", "live")
MAX_BASE_NAMES = 16
_PIECE = 100_000


class Known:
    """Spans (COLUMNS, sorted as `snapshot.SPANS` is), indexed. `series[i]` is the store's number for row i; nothing
    changes but a cache of names.

    Of millions of spans no Python object is kept but for the gateways that were heard.
    """

    def __init__(self, spans: pa.Table, series: npt.NDArray[np.int32]) -> None:
        spans = spans.unify_dictionaries().combine_chunks()
        self.series = series
        self.valid_from_s: npt.NDArray[np.int64] = spans["from_s"].to_numpy()
        self.valid_to_s: npt.NDArray[np.int64] = spans["to_s"].to_numpy()
        self._meter, self._quantity = _array(spans["meter"]), _array(spans["quantity"])
        gateway = _array(spans["gateway"])
        codes = gateway.indices.to_numpy()
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        names = [gateway.dictionary[code].as_py() for code in codes[starts].tolist()]
        bounds = [*starts.tolist(), len(codes)]
        self._starts = starts
        self._rows = {name: (bounds[n], bounds[n + 1]) for n, name in enumerate(names)}
        self._suffixes: dict[str, dict[str, dict[str, int]]] = {name: {} for name in names}
        self._runs = _Runs(self._meter, codes)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def gateways(self) -> Iterable[str]:
        """All gateways of any time, once each."""
        return self._rows.keys()

    def gateways_at(self, now_s: float) -> list[str]:
        """Those on which anything hangs at that moment: not the former ones, nor those that are only planned."""
        if not self._rows:
            return []
        hangs = (self.valid_from_s <= now_s) & (self.valid_to_s > now_s)
        there = np.logical_or.reduceat(hangs, self._starts)
        return [name for name, any_ in zip(self._rows, there.tolist(), strict=True) if any_]

    def knows(self, gateway: str) -> bool:
        """Whether any row names the gateway."""
        return gateway in self._rows

    def names(self, gateway: str, base_name: str) -> Mapping[str, int]:
        """By what follows the base name, the latest row of each name that this gateway ever reports."""
        cache = self._suffixes.get(gateway)
        if cache is None:
            return {}
        found = cache.get(base_name)
        if found is None:
            if len(cache) >= MAX_BASE_NAMES:
                cache.clear()
            found = cache[base_name] = self._beginning_with(gateway, base_name)
        return found

    def _beginning_with(self, gateway: str, base_name: str) -> dict[str, int]:
        start, end = self._rows[gateway]
        meter, skip = base_name.partition("/")[0], len(base_name)
        meters = self._meter[start:end]
        low = start + bisect_left(meters, meter, key=_text)
        high = start + bisect_right(meters, meter, key=lambda one: _text(one)[: len(meter)])
        columns = (column[low:high].to_pylist() for column in (self._meter, self._quantity))
        names = (f"{meter}/{quantity}" for meter, quantity in zip(*columns, strict=True))
        # rows ascend in time, so that a name leads to its latest
        return {name[skip:]: at for at, name in enumerate(names, low) if name.startswith(base_name)}

    def judge(self, gateway: str, name: str, time_s: int) -> int | str:
        """The row under which the gateway may report `{meter}/{quantity}` at that time, or why it may not."""
        at = self.names(gateway, "").get(name, -1)
        first, _ = self._rows.get(gateway, (0, 0))
        while at >= first and self._name(at) == name:
            if self.valid_from_s[at] <= time_s < self.valid_to_s[at]:
                return at
            at -= 1
        meter = name.partition("/")[0]
        for start, end in self._runs.of(meter):
            for at in range(start, end):
                if self.valid_from_s[at] <= time_s < self.valid_to_s[at] and self._name(at) == name:
                    return METER_OF_ANOTHER_GATEWAY
        return UNKNOWN_METER

    def _name(self, at: int) -> str:
        return f"{self._meter[at]}/{self._quantity[at]}"


class _Runs:
    """The rows of each meter, wherever it hangs: found by the hash of its name, 12 bytes a meter."""

    def __init__(self, meter: pa.Array, gateway: npt.NDArray[np.int32]) -> None:
        begins, later = np.ones(len(meter), bool), _compared(pc.greater, meter)
        begins[1:] = later | (gateway[1:] != gateway[:-1])
        assert (begins[1:] | _compared(pc.equal, meter)).all(), "a gateway's spans ascend by meter"
        starts = np.flatnonzero(begins).astype(np.int32)
        hashes = np.empty(len(starts), np.int64)
        for at in range(0, len(starts), _PIECE):
            hashes[at : at + _PIECE] = [hash(name) for name in meter.take(starts[at : at + _PIECE]).to_pylist()]
        self._bounds = np.append(starts, np.int32(len(meter)))
        self._order = np.argsort(hashes).astype(np.int32)
        self._hashes = hashes[self._order]

    def of(self, meter: str) -> list[tuple[int, int]]:
        """First row and the one after the last, of each gateway that has the meter; rarely those of another meter."""
        low, high = (int(np.searchsorted(self._hashes, hash(meter), side)) for side in ("left", "right"))
        return [(int(self._bounds[run]), int(self._bounds[run + 1])) for run in self._order[low:high]]


def read_spans(folder: Path, area: str) -> pa.Table:
    """The spans of an area in the registry's snapshot, with COLUMNS. Raises Problem, also when there is none."""
    spans = snapshot.load(folder).spans
    found = spans.select(COLUMNS).filter(pc.equal(spans["area"], area))
    if not found.num_rows:
        others = ", ".join(sorted(filter(None, spans["area"].unique().to_pylist()))) or "-"
        raise Problem(
            f"{folder}: 등록부 사본에 구역 '{area}'의 계량기가 없습니다. 있는 구역: {others}",
            f"{folder}: the registry's snapshot has no meter of area '{area}'; it has these areas: {others}",
        )
    return found


def _compared(how: Callable[[pa.Array, pa.Array], pa.Array], column: pa.Array) -> npt.NDArray[np.bool_]:
    """Each but the first with the one before it."""
    found: npt.NDArray[np.bool_] = how(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return found


def _text(scalar: pa.StringScalar) -> str:
    text: str = scalar.as_py()
    return text


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)
