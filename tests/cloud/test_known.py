"""What an area knows of the registry's snapshot: who may report what, and when, however many meters there are."""

from pathlib import Path

import pyarrow as pa
import pytest

from cloud.ingest.known import Known, read_spans
from cloud.registry import snapshot
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from contract.problems import Problem
from contract.refusals import METER_OF_ANOTHER_GATEWAY, UNKNOWN_METER
from tests.cloud.ingest_area import KW, KWH, Row, known, register, spans_of

ROWS = [
    Row("g1", "e1", KWH, OPEN_FROM_S, 40),
    Row("g1", "e1", KWH, 50, 100),
    Row("g1", "e12", KWH),
    Row("g1", "e12", KW),
    Row("g2", "e1", KWH, 100),
    Row("g2", "e2", KW),
]
KNOWN = known(ROWS)


@pytest.mark.parametrize(
    ("gateway", "name", "time_s", "judged"),
    [
        ("g1", f"e1/{KWH}", 39, 0),
        ("g1", f"e1/{KWH}", 40, UNKNOWN_METER),  # nobody's between 40 and 50
        ("g1", f"e1/{KWH}", 50, 1),
        ("g1", f"e1/{KWH}", 99, 1),
        ("g1", f"e1/{KWH}", 100, METER_OF_ANOTHER_GATEWAY),
        ("g2", f"e1/{KWH}", 100, 4),
        ("g2", f"e1/{KWH}", 99, METER_OF_ANOTHER_GATEWAY),
        ("g1", f"e9/{KWH}", 99, UNKNOWN_METER),
        ("g1", f"e1/{KW}", 99, UNKNOWN_METER),
        ("g1", f"e2/{KW}", 1, METER_OF_ANOTHER_GATEWAY),
        ("g1", f"e2/{KWH}", 1, UNKNOWN_METER),
        ("g3", f"e12/{KWH}", 1, METER_OF_ANOTHER_GATEWAY),
        ("g1", "e12", 1, UNKNOWN_METER),
        ("g1", "", 1, UNKNOWN_METER),
    ],
)
def test_a_meter_that_moved_belongs_to_each_gateway_in_its_time(
    gateway: str, name: str, time_s: int, judged: int | str
) -> None:
    assert KNOWN.judge(gateway, name, time_s) == judged


def test_names_are_found_behind_any_base_name_and_lead_to_the_latest_row() -> None:
    rows = known(ROWS)
    assert rows.names("g1", "") == {f"e1/{KWH}": 1, f"e12/{KWH}": 2, f"e12/{KW}": 3}
    assert rows.names("g1", "e1") == {f"/{KWH}": 1, f"2/{KWH}": 2, f"2/{KW}": 3}
    assert rows.names("g1", "e12/electricity_") == {"import_kwh": 2, "power_kw": 3}
    assert rows.names("g2", "e") == {f"1/{KWH}": 4, f"2/{KW}": 5}
    for stranger in ("e12/electricity/", "f", "빛", "\U0001f4a1", "e1/e1/"):
        assert rows.names("g1", stranger) == {}
    assert rows.names("g3", "e1") == {}
    # a gateway that invents base names costs no memory
    for n in range(1000):
        assert rows.names("g1", f"e1{n}x") == {}
    assert rows.names("g1", f"e12/{KWH}") == {"": 2}


def test_gateways_are_those_of_the_rows() -> None:
    assert list(KNOWN.gateways) == ["g1", "g2"]
    assert (KNOWN.knows("g2"), KNOWN.knows("g3"), len(KNOWN)) == (True, False, 6)


def test_former_and_planned_gateways_are_not_those_of_now() -> None:
    rows = known([Row("g1", "e1", KWH, OPEN_FROM_S, 40), Row("g1", "e2", KWH, 60), Row("g2", "e1", KWH, 40, 60)])
    found = {now_s: rows.gateways_at(now_s) for now_s in (39, 40, 59, 60, 99)}
    assert found == {39: ["g1"], 40: ["g2"], 59: ["g2"], 60: ["g1"], 99: ["g1"]}
    assert known([]).gateways_at(0) == []


def test_rows_that_do_not_ascend_would_be_missed_and_are_noticed() -> None:
    rows = spans_of(ROWS).take([2, 0, 1, 3, 4, 5])
    with pytest.raises(AssertionError, match="ascend by meter"):
        Known(rows, KNOWN.series)


def test_an_area_takes_its_own_meters(tmp_path: Path) -> None:
    both = pa.concat_tables([spans_of(ROWS[:2], "buk"), spans_of(ROWS[2:])]).unify_dictionaries()
    snapshot.write(tmp_path, {"spans": both})
    assert Known(read_spans(tmp_path, "buk"), KNOWN.series[:2]).knows("g1")
    found = read_spans(tmp_path, "main")
    assert found["meter"].to_pylist() == ["e12", "e12", "e1", "e2"]
    assert found["from_s"].to_pylist() == [OPEN_FROM_S, OPEN_FROM_S, 100, OPEN_FROM_S]
    assert found["to_s"].to_pylist() == [OPEN_TO_S] * 4
    with pytest.raises(Problem, match=r"no meter of area 'nam'; it has these areas: buk, main$"):
        read_spans(tmp_path, "nam")


def test_a_registry_of_nothing_and_no_registry_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"no meter of area 'main'; it has these areas: -$"):
        read_spans(register(tmp_path, []), "main")
    with pytest.raises(Problem, match="no registry snapshot"):
        read_spans(tmp_path / "absent", "main")
