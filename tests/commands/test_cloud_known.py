"""`bitgoeul cloud known`: what the cloud must know, from gateways' own site files and from simulated sites."""

from pathlib import Path

import pytest

from cloud.ingest.known import read_known
from commands.__main__ import main
from edge.models import load_model, quantities
from simulators.site import load_sim_site, places

# as an installer writes it; the files that it names are on the gateway only
SITE = """
area = "main"
site = "buk-1"
gateway = "buk-1-gw"

[[line]]
name = "rs485-1"
port = "/dev/ttyUSB0"

[[line.meter]]
name = "buk-1-e01"
model = "eastron_sdm630"
unit = 1

[[line]]
name = "tcp-1"
host = "192.0.2.7"

[[line.meter]]
name = "buk-1-pv"
model = "sunspec_inverter"
unit = 255
quantities = ["electricity_production_kwh"]

[uplink]
brokers = ["mqtts://broker.example"]
username = "buk-1-gw"
password_file = "password"

[outbox]
path = "/var/lib/bitgoeul/outbox.db"
"""
ROWS = [
    *(("buk-1-gw", "buk-1-e01", quantity) for quantity in quantities(load_model("eastron_sdm630"))),
    ("buk-1-gw", "buk-1-pv", "electricity_production_kwh"),
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")


def written(folder: Path, text: str = SITE, name: str = "buk-1.toml") -> str:
    path = folder / name
    path.write_text(text, "utf-8")
    return str(path)


def rows(folder: Path) -> list[tuple[str, str, str]]:
    return [(row.gateway, row.meter, row.quantity) for row in read_known(folder / "known.csv")]


def test_a_gateways_own_file_makes_known_csv_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "to"
    assert main(["cloud", "known", written(tmp_path), "--to", str(to)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(to / "known.csv")]
    assert rows(to) == ROWS
    assert [path.name for path in to.iterdir()] == ["known.csv"]


def test_real_and_simulated_sites_stand_in_one_known_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "to"
    assert main(["cloud", "known", written(tmp_path), "school", "--to", str(to)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(to / "known.csv"), str(to / "sites.csv")]
    assert set(ROWS) < set(rows(to))
    simulated = [place.name for place in places(load_sim_site("school"))]
    assert {meter for _, meter, _ in rows(to)} == {"buk-1-e01", "buk-1-pv", *simulated}
    sites = (to / "sites.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[4] for line in sites[1:]] == simulated


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('gateway = "buk-1-gw"', 'gateway = "other-gw"', "meter 'buk-1-e01' is named twice"),
        ("buk-1-e01", "school-e-main-01", "meter 'school-e-main-01' is named twice"),
        ("buk-1-pv", "buk-1-e01", "meter 'buk-1-e01' is named twice"),
    ],
)
def test_a_meter_in_two_places_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    files = [written(tmp_path), written(tmp_path, SITE.replace(old, new), "other.toml")]
    given = files if "gateway" in old else files[1:]
    assert main(["cloud", "known", "school", *given, "--to", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"bitgoeul: {says}\n"


def test_a_gateway_in_two_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = SITE.replace("buk-1-e01", "buk-1-e02").replace("buk-1-pv", "buk-1-pv2")
    files = [written(tmp_path), written(tmp_path, other, "other.toml")]
    assert main(["cloud", "known", *files, "--to", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "bitgoeul: gateway 'buk-1-gw' is named twice\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('gateway = "buk-1-gw"', 'gateway = "buk/gw"', "buk-1.toml: gateway 'buk/gw': expected 1 to 64"),
        ('gateway = "buk-1-gw"', "", "buk-1.toml: object missing required field `gateway`"),
        ("buk-1-e01", "buk-1 e01", "buk-1.toml: meter 'buk-1 e01': expected 1 to 64"),
        ("eastron_sdm630", "eastron_sdm63", "buk-1.toml: meter model 'eastron_sdm63': not known"),
        ("electricity_production_kwh", "heat_energy_kwh", "'buk-1-pv': model sunspec_inverter has no quantity 'heat"),
        ("unit = 1", 'unit = "1"', "buk-1.toml: line[0].meter[0].unit: expected `int`, got `str`"),
        ("[[line]]", "[[line", "buk-1.toml: no TOML"),
        (SITE[SITE.index("[[line]]") : SITE.index("[uplink]")], "line = []\n", "no meter: expected at least one"),
    ],
)
def test_a_gateways_file_that_will_not_do_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, says: str
) -> None:
    assert old in SITE
    path = written(tmp_path, SITE.replace(old, new, 1))
    assert main(["cloud", "known", path, "--to", str(tmp_path / "to")]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "to" / "known.csv").exists()


@pytest.mark.parametrize("name", ["nowhere", "nowhere.toml", "n" * 300, "."])
def test_what_is_no_site_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["cloud", "known", name, "--to", str(tmp_path)]) == 1
    assert f"site '{name}': no such file, and not one of those shipped: cheomdan" in capsys.readouterr().err
