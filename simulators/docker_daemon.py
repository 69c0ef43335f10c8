"""A Docker daemon for tests and benches: the machine's, or where none answers one of our own, with all of its images
and volumes in a folder that goes with it.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from contract.problems import Problem

READY_S = 60.0


def why_not() -> str:
    """What is missing for a daemon to run here; empty where nothing is."""
    missing = [name for name in ("docker", "docker-compose", "dockerd") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} not installed"
    return "" if answers() or os.geteuid() == 0 else "dockerd needs root"


def answers() -> bool:
    """Whether a daemon is there."""
    return not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode


@contextlib.contextmanager
def docker_daemon() -> Iterator[None]:
    """One answers meanwhile. Raises Problem."""
    if answers():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="bitgoeul-docker-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "dockerd.log"
        # without the right to raise limits, a daemon cannot start a container with its usual ones
        argv = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"]
        argv += ["--default-ulimit", "nofile=1024:1024"]
        with log.open("ab") as lines:
            daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines)
        try:
            _wait(daemon, log)
            yield
        finally:
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(30)
            daemon.kill()
            daemon.wait()


def _wait(daemon: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not answers():
        if daemon.poll() is not None or time.monotonic() > deadline:
            said = (log.read_text("utf-8", "replace").strip().splitlines() or ["?"])[-1]
            raise Problem(f"dockerd: 시작하지 못했습니다: {said}", f"dockerd: did not start: {said}")
        time.sleep(0.2)
