"""Written from the makers' manuals, not from our files: where a model's energy stands, and what its words mean.

The simulated meters are built from the same files as the gateway, so that no test on them can find a wrong address,
scale or word order.
"""

import pytest

from edge.models import METERS, Table, load_model
from edge.registers import plan, readings, select

Words = tuple[int, ...]
FLOAT_1234_5: Words = (0x449A, 0x5000)
WH_AS_FLOAT: Words = (0x4996, 0xB220)  # 1,234,500 Wh
WH_AS_DOUBLE: Words = (0x4132, 0xD644, 0, 0)  # the same
WH_AS_INT64: Words = (0, 0, 0x0012, 0xD687)  # 1,234,567 Wh
HUNDREDTHS: Words = (0x0001, 0xE240)  # 123,456
TENTHS_LOW_WORD_FIRST: Words = (0x3039, 0)  # 12,345

MANUALS: list[tuple[str, str, Table, int, Words, float]] = [
    ("abb_b23", "electricity_import_kwh", "holding", 0x5000, (0, 0, *HUNDREDTHS), 1234.56),
    ("acrel_adw300", "electricity_import_kwh", "holding", 0x3E, HUNDREDTHS, 1234.56),
    ("advantech_adam6050", "pulses_count", "holding", 0, (0xE240, 0x0001), 123456),
    ("arad_octave", "water_volume_m3", "input", 24, (0, 0, 0x004A, 0x9340), 1234.5),
    ("carlo_gavazzi_em24", "electricity_import_kwh", "holding", 0x3E, TENTHS_LOW_WORD_FIRST, 1234.5),
    ("carlo_gavazzi_em340", "electricity_import_kwh", "holding", 0x34, TENTHS_LOW_WORD_FIRST, 1234.5),
    ("carlo_gavazzi_em340", "electricity_export_kwh", "holding", 0x4E, TENTHS_LOW_WORD_FIRST, 1234.5),
    *(
        (model, quantity, "input", address, FLOAT_1234_5, 1234.5)
        for model in ("eastron_sdm120", "eastron_sdm230", "eastron_sdm630", "eastron_sdm72")
        for quantity, address in (("electricity_import_kwh", 0x48), ("electricity_export_kwh", 0x4A))
    ),
    # the example of Eastron's manual: 43 66 33 34 is 230.2 V
    ("eastron_sdm630", "electricity_voltage_l1_v", "input", 0, (0x4366, 0x3334), 230.2),
    ("inventia_mt101_gas", "gas_volume_m3", "input", 140, FLOAT_1234_5, 1234.5),
    ("ls_gimac1000", "electricity_import_kwh", "input", 32, WH_AS_FLOAT, 1234.5),
    ("rootech_accura3300e", "electricity_import_kwh", "holding", 11073, (0, 1234), 1234),
    ("schneider_iem3155", "electricity_import_kwh", "holding", 3203, WH_AS_INT64, 1234.567),
    ("schneider_pm5000", "electricity_import_kwh", "holding", 3203, WH_AS_INT64, 1234.567),
    ("siemens_pac3200", "electricity_import_kwh", "holding", 801, WH_AS_DOUBLE, 1234.5),
    ("xht_heat", "heat_energy_kwh", "holding", 0, HUNDREDTHS, 1234.56),
]


@pytest.mark.parametrize(("name", "quantity", "table", "address", "words", "value"), MANUALS)
def test_the_words_of_the_manual_are_the_value(
    name: str, quantity: str, table: Table, address: int, words: Words, value: float
) -> None:
    model = load_model(name)
    (read,) = plan(select(model, [quantity]), model.max_words, model.max_gap)
    assert (read.table, read.address, read.words) == (table, address, len(words))
    (reading,) = readings("m", read, model, words, (0, 0))
    assert reading.value == pytest.approx(value, rel=1e-6)


def test_no_model_is_left_out() -> None:
    names = {file.stem for file in METERS.glob("*.toml")}
    assert names - {row[0] for row in MANUALS} == {"sunspec_inverter", "sunspec_meter"}  # these have no addresses
