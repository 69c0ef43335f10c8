"""The atoms of totals: all figures above them are sums of these, made when read."""

import pyarrow as pa

# One row for each dong, use, utility, direction and slot (or local day) in which a meter was expected. All sums are
# int64 thousandths of kWh or m3. `counted` and `expected` are meter-slots; `total` is the sum over those counted,
# `estimated` what of it rests on an estimate, `estimated_count` over how many meter-slots.
SLOT_ATOMS = pa.schema(
    [
        ("slot_s", pa.int64()),  # UTC epoch seconds of the slot's beginning
        ("region", pa.int32()),  # cloud.registry.snapshot.REGIONS
        ("use", pa.uint8()),
        ("utility", pa.uint8()),  # place in cloud.metering.codes.UTILITIES
        ("direction", pa.uint8()),  # cloud.metering.codes.Direction
        ("total", pa.int64()),
        ("estimated", pa.int64()),
        ("counted", pa.int32()),
        ("estimated_count", pa.int32()),
        ("expected", pa.int32()),
    ]
)

# The same summed over a local day (Asia/Seoul), as days since 1970-01-01.
DAY_ATOMS = SLOT_ATOMS.remove(0).insert(0, pa.field("day", pa.int32()))
