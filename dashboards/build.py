"""Everything that is generated, by its path below `generated/`; built the same each time."""

import importlib
import json
from pathlib import Path

from dashboards import provisioning
from dashboards.boards.common import BOARDS, Desk
from dashboards.grafana import Board, Json, board_json
from dashboards.texts import LANGUAGES, Language, say_in

GENERATED = Path(__file__).parent / "generated"
MAP_URL = "/api/v1/regions.geojson?level=district"  # of the portal, on the same host


def boards(language: Language, map_url: str = MAP_URL) -> dict[str, Json]:
    """Every board in `language` by its name."""
    desk = Desk(language, say_in(language), map_url)
    return {name: board_json(written(name, desk)) for name in BOARDS}


def files(map_url: str = MAP_URL) -> dict[str, str]:
    """The text of every file by its path."""
    written = {
        f"boards/{language}/{name}.json": json.dumps(board, ensure_ascii=False, indent=1) + "\n"
        for language in LANGUAGES
        for name, board in boards(language, map_url).items()
    }
    return written | {f"provisioning/{path}": text for path, text in provisioning.files().items()}


def write(folder: Path, map_url: str = MAP_URL) -> list[str]:
    """Write all; the paths written. What is no longer made is removed from our own folder only: another may hold
    what is not ours.
    """
    wanted = files(map_url)
    if folder == GENERATED:
        for old in _there(folder) - set(wanted):
            (folder / old).unlink()
    for path, text in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return sorted(wanted)


def stale(folder: Path, map_url: str = MAP_URL) -> list[str]:
    """The paths that differ from what would be written: changed, missing, or no longer made."""
    wanted, there = files(map_url), _there(folder)
    changed = {path for path in there & set(wanted) if (folder / path).read_text("utf-8") != wanted[path]}
    return sorted(changed | (there ^ set(wanted)))


def _there(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def written(name: str, desk: Desk) -> Board:
    """A board as its file says it."""
    board: Board = importlib.import_module(f"dashboards.boards.{name}").board(desk)
    return board
