"""`bitgoeul check`: formatting, lint, types, import rules; the shape of files is checked with the tests."""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

CHECKS = (
    ["ruff", "format", "--check", "--quiet", "."],
    ["ruff", "check", "--quiet", "."],
    ["mypy"],
    ["lint-imports"],
    ["python", "-m", "commands", "docs", "--check"],
    ["python", "-m", "commands", "dashboards", "check"],
)


def options(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    """Run every check, whatever the earlier ones said; 0 when all passed."""
    del args
    failed = []
    for name, *arguments in CHECKS:
        print(f"check: {name} {' '.join(arguments)}", flush=True)
        if subprocess.run([BIN / name, *arguments], cwd=ROOT, check=False).returncode:
            failed.append(name)
    print(f"check: failed: {', '.join(failed)}" if failed else "check: all passed")
    return 1 if failed else 0
