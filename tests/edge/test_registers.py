"""Words to values and back, the plan of reads, and what a refusing meter teaches."""

import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from contract.reading import Reading
from edge.models import WORDS, Model, Order, Register, Table, WordType
from edge.registers import Learnt, Read, Wall, extent, learn, missing, plan, readings, restore, select, value

FORMATS: dict[WordType, str] = {
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float32": "f",
    "float64": "d",
}


def words_of(raw: float, kind: WordType, word_order: Order, byte_order: Order) -> list[int]:
    """The inverse of decoding, written from Modbus' side: words as a meter sends them."""
    data = struct.pack(f">{FORMATS[kind]}", raw)
    pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
    if word_order == "little":
        pairs.reverse()
    return [int.from_bytes(pair, byte_order) for pair in pairs]


def a_model(word_order: Order = "big", byte_order: Order = "big", **more: object) -> Model:
    fields = {"maker": "m", "model": "x", "manual": "none", "utility": "electricity"} | more
    return Model(word_order=word_order, byte_order=byte_order, **fields)  # type: ignore[arg-type]  # more is typed by Model


def a_register(address: int = 0, kind: WordType = "uint16", table: Table = "holding", **more: object) -> Register:
    fields = {"quantity": "electricity_power_kw", "name": f"at {address}"} | more
    return Register(address=address, type=kind, table=table, **fields)  # type: ignore[arg-type]  # as above


orders = st.sampled_from(["big", "little"])


@st.composite
def raw_numbers(draw: st.DrawFn) -> tuple[WordType, float]:
    kind = draw(st.sampled_from(sorted(FORMATS)))
    if kind == "float32":
        return kind, draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    if kind == "float64":
        return kind, draw(st.floats(allow_nan=False, allow_infinity=False))
    bits = 16 * WORDS[kind]
    low = 0 if kind.startswith("u") else -(2 ** (bits - 1))
    return kind, draw(st.integers(low, low + 2**bits - 1))


@given(raw_numbers(), orders, orders)
def test_words_of_a_value_give_the_value_back(raw: tuple[WordType, float], word: Order, byte: Order) -> None:
    kind, number = raw
    found, quality = value(a_register(kind=kind), a_model(word, byte), words_of(number, kind, word, byte))
    assert quality is Quality.GOOD
    assert found is not None
    if kind == "float32":
        assert struct.pack(">f", found) == struct.pack(">f", number)
        assert len(repr(found)) <= len(repr(number))
    else:
        assert found == float(number)  # a reading is a double: past 2**53 it is the nearest one


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 6), st.integers(-6, 6))
def test_scale_is_the_decimal_that_the_display_shows(raw: int, digits: int, exponent: int) -> None:
    register = a_register(kind="int32", scale=float(f"1e-{digits}"))
    found, _ = value(register, a_model(), words_of(raw, "int32", "big", "big"), exponent)
    assert found == float(f"{raw}e{exponent - digits}")


@pytest.mark.parametrize(
    ("kind", "words", "sentinels", "expected"),
    [
        ("int32", [0x8000, 0], ("0x80000000",), Quality.NOT_AVAILABLE),
        ("int32", [0x8000, 1], ("0x80000000",), Quality.GOOD),
        ("uint16", [0xFFFF], ("0xfffe", "0xFFFF"), Quality.NOT_AVAILABLE),
        ("float32", [0x7FC0, 0], ("nan",), Quality.NOT_AVAILABLE),
        ("float32", [0x7FC0, 0], (), Quality.NOT_AVAILABLE),
        ("float32", [0x7F80, 0], (), Quality.NOT_AVAILABLE),
    ],
)
def test_sentinel_is_missing_and_never_a_number(
    kind: WordType, words: list[int], sentinels: tuple[str, ...], expected: Quality
) -> None:
    found, quality = value(a_register(kind=kind, not_available=sentinels), a_model(), words)
    assert quality is expected
    assert (found is None) == (expected is Quality.NOT_AVAILABLE)


def test_sentinel_is_compared_most_significant_first_in_any_order() -> None:
    register = a_register(kind="uint32", not_available=("0x80000001",))
    assert value(register, a_model("little", "little"), [0x0100, 0x0080]) == (None, Quality.NOT_AVAILABLE)


def test_value_outside_the_manuals_limits_is_kept_and_suspect() -> None:
    register = a_register(kind="int16", scale=0.001, low=-1.0, high=1.0)
    assert value(register, a_model(), [1000]) == (1.0, Quality.GOOD)
    assert value(register, a_model(), [1001]) == (1.001, Quality.SUSPECT)


@given(st.data())
def test_a_whole_answer_gives_every_register_its_own_words(data: st.DataObject) -> None:
    addresses = data.draw(st.lists(st.integers(0, 60), min_size=1, unique=True))
    registers = [a_register(address) for address in addresses]
    for read in plan(registers, 40, 5):
        words = [read.address + i for i in range(read.words)]
        found = readings("m1", read, a_model(), words, (1000, 7))
        assert [reading.value for reading in found] == [register.address for register in read.registers]
        assert all(reading.time_s == 1000 and reading.at_ms == 7 for reading in found)


def test_exponent_is_read_along_and_applied() -> None:
    register = a_register(14, "int16", exponent_address=15, scale=0.001)
    (read,) = plan([register], 125, 16)
    assert (read.address, read.words) == (14, 2)
    assert readings("m", read, a_model(), [2301, 0xFFFF], (0, 0))[0].value == 0.2301
    unavailable = readings("m", read, a_model(), [2301, 0x8000], (0, 0))[0]
    assert (unavailable.value, unavailable.quality) == (None, Quality.NOT_AVAILABLE)


def test_missing_names_each_register_with_its_reason() -> None:
    assert missing("m", [a_register()], Quality.NO_ANSWER, (60, 5)) == [
        Reading("m", "electricity_power_kw", 60, None, Quality.NO_ANSWER, 5)
    ]


def test_channels_repeat_the_registers() -> None:
    model = a_model(channels=4, channel_words=2, register=(a_register(10, "uint32"),))
    assert [register.address for register in select(model, channel=3)] == [14]
    assert select(model, ["heat_energy_kwh"]) == ()


def spans(reads: Sequence[Read]) -> list[tuple[int, int]]:
    return [(read.address, read.words) for read in reads]


def test_plan_merges_over_small_holes_only() -> None:
    registers = [a_register(0, "float32"), a_register(6, "float32"), a_register(30, "float32")]
    assert spans(plan(registers, 125, 4)) == [(0, 8), (30, 2)]
    assert spans(plan(registers, 125, 3)) == [(0, 2), (6, 2), (30, 2)]
    assert spans(plan(registers, 125, 22)) == [(0, 32)]
    assert spans(plan(registers, 31, 22)) == [(0, 8), (30, 2)]


def test_plan_keeps_tables_apart() -> None:
    reads = plan([a_register(0), a_register(1, table="input"), a_register(2)], 125, 16)
    assert [(read.table, read.address, read.words) for read in reads] == [("holding", 0, 3), ("input", 1, 1)]


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from(sorted(FORMATS))), max_size=40),
    st.integers(4, 125),
    st.integers(0, 30),
    st.frozensets(st.integers(0, 300), max_size=5),
)
def test_every_register_is_in_exactly_one_read_within_the_limits(
    drawn: list[tuple[int, WordType]], max_words: int, max_gap: int, walls: frozenset[int]
) -> None:
    registers = [a_register(address, kind) for address, kind in drawn]
    learnt = Learnt(frozenset(Wall("holding", address) for address in walls))
    reads = plan(registers, max_words, max_gap, learnt)
    assert sorted(register.name for read in reads for register in read.registers) == sorted(
        register.name for register in registers
    )
    for read in reads:
        assert read.words <= max_words
        assert len(read.registers) == 1 or not any(read.address < wall < read.address + read.words for wall in walls)
        for register in read.registers:
            first, end = extent(register)
            assert read.address <= first
            assert end <= read.address + read.words


class PickyMeter:
    """Refuses any read that touches one of `holes`."""

    def __init__(self, holes: frozenset[int]) -> None:
        self.holes = holes
        self.asked = 0

    def refuses(self, read: Read) -> bool:
        self.asked += 1
        return any(read.address <= hole < read.address + read.words for hole in self.holes)


def settle(meter: PickyMeter, registers: Sequence[Register]) -> Learnt:
    """Ask until nothing is refused any more, as a line does."""
    learnt = Learnt()
    while refused := next((read for read in plan(registers, 125, 16, learnt) if meter.refuses(read)), None):
        learnt = learn(learnt, refused)
    return learnt


@given(st.frozensets(st.integers(0, 30), min_size=1, max_size=12), st.frozensets(st.integers(0, 60), max_size=8))
def test_learning_ends_with_all_that_the_meter_has(places: frozenset[int], holes: frozenset[int]) -> None:
    registers = [a_register(2 * place, "float32") for place in places]
    learnt = settle(PickyMeter(holes), registers)
    lacking = {register for register in registers if holes & {register.address, register.address + 1}}
    assert learnt.refused == lacking


def test_one_refused_register_costs_the_others_no_merge() -> None:
    registers = [a_register(2 * i, "float32") for i in range(20)]
    meter = PickyMeter(frozenset({14}))
    learnt = settle(meter, registers)
    assert spans(plan(registers, 125, 16, learnt)) == [(0, 14), (16, 24)]
    assert meter.asked <= 12
    again = restore(learnt, registers[7])
    assert spans(plan(registers, 125, 16, again)) == [(0, 40)]


def test_a_refused_hole_is_walled_off_with_one_refusal() -> None:
    registers = [a_register(0), a_register(1), a_register(8), a_register(9)]
    meter = PickyMeter(frozenset({4}))
    learnt = settle(meter, registers)
    assert spans(plan(registers, 125, 16, learnt)) == [(0, 2), (8, 2)]
    assert meter.asked == 3


def test_infinity_after_scaling_is_missing() -> None:
    register = a_register(kind="float64", scale=1000.0)
    words = words_of(1e308, "float64", "big", "big")
    assert value(register, a_model(), words) == (None, Quality.NOT_AVAILABLE)
    assert math.isinf(1e308 * 1000)
