"""A gateway installs the extra `edge` and nothing else: its commands run where only that lock file is installed."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import importlib.metadata, sys

locked = set(sys.argv[1:])
owners = importlib.metadata.packages_distributions()

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        named = {owner.lower().replace("_", "-") for owner in owners.get(top, ())}
        if named and not named & locked:
            raise ModuleNotFoundError(f"{name} is not in locks/edge.txt", name=name)

sys.meta_path.insert(0, Refuse())
import commands.__main__, commands.edge, commands.edge_check, commands.edge_read, edge.agent
try:
    import numpy
except ModuleNotFoundError:
    print("alone")
"""


def test_the_gateway_needs_only_what_its_lock_file_holds() -> None:
    lock = (ROOT / "locks" / "edge.txt").read_text("utf-8")
    locked = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)
    argv = [sys.executable, "-c", SCRIPT, *locked]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout == "alone\n", found.stderr
