"""What holds for all tests: every skipped one is named in a file, hypothesis sets no time limit, long files come first.

The file lets `bitgoeul test` say which were skipped and why, and CI refuse.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# an example that takes 200 ms on a loaded machine is no mistake in what it tests
settings.register_profile("bitgoeul", deadline=None)
settings.load_profile("bitgoeul")

# whoever starts the tests in the background lets all that they start ignore Ctrl-C, and one of them is ended with it
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a skip with its reason."""
    if "PYTEST_XDIST_WORKER" in os.environ:  # whoever gathers the reports of all workers notes it
        return
    target = os.environ.get("BITGOEUL_SKIP_REPORT")
    if report.skipped and target and not hasattr(report, "wasxfail"):
        path = Path(target)
        path.parent.mkdir(exist_ok=True)
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid}: {reason}\n")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long begins first, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
