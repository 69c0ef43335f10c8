"""PURE: how high the sun stands over Gwangju, and what a solar array makes of it below passing clouds."""

import numpy as np
import numpy.typing as npt

LATITUDE_DEG = 35.16
LONGITUDE_DEG = 126.85
PERFORMANCE = 0.82  # wiring, inverter, heat and dust

Floats = npt.NDArray[np.float64]


def sun_height_sine(time_s: Floats) -> Floats:
    """Sine of the sun's height at UTC epoch seconds, 0 below the horizon (to half a degree)."""
    days = time_s / 86400.0 - 10957.5  # since 2000-01-01 12:00 UTC
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.46 + 0.9856474 * days) + np.radians(1.915) * np.sin(anomaly)
    declination = np.arcsin(np.sin(np.radians(23.439)) * np.sin(longitude))
    ascension = np.arctan2(np.cos(np.radians(23.439)) * np.sin(longitude), np.cos(longitude))
    sidereal = np.radians((280.46062 + 360.9856474 * days + LONGITUDE_DEG) % 360.0)
    latitude = np.radians(LATITUDE_DEG)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(
        sidereal - ascension
    )
    return np.asarray(np.maximum(sine, 0.0), dtype=np.float64)


def clear_sky_ratio(time_s: Floats) -> Floats:
    """Output of an array over its rated power under a clear sky (Haurwitz' irradiance on the ground's plane)."""
    sine = sun_height_sine(time_s)
    safe = np.maximum(sine, 1e-3)
    return np.asarray(1.098 * sine * np.exp(-0.057 / safe) * PERFORMANCE, dtype=np.float64)
