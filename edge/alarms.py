"""What a gateway must say loudly: one log line now, and a code in its state message for as long as it holds."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

A_DAY_S = 86_400.0
SAID_AGAIN_S = 3_600.0


class Alarms:
    """Codes such as "outbox-thinned". Not for more than one thread."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._until_s: dict[str, float] = {}
        self._said_s: dict[str, float] = {}

    def sound(self, code: str, facts: str, lasts_s: float = A_DAY_S) -> None:
        """`facts` are `key=value` words for the log, where the same code appears once an hour at most.

        The code holds for `lasts_s` from the last time it was sounded, or until it is cleared.
        """
        now_s = self._monotonic_s()
        self._until_s[code] = now_s + lasts_s
        if now_s - self._said_s.get(code, -SAID_AGAIN_S) >= SAID_AGAIN_S:
            self._said_s[code] = now_s
            log.error("alarm=%s %s", code, " ".join(facts.split()))

    def clear(self, code: str) -> None:
        """The cause is gone, and said anew should it come back; nothing happens where there was none."""
        if self._until_s.pop(code, None) is not None:
            self._said_s.pop(code, None)
            log.warning("alarm=%s over", code)

    def codes(self) -> list[str]:
        """Those that hold, in order of name."""
        now_s = self._monotonic_s()
        return sorted(code for code, until_s in self._until_s.items() if until_s > now_s)
