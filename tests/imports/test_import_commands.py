"""`bitgoeul cloud import`, as an operator calls it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from cloud.imports.compare import METERED
from cloud.imports.tables import FILE
from cloud.registry import snapshot
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from commands.__main__ import main
from tests.imports.reading_files import JANUARY, kepco, save

Called = Callable[..., tuple[int, str, str]]
ROWS = ("202401,동구,주택용,3,7.5", "202401,서구,주택용,2,*", "202401,서구,산업용,2,(1)")


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Called:
    """Exit status, standard output, standard error; the registry is the test's folder."""
    monkeypatch.setenv("BITGOEUL_LANG", "en")

    def run(*arguments: str, registry: bool = True) -> tuple[int, str, str]:
        where = ["--registry", str(tmp_path)] if registry else []
        status = main(["cloud", "import", *arguments, *where])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def as_json(call: Called, *arguments: str) -> dict[str, Any]:
    status, out, _ = call(*arguments, "--json")
    assert status == 0
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_preview_shows_what_is_understood_and_keeps_nothing(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco(*ROWS)))
    status, out, _ = call("preview", path, "--mapping", "kepco-contract")
    assert status == 0
    assert "k.csv (utf-8 ,): 2 items of 3 rows, 0 missing, 1 suppressed, 1 refused" in out
    assert "row 4, 사용량 '(1)': a negative number" in out
    assert "2024-01  district  7.5  kWh" in out
    assert not (tmp_path / FILE).exists()
    assert call("preview", path, "--mapping", "kepco-contract", registry=False)[0] == 0
    assert as_json(call, "list")["imports"] == []


def test_run_list_undo(call: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = str(save(tmp_path / "k.csv", kepco(*ROWS)))
    again = str(save(tmp_path / "k2.csv", kepco("202401,동구,주택용,3,8")))
    run = ("--mapping", "kepco-contract", "--who", "kim")
    assert "imported as 1" in call("run", first, *run)[1]
    assert "already imported as 1: nothing was changed" in call("run", first, *run)[1]
    assert "in place of 1 (k.csv) for 2024-01" in call("preview", again, *run[:2])[1]
    out = call("run", again, *run)[1]
    assert "imported as 2" in out
    assert "regions that only that file has are gone: 서구" in out
    lines = call("list")[1].splitlines()
    assert "replaced by 2" in lines[1]
    assert lines[2].endswith("kim  stands")
    assert call("undo")[1].splitlines() == ["2 (k2.csv) is undone", "stands again: 1"]
    listed = as_json(call, "list")["imports"]
    assert [each["standing"] for each in listed] == [["2024-01-01"], []]
    monkeypatch.setenv("BITGOEUL_LANG", "ko")
    assert call("undo", "1")[1] == "1번(k.csv)을 되돌렸습니다\n"
    status, _, err = call("undo")
    assert (status, err.count("\n")) == (1, 1)


def test_refused_rows_are_reported_as_csv_and_json(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco(*ROWS, "202401,=1+1,x,1,5")))
    report = tmp_path / "refused.csv"
    found = as_json(call, "run", path, "--mapping", "kepco-contract", "--report", str(report))
    assert [(each["row"], each["code"]) for each in found["refused"]] == [(4, "negative"), (5, "unknown-region")]
    assert found["import"] == {"import_id": 1, "already": False, "replaced": []}
    assert found["sums"] == [{"month": "2024-01-01", "level": "district", "unit": "kWh", "sum_milli": 7500}]
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["column"], row["code"], row["value"]) for row in rows] == [
        ("4", "사용량", "negative", "(1)"),
        ("5", "사용량", "unknown-region", "'=1+1"),  # no formula for the spreadsheet that opens it
    ]


def test_strict_imports_nothing_where_a_row_is_refused(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco(*ROWS)))
    status, out, _ = call("run", path, "--mapping", "kepco-contract", "--strict")
    assert (status, out.splitlines()[-1]) == (1, "not imported: nothing was changed")
    assert as_json(call, "list")["imports"] == []


def test_a_file_of_which_nothing_can_be_taken_changes_nothing(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco("202401,동구,주택용,1,7")))
    status, out, _ = call("run", path, "--mapping", "kepco-contract", "--month", "2024-02..2024-03")
    assert status == 1
    assert "other-month (1): another month than the file was imported for" in out
    assert as_json(call, "list")["imports"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("run", "K", "--mapping", "kepko"), 1, "no mapping 'kepko'; there are: "),
        (("run", "none.csv", "--mapping", "water"), 1, "none.csv: cannot be read: No such file"),
        (("run", "K", "--mapping", "building-gas"), 1, "k.csv: no header found; lacking: "),
        (("run", "K", "--mapping", "kepco-contract", "--month", "yes"), 2, "'yes': not a month"),
        (("run", "K", "--mapping", "kepco-contract", "--month", "2024-02..2024-01"), 2, "ends before it begins"),
        (("run", "K", "--mapping", "kepco-contract", "--lots", "none.csv"), 1, "none.csv: cannot be read as a table"),
        (("run", "K", "--mapping", "kepco-contract", "--database", "x"), 1, "--database 'x': expected sqlite:////"),
        (("run", "K", "--mapping", "kepco-contract", "--report", "/none/x.csv"), 1, "/none/x.csv: cannot be written"),
        (("mapping", "show"), 2, "expected the name of a mapping or of a file"),
        (("compare", "--region", "x", "--utility", "heat", "--month", "2024-01"), 2, "'x': no such region"),
        (("compare", "--region", "2", "--utility", "heat", "--month", "2024-01", "--metered", "K"), 1, "no totals of"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    call: Called, tmp_path: Path, arguments: tuple[str, ...], status: int, says: str
) -> None:
    path = str(save(tmp_path / "k.csv", kepco(*ROWS)))
    got, out, err = call(*(path if each == "K" else each for each in arguments))
    assert (got, out) == (status, "")
    assert says in err
    assert err.count("\n") == 1


def test_nowhere_to_keep_it_is_said_before_the_file_is_read(call: Called) -> None:
    status, _, err = call("run", "none.csv", "--mapping", "water", registry=False)
    assert (status, err) == (2, "bitgoeul: where to? expected --registry DIR or --database URL\n")


def test_the_registrys_own_regions_come_before_those_shipped(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco("202401,새구,주택용,1,5")))
    assert call("preview", path, "--mapping", "kepco-contract")[0] == 1
    row = {"region": 9, "level": "district", "parent": 0, "code": "", "name_ko": "새구", "name_en": "New"}
    row |= {"valid_from_s": OPEN_FROM_S, "valid_to_s": OPEN_TO_S}
    snapshot.write(tmp_path / "snapshot", {"regions": pa.Table.from_pylist([row], snapshot.REGIONS)})
    assert call("preview", path, "--mapping", "kepco-contract")[0] == 0
    assert call("preview", path, "--mapping", "kepco-contract", "--regions", str(tmp_path / "snapshot"))[0] == 0
    status, _, err = call("preview", path, "--mapping", "kepco-contract", "--regions", path)
    assert (status, "cannot be read as regions" in err) == (1, True)


def test_a_registry_that_is_no_folder_is_named(call: Called, tmp_path: Path) -> None:
    path = str(save(tmp_path / "k.csv", kepco(*ROWS)))
    status, _, err = call("run", path, "--mapping", "kepco-contract", "--registry", path, registry=False)
    assert (status, err) == (1, f"bitgoeul: {path}: cannot be written: File exists\n")


def test_mappings_are_listed_suggested_saved_and_used(call: Called, tmp_path: Path) -> None:
    assert "kepco-contract" in call("mapping", "list")[1]
    path = str(save(tmp_path / "k.csv", "title\n" + kepco(*ROWS).replace("년월", "때")))
    assert call("preview", path, "--mapping", "kepco-contract")[0] == 1
    path = str(save(tmp_path / "k.csv", "title\n" + kepco(*ROWS)))
    out = call("mapping", "suggest", path)[1]
    assert 'quantity = ["사용량"]' in out
    assert call("mapping", "suggest", path, "--as", "ours")[1] == f"{tmp_path}/mappings/ours.toml\n"
    assert as_json(call, "mapping", "show", "ours")["header_at"] == 2
    assert "imported as 1" in call("run", path, "--mapping", "ours")[1]


def test_compare_shows_meters_and_agencies_side_by_side(call: Called, tmp_path: Path) -> None:
    save(tmp_path / "k.csv", kepco("202401,동구,주택용,3,30"))
    lots = save(tmp_path / "lots.csv", "bjdong_code,bun,ji,dong_code\n2911010100,,,충장동\n")
    save(tmp_path / "b.csv", "useYm,sigunguCd,bjdongCd,bun,ji,useQty\n202401,29110,10100,1,0,5\n")
    call("run", str(tmp_path / "k.csv"), "--mapping", "kepco-contract")
    call("run", str(tmp_path / "b.csv"), "--mapping", "building-electricity", "--lots", str(lots))
    row = {"region": 101, "use": 2, "utility": 0, "month": JANUARY, "total_milli": 10_000, "coverage": 0.5}
    metered = pa.Table.from_pylist([row], METERED)
    pq.write_table(metered, tmp_path / "m.parquet")
    with ipc.new_file(str(tmp_path / "m.arrow"), METERED) as writer:
        writer.write_table(metered)
    asked = ("compare", "--region", "광주 동구", "--utility", "electricity", "--month", "2024-01", "--metered")
    lines = call(*asked, str(tmp_path / "m.parquet"))[1].splitlines()
    assert lines[0] == "동구 electricity 2024-01"
    assert [line.split()[:4] for line in lines[2:5]] == [
        ["metered", "10", "kWh", "meters,"],
        ["building-electricity", "5", "kWh", "-5"],
        ["kepco-contract", "30", "kWh", "20"],
    ]
    assert lines[-1] == "overlapping: they count the same energy, each in its own way; never add them up"
    found = as_json(call, *asked, str(tmp_path / "m.arrow"))
    assert [(each["source"], each["ratio"], each["overlaps"]) for each in found["imported"]] == [
        ("building-electricity", 0.5, ["kepco-contract"]),
        ("kepco-contract", 3.0, ["building-electricity"]),
    ]
