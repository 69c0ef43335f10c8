"""Asks a real InfluxDB what boards ask, and says which questions it did not answer."""

import json
import re
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.dashboards.asked import SEOUL, Asked, Chosen, filled, of_board, parsed


@dataclass(frozen=True)
class Answer:
    """`values` are the fields and tags that came with something in them; `error` is InfluxDB's."""

    values: list[Any]
    error: str = ""


def ask(url: str, database: str, text: str) -> Answer:
    """One question, as Grafana puts it."""
    body = urllib.parse.urlencode({"db": database, "q": text, "epoch": "ms"}).encode()
    try:
        with urllib.request.urlopen(f"{url}/query", body, timeout=20) as response:  # noqa: S310  # a loopback server
            content = json.load(response)
    except urllib.error.HTTPError as error:
        return Answer([], error.read().decode("utf-8", "replace").strip())
    first = content["results"][0]
    if "error" in first:
        return Answer([], first["error"])
    rows = (row for series in first.get("series", ()) for row in series["values"])
    # the first column is the time, or the key of a tag
    return Answer([value for row in rows for value in row[1:] if value is not None])


def unanswered(url: str, database: str, asked: Iterable[tuple[Asked, Chosen]]) -> dict[str, str]:
    """Where nothing or an error came back, and what."""
    found: dict[str, str] = {}
    for question, chosen in asked:
        text = filled(question, chosen)
        answer = ask(url, database, text)
        if answer.error or not answer.values:
            found[question.where] = f"{answer.error or 'nothing'}: {text}"
    return found


def chosen_on(url: str, database: str, board: Mapping[str, Any], wish: Mapping[str, str]) -> dict[str, str | list[str]]:
    """What a board's variables hold, each asked for with those before it filled in; `wish` names a value by variable,
    else it is the first. Raises AssertionError where a variable has no answers.
    """
    chosen: dict[str, str | list[str]] = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if variable["type"] == "custom":
            chosen[name] = wish.get(name, variable["current"]["value"])
            continue
        text = filled(Asked(name, variable["query"], 0, 0), chosen)
        answer = ask(url, database, text)
        choices = parsed([str(value) for value in answer.values], variable["regex"])
        assert choices, f"{board['uid']}: variable {name} has nothing to choose from: {answer.error} {text}"
        chosen[name] = ".*" if variable["includeAll"] else _one(name, variable, wish, sorted(choices))
    return chosen


def _one(name: str, variable: Mapping[str, Any], wish: Mapping[str, str], choices: list[tuple[str, str]]) -> str:
    """As Grafana does: what was asked for, what the board names, the first by its words."""
    values = [value for _, value in choices]
    named = variable.get("current", {}).get("value")
    return next((value for value in (wish.get(name), named) if value in values), values[0])


def of_boards(
    url: str, database: str, boards: Iterable[Mapping[str, Any]], now: datetime, wish: Mapping[str, str]
) -> list[tuple[Asked, Chosen]]:
    """Every question of these boards with what is chosen on each."""
    asked: list[tuple[Asked, Chosen]] = []
    for board in boards:
        chosen = chosen_on(url, database, board, wish)
        asked += [(question, chosen) for question in of_board(board, now)]
    return asked


@dataclass(frozen=True)
class Empty:
    """Which questions may come back empty, and why; `today`: in the first half hour after midnight only; `young`: only
    in a demo's first minutes, so that they may have an answer as well.
    """

    board: str
    panel: str
    why: str
    today: bool = False
    young: bool = False

    def covers(self, where: str, now: datetime) -> bool:
        """Whether it is of this question."""
        board, _, panel = where.partition(" / ")
        local = now.astimezone(SEOUL)
        if self.today and (local.hour, local.minute) >= (0, 30):
            return False
        known = re.fullmatch(f"bitgoeul-({self.board})-en", board)
        return bool(known and re.fullmatch(self.panel, panel))


def empties(path: Path) -> list[Empty]:
    """Those of the data file."""
    return [Empty(**entry) for entry in tomllib.loads(path.read_text("utf-8"))["empty"]]
