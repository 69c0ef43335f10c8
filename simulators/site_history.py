"""What the meters of simulated sites counted on days before the simulation: readings as ingest would store them."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cloud.settle.plan import INWARD, OUTWARD, PRODUCED
from cloud.store.protocol import APPEND
from simulators.image import Field, image_of
from simulators.meters import SimMeter
from simulators.mounting import mount
from simulators.site import SimSite, places, quantities
from simulators.sunspec import sunspec_image

Numbers = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.int32]]  # `Store.series`

_SETTLED = (*INWARD, *OUTWARD, *PRODUCED)


def site_history(site: SimSite, numbers: Numbers, times_s: Sequence[int]) -> pa.Table:
    """APPEND of the registers that usage is made from and that the site's gateways read, at these moments (ascending).

    The same meters go on from there when the simulation runs: no register falls.
    """
    wanted = {place.name: quantities(place) for place in places(site)}
    meters = [meter for line in mount(site).values() for meter in line]
    fields = [field for meter in meters for field in _registers(meter) if field.quantity in wanted[meter.name]]
    series = numbers([field.meter for field in fields], [field.quantity for field in fields])
    # moment by moment: what a main counts is reckoned from the hour that its sub-meters have just looked up
    values = [field.content(time_s).value for time_s in times_s for field in fields]
    count = len(values)
    columns = [
        np.tile(series, len(times_s)),
        np.repeat(np.asarray(times_s, np.int64), len(series)),
        pa.array(values, pa.float64()),
        np.zeros(count, np.uint8),
        np.zeros(count, np.int32),
    ]
    return pa.table(columns, schema=APPEND).filter(pc.is_valid(columns[2]))


def _registers(meter: SimMeter) -> list[Field]:
    image = sunspec_image(meter) if meter.model.protocol == "sunspec" else image_of([meter])
    return [field for of in image.tables.values() for field in of if field.quantity in _SETTLED]
