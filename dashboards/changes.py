"""PURE: what a board of ours would change in a Grafana that has it already, or has not."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# what a Grafana adds by itself, and what its newer ones fill in when a board is saved
OWN = ("id", "version", "iteration", "gnetId", "style", "fiscalYearStartMonth", "liveNow", "preload", "pluginVersion")

State = Literal["new", "changed", "same"]


@dataclass(frozen=True)
class Change:
    """`panels` are those that are new, differ or go, by title, the second of one title as `Title [2]`; `other`:
    something beside the panels differs.
    """

    uid: str
    title: str
    state: State
    panels: tuple[str, ...] = ()
    other: bool = False


def change(ours: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> Change:
    """Of one board; `theirs` is None where there is none."""
    uid, title = ours["uid"], ours["title"]
    if theirs is None:
        return Change(uid, title, "new")
    wanted, found = _panels(ours), _panels(theirs)
    panels = [name for name in sorted(wanted) if not _same(wanted[name], found.get(name))]
    panels += sorted(set(found) - set(wanted))
    other = not _same(_rest(ours), _rest(theirs))
    if not panels and not other:
        return Change(uid, title, "same")
    return Change(uid, title, "changed", tuple(panels), other)


def _panels(board: Mapping[str, Any]) -> dict[str, Any]:
    """By title; several of one title are told apart by their order."""
    seen: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for panel in board.get("panels", ()):
        title = panel.get("title") or f"#{panel.get('id')}"
        seen[title] += 1
        found[title if seen[title] == 1 else f"{title} [{seen[title]}]"] = panel
    return found


def _rest(board: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in board.items() if name not in ("panels", *OWN)}


def _same(ours: Any, theirs: Any) -> bool:
    """Whether all that we say holds there; what we say nothing of may be anything, as a newer Grafana fills it in."""
    if isinstance(ours, Mapping):
        return isinstance(theirs, Mapping) and all(
            _same(value, theirs.get(name)) for name, value in ours.items() if name not in OWN
        )
    if isinstance(ours, list):
        return (
            isinstance(theirs, list)
            and len(ours) == len(theirs)
            and all(_same(one, other) for one, other in zip(ours, theirs, strict=True))
        )
    return bool(ours == theirs) or (ours in ("", False) and theirs is None)
