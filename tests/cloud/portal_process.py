"""The portal as its own process, started as an operator would, for tests that ask it over real sockets."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 30


class Portal:
    """A context manager; `url` has no slash at its end. `log` collects what the process says."""

    def __init__(self, registry: Path, *areas: str, options: tuple[str, ...] = ()) -> None:
        arguments = ["cloud", "portal", "--registry", str(registry), "--port", "0", *options]
        for area in areas:
            arguments += ["--area", area]
        self.log = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "commands", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "BITGOEUL_LANG": "en"},
        )
        self.url = self._address()
        self.port = int(self.url.rpartition(":")[2])
        # a pipe that nobody reads is full one day, and the portal then waits for ever
        self._reading = threading.Thread(target=self._read_log, daemon=True)
        self._reading.start()

    def _address(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            if found := re.search(r"event=portal-listens address=(\S+)/", line):
                return found[1]
        self.process.communicate(timeout=STARTS_WITHIN_S)
        raise AssertionError(f"the portal did not start:\n{self.log}")

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.log += line

    def wait_until_well(self, patience_s: float = 60.0) -> None:
        """Return once an area has answered."""
        deadline = time.monotonic() + patience_s
        while httpx.get(f"{self.url}/healthz").status_code != httpx.codes.OK:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=STARTS_WITHIN_S)
        self._reading.join(timeout=STARTS_WITHIN_S)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
