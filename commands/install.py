"""Install the servers that tests and benches start, where that is allowed."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from commands.language import say

# program → Debian package that has it
SERVERS = {
    "mosquitto": "mosquitto",
    "influxd": "influxdb",
    "chromium": "chromium",
    "strace": "strace",
    "openssl": "openssl",
    "nginx": "nginx-light",
    "curl": "curl",
    "strip": "binutils",
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "postgres": "postgresql",
    "mmdebstrap": "mmdebstrap",
    "systemd-analyze": "systemd",
    "udevadm": "udev",
}
FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
# the system's Python, of which a stand-in for an image is made, can make an environment
VENV = "python3*/ensurepip/__init__.py"


def install(programs: Iterable[str]) -> None:
    """Those of SERVERS that are not there yet, with a Korean font for a browser; says what it does, or what to do."""
    missing = [SERVERS[program] for program in programs if not shutil.which(program, path=_path())]
    missing += ["fonts-noto-cjk"] if "chromium" in programs and not FONT.exists() else []
    missing += ["python3-venv"] if "dockerd" in programs and not any(Path("/usr/lib").glob(VENV)) else []
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        names = " ".join(missing)
        print(
            say(
                f"필요한 프로그램이 없습니다: {names} (루트 권한으로 apt-get install {names})",
                f"programs are missing: {names} (as root: apt-get install {names})",
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
    # Debian keeps each version of PostgreSQL in a folder of its own
    versions = [str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")]
    return ":".join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *versions])
