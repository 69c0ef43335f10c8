"""Child processes of the demo and the benches: started, ended, killed; none outlives the command."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from contract.problems import Problem

ROOT = Path(__file__).parent.parent
_PR_SET_PDEATHSIG = 1


def bitgoeul(*arguments: str | Path) -> list[str]:
    """The command line of one of our own commands, in this interpreter."""
    return [sys.executable, "-m", "commands", *map(str, arguments)]


class Child:
    """One process, restartable, its output appended to a log file. It gets SIGTERM when we die, however we die."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        # in a container the packages stand in it too
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
        self._environment = os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | (environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it must not be running."""
        assert not self.alive
        libc = ctypes.CDLL(None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=ROOT,
                # a session of its own: Ctrl-C reaches only us, and we end the children in their order
                start_new_session=True,
                preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509  # starts no thread
            )

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the running process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, timeout_s: float) -> int:
        """Its exit status, once it has ended by itself; SIGKILL for what has not in time, which is no 0."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def stop(self, timeout_s: float = 10) -> None:
        """SIGTERM, and SIGKILL for what is not gone in time."""
        self.terminate()
        self.wait(timeout_s)

    def last_words(self) -> str:
        """The end of its log, one line."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else "(no output)"


def wait_until(ready: Callable[[], bool], what: str, children: Sequence[Child], timeout_s: float = 30) -> None:
    """Return once `ready()`; raises Problem when a child ended meanwhile, or when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        check_alive(children)
        if time.monotonic() > deadline:
            raise Problem(
                f"{what}: {timeout_s:.0f}초 안에 준비되지 않았습니다", f"{what}: not ready within {timeout_s:.0f} s"
            )
        time.sleep(0.05)


def check_alive(children: Sequence[Child]) -> None:
    """Raises Problem with the last words of one that has ended."""
    for child in children:
        if not child.alive:
            words = child.last_words()
            raise Problem(
                f"{child.name}: 끝나 버렸습니다: {words} (기록: {child.log})",
                f"{child.name}: has ended: {words} (log: {child.log})",
            )


def stop_all(children: Sequence[Child], timeout_s: float = 10) -> None:
    """End all of them, the last started first."""
    for child in reversed(children):
        child.stop(timeout_s)
