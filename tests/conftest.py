"""Every skipped test is named in a file, so that `bitgoeul test` can say which and why, and CI can refuse."""

import os
from pathlib import Path

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a skip with its reason."""
    target = os.environ.get("BITGOEUL_SKIP_REPORT")
    if report.skipped and target and not hasattr(report, "wasxfail"):
        path = Path(target)
        path.parent.mkdir(exist_ok=True)
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}: {reason}\n")
