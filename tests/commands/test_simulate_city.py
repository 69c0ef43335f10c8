"""`bitgoeul simulate city`: what it writes for a registry, and what comes to a broker."""

import time
from pathlib import Path

import pytest

from cloud.registry import snapshot
from commands.__main__ import main
from commands.processes import Child, bitgoeul
from contract.problems import Problem
from simulators.receiver import Receiver
from simulators.servers import mosquitto


def test_a_small_city_on_a_broker(tmp_path: Path) -> None:
    try:
        broker = mosquitto(tmp_path / "broker")
    except Problem as problem:
        pytest.skip(problem.text.en)
    with broker, Receiver(broker.host, broker.port) as receiver:
        where: list[str | Path] = ["--data", tmp_path / "city", "--broker", f"mqtt://{broker.host}:{broker.port}"]
        city = Child("city", bitgoeul("simulate", "city", "--meters", "2000", "--tick", "1", *where), tmp_path / "log")
        city.start()
        deadline = time.monotonic() + 60
        while len(receiver.stored) < 3 * 2000:
            assert city.alive, city.last_words()
            assert time.monotonic() < deadline, city.last_words()
            time.sleep(0.1)
        city.terminate()
        assert city.wait(60) == 0
        assert {state.status for state in receiver.states[-10:]} == {"offline"}
    spans = snapshot.load(tmp_path / "city" / "registry").spans
    names = {f"{row['meter']}/{row['quantity']}" for row in spans.select(["meter", "quantity"]).to_pylist()}
    assert {name for name, _ in receiver.stored} == names
    assert sorted(path.name for path in (tmp_path / "city" / "csv").iterdir()) == [
        "buildings.csv",
        "gateways.csv",
        "meters.csv",
        "sites.csv",
    ]


def test_only_an_open_broker_is_sent_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "city", "--data", str(tmp_path), "--broker", "mqtts://127.0.0.1"]) == 2
    assert "mqtts://127.0.0.1" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
