"""Days before the simulation: what was counted then leads up to what the same meters say now."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from simulators.image import image_of
from simulators.mounting import mount
from simulators.site import load_sim_site
from simulators.site_history import site_history

NOW_S = 1_795_400_100
TIMES_S = range(NOW_S - 4 * 900, NOW_S + 1, 900)
KWH = "electricity_import_kwh"


class Numbers:
    """As a store numbers series."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], int] = {}

    def __call__(self, meters: Sequence[str], quantities: Sequence[str]) -> npt.NDArray[np.int32]:
        pairs = list(zip(meters, quantities, strict=True))
        return np.array([self.known.setdefault(pair, len(self.known)) for pair in pairs], np.int32)


def test_registers_lead_up_to_what_the_meters_say_now() -> None:
    site, numbers = load_sim_site("suwan"), Numbers()
    table = site_history(site, numbers, TIMES_S)
    counted: dict[int, list[float]] = {number: [] for number in numbers.known.values()}
    for row in table.to_pylist():
        counted[row["series"]].append(row["value"])
    assert all(len(values) == len(TIMES_S) for values in counted.values())
    assert all(before <= after for values in counted.values() for before, after in pairwise(values))
    assert {meter for meter, _ in numbers.known} == {meter.name for line in mount(site).values() for meter in line}
    (main,) = (meter for line in mount(site).values() for meter in line if meter.name == "suwan-e-main-01")
    (field,) = (field for of in image_of([main]).tables.values() for field in of if field.quantity == KWH)
    assert counted[numbers.known[main.name, KWH]][-1] == field.content(NOW_S).value
    assert counted[numbers.known[main.name, KWH]][0] < counted[numbers.known[main.name, KWH]][-1]
