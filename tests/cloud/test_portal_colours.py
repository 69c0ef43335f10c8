"""The stylesheet's colours can be read on their grounds, and utilities told apart, with every kind of eyes."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import cloud.portal

STATIC = Path(cloud.portal.__file__).parent / "static"
CSS = (STATIC / "portal.css").read_text("utf-8")
RIDGE = (STATIC / "ridge.svg").read_text("utf-8")
UTILITIES = ("electricity", "gas", "water", "heat", "production")


def scheme(selector: str) -> dict[str, str]:
    """The colours that a rule of the stylesheet sets."""
    block = CSS.partition(selector + " {")[2].partition("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


LIGHT = scheme(":root")
DARK = LIGHT | scheme("@media (prefers-color-scheme: dark) {\n  :root")
NIGHT = LIGHT | scheme(".city")

Colour = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB
EYES = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array([[0.412456, 0.357576, 0.180438], [0.212673, 0.715152, 0.072175], [0.019334, 0.119192, 0.950304]])


def linear(colour: str) -> Colour:
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(colour: Colour) -> Colour:
    xyz = TO_XYZ @ np.clip(colour, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize(
    ("colours", "grounds"),
    [
        (LIGHT, [LIGHT["ground"], LIGHT["paper"]]),
        (DARK, [DARK["ground"], DARK["paper"]]),
        (NIGHT, [LIGHT["night"], *re.findall(r'<path fill="(#[0-9a-f]{6})"', RIDGE)]),
    ],
    ids=["light", "dark", "night"],
)
def test_colours_can_be_read_and_told_apart(colours: dict[str, str], grounds: list[str]) -> None:
    for ground in grounds:
        for name in ("ink", "quiet", "link", "warn", *UTILITIES):
            assert contrast(colours[name], ground) >= 4.5, f"{name} on {ground}"
    for eyes, seen in EYES.items():
        for one, other in combinations(UTILITIES, 2):
            colour, another = (lab(np.array(seen) @ linear(colours[name])) for name in (one, other))
            apart = np.linalg.norm(colour - another)
            assert apart >= 15, f"{one} and {other} with {eyes}"
