"""What a room of the portal is, what it is handed, and how rooms are found."""

import hashlib
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol, cast

import jinja2
from fastapi import APIRouter
from markupsafe import Markup

from cloud.portal.settings import Settings
from cloud.portal.texts import LANGUAGES, Language, path_in, say_in

# A part of a page in a language, rendered; called on the loop, so that it must not wait.
Part = Callable[[Language], str]

HERE = Path(__file__).parent
SHELL = "shell"


@dataclass(frozen=True)
class House:
    """What every room is handed."""

    settings: Settings
    templates: jinja2.Environment
    parts: dict[str, Part] = field(default_factory=dict)

    def part(self, name: str, language: Language) -> Markup:
        """What a room lends to the pages of others, as `{room}/{part}`; nothing where there is no such room."""
        return Markup(self.parts[name](language) if name in self.parts else "")  # noqa: S704  # a room rendered it

    def render(self, template: str, language: Language, path: str, **values: object) -> str:
        """The page in `language`; `path` is the address of its Korean version."""
        say = say_in(language)
        other = next(one for one in LANGUAGES if one != language)
        settings = self.settings
        return self.templates.get_template(template).render(
            say=say,
            language=language,
            home=path_in(language, "/"),
            other_path=path_in(other, path),
            city=settings.city_ko if language == "ko" else settings.city_en,
            asset=asset,
            part=lambda name: self.part(name, language),
            **values,
        )


@dataclass(frozen=True)
class Room:
    """`run` works in the background for as long as the portal is up; `close` ends what would keep it from stopping.

    `figures` (by name, with what each is) and `problems` are for those who run the portal, and asked from any thread.
    """

    router: APIRouter
    run: Callable[[], Awaitable[None]]
    close: Callable[[], None]
    figures: Callable[[], Mapping[str, tuple[str, float]]] = dict
    problems: Callable[[], Sequence[str]] = tuple


class RoomModule(Protocol):
    """The module `routes` of a room's folder."""

    def room(self, house: House) -> Room:
        """Build the room."""
        ...


def rooms() -> Iterator[tuple[str, RoomModule]]:
    """Every folder of the portal that has routes is a room; none is listed anywhere."""
    for found in pkgutil.iter_modules([str(HERE)]):
        if found.ispkg:
            yield found.name, cast("RoomModule", importlib.import_module(f"cloud.portal.{found.name}.routes"))


def folders(name: str) -> dict[str, Path]:
    """The folders called `name` of the shell and of each room, by whose they are."""
    owners = {SHELL: HERE} | {room: HERE / room for room, _ in rooms()}
    return {owner: folder / name for owner, folder in owners.items() if (folder / name).is_dir()}


def environment() -> jinja2.Environment:
    """Templates as `{room}/{file}`; everything is escaped, an unknown name is an error."""
    return jinja2.Environment(
        loader=jinja2.PrefixLoader(
            {owner: jinja2.FileSystemLoader(folder) for owner, folder in folders("templates").items()}
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def asset(name: str) -> str:
    """The address of a static file `{room}/{file}`: it changes with the content, so that browsers may keep it."""
    owner, _, file = name.partition("/")
    content = (folders("static")[owner] / file).read_bytes()
    return f"/static/{name}?v={hashlib.blake2b(content, digest_size=6).hexdigest()}"
