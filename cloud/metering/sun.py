"""PURE: when the sun is up over Gwangju, by the sunrise equation; good to about two minutes."""

import math

import numpy as np

from cloud.metering.arrays import Bools
from cloud.metering.calendar import SLOTS, begin_s
from cloud.metering.codes import DAY_S, SLOT_S

LATITUDE, LONGITUDE = 35.16, 126.85
TWILIGHT_S = 1800  # before sunrise and after sunset, in which panels may still see light

_DAY_2000 = 10_957  # 2000-01-01
_TILT, _PERIHELION, _HORIZON = 23.4397, 102.9372, -0.833  # degrees; refraction and the sun's own radius


def sunrise_sunset_s(day: int) -> tuple[int, int]:
    """The moments (UTC epoch seconds) of sunrise and sunset on a local day."""
    noons = day - _DAY_2000 - LONGITUDE / 360
    anomaly = math.radians((357.5291 + 0.98560028 * noons) % 360)
    centre = 1.9148 * math.sin(anomaly) + 0.02 * math.sin(2 * anomaly) + 0.0003 * math.sin(3 * anomaly)
    longitude = math.radians((math.degrees(anomaly) + centre + 180 + _PERIHELION) % 360)
    transit = noons + 0.0053 * math.sin(anomaly) - 0.0069 * math.sin(2 * longitude)
    sine = math.sin(longitude) * math.sin(math.radians(_TILT))
    north = math.radians(LATITUDE)
    half = math.acos(
        (math.sin(math.radians(_HORIZON)) - math.sin(north) * sine) / (math.cos(north) * math.cos(math.asin(sine)))
    )
    noon_s = (_DAY_2000 + 0.5 + transit) * DAY_S
    half_s = half / (2 * math.pi) * DAY_S
    return round(noon_s - half_s), round(noon_s + half_s)


def night_slots(day: int) -> Bools:
    """bool[96]: the slots of a local day that are dark from end to end."""
    up_s, down_s = sunrise_sunset_s(day)
    start_s = begin_s(day) + SLOT_S * np.arange(SLOTS)
    dark: Bools = (start_s + SLOT_S <= up_s - TWILIGHT_S) | (start_s >= down_s + TWILIGHT_S)
    return dark
