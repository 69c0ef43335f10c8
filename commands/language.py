"""Which of the two languages a terminal gets."""

import os

from contract.problems import Text


def language() -> str:
    """BITGOEUL_LANG, else the locale's; a plain C locale, which promises no Hangul, gets English."""
    for name in ("BITGOEUL_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if found := os.environ.get(name):
            return "ko" if found.lower().startswith("ko") else "en"
    return "en"


def say(ko: str, en: str) -> str:
    """The text in the terminal's language."""
    return Text(ko, en).of(language())
