"""Stores that fail when they are told to; and, as a program, an area that dies at the worst moment.

    python -m tests.cloud.faulty_store DEAD_AFTER …options of `cloud area`…

kills itself with -9 between its commit number DEAD_AFTER and everything that would follow from it.
"""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cloud.ingest.area import Area
from cloud.ingest.settings import AreaSettings
from cloud.store.duck import DuckStore
from cloud.store.protocol import Commit, StoreUnavailable
from commands import cloud_area


class FaultyStore:
    """A DuckDB store; while `shut`, it takes no commits. `dead_after` counts commits until the process dies."""

    def __init__(self, file: Path, dead_after: int = 0) -> None:
        self._store = DuckStore(file)
        self._dead_after = dead_after
        self.shut = False
        self.refused = 0

    def commit(self, commit: Commit) -> Sequence[int]:
        if self.shut:
            self.refused += 1
            raise StoreUnavailable("shut for the test")
        refused = self._store.commit(commit)
        self._dead_after -= 1
        if self._dead_after == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return refused

    def series(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        return self._store.series(meters, quantities)

    def rows(
        self,
        start_s: int,
        end_s: int,
        meters: Sequence[str] | None = None,
        quantities: Sequence[str] | None = None,
    ) -> pa.Table:
        return self._store.rows(start_s, end_s, meters, quantities)

    def numbered(self, start_s: int, end_s: int, series: npt.NDArray[np.int32]) -> pa.Table:
        return self._store.numbered(start_s, end_s, series)

    def ledger(self) -> pa.Table:
        return self._store.ledger()

    def spans(self) -> pa.Table:
        return self._store.spans()

    def quarantined(self, gateway: str | None = None, reason: str | None = None, limit: int = 1000) -> pa.Table:
        return self._store.quarantined(gateway, reason, limit)

    def quarantine_counts(self) -> pa.Table:
        return self._store.quarantine_counts()

    def close(self) -> None:
        self._store.close()


def main(dead_after: int, arguments: Sequence[str]) -> None:
    """An area whose store ends the process."""
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser()
    cloud_area.options(parser)
    given = vars(parser.parse_args(["main", *arguments]))
    args = {name: value for name, value in given.items() if name in AreaSettings.__dataclass_fields__}
    settings = AreaSettings(**args | {"brokers": tuple(args["brokers"])})
    Area(settings, FaultyStore(settings.file, dead_after)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
