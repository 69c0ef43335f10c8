"""When a clock is trusted, when no longer, and that its steps are seen."""

import logging
import time
from pathlib import Path

import pytest

from edge.clock import FLOOR_S, HOLDOVER_AFTER_S, OFFSET_FILE, Clock, synchronised

THE_YEAR_1970 = -time.time() + 1000


class Surroundings:
    """What the clock asks: whether NTP has it, and the monotonic time."""

    def __init__(self) -> None:
        self.synchronised, self.monotonic_s = False, 1000.0

    def clock(self, mode: str = "ntp", mark: Path | None = None) -> Clock:
        assert mode in ("ntp", "system")
        return Clock("ntp" if mode == "ntp" else "system", mark, lambda: self.synchronised, lambda: self.monotonic_s)


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "offset"
    monkeypatch.setenv(OFFSET_FILE, str(path))
    return path


def test_ntp_is_not_trusted_before_the_first_synchronisation(around: Surroundings) -> None:
    clock = around.clock()
    assert clock.trust() == "none"
    around.synchronised = True
    assert clock.trust() == "ntp"


def test_a_clock_that_ran_alone_for_long_is_in_holdover(around: Surroundings) -> None:
    clock = around.clock()
    around.synchronised = True
    clock.trust()
    around.synchronised = False
    around.monotonic_s += HOLDOVER_AFTER_S - 1
    assert clock.trust() == "ntp"
    around.monotonic_s += 2
    assert clock.trust() == "holdover"
    around.synchronised = True
    assert clock.trust() == "ntp"


def test_trust_outlives_the_agent_but_not_the_boot(around: Surroundings, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    around.synchronised = True
    around.clock(mark=mark).trust()
    around.synchronised = False
    assert around.clock(mark=mark).trust() == "holdover"
    mark.write_text("another boot")
    assert around.clock(mark=mark).trust() == "none"
    mark.write_text("")
    assert around.clock(mark=mark).trust() == "none"


@pytest.mark.parametrize("mode", ["ntp", "system"])
def test_1970_is_never_trusted(around: Surroundings, offset: Path, mode: str) -> None:
    around.synchronised = True
    offset.write_text(str(THE_YEAR_1970))
    clock = around.clock(mode)
    assert clock.now_s() < FLOOR_S
    assert clock.trust() == "none"
    offset.write_text("0")
    around.monotonic_s += 0.3
    assert clock.trust() == mode


def test_the_offset_is_read_again_but_not_at_every_call(around: Surroundings, offset: Path) -> None:
    offset.write_text("-3600")
    clock = around.clock("system")
    assert clock.now_s() == pytest.approx(time.time() - 3600, abs=1)
    offset.write_text("5")
    assert clock.now_s() == pytest.approx(time.time() - 3600, abs=1)
    around.monotonic_s += 0.3
    assert clock.now_s() == pytest.approx(time.time() + 5, abs=1)
    offset.write_text("half a")
    around.monotonic_s += 0.3
    assert clock.now_s() == pytest.approx(time.time() + 5, abs=1)


def test_a_step_is_seen_once_and_logged(offset: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock("system")
    with caplog.at_level(logging.WARNING):
        clock.log_step()
        offset.write_text("-86400")
        time.sleep(0.25)
        clock.log_step()
        clock.log_step()
    (record,) = caplog.records
    assert record.getMessage().startswith("clock-stepped by_s=-86400")


def test_the_kernel_can_be_asked() -> None:
    assert synchronised() in (True, False)
