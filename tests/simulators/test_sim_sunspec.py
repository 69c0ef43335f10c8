"""Simulated SunSpec devices, read by pysunspec2's own client."""

import pytest
import sunspec2.modbus.client as sunspec

from contract.problems import Problem
from edge.models import load_model
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.tcp_server import TcpServer

VALUES = {
    "electricity_production_kwh": 4321.987,
    "electricity_production_power_kw": 41.237,
    "electricity_power_kw": 41.237,
    "electricity_power_factor_ratio": 0.953,
    "electricity_frequency_hz": 59.98,
    "electricity_voltage_l2_v": 221.34,
    "electricity_current_l3_a": 61.27,
}


def device_of(model: str, block: int, rated_kw: float = 50.0) -> SimMeter:
    return SimMeter("pv", load_model(model), 3, lambda q, _: VALUES.get(q, 1.0), block=block, rated_kw=rated_kw)


def read(meter: SimMeter) -> dict[int, dict[str, object]]:
    """The blocks of the device by number, with scale factors applied."""
    with TcpServer(Line("line-1", [meter])) as server:
        client = sunspec.SunSpecModbusClientDeviceTCP(3, ipaddr=server.host, ipport=server.port)
        client.scan()
        found = {}
        for block in client.model_list:
            block.read()
            found[block.model_id] = block.get_dict(computed=True)
        client.close()
    return found


@pytest.mark.parametrize(
    ("model", "block", "expected"),
    [("sunspec_inverter", 0, 103), ("sunspec_inverter", 113, 113), ("sunspec_meter", 0, 203)],
)
def test_the_chain_of_blocks_is_found(model: str, block: int, expected: int) -> None:
    meter = device_of(model, block)
    found = read(meter)
    assert list(found) == [1, expected]
    assert found[1]["SN"] == meter.serial
    assert found[1]["DA"] == 3
    assert found[expected]["PhVphB"] == pytest.approx(221.3, abs=0.05)
    assert found[expected]["AphC"] == pytest.approx(61.3, abs=0.05)


def test_scale_factors_fit_the_device() -> None:
    inverter = read(device_of("sunspec_inverter", 0))[103]
    assert inverter["W"] == 41240  # an int16 does not hold 75 kW in W
    assert inverter["W_SF"] == 1
    assert read(device_of("sunspec_inverter", 0, rated_kw=0.25))[103]["W_SF"] == -1
    assert inverter["WH"] == 4321987
    assert inverter["PF"] == pytest.approx(95.3)
    assert inverter["DCW"] is None  # not implemented


def test_floats_need_no_scale_factors() -> None:
    inverter = read(device_of("sunspec_inverter", 113))[113]
    assert inverter["W"] == pytest.approx(41237)
    assert inverter["Hz"] == pytest.approx(59.98)


def test_a_swapped_device_has_another_serial_number() -> None:
    meter = device_of("sunspec_inverter", 0)
    before = read(meter)
    meter.swap(0.0)
    after = read(meter)
    assert before[1]["SN"] != after[1]["SN"]
    assert float(str(after[103]["WH"])) <= 20_000


def test_a_point_may_be_not_available() -> None:
    meter = device_of("sunspec_inverter", 0)
    meter.faults.not_available = frozenset({"electricity_production_power_kw"})
    assert read(meter)[103]["W"] is None


def test_a_counter_at_0_is_logged_as_what_sunspec_takes_it_for() -> None:
    meter = SimMeter("pv", load_model("sunspec_inverter"), 1, lambda _quantity, _time_s: 0.0)
    line = Line("line-1", [meter])
    exchange = line.exchange(1, bytes([3, *(40070).to_bytes(2, "big"), 0, 52]))
    assert exchange.values["pv"]["electricity_production_kwh"] is None
    assert exchange.values["pv"]["electricity_production_power_kw"] == 0


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(Problem, match="SunSpec model 999: no definition"):
        Line("line-1", [device_of("sunspec_inverter", 999)])
