"""The benchmark of the city, small and with quick ticks: it runs to its end, and nothing is lost."""

import json
import math

import pytest

from commands import bench_city
from commands.__main__ import main
from commands.bench_city_watch import p95, settled_s
from contract.problems import Problem
from simulators.servers import find_program


def test_bench_city(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        find_program("mosquitto", "mosquitto")
    except Problem as problem:
        pytest.skip(problem.text.en)
    monkeypatch.setattr(bench_city, "TICK_S", 2)
    monkeypatch.setattr(bench_city, "BROKER_AWAY_S", 1.0)
    # or what comes before ingest is back waits for its time-out
    monkeypatch.setattr(bench_city, "BROKER_SAVES_S", 1)
    assert main(["bench", "city", "--meters", "4000", "--gateways", "100", "--minutes", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["meters"], figures["lost"], figures["doubled"]) == (4000, 0, 0)
    assert figures["published"] == figures["stored"] >= 3 * 4000
    assert figures["readings_per_s"] > 1000
    assert 0 < figures["herd_recovered_s"] < 120
    assert figures["disk_gb_per_day"] > 0


def test_no_time_at_all_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "city", "--minutes", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_p95() -> None:
    assert p95([float(n) for n in range(1, 102)]) == 96.0  # 1 to 101: 95 of the 100 steps up
    assert p95([3.0]) == 3.0
    assert math.isnan(p95([]))


def test_what_settling_took_is_read_from_the_log_of_the_area() -> None:
    log = """
2026-11-27 09:16:30 INFO cloud.settle.worker slot settled slot_s=900 registers=0 stale=0 settle_s=0.01
2026-11-27 09:16:34 INFO cloud.settle.worker slot settled slot_s=1800 registers=2400000 stale=17 settle_s=4.27
2026-11-27 09:16:35 INFO cloud.ingest.link broker subscribed epoch=1
"""
    assert settled_s(log) == [4.27]
