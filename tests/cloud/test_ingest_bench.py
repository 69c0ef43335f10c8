"""The benchmark of ingest, small: it runs, counts, and says what it must."""

import json

import pytest

from commands.__main__ import main
from contract.problems import Problem
from simulators.servers import find_program


@pytest.mark.parametrize("program", [("mosquitto", "mosquitto"), ("influxd", "influxdb")])
def test_bench_ingest(program: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        find_program(*program)
    except Problem as problem:
        pytest.skip(problem.text.en)
    store = "duckdb" if program[0] == "mosquitto" else "influx"
    size = ["--gateways", "20", "--duckdb-readings", "20000", "--influx-readings", "20000"]
    assert main(["bench", "ingest", "--store", store, *size, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    limit = "duckdb_limit_per_s" if store == "duckdb" else "influx_raw_per_s"
    assert figures[f"{store}_ratio"] == pytest.approx(figures[f"{store}_per_s"] / figures[limit], abs=0.01)
    assert (figures["gateways"], figures["meters"], figures[f"{store}_readings"]) == (20, 200, 20_000)
    assert figures[f"{store}_batches_sent_twice"] == 5  # of 100


def test_too_few_readings_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "ingest", "--duckdb-readings", "100"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
