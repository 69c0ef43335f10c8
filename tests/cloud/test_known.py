"""known.csv: read whole, or refused with every bad row named."""

from pathlib import Path

import numpy as np
import pytest

from cloud.ingest.known import OPEN_FROM_S, OPEN_TO_S, Known, Row, read_known
from contract.problems import Problem
from contract.refusals import METER_OF_ANOTHER_GATEWAY, UNKNOWN_METER

HEADER = "gateway,meter,quantity,valid_from_s,valid_to_s\n"
KWH, KW = "electricity_import_kwh", "electricity_power_kw"


def write(folder: Path, text: str) -> Path:
    path = folder / "known.csv"
    path.write_text(HEADER + text, "utf-8")
    return path


def test_rows_with_open_and_closed_ends(tmp_path: Path) -> None:
    path = write(tmp_path, f"g1,e1,{KWH},,\ng1,e1,{KW},100,200\n\n")
    assert read_known(path) == [Row("g1", "e1", KWH, OPEN_FROM_S, OPEN_TO_S), Row("g1", "e1", KW, 100, 200)]


def test_every_bad_row_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"G1,e1,{KWH},,\ng1,e/1,{KWH},,\ng1,e1,kilowatts,,\ng1,e1,{KWH},yesterday,\ng1,e1,{KWH},200,100\ng1,e1\n",
    )
    with pytest.raises(Problem) as caught:
        read_known(path)
    assert str(path) in caught.value.text.en
    for place in ("line 2: gateway", "line 3: meter", "line 4: quantity", "line 5: valid_from_s"):
        assert place in caught.value.text.en
    assert "line 6: valid_to_s" in caught.value.text.en
    assert "line 7: expected 5 columns" in caught.value.text.en
    assert "\n" not in caught.value.text.en
    assert "2행 gateway 'G1'" in caught.value.text.ko


@pytest.mark.parametrize(
    ("second", "good"),
    [("100,", True), ("99,", False), (",", False), (",50", False), ("50,60", False)],
)
def test_a_meter_has_one_gateway_at_a_time(tmp_path: Path, second: str, good: bool) -> None:
    path = write(tmp_path, f"g1,e1,{KWH},10,100\ng2,e1,{KW},{second}\n")
    if good:
        assert len(read_known(path)) == 2
        return
    with pytest.raises(Problem, match=r"meter 'e1': expected one gateway at a time"):
        read_known(path)


def test_one_gateway_may_name_a_meter_twice(tmp_path: Path) -> None:
    assert len(read_known(write(tmp_path, f"g1,e1,{KWH},10,100\ng1,e1,{KWH},50,\n"))) == 2


@pytest.mark.parametrize("text", ["", "gateway;meter\n", "\ufeff"])
def test_another_header_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(Problem, match="line 1: expected 'gateway,meter"):
        read_known(path)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="expected at least one row"):
        read_known(write(tmp_path, "\n"))


def test_no_file_and_no_text_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read"):
        read_known(tmp_path / "absent.csv")
    (tmp_path / "known.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Problem, match="expected UTF-8 CSV"):
        read_known(tmp_path / "known.csv")


ROWS = [
    Row("g1", "e1", KWH, OPEN_FROM_S, 100),
    Row("g2", "e1", KWH, 100, OPEN_TO_S),
    Row("g1", "e1", KWH, 50, 60),
    Row("g1", "e12", KWH, OPEN_FROM_S, OPEN_TO_S),
]


def test_a_meter_that_moved_belongs_to_each_gateway_in_its_time() -> None:
    known = Known(ROWS, np.arange(4, dtype=np.int32))
    assert known.judge("g1", f"e1/{KWH}", 99) == 0
    assert known.judge("g1", f"e1/{KWH}", 100) == METER_OF_ANOTHER_GATEWAY
    assert known.judge("g2", f"e1/{KWH}", 100) == 1
    assert known.judge("g2", f"e1/{KWH}", 99) == METER_OF_ANOTHER_GATEWAY
    assert known.judge("g1", f"e9/{KWH}", 99) == UNKNOWN_METER
    assert known.judge("g3", f"e12/{KWH}", 1) == METER_OF_ANOTHER_GATEWAY


def test_names_are_found_behind_any_base_name() -> None:
    known = Known(ROWS, np.arange(4, dtype=np.int32))
    assert known.names("g1", "") == {f"e1/{KWH}": 2, f"e12/{KWH}": 3}
    assert known.names("g1", "e1") == {f"/{KWH}": 2, f"2/{KWH}": 3}
    assert known.names("g3", "e1") == {}
    # a gateway that invents base names costs no memory
    for n in range(1000):
        assert known.names("g1", f"e1{n}x") == {}
    assert known.names("g1", f"e12/{KWH}") == {"": 3}
