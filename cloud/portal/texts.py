"""The catalogue: every text of the portal in Korean and English, from one data file."""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import msgspec

from contract.problems import Text

CATALOGUE = Path(__file__).with_name("texts.toml")

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

# A text by its key, with what its braces are filled with.
Say = Callable[..., str]


@cache
def catalogue() -> dict[str, Text]:
    """Texts by `section.key`."""
    sections = msgspec.convert(tomllib.loads(CATALOGUE.read_text("utf-8")), dict[str, dict[str, dict[str, str]]])
    return {f"{section}.{key}": Text(**pair) for section, keys in sections.items() for key, pair in keys.items()}


@cache
def say_in(language: Language) -> Say:
    """The function that says texts in `language`; an unknown key is a KeyError."""
    texts = catalogue()

    def say(key: str, **values: object) -> str:
        return texts[key].of(language).format(**values)

    return say


def path_in(language: Language, path: str) -> str:
    """The address of the page `path` (the Korean one) in `language`."""
    if language == "ko":
        return path
    return f"/{language}" if path == "/" else f"/{language}{path}"
