"""What a person is told when something cannot be done.

Problem              one line in Korean and one in English: names the thing, what was expected, what to do
└── UsageProblem     the command line itself was wrong (exit status 2)
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """One text in the two languages that every text of this project has."""

    ko: str
    en: str

    def of(self, language: str) -> str:
        """The text in `language` ("ko" or "en"; anything else gives English)."""
        return self.ko if language == "ko" else self.en


class Problem(Exception):
    """Raised for bad input and failed surroundings; printed as one line, the trace only with --debug."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(ko, en)


class UsageProblem(Problem):
    """The command line was wrong; the caller can mend it without touching a file."""
