"""A short delivery bench on each store: killed, cut and wiped, with nothing lost, doubled or changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parent.parent.parent
PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin"


@pytest.mark.parametrize("store", ["duckdb", "influx"])
def test_nothing_is_lost_whatever_is_killed(store: str, tmp_path: Path) -> None:
    for program in ("mosquitto", *(["influxd"] if store == "influx" else [])):
        if not shutil.which(program, path=PATH):
            pytest.skip(f"{program} is not installed")
    argv = [sys.executable, "-m", "commands", "bench", "delivery", "--store", store, "--kills", "4"]
    argv += ["--readings", "2000", "--keep", str(tmp_path), "--json"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert found.returncode == 0, found.stdout + found.stderr
    verdict = json.loads(found.stdout.splitlines()[-1])
    assert verdict["kills"] >= 4
    assert verdict["readings"] >= 2000
