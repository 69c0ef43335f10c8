"""The chain of blocks of a SunSpec device, and the registers that come of it."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from contract.quality import Quality
from edge.models import load_model
from edge.registers import plan, readings
from edge.sunspec import END, MARK, Found, block, discover, resolve

INVERTER = load_model("sunspec_inverter")


def device(start: int, blocks: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The words of a device at its addresses; the blocks' own points are zero."""
    words = list(MARK)
    for number, length in blocks:
        words += [number, length, *([0] * length)]
    return dict(enumerate([*words, END, 0], start))


def found_in(words: Mapping[int, int]) -> list[Found]:
    async def ask(address: int, count: int) -> list[int] | None:
        return [words[address + i] for i in range(count)] if address in words else None

    return asyncio.run(discover(ask))


@pytest.mark.parametrize("start", [40000, 50000, 0])
def test_chain_is_found_at_each_of_the_three_starts(start: int) -> None:
    chain = found_in(device(start, [(1, 66), (103, 50), (120, 26)]))
    assert chain == [Found(1, start + 2, 68), Found(103, start + 70, 52), Found(120, start + 122, 28)]


def test_a_device_without_the_mark_has_no_blocks() -> None:
    assert found_in({40000: 1, 40001: 2}) == []


def test_a_chain_without_an_end_does_not_go_on_for_ever() -> None:
    assert len(found_in(dict(enumerate(MARK, 40000)) | dict.fromkeys(range(40002, 65536), 0))) == 64


def test_integers_are_scaled_by_the_factors_beside_them() -> None:
    registers = resolve(INVERTER, [Found(103, 40070, 52)])
    reads = plan(registers, INVERTER.max_words, INVERTER.max_gap)
    points = block(103).points
    words = [0] * 52
    at = {name: point.offset for name, point in points.items()}
    words[at["W"]], words[points["W"].exponent_offset or 0] = 4321, 1
    words[at["WH"]], words[at["WH"] + 1], words[points["WH"].exponent_offset or 0] = 1, 2, 0xFFFF
    words[at["PhVphA"]], words[points["PhVphA"].exponent_offset or 0] = 2301, 0xFFFF
    words[at["AphB"]], words[points["AphB"].exponent_offset or 0] = 0xFFFF, 0xFFFE
    found = {
        reading.quantity: reading
        for read in reads
        for reading in readings(
            "pv", read, INVERTER, words[read.address - 40070 : read.address - 40070 + read.words], (0, 0)
        )
    }
    assert found["electricity_production_power_kw"].value == 43.21
    assert found["electricity_production_kwh"].value == 6.5538
    assert found["electricity_voltage_l1_v"].value == 230.1
    assert found["electricity_current_l2_a"].quality is Quality.NOT_AVAILABLE


def test_a_block_shorter_than_its_definition_gives_fewer_registers() -> None:
    whole = resolve(INVERTER, [Found(103, 40070, 52)])
    short = resolve(INVERTER, [Found(103, 40070, 20)])
    assert 0 < len(short) < len(whole)
    assert resolve(INVERTER, [Found(160, 40070, 50)]) == ()
