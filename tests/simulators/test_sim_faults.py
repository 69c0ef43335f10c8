"""Every fault, switched while a site runs, as a gateway's line and the control socket see it."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.problems import Problem
from contract.quality import Quality
from contract.reading import Reading
from edge.config import LineConfig, OutboxConfig, UplinkConfig
from edge.line import Line
from simulators import control
from simulators.control import KINDS, Fault, FaultKind, control_socket, send, switch
from simulators.gateway_files import GatewaySettings, gateway_site
from simulators.running import RunningSite, run_site
from simulators.served import read_log
from simulators.site import load_sim_site

SITE = """
site = "s"
name_ko = "가"
name_en = "S"
kind = "other"
[[gateway]]
name = "g"
[[gateway.line]]
name = "bus"
timeout_s = 0.5
[[gateway.line.group]]
name = "e"
model = "carlo_gavazzi_em340"
count = 2
use = "industry"
scale = 30.0
[[gateway.line.group]]
name = "w"
model = "advantech_adam6050"
count = 2
utility = "water"
use = "office"
scale = 9.0
multiplier = 0.01
[[gateway.line]]
name = "net"
carrier = "tcp"
timeout_s = 0.5
[[gateway.line.group]]
name = "f"
model = "eastron_sdm630"
use = "industry"
scale = 5.0
"""
METER = {"bus": "s-e-01", "net": "s-f-01"}
OTHER = "s-e-02"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningSite]:
    path = tmp_path / "s.toml"
    path.write_text(SITE, "utf-8")
    with run_site(load_sim_site(path), tmp_path) as site:
        yield site


def read(running: RunningSite, meter: str, times: int = 1) -> dict[str, Reading]:
    """The meter's readings by quantity, as the gateway has them after asking so many times."""

    def config() -> LineConfig:
        settings = GatewaySettings(UplinkConfig(brokers=[]), OutboxConfig(path="o"))
        lines = gateway_site(running.site, "g", running.endpoints, settings).line
        return next(line for line in lines if any(one.name == meter for one in line.meter))

    async def ask() -> list[Reading]:
        line = Line(config(), 1, time.time)
        try:
            return [await line.read_now(meter) for _ in range(times)][-1]
        finally:
            line.close()

    return {reading.quantity: reading for reading in asyncio.run(ask())}


def value(running: RunningSite, meter: str, quantity: str) -> float:
    found = read(running, meter)[quantity]
    assert found.value is not None, found
    return found.value


@pytest.mark.parametrize("line", ["bus", "net"])
@pytest.mark.parametrize(
    ("kind", "amount", "quality"),
    [
        ("dead", None, Quality.NO_ANSWER),
        ("slow", 1.0, Quality.NO_ANSWER),
        ("exception", 4.0, Quality.EXCEPTION),
    ],
)
def test_a_device_fails_and_recovers_alone(
    running: RunningSite, line: str, kind: FaultKind, amount: float | None, quality: Quality
) -> None:
    switch(running, Fault(kind=kind, target=METER[line], value=amount))
    assert {reading.quality for reading in read(running, METER[line]).values()} == {quality}
    if kind == "slow":
        time.sleep(1.0)  # what is late comes into nobody's question
    assert all(reading.value is not None for reading in read(running, OTHER).values())
    switch(running, Fault(kind=kind, target=METER[line], on=False))
    assert all(reading.value is not None for reading in read(running, METER[line]).values())


@pytest.mark.parametrize("line", ["bus", "net"])
def test_a_garbled_answer_gives_no_value(running: RunningSite, line: str) -> None:
    switch(running, Fault(kind="garbled", target=METER[line]))
    assert all(reading.value is None for reading in read(running, METER[line], 3).values())
    answers = [entry.answer for entry in read_log(running.folder / "served" / f"{line}.jsonl")]
    assert answers
    assert set(answers) == {"garbled"}
    switch(running, Fault(kind="garbled", target=METER[line], on=False))
    assert all(reading.value is not None for reading in read(running, METER[line]).values())


def test_some_answers_are_garbled(running: RunningSite) -> None:
    switch(running, Fault(kind="garbled", target="s-e-01", value=0.5))
    line = running.lines["bus"]
    answers = [line.exchange(1, bytes.fromhex("03 0028 0002")).answer for _ in range(200)]
    assert 60 < answers.count("garbled") < 140


def test_channels_of_one_unit_die_together(running: RunningSite) -> None:
    switch(running, Fault(kind="dead", target="s-w-02"))
    assert read(running, "s-w-01")["pulses_count"].quality is Quality.NO_ANSWER


def test_a_stuck_meter_repeats_itself(running: RunningSite) -> None:
    before = value(running, "s-e-01", "electricity_frequency_hz")
    switch(running, Fault(kind="stuck", target="s-e-01"))
    stuck = [value(running, "s-e-01", "electricity_current_l1_a") for _ in range(2)]
    time.sleep(0.3)
    assert [value(running, "s-e-01", "electricity_current_l1_a")] * 2 == stuck
    assert before > 59
    switch(running, Fault(kind="stuck", target="s-e-01", on=False))
    assert running.meters["s-e-01"].faults.stuck_at_s is None


def test_a_quantity_may_be_not_available(running: RunningSite) -> None:
    fault = Fault(kind="not-available", target="s-e-01", quantity="electricity_power_kw")
    switch(running, fault)
    found = read(running, "s-e-01")
    assert found["electricity_power_kw"].quality is Quality.NOT_AVAILABLE
    assert found["electricity_import_kwh"].value is not None
    switch(running, Fault(kind="not-available", target="s-e-01", on=False))
    assert read(running, "s-e-01")["electricity_power_kw"].value is not None


def test_a_register_rolls_over(running: RunningSite) -> None:
    meter, register = running.meters["s-e-01"], running.meters["s-e-01"].model.register[0]
    assert register.quantity == "electricity_import_kwh"
    now_s = running.clock.now()
    switch(running, Fault(kind="rollover", target="s-e-01", value=5.0))
    capacity = 1e9 * register.scale  # int32: nine digits are shown
    assert value(running, "s-e-01", "electricity_import_kwh") == pytest.approx(capacity - 5, abs=0.3)
    values = [meter.read(register, now_s + hours * 3600).value for hours in (1, 24, 48)]
    assert values[-1] == pytest.approx(
        meter.source(register.quantity, now_s + 48 * 3600) - meter.source(register.quantity, now_s) - 5, abs=0.3
    )
    assert value(running, "s-e-02", "electricity_import_kwh") < capacity / 10


def test_a_swapped_meter_starts_elsewhere_and_goes_on(running: RunningSite) -> None:
    meter = running.meters["s-f-01"]
    serial, before = meter.serial, value(running, "s-f-01", "electricity_import_kwh")
    switch(running, Fault(kind="swapped", target="s-f-01"))
    assert meter.serial != serial
    after = value(running, "s-f-01", "electricity_import_kwh")
    assert after < 21 < before
    register = next(one for one in meter.model.register if one.quantity == "electricity_import_kwh")
    later = meter.read(register, running.clock.now() + 86400).value
    assert later is not None
    assert later > after + 1


@pytest.mark.parametrize("line", ["bus", "net"])
def test_a_cut_line_is_silent_as_a_whole(running: RunningSite, line: str) -> None:
    switch(running, Fault(kind="cut", target=line))
    assert {one.quality for one in read(running, METER[line]).values()} == {Quality.NO_ANSWER}
    switch(running, Fault(kind="cut", target=line, on=False))
    assert all(one.value is not None for one in read(running, METER[line]).values())


def test_a_tcp_line_refuses(running: RunningSite) -> None:
    switch(running, Fault(kind="refused", target="net"))
    assert {one.quality for one in read(running, "s-f-01").values()} == {Quality.LINE_DOWN}
    switch(running, Fault(kind="refused", target="net", on=False))
    assert all(one.value is not None for one in read(running, "s-f-01").values())
    with pytest.raises(Problem, match="TCP line 'bus': expected one of net"):
        switch(running, Fault(kind="refused", target="bus"))


def test_a_gateways_clock_is_put_wrong_through_a_file(running: RunningSite) -> None:
    path = running.clock_file("g")
    switch(running, Fault(kind="clock-step", target="g", value=-3600))
    assert float(path.read_text()) == -3600
    switch(running, Fault(kind="clock-step", target="g", on=False))
    assert not path.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(kind="not-available", target="s-f-01"), "has no way to say that it has no value"),
        (Fault(kind="not-available", target="s-e-01", quantity="nonsense"), "s-e-01', nonsense: .* expected one of"),
        (Fault(kind="not-available", target="s-f-01", quantity="electricity_power_kw"), "has no way to say that"),
        (Fault(kind="stuck", target="s-e-01", quantity="nonsense"), "s-e-01', nonsense: no such quantity; expected"),
        (Fault(kind="not-available", target="s-e-01", quantity="nonsense", on=False), "no such quantity; expected one"),
        (Fault(kind="exception", target="s-e-01", value=256), "exception 256: expected 1 to 255"),
        (Fault(kind="exception", target="s-e-01", value=float("nan")), "exception nan: expected 1 to 255"),
        (Fault(kind="garbled", target="s-e-01", value=5), "garbled 5: expected 0 to 1"),
        (Fault(kind="slow", target="s-e-01", value=-1), "slow -1: expected 0 to 3600"),
        (Fault(kind="clock-step", target="g"), "clock-step: expected seconds"),
    ],
)
def test_a_fault_that_can_do_nothing_is_refused_and_not_written_down(
    running: RunningSite, fault: Fault, says: str
) -> None:
    with pytest.raises(Problem, match=says):
        switch(running, fault)
    assert not (running.folder / "events.jsonl").exists()


def test_what_was_switched_is_written_down(running: RunningSite) -> None:
    before_ns = time.time_ns()
    switch(running, Fault(kind="dead", target="s-e-01"))
    switch(running, Fault(kind="dead", target="s-e-01", on=False))
    lines = (running.folder / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert [(event["fault"]["kind"], event["fault"]["on"]) for event in events] == [("dead", True), ("dead", False)]
    assert before_ns <= events[0]["at_ns"] <= events[1]["at_ns"] <= time.time_ns()


def test_faults_come_through_the_socket(running: RunningSite) -> None:
    with control_socket({"s": running}, running.folder) as path:
        assert path.stat().st_mode & 0o777 == 0o600
        send(running.folder, Fault(kind="dead", target="s-e-01"))
        assert [running.meters["s-e-01"].device.dead] == [True]
        send(running.folder, Fault(kind="cut", target="net"))
        assert running.lines["net"].cut
        with pytest.raises(Problem, match="'s-e-77': not part of this simulation"):
            send(running.folder, Fault(kind="dead", target="s-e-77"))
        for nonsense in (b"\n", b"[]\n", b"\xff\xfe\n", b'{"kind":"late","target":"s-e-01"}\n', b'{"kind":"dead"'):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(nonsense)
                client.shutdown(socket.SHUT_WR)
                assert b"not a fault" in client.recv(1000)
        send(running.folder, Fault(kind="dead", target="s-e-01", on=False))
        assert [running.meters["s-e-01"].device.dead] == [False]
    assert not (running.folder / "control").exists()
    with pytest.raises(Problem, match="no simulation is running in this folder"):
        send(running.folder, Fault(kind="dead", target="s-e-01"))


def test_a_folder_too_deep_for_a_socket_is_named(running: RunningSite, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(Problem, match="too long for a socket"), control_socket({"s": running}, deep):
        pass


def test_every_kind_is_documented() -> None:
    assert all(f"| {kind} " in (control.__doc__ or "") for kind in KINDS)
