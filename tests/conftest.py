"""What holds for all tests: every skipped one is named in a file, and hypothesis sets no time limit.

The file lets `bitgoeul test` say which were skipped and why, and CI refuse.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# an example that takes 200 ms on a loaded machine is no mistake in what it tests
settings.register_profile("bitgoeul", deadline=None)
settings.load_profile("bitgoeul")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a skip with its reason."""
    target = os.environ.get("BITGOEUL_SKIP_REPORT")
    if report.skipped and target and not hasattr(report, "wasxfail"):
        path = Path(target)
        path.parent.mkdir(exist_ok=True)
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}: {reason}\n")
