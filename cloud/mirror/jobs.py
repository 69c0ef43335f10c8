"""A job is done again and again in a thread of its own; what fails is said once and tried again."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from cloud.store.protocol import StoreUnavailable
from contract.problems import Problem

LOG = logging.getLogger(__name__)

RETRY_S = 5.0

_One = TypeVar("_One")


def each_of(them: Iterable[_One], turn: Callable[[_One], None]) -> None:
    """A turn for each: one that cannot have its own keeps back no other. Raises what kept the first of those."""
    failures: list[StoreUnavailable | Problem] = []
    for one in them:
        try:
            turn(one)
        except (StoreUnavailable, Problem) as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


class Job:
    """`turn` is called with the time, at multiples of `every_s`, until `stop`. It keeps nothing that it could not
    write: what is of the moment is lost then, and what is of the totals is found missing the next time.
    """

    def __init__(self, name: str, every_s: float, turn: Callable[[float], None]) -> None:
        self.name, self.trouble = name, ""
        self._every_s, self._turn = every_s, turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin at once."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no other turn."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the turn that is under way."""
        self._thread.join(timeout_s)

    @property
    def going(self) -> bool:
        """Whether a long turn should go on."""
        return not self._stopping.is_set()

    @property
    def problems(self) -> list[str]:
        """What is not well."""
        if self._thread.ident is not None and not self._thread.is_alive() and self.going:
            return [f"{self.name}: ended"]
        return [f"{self.name}: {self.trouble}"] if self.trouble else []

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            now_s, began_s = time.time(), time.monotonic()
            why = self.once(now_s)
            if why and why != self.trouble:
                LOG.warning("job waits name=%s why=%r", self.name, why)
            elif self.trouble and not why:
                LOG.info("job goes on name=%s", self.name)
            self.trouble = why
            next_s = RETRY_S if why else self._every_s - now_s % self._every_s
            wait_s = max(0.0, next_s - (time.monotonic() - began_s))  # the clock may have been set meanwhile

    def once(self, now_s: float) -> str:
        """A turn by itself; what kept it, or ""."""
        try:
            self._turn(now_s)
        except StoreUnavailable as unavailable:
            return str(unavailable)
        except Problem as problem:
            return problem.text.en
        except Exception as error:
            # whatever it was, the other jobs go on, and this one is tried again
            if repr(error) != self.trouble:
                LOG.exception("job failed, and is tried again name=%s", self.name)
            return repr(error)
        return ""
