"""The gateway's clock, and how far it can be trusted. Linux."""

import ctypes
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Trust = Literal["none", "ntp", "system", "holdover"]

FLOOR_S = 1_767_225_600  # 2026-01-01: before this software was written, no clock is right
HOLDOVER_AFTER_S = 3_600.0  # the kernel itself waits for hours before it calls a clock lost
STEP_S = 0.5
OFFSET_FILE = "BITGOEUL_CLOCK_OFFSET_FILE"
OFFSET_AGE_S = 0.2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
TIMESYNCD_AGE_S = 6 * 3_600

_TIME_ERROR, _STA_UNSYNC = 5, 0x40


class _Timex(ctypes.Structure):
    """The head of the kernel's struct timex; what follows is room enough for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


def synchronised() -> bool:
    """Whether the kernel says so (ntpd, chrony with rtcsync, PTP), or systemd-timesyncd's mark is fresh."""
    timex = _Timex()
    state = ctypes.CDLL(None, use_errno=True).ntp_adjtime(ctypes.byref(timex))
    if state >= 0 and state != _TIME_ERROR and not timex.status & _STA_UNSYNC:
        return True
    try:
        age_s = time.time() - TIMESYNCD_MARK.stat().st_mtime
    except OSError:
        return False
    return 0 <= age_s < TIMESYNCD_AGE_S


class Clock:
    """The one clock of a gateway. Not for more than one thread.

    `set_s` is what it said when it was found to have been set last, by UTC epoch seconds; at first, when it began.
    """

    def __init__(
        self,
        mode: Literal["ntp", "system"],
        mark: Path | None = None,
        synchronised: Callable[[], bool] = synchronised,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`mark` remembers over restarts, until the next boot, that the clock was trusted once.

        The environment's BITGOEUL_CLOCK_OFFSET_FILE names a file whose number, in seconds, is added to the clock,
        for simulations: it may change while the gateway runs.
        """
        self._mode, self._mark, self._synchronised, self._monotonic_s = mode, mark, synchronised, monotonic_s
        self._offset_file = os.environ.get(OFFSET_FILE)
        self._offset_s, self._offset_read_s = 0.0, float("-inf")
        self._trusted = mark is not None and _read(mark) == _read(BOOT_ID) != ""
        self._synchronised_s = float("-inf")
        self.set_s = self.now_s()
        self._difference_s = self.set_s - monotonic_s()

    def now_s(self) -> float:
        """UTC epoch seconds."""
        if self._offset_file and self._monotonic_s() - self._offset_read_s >= OFFSET_AGE_S:
            self._offset_read_s = self._monotonic_s()
            try:
                self._offset_s = float(_read(Path(self._offset_file)) or 0)
            except ValueError:
                log.warning("clock-offset file=%s error=no-number", self._offset_file)
        return time.time() + self._offset_s

    def trust(self) -> Trust:
        """How far the clock is trusted now; while it is "none" no reading is made."""
        if self.now_s() < FLOOR_S:
            return "none"
        if self._mode == "system":
            return "system"
        now_s = self._monotonic_s()
        if self._synchronised():
            self._synchronised_s = now_s
            self._remember()
        if now_s - self._synchronised_s < HOLDOVER_AFTER_S:
            return "ntp"
        return "holdover" if self._trusted else "none"

    def _remember(self) -> None:
        if self._trusted:
            return
        self._trusted = True
        log.info("clock-trusted mode=%s", self._mode)
        if self._mark is not None:
            try:
                self._mark.write_text(_read(BOOT_ID), "utf-8")
            except OSError as error:
                log.warning("clock-mark path=%s error=%s", self._mark, error.strerror)

    def log_step(self) -> None:
        """Note and log by how much the clock was stepped since the last call, if it was."""
        now_s = self.now_s()
        difference_s = now_s - self._monotonic_s()
        step_s = difference_s - self._difference_s
        self._difference_s = difference_s
        if abs(step_s) >= STEP_S:
            self.set_s = now_s
            log.warning("clock-stepped by_s=%.3f now_s=%.3f", step_s, now_s)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
