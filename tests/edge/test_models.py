"""Every shipped model: instantiated, within the protocol's limits, and its values come through as they were."""

from itertools import pairwise
from pathlib import Path

import pytest

from contract.problems import Problem
from contract.quantities import QUANTITIES
from edge import models
from edge.models import METERS, load_model
from edge.registers import extent, plan, select
from edge.sunspec import Found, block, resolve

NAMES = sorted(file.stem for file in METERS.glob("*.toml"))


def test_there_are_models_of_every_utility() -> None:
    assert len(NAMES) >= 14
    utilities = {load_model(name).utility for name in NAMES}
    assert utilities == {"electricity", "gas", "water", "heat", "pulses"}


@pytest.mark.parametrize("name", NAMES)
def test_model_can_be_read(name: str) -> None:
    model = load_model(name)
    if model.protocol == "sunspec":
        for number in model.blocks:
            registers = resolve(model, [Found(1, 40002, 68), Found(number, 40070, block(number).words)])
            assert {register.quantity for register in registers} == set(model.points)
            assert sum(read.words for read in plan(registers, model.max_words, model.max_gap)) < block(number).words
        return
    quantities = [register.quantity for register in model.register]
    assert len(set(quantities)) == len(quantities)
    assert any(QUANTITIES[quantity].kind == "register" for quantity in quantities)
    for channel in (1, model.channels):
        registers = select(model, channel=channel)
        reads = plan(registers, model.max_words, model.max_gap)
        assert sum(len(read.registers) for read in reads) == len(registers)
        assert all(read.words <= model.max_words for read in reads)
        ordered = sorted(registers, key=lambda register: (register.table, register.address))
        for before, after in pairwise(ordered):
            assert before.table != after.table or extent(before)[1] <= extent(after)[0]


def test_unknown_model_names_those_that_are_known() -> None:
    with pytest.raises(Problem, match="eastron_sdm120"):
        load_model("sdm-121")


HEAD = 'maker = "m"\nmodel = "x"\nmanual = "none"\nutility = "electricity"\n'
REGISTER = (
    '[[register]]\nquantity = "electricity_import_kwh"\nname = "E"\ntable = "input"\naddress = 1\ntype = "int32"\n'
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + REGISTER + "colour = 1\n", "colour"),
        (HEAD + REGISTER.replace("_kwh", "_mwh"), "electricity_import_mwh"),
        (HEAD + REGISTER + 'not_available = ["0x8000"]\n', "0x8000"),
        (HEAD + REGISTER + 'not_available = ["nan"]\n', "nan"),
        (HEAD + REGISTER.replace("address = 1", "address = 65535"), "65535"),
        (HEAD + "max_words = 126\n" + REGISTER, "max_words"),
        (HEAD + "channels = 2\n" + REGISTER, "channel_words"),
        (HEAD + 'protocol = "sunspec"\n', "blocks"),
        ("maker = ", "bad.toml"),
    ],
)
def test_a_wrong_model_file_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(Problem, match=says):
        models.read_model(file)
