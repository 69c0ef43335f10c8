"""What the simulators put into registers: byte by byte, and against the gateway's own decoder."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from edge import registers
from edge.models import METERS, Model, Order, Register, WordType, load_model
from simulators import frames
from simulators.image import image_of
from simulators.meters import SimMeter
from simulators.words import limits, meaning, sentinel_words, to_raw, to_words, word_count

MODELS = sorted(path.stem for path in METERS.glob("*.toml"))


@pytest.mark.parametrize(
    ("kind", "raw", "word_order", "byte_order", "words"),
    [
        ("uint16", 0x1234, "big", "big", (0x1234,)),
        ("uint16", 0x1234, "big", "little", (0x3412,)),
        ("int16", -2, "big", "big", (0xFFFE,)),
        ("uint32", 0x12345678, "big", "big", (0x1234, 0x5678)),
        ("uint32", 0x12345678, "little", "big", (0x5678, 0x1234)),
        ("uint32", 0x12345678, "big", "little", (0x3412, 0x7856)),
        ("uint32", 0x12345678, "little", "little", (0x7856, 0x3412)),
        ("int32", -1, "big", "big", (0xFFFF, 0xFFFF)),
        ("uint64", 0x0123456789ABCDEF, "big", "big", (0x0123, 0x4567, 0x89AB, 0xCDEF)),
        ("int64", -256, "little", "big", (0xFF00, 0xFFFF, 0xFFFF, 0xFFFF)),
        ("float32", 231.5, "big", "big", (0x4367, 0x8000)),
        ("float32", 231.5, "little", "big", (0x8000, 0x4367)),
        ("float64", 1.0, "big", "big", (0x3FF0, 0, 0, 0)),
    ],
)
def test_words_stand_in_the_order_of_the_model(
    kind: WordType, raw: float, word_order: Order, byte_order: Order, words: tuple[int, ...]
) -> None:
    assert to_words(kind, raw, word_order, byte_order) == words


@pytest.mark.parametrize(
    ("kind", "value", "counts_up", "raw"),
    [
        ("uint32", 12.99, True, 12),  # a register shows whole steps that have passed
        ("uint32", 12.99, False, 13),
        ("uint16", 65536.5, True, 0),  # and starts again after its largest
        ("int16", 32768.2, True, 0),
        ("int16", 40000.0, False, 32767),
        ("int16", -40000.0, False, -32768),
        ("uint16", -1.0, False, 0),
        ("float32", 0.1, True, 0.10000000149011612),
    ],
)
def test_a_value_becomes_what_its_register_can_hold(kind: WordType, value: float, counts_up: bool, raw: float) -> None:
    assert to_raw(kind, value, counts_up=counts_up) == raw


def test_what_a_register_means_is_what_a_display_would_show() -> None:
    assert meaning("int32", 12345, 0.001) == 12.345
    assert meaning("float32", to_raw("float32", 231.7, counts_up=False), 1.0) == 231.7
    assert meaning("float32", to_raw("float32", 1234.5, counts_up=False), 0.001) == 1.2345


@pytest.mark.parametrize(("sentinel", "words"), [("0x80000000", (0, 0x8000)), ("nan", (0, 0x7FC0))])
def test_a_sentinel_is_ordered_like_a_value(sentinel: str, words: tuple[int, ...]) -> None:
    kind: WordType = "float32" if sentinel == "nan" else "int32"
    assert sentinel_words(kind, sentinel, "little", "big") == words


@pytest.mark.parametrize("name", [name for name in MODELS if load_model(name).register])
@given(data=st.data())
def test_the_gateway_reads_what_the_simulator_means(name: str, data: st.DataObject) -> None:
    model = load_model(name)
    register = data.draw(st.sampled_from(model.register))
    value = data.draw(st.floats(0, min(greatest(register), 1e6)))
    meter = SimMeter("m-1", model, 1, lambda _quantity, _time_s: value)
    served = meter.read(register, 0.0)
    decoded, quality = registers.value(register, model, served.words)
    assert quality in (Quality.GOOD, Quality.SUSPECT)
    assert decoded is not None
    assert served.value is not None
    assert math.isclose(decoded, served.value, rel_tol=1e-15, abs_tol=1e-12)
    # and what is meant is what was there, but for the register's resolution
    resolution = 1e-9 + abs(value) * 2**-23 if register.type.startswith("float") else register.scale
    assert abs(served.value - value) <= resolution * 1.001


def greatest(register: Register) -> float:
    """One below what the register's type holds, which may be a sentinel."""
    return 1e6 if register.type.startswith("float") else (limits(register.type)[1] - 1) * register.scale


def test_an_overflow_that_looks_like_a_sentinel_is_logged_as_one() -> None:
    model = load_model("carlo_gavazzi_em24")
    power = next(register for register in model.register if register.quantity == "electricity_power_kw")
    served = SimMeter("m-1", model, 1, lambda _quantity, _time_s: 1e9).read(power, 0.0)
    assert served == ((0xFFFF, 0x7FFF), None)


@pytest.mark.parametrize("name", [name for name in MODELS if load_model(name).register])
def test_the_gateway_knows_each_sentinel(name: str) -> None:
    model = load_model(name)
    meter = SimMeter("m-1", model, 1, lambda _quantity, _time_s: 1.0)
    meter.faults.not_available = frozenset(meter.quantities)
    for register in model.register:
        if register.not_available:
            served = meter.read(register, 0.0)
            assert served.value is None
            assert registers.value(register, model, served.words) == (None, Quality.NOT_AVAILABLE)


def test_crc_is_the_standards() -> None:
    # the check value of CRC-16/MODBUS, low byte first
    assert frames.crc16(b"123456789") == bytes([0x37, 0x4B])
    assert frames.to_rtu(1, bytes([3, 0, 0, 0, 10])) == bytes([1, 3, 0, 0, 0, 10, 0xC5, 0xCD])


@given(st.binary(min_size=1, max_size=253), st.integers(1, 247), st.data())
def test_an_rtu_frame_comes_back_and_one_flipped_bit_shows(pdu: bytes, unit: int, data: st.DataObject) -> None:
    frame = frames.to_rtu(unit, pdu)
    assert frames.from_rtu(frame) == (unit, pdu)
    bit = data.draw(st.integers(0, 8 * len(frame) - 1))
    damaged = bytearray(frame)
    damaged[bit // 8] ^= 1 << bit % 8
    assert frames.from_rtu(bytes(damaged)) is None


@pytest.mark.parametrize(
    ("start", "length"),
    [(b"", 0), (b"\x01", 0), (b"\x01\x04", 8), (b"\x01\x10\x00\x00\x00\x02\x04", 13), (b"\x01\x10\x00", 0)],
)
def test_a_request_says_how_long_it_is(start: bytes, length: int) -> None:
    assert frames.rtu_request_bytes(start) == length


def holey_model() -> Model:
    def register(quantity: str, address: int) -> Register:
        return Register(quantity=quantity, table="input", address=address, type="uint32", name=quantity)

    return Model(
        maker="m",
        model="m",
        manual="m",
        utility="electricity",
        max_words=20,
        register=(register("electricity_power_kw", 10), register("electricity_import_kwh", 16)),
    )


def test_an_image_is_read_like_a_meters() -> None:
    meter = SimMeter("m-1", holey_model(), 1, lambda quantity, _: 7.0 if "power" in quantity else 0x10002)
    image = image_of([meter])
    words, values = found(image.read("input", 10, 8, 0.0))
    assert words == (0, 7, 0, 0, 0, 0, 1, 2)
    assert values == {"m-1": {"electricity_power_kw": 7.0, "electricity_import_kwh": 0x10002}}
    words, values = found(image.read("input", 11, 6, 0.0))
    assert words == (7, 0, 0, 0, 0, 1)
    assert values == {}  # neither register was read whole


def found(answer: object) -> tuple[tuple[int, ...], dict[str, dict[str, float | None]]]:
    assert isinstance(answer, tuple)
    return answer


@pytest.mark.parametrize(
    ("table", "address", "count", "code"),
    [
        ("holding", 10, 2, frames.ILLEGAL_FUNCTION),
        ("input", 9, 2, frames.ILLEGAL_ADDRESS),
        ("input", 16, 3, frames.ILLEGAL_ADDRESS),
        ("input", 10, 0, frames.ILLEGAL_VALUE),
        ("input", 10, 21, frames.ILLEGAL_VALUE),
        ("input", 10, 8, frames.ILLEGAL_ADDRESS),  # over the hole
    ],
)
def test_an_image_refuses_like_a_meter(table: str, address: int, count: int, code: int) -> None:
    meter = SimMeter("m-1", holey_model(), 1, lambda _quantity, _time_s: 7.0)
    image = image_of([meter], holes_readable=False)
    assert image.read(table, address, count, 0.0) == code  # type: ignore[arg-type]  # a table's name, from the list
    assert image.read("input", 16, 2, 0.0) == ((0, 7), {"m-1": {"electricity_import_kwh": 7.0}})


def test_channels_repeat_the_registers() -> None:
    model = load_model("advantech_adam6050")
    meters = [SimMeter(f"p-{n}", model, 1, lambda _q, _t, n=n: 100.0 + n, n) for n in (1, 2, 3)]
    words, values = found(image_of(meters).read("holding", 0, 6, 0.0))
    assert words == (101, 0, 102, 0, 103, 0)
    assert values == {f"p-{n}": {"pulses_count": 100.0 + n} for n in (1, 2, 3)}


def test_every_word_type_has_a_size() -> None:
    for kind, letter in (("uint16", "H"), ("int32", "i"), ("float32", "f"), ("float64", "d"), ("uint64", "Q")):
        assert word_count(kind) * 2 == struct.calcsize(f">{letter}")  # type: ignore[arg-type]  # from the list
