"""What systemd is told of the gateway: that it runs, that it lives, how it is; and what living means."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

REPORT_S = 2.0  # what `systemctl status` shows is no older


def notify(*words: str) -> bool:
    """Send words such as "READY=1" to the service manager; False where there is none, or it does not listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # a name that lies in no folder
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(words).encode(), address)
    except OSError as error:
        log.warning("notify socket=%s error=%s", address.strip("\0"), error.strerror)
        return False
    return True


def report_s() -> float:
    """How often to report: four times within the time in which the service manager wants to hear of us."""
    try:
        asked_s = int(os.environ.get("WATCHDOG_USEC", "")) / 1e6
    except ValueError:
        return REPORT_S
    return max(0.05, min(REPORT_S, asked_s / 4))


class Pulse:
    """When each part of the gateway was last seen at work, by the monotonic clock. For one thread."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._limits_s: dict[str, float] = {}
        self._seen_s: dict[str, float] = {}

    def expect(self, part: str, limit_s: float) -> None:
        """From now on the part has to beat at least so often."""
        self._limits_s[part] = limit_s
        self.beat(part)

    def beat(self, part: str) -> None:
        """The part is at work."""
        self._seen_s[part] = self._monotonic_s()

    def silent(self) -> dict[str, float]:
        """The parts that have been silent for longer than they may, and for how many seconds."""
        now_s = self._monotonic_s()
        ages_s = {part: now_s - self._seen_s[part] for part in self._limits_s}
        return {part: age_s for part, age_s in ages_s.items() if age_s > self._limits_s[part]}


async def report(pulse: Pulse, status: Callable[[], str]) -> None:
    """For ever: tell the service manager how we are, and that we live, only as long as no part is silent.

    It runs in the loop that it vouches for: where that hangs, nothing is told, and the service manager ends us.
    """
    pause_s, said = report_s(), set[str]()
    notify("READY=1")
    while True:
        silent = pulse.silent()
        if silent:
            notify(f"STATUS=stuck={','.join(sorted(silent))} {status()}")
        else:
            notify("WATCHDOG=1", f"STATUS={status()}")
        for part in silent.keys() - said:
            log.critical('stuck part="%s" silent_s=%.0f action=none-systemd-restarts-the-gateway', part, silent[part])
        said = set(silent)
        await asyncio.sleep(pause_s)
