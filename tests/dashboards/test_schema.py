"""The boards hold against Grafana's own types, `@grafana/schema` of npm, as TypeScript's compiler reads them."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dashboards.build import GENERATED
from tests.dashboards.asked import board_files

HERE = Path(__file__).parent
OPTIONS = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed (apt-get install npm)")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the compiler says of all boards, and of one that was broken on purpose."""
    folder = tmp_path_factory.mktemp("schema")
    for name in ("package.json", "package-lock.json", "types.ts"):
        shutil.copy(HERE / name, folder)
    argv = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"the packages of tests/dashboards/package-lock.json cannot be had: {done.stderr.strip()[-200:]}")
    (folder / "boards.ts").write_text(_typescript(board_files(GENERATED, "ko")), "utf-8")
    (folder / "broken.ts").write_text(_typescript([_broken()]), "utf-8")
    argv = ["node_modules/.bin/tsc", *OPTIONS, "boards.ts", "broken.ts"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout.splitlines()


def _typescript(boards: list[dict[str, Any]]) -> str:
    """Each board, and each panel as the panel that it says it is; literals are checked for unknown words too."""
    lines = ["import type { Board, PanelOf } from './types';"]
    for number, board in enumerate(boards):
        lines.append(f"export const board{number}: Board = {json.dumps(board, ensure_ascii=False)};")
        for panel in board["panels"]:
            text = json.dumps(panel, ensure_ascii=False)
            lines.append(f"export const panel{number}x{panel['id']}: PanelOf['{panel['type']}'] = {text};")
    return "\n".join(lines)


def _broken() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((GENERATED / "boards/en/city.json").read_text("utf-8"))
    first, second, chart = board["panels"][0], board["panels"][1], board["panels"][15]
    first["options"]["colorMode"] = "loud"
    second["gridPos"]["w"] = "wide"
    chart["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "crayon"
    return board


def test_generated_boards_are_what_grafana_says_a_board_is(complaints: list[str]) -> None:
    assert [line for line in complaints if not line.startswith(("broken.ts", " "))] == []


def test_the_compiler_sees_what_is_wrong(complaints: list[str]) -> None:
    said = [line for line in complaints if line.startswith("broken.ts")]
    # the first line imports, the second is the board, and the panels follow in their order
    assert {line.partition("(")[2].partition(",")[0] for line in said} == {"2", "3", "4", "18"}
    assert any("loud" in line for line in said)
