"""The sun over Gwangju, against the almanac's times (KST) to three minutes."""

import numpy as np
import pytest

from cloud.metering.calendar import begin_s
from cloud.metering.sun import night_slots, sunrise_sunset_s

FEBRUARY_11, JUNE_21, NOVEMBER_3, DECEMBER_22 = 20_495, 20_625, 20_760, 20_809  # of 2026


def minutes(day: int) -> list[float]:
    return [(moment - begin_s(day)) / 60 for moment in sunrise_sunset_s(day)]


@pytest.mark.parametrize(
    ("day", "up", "down"),
    [(JUNE_21, 5 * 60 + 19, 19 * 60 + 50), (DECEMBER_22, 7 * 60 + 36, 17 * 60 + 24)],
)
def test_sunrise_and_sunset(day: int, up: int, down: int) -> None:
    assert minutes(day) == pytest.approx([up, down], abs=3)


@pytest.mark.parametrize(("day", "ahead_min"), [(NOVEMBER_3, 16.4), (FEBRUARY_11, -14.2)])
def test_noon_by_the_equation_of_time(day: int, ahead_min: float) -> None:
    # clocks go by 135 °E, Gwangju lies at 126.85 °E: noon is 8.15 x 4 = 32.6 min later, less what the sun is ahead
    assert sum(minutes(day)) / 2 == pytest.approx(12 * 60 + 32.6 - ahead_min, abs=1)


def test_a_dark_slot_is_dark_from_end_to_end_and_not_in_twilight() -> None:
    # on 22 December up at 7:36 and down at 17:24: dark until 7:06, so through the slot that ends at 7:00 (28th),
    # and from 17:54, so from the slot that begins at 18:00 (number 72)
    dark = np.flatnonzero(night_slots(DECEMBER_22)).tolist()
    assert dark == [*range(28), *range(72, 96)]
