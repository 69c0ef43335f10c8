"""The benchmark of questions, small: it makes a year, asks in a process without a store, and says what it must."""

import json

import pytest

from commands.__main__ import main
from commands.bench_query import LIMIT_MS

pytestmark = pytest.mark.long


def test_bench_query(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["bench", "query", "--dongs", "2", "--days", "2", "--runs", "10", "--json"])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["rows"] == 2 * 29 * 7 * (365 - 3 + 3 * 96)
    late = False
    for name in ("city_year_by_day", "dong_month_by_hour", "ranking_today"):
        assert 0 < figures[f"{name}_p50_ms"] <= figures[f"{name}_p95_ms"]
        ratio = figures[f"{name}_p95_ms"] / figures[f"{name}_limit_p95_ms"]
        assert figures[f"{name}_ratio"] == pytest.approx(ratio, rel=0.01)
        late |= figures[f"{name}_p95_ms"] > LIMIT_MS
    assert status == int(late)
    assert figures["made_s"] > 0
    assert figures["mb"] > 0


def test_too_few_days_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "query", "--days", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
