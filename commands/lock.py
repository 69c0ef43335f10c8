"""`bitgoeul lock`: resolve pyproject.toml into hashed lock files that name no registry."""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCKS = {
    "edge": ["edge"],
    "cloud": ["cloud"],
    "dashboards": ["dashboards"],
    "run": ["edge", "cloud", "demo"],
    "dev": ["edge", "cloud", "demo", "dev"],
}


def options(parser: argparse.ArgumentParser) -> None:
    """`--upgrade` takes the newest versions that pyproject.toml allows."""
    parser.add_argument("--upgrade", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Write every lock file; 0 when all could be resolved."""
    uv = Path(sys.executable).parent / "uv"
    for name, extras in LOCKS.items():
        command = [str(uv), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"]
        command += ["--no-emit-index-url", "--no-header", "--no-annotate", "pyproject.toml", "-o", f"locks/{name}.txt"]
        command += [f"--extra={extra}" for extra in extras] + (["--upgrade"] if args.upgrade else [])
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return 1
    return 0
