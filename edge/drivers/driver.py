"""What a line knows of a protocol: words in, words out, or why not."""

from typing import NamedTuple, Protocol

from contract.quality import Quality
from edge.models import Table


class Question(NamedTuple):
    """A read of `words` words from `address` on, of one unit."""

    unit: int
    table: Table
    address: int
    words: int


class Answer(NamedTuple):
    """`quality` is GOOD, NO_ANSWER, GARBLED, EXCEPTION (with its `code`) or LINE_DOWN; only GOOD has `words`.

    `sent_s` and `ended_s` are of the monotonic clock; `response_s` is what the unit needed beside the time that
    the bytes take.
    """

    quality: Quality
    words: tuple[int, ...] = ()
    code: int = 0
    sent_s: float = 0.0
    ended_s: float = 0.0
    response_s: float = 0.0


class Driver(Protocol):
    """One port or connection. Calls never overlap: a line has one owner.

    `error` is what the port failed with, as long as that is so.
    """

    error: OSError | None

    async def read(self, question: Question, timeout_s: float) -> Answer:
        """Ask once. `timeout_s` is how long the unit may stay silent, beside the time that the bytes take."""
        ...

    def rest(self, pause_s: float) -> None:
        """Send nothing for so long from now on."""
        ...

    def close(self) -> None:
        """Give the port back; a later read opens it again."""
        ...
