"""`bitgoeul test`: install the servers that the tests need, where that is allowed, then run every test."""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from commands.install import SERVERS, install
from commands.language import say
from simulators import docker_daemon

ROOT = Path(__file__).parent.parent
INTERRUPTED, NO_TESTS = 2, 5  # what pytest ends with after Ctrl-C, and where it was given nothing to run

# Most tests wait for servers most of the time, so that files run side by side, one more than there are cores (a tenth
# faster, measured on two); what measures times runs alone.
_WORKERS = 1 + max(2, os.cpu_count() or 2)
_TOGETHER = ["-n", str(_WORKERS), "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not alone"]
_ALONE = ["-m", "alone"]


def options(parser: argparse.ArgumentParser) -> None:
    """What follows is handed to pytest."""
    parser.add_argument(
        "--no-skips", action="store_true", help=say("건너뛴 테스트가 있으면 실패", "fail if any was skipped")
    )
    parser.add_argument("pytest", nargs="*", metavar="PYTEST_ARGUMENT")


def run(args: argparse.Namespace) -> int:
    """0 when every test passed (and, with --no-skips, none was skipped)."""
    install(SERVERS)
    report = ROOT / ".pytest_cache" / "skipped.txt"
    report.unlink(missing_ok=True)
    environment = os.environ | {"BITGOEUL_SKIP_REPORT": str(report)}
    # one for all files that run side by side; where there can be none, those that need it say why
    with contextlib.nullcontext() if docker_daemon.why_not() else docker_daemon.docker_daemon():
        failed = _pytest(args.pytest, environment)
    skipped = report.read_text("utf-8").splitlines() if report.exists() else []
    for line in skipped:
        print(say(f"건너뜀: {line}", f"skipped: {line}"))
    return failed or (1 if skipped and args.no_skips else 0)


def _pytest(arguments: list[str], environment: dict[str, str]) -> int:
    """What it ended with: all tests, or those that were asked for."""
    failed = 0
    for how in [[]] if arguments else [_TOGETHER, _ALONE]:
        argv = [sys.executable, "-m", "pytest", *how, *arguments]
        status = subprocess.run(argv, cwd=ROOT, env=environment, check=False).returncode
        failed = failed or (0 if how == _ALONE and status == NO_TESTS else status)
        if status == INTERRUPTED:
            break
    return failed
