"""`bitgoeul cloud registry` from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud.registry import snapshot
from commands.__main__ import main
from tests.registry.city import FILES, POWER, Meter, meters_csv

SITE = """
area = "main"
site = "mill"
gateway = "g7"
[[line]]
name = "r1"
port = "/dev/ttyUSB0"
[[line.meter]]
name = "e7"
model = "schneider_pm5000"
unit = 1
quantities = ["electricity_import_kwh", "electricity_power_kw"]
[[line.meter]]
name = "w7"
model = "arad_octave"
unit = 2
quantities = ["water_volume_m3"]
[[line.meter]]
name = "p7"
model = "sunspec_inverter"
unit = 3
quantities = ["electricity_production_kwh"]
[uplink]
brokers = ["mqtt://127.0.0.1"]
[outbox]
path = "outbox.sqlite"
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """One subcommand: its exit status, what it said, and what it complained of."""
    monkeypatch.setenv("BITGOEUL_LANG", "en")

    def run(what: str, *arguments: str) -> tuple[int, str, str]:
        status = main(["cloud", "registry", what, "--registry", str(tmp_path / "registry"), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def of_json(said: str) -> Any:
    """What was printed with --json."""
    return json.loads(said)


def test_the_whole_way(run: Run, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    shipped = FILES | {"sites": "site,name_ko\nhall,구청\n", "buildings": "building,site,region,use\nb1,hall,102,14\n"}
    for name, text in {**shipped, "meters": meters_csv(Meter("m1"))}.items():
        if name != "regions":
            (files / f"{name}.csv").write_text(text)
    assert run("init", "--json")[0] == 0
    status, said, progress = run("import", str(files), "--by", "kim", "--reason", "begin", "--json")
    assert (status, of_json(said)["added"]["meters"]) == (0, 1)
    assert "looking for contradictions" in progress
    assert run("set", "meters", "m1", "multiplier", "40", "--from", "2026-03-01", "--by", "lee")[0] == 0
    assert "removed: multipliers 1" in run("remove", "multipliers", "m1@2026-03-01", "--by", "lee")[1]
    done = run("outage", "--from", "2026-03-01", "--gateway", "g1", "--reason", "storm", "--by", "kim", "--json")
    rows = of_json(run("list", "outages", "--where", "gateway=g1", "--json")[1])
    assert [(row["reason"], row["from"]) for row in rows] == [("storm", "2026-03-01T00:00:00+09:00")]
    assert of_json(run("publish", "--json")[1])["version"] == of_json(done[1])["version"]
    log = of_json(run("log", "--entity", "multipliers", "--key", "m1", "--json")[1])
    assert [(row["act"], row["by"]) for row in log] == [(4, "lee"), (3, "lee")]
    assert "구청" in run("list", "sites")[1]
    assert len(of_json(run("export", "--to", str(tmp_path / "out"), "--json")[1])) == 13
    assert (tmp_path / "out" / "sites.csv").read_text() == (
        "site,name_ko,name_en,kind,region,live\nhall,구청,,other,,false\n"
    )


def test_a_gateways_own_site_file_is_taken_and_what_is_known_beside_it_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "g7.toml"
    path.write_text(SITE)
    run("init")
    status, said, _ = run("import", str(path), "--by", "kim", "--json")
    assert (status, of_json(said)["added"]) == (0, {"sites": 1, "gateways": 1, "meters": 3, "assignments": 3})
    found = snapshot.load(tmp_path / "registry" / "snapshot").spans.to_pylist()
    assert [(row["gateway"], row["meter"], row["quantity"], row["site"], row["role"]) for row in found] == [
        ("g7", "e7", POWER, "mill", 0),
        ("g7", "e7", "electricity_power_kw", "mill", 0),
        ("g7", "p7", "electricity_production_kwh", "mill", 2),
        ("g7", "w7", "water_volume_m3", "mill", 0),
    ]
    run("set", "sites", "mill", "name_ko", "방앗간", "--by", "kim")
    path.write_text(SITE.replace(', "electricity_power_kw"', ""))
    status, said, _ = run("import", str(path), "--by", "kim", "--json")
    assert (of_json(said)["added"], of_json(said)["changed"]) == ({}, {"meters": 1})
    assert of_json(run("list", "sites", "--json")[1])[0]["name_ko"] == "방앗간"
    path.write_text(SITE.replace("water_volume_m3", "gas_volume_m3"))
    assert "meter 'w7': model arad_octave has no quantity 'gas_volume_m3'" in run("import", str(path), "--by", "k")[2]


def test_boundaries_in_and_out(run: Run, tmp_path: Path) -> None:
    geometry = {"type": "Polygon", "coordinates": [[[126, 35], [127, 35], [127, 36], [126, 35]]]}
    feature = {"type": "Feature", "properties": {"name": "충장동"}, "geometry": geometry}
    path = tmp_path / "dong.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    run("init")
    assert of_json(run("boundaries", str(path), "--by", "kim", "--json")[1])["added"] == {"boundaries": 1}
    assert run("boundaries", "--to", str(tmp_path / "out.geojson"))[0] == 0
    (given,) = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert (given["geometry"], given["properties"]["name_ko"]) == (geometry, "충장동")
    assert run("boundaries", str(path))[0] == 1


def test_columns_are_explained(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    assert main(["cloud", "registry", "columns"]) == 0
    assert "meters.csv" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["cloud", "registry", "import", "--help"])
    assert "meters.csv" in capsys.readouterr().out
    assert main(["cloud", "registry", "columns", "--json"]) == 0
    columns = {one["column"]: one for one in of_json(capsys.readouterr().out)["meters"]}
    assert columns["meter"]["needed"]
    assert not columns["installed"]["needed"]


def test_what_cannot_be_done_is_one_line(run: Run) -> None:
    status, _, complaint = run("list", "meters")
    assert (status, complaint.count("\n")) == (1, 1)
    assert "run 'bitgoeul cloud registry init' first" in complaint
    assert run("list", "meters", "--where", "x")[0] == 2
