"""`bitgoeul test`: install the servers that the tests need, where that is allowed, then run every test."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from commands.language import say

ROOT = Path(__file__).parent.parent

# program that a test needs → Debian package that has it
SERVERS = {
    "mosquitto": "mosquitto",
    "influxd": "influxdb",
    "chromium": "chromium",
    "strace": "strace",
    "openssl": "openssl",
}
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


def options(parser: argparse.ArgumentParser) -> None:
    """What follows is handed to pytest."""
    parser.add_argument(
        "--no-skips", action="store_true", help=say("건너뛴 테스트가 있으면 실패", "fail if any was skipped")
    )
    parser.add_argument("pytest", nargs="*", metavar="PYTEST_ARGUMENT")


def run(args: argparse.Namespace) -> int:
    """0 when every test passed (and, with --no-skips, none was skipped)."""
    _install_servers()
    report = ROOT / ".pytest_cache" / "skipped.txt"
    report.unlink(missing_ok=True)
    environment = os.environ | {"BITGOEUL_SKIP_REPORT": str(report)}
    status = subprocess.run([sys.executable, "-m", "pytest", *args.pytest], cwd=ROOT, env=environment, check=False)
    skipped = report.read_text("utf-8").splitlines() if report.exists() else []
    for line in skipped:
        print(say(f"건너뜀: {line}", f"skipped: {line}"))
    return status.returncode or (1 if skipped and args.no_skips else 0)


def _install_servers() -> None:
    missing = [package for program, package in SERVERS.items() if not shutil.which(program, path=_path())]
    missing += [] if FONT.exists() else ["fonts-noto-cjk"]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        names = " ".join(missing)
        print(
            say(
                f"테스트에 필요한 프로그램이 없습니다: {names} (루트 권한으로 apt-get install {names})",
                f"programs that tests need are missing: {names} (as root: apt-get install {names})",
            )
        )
        return
    print(say(f"설치 중: {' '.join(missing)}", f"installing: {' '.join(missing)}"), flush=True)
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # a policy of 101 keeps Debian from starting the servers that it installs: the tests start their own
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", "utf-8")
        policy.chmod(0o755)
    try:
        for command in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *missing]):
            subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, check=False)
    finally:
        if ours:
            policy.unlink()


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
