"""The catalogue: every text of the boards and of the alarms in Korean and English.

Most are in one data file; grades, rules and types of buildings have their words where they are defined.
"""

import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from cloud.metering.quality import GRADES, RULES
from cloud.registry import facts
from contract.problems import Text

CATALOGUE = Path(__file__).with_name("texts.toml")

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

# A text by its key `section.name`.
Say = Callable[[str], str]


@cache
def catalogue() -> dict[str, Text]:
    """Texts by `section.name`."""
    sections = tomllib.loads(CATALOGUE.read_text("utf-8"))
    texts = {f"{section}.{name}": Text(**pair) for section, names in sections.items() for name, pair in names.items()}
    texts |= {f"grade.{grade.name}": name.text for grade, name in GRADES.items()}
    texts |= {f"rule.{rule.id}": rule.text for rule in RULES.values()}
    types = facts.types().to_pylist()
    return texts | {f"type.{row['id']}": Text(row["name_ko"], row["name_en"]) for row in types}


def say_in(language: Language) -> Say:
    """The function that says texts in `language`; an unknown key is a KeyError."""
    texts = catalogue()
    return lambda key: texts[key].of(language)
