"""PURE: bars and lines of a day's hours, in a drawing of WIDTH by HEIGHT; all of it stands in text beside."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.portal.city.sums import Sum

HOURS = 24
WIDTH, HEIGHT = 480, 120
_STEP, _GAP, _TOP = WIDTH // HOURS, 4, 6


@dataclass(frozen=True)
class Bar:
    """`whole`: all of its hour has passed."""

    x: float
    y: float
    height: float
    whole: bool
    width: int = _STEP - _GAP


@dataclass(frozen=True)
class Chart:
    """Bars of the day, and the day before as the path of a line, in one scale; an hour that is missing is a gap."""

    bars: tuple[Bar, ...]
    line: str


def chart(today: Mapping[int, Sum], before: Mapping[int, Sum], hours_passed: int) -> Chart:
    """`hours_passed` are whole ones."""
    amounts, earlier = (_amounts(hours) for hours in (today, before))
    most = max([*amounts.values(), *earlier.values()], default=0) or 1
    scale = (HEIGHT - _TOP) / most
    bars = tuple(
        Bar(hour * _STEP + _GAP / 2, round(HEIGHT - amount * scale, 1), round(amount * scale, 1), hour < hours_passed)
        for hour, amount in sorted(amounts.items())
    )
    line = "".join(
        f"{'L' if hour - 1 in earlier else 'M'}{hour * _STEP} {HEIGHT - amount * scale:.1f}h{_STEP}"
        for hour, amount in sorted(earlier.items())
    )
    return Chart(bars, line)


def share(amount: int | None, most: int) -> float:
    """How much of a full bar, in percent."""
    return round(100 * max(amount or 0, 0) / most, 1) if most > 0 else 0.0


def _amounts(hours: Mapping[int, Sum]) -> dict[int, int]:
    return {hour: max(one.milli, 0) for hour, one in hours.items() if one.milli is not None}
