"""What `bitgoeul bench stack` judges: the stores, taken out of the containers, beside the outboxes and the meters."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from pyarrow import parquet

from cloud.secrets import read_secret
from cloud.store.parquet import read_manifest
from commands import stack_run, stretch
from commands.cloud_gateways_work import Wanted, add
from commands.processes import ROOT, Child
from commands.stack_run import Stack
from contract.problems import Problem
from edge.config import UplinkConfig
from simulators.standin_images import IMAGES

TICK_S = 1
DATA = "/var/lib/bitgoeul"
FILLED_S = 600.0  # ingest asks at the second look, a minute apart, for 256 batches of a gateway at once


def enrol(stack: Stack, sites: stretch.Sites, folder: Path) -> None:
    """A certificate and key in one file for each gateway. Raises Problem."""
    installation = stack.installation
    wanted = Wanted(sites.gateways, "main", None, renew=False, to=folder)
    add(installation.pki, read_secret(installation.passphrase_file), wanted)


def gateways(stack: Stack, sites: stretch.Sites, folder: Path) -> list[Child]:
    """Not yet started, each with its file."""
    uplinks = {
        name: UplinkConfig(brokers=[stack.broker], credentials_file=str(folder / f"{name}.pem"))
        for name in sites.gateways
    }
    return [stretch.gateway_by(sites, name, uplink) for name, uplink in uplinks.items()]


def copy_outboxes(sites: stretch.Sites, folder: Path) -> dict[str, Path]:
    """The outboxes as they are now, while their gateways run."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = {name: folder / f"{name}.sqlite" for name in sites.gateways}
    for name, copy in copies.items():
        with closing(sqlite3.connect(sites.outbox(name))) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    return copies


def judge(
    stack: Stack, sites: stretch.Sites, span: tuple[float, float], folder: Path, copies: dict[str, Path] | None = None
) -> dict[str, int]:
    """The verdict on the area's store, whose process is stopped for it; of copied outboxes, what waits is excused."""
    stack_run.compose(stack, "stop", "area-main")
    store = take_out(stack, "area-main", f"{DATA}/area", folder) / "main.duckdb"
    plan = {
        "tick_s": TICK_S,
        "store": {"duckdb": str(store)},
        "served": list(map(str, sites.served)),
        "gateways": [
            {
                "name": name,
                "meters": sites.expected(name, TICK_S),
                "outbox": str(copies[name] if copies else sites.outbox(name)),
                "destroyed": [str(copies[name])] if copies else [],
                "from_s": span[0],
                "to_s": span[1] - TICK_S,
                "down": [],
            }
            for name in sites.gateways
        ],
    }
    file = folder / "plan.json"
    file.write_text(json.dumps(plan), "utf-8")
    argv = [sys.executable, str(ROOT / "commands" / "judge.py"), str(file)]
    found = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    verdict: dict[str, int] = json.loads(found.stdout)
    return verdict


def take_out(stack: Stack, service: str, path: str, folder: Path) -> Path:
    """A copy of a folder in a service's container, running or not."""
    target = folder / Path(path).name
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    name = stack_run.container(stack, service)
    subprocess.run(["docker", "cp", f"{name}:{path}", str(target)], check=True, stdout=subprocess.DEVNULL)
    return target


def restore(first: Stack, second: Stack) -> None:
    """The first one's newest back-up into the second, which is empty. Raises Problem."""
    volumes = ["-v", f"{first.project}_backup:/from:ro", "-v", f"{second.project}_backup:{DATA}/backup"]
    image = IMAGES["BITGOEUL_CLOUD_IMAGE"]
    carry = ["docker", "run", "--rm", *volumes, "--entrypoint", "cp", image, "-a", "/from/.", f"{DATA}/backup/"]
    done = subprocess.run(carry, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"백업 옮기기: {done.stderr.strip()}", f"carrying the back-up: {done.stderr.strip()}")
    argv = ["restore", f"{DATA}/backup", "--data", f"{DATA}/area", "--totals", f"{DATA}/totals"]
    stack_run.run_tool(second, *argv, "--registry", stack_run.REGISTRY)


def wait_filled(stack: Stack, copies: dict[str, Path], folder: Path) -> float:
    """Until the store has all that the copied outboxes have, by copies of it; how long that took, in seconds.

    Raises Problem.
    """
    from commands.tally import tally  # noqa: PLC0415  # the database is loaded only by who uses it

    began_s = time.monotonic()
    lost = -1
    while time.monotonic() - began_s < FILLED_S:
        time.sleep(10)
        # a copy of an open file is as good as one of a machine that lost its power
        lost = tally(take_out(stack, "area-main", f"{DATA}/area", folder) / "main.duckdb", list(copies.values())).lost
        if lost == 0:
            return time.monotonic() - began_s
    raise Problem(
        f"복원한 설치에 {FILLED_S:.0f}초 뒤에도 {lost}건이 없습니다",
        f"the restored installation still lacks {lost} readings after {FILLED_S:.0f} s",
    )


def registry_of(stack: Stack, folder: Path) -> dict[str, bytes]:
    """All of the registry, as it is exported."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    argv = ["cloud", "registry", "export", "--registry", stack_run.REGISTRY, "--to", "/given/csv"]
    stack_run.run_tool(stack, *argv, given=folder)
    return {path.name: path.read_bytes() for path in sorted((folder / "csv").iterdir())}


def atoms_of(stack: Stack, folder: Path) -> set[str]:
    """All rows of the totals by slot."""
    totals = take_out(stack, "area-main", f"{DATA}/totals/main", folder)
    rows: set[str] = set()
    for files in read_manifest(totals).slots.values():
        rows |= {json.dumps(row, default=str) for row in parquet.read_table(totals / files.atoms).to_pylist()}
    return rows
