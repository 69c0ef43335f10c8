"""Tables for a terminal, aligned also where Hangul takes two columns."""

from collections.abc import Sequence
from unicodedata import east_asian_width


def width(text: str) -> int:
    """How many columns a text takes."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def render(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """The rows as lines; columns in `right` are aligned to the right, no line ends in spaces."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            " " * (wide - width(cell)) + cell if i in right else cell + " " * (wide - width(cell))
            for i, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines
