"""The status of an installation in containers, asked from the machine that runs them."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands import status_ask
from commands.language import language
from commands.status_rules import Line
from contract.problems import Text

ROOT = Path(__file__).parent.parent
FILE = "docker-compose.yml"
PKI = Path("deploy") / "pki"
TIMEOUT_S = 60.0  # starting a container on a loaded machine
TITLE = Text("컨테이너", "containers")


def there(root: Path = ROOT) -> bool:
    """Whether this is where an installation in containers is run from."""
    return (root / FILE).is_file() and _compose() is not None


def lines(root: Path = ROOT) -> list[Line]:
    """What its container for tools sees, which is told all addresses; the certificates lie on this machine."""
    found = list(_inside(root))
    if (root / PKI).is_dir():
        found += status_ask.gather({("certificates", ""): lambda: status_ask.certificates("", str(root / PKI))})
    return found


def _inside(root: Path) -> Iterator[Line]:
    # without those it depends on: they are what may be down
    asked = ["run", "--rm", "--no-deps", "-T", "-e", f"BITGOEUL_LANG={language()}", "tools", "status", "--json"]
    began_s = time.monotonic()
    try:
        done = subprocess.run(
            [*(_compose() or ()), *asked],
            cwd=root,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield _silent(f"no answer within {time.monotonic() - began_s:.0f} s")
        return
    try:
        parts: list[dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])["parts"]
        yield from (Line(one["part"], *_texts(one)) for one in parts)
    except (ValueError, KeyError, IndexError, TypeError):
        said = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        yield _silent(said)


def _texts(one: dict[str, Any]) -> tuple[Text, Any, Text, Text]:
    name, words, todo = (Text(one[key], one[key]) for key in ("name", "words", "todo"))
    return name, one["state"], words, todo


def _silent(why: str) -> Line:
    todo = Text(
        "Docker가 도는지 보고, 루트 권한으로 다시 해 보십시오", "see whether Docker runs, and try again as root"
    )
    return Line("service", TITLE, "bad", Text(f"볼 수 없음: {why}", f"cannot be seen: {why}"), todo)


def _compose() -> list[str] | None:
    """Compose's first version is a program of its own, the second one Docker's."""
    path = os.environ.get("PATH", os.defpath)
    if found := shutil.which("docker-compose", path=path):
        return [found]
    found = shutil.which("docker", path=path)
    return [found, "compose"] if found else None
