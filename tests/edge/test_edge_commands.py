"""`edge check`, `edge read` and the bench, as a technician calls them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.models import load_model
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus, Wire

ROOT = Path(__file__).parent.parent.parent
SITE = """
area = "main"
site = "hanam-1"
gateway = "hanam-1-gw"
tick_s = 10

[[line]]
name = "rs485-1"
port = "{port}"

[[line.meter]]
name = "e01"
model = "eastron_sdm630"
unit = 1

[[line.meter]]
name = "p03"
model = "advantech_adam6050"
unit = 2
channel = 3

[[line]]
name = "pv-1"
host = "127.0.0.1"
tcp_port = 1

[[line.meter]]
name = "pv"
model = "sunspec_inverter"
unit = 1

[uplink]
brokers = ["mqtt://127.0.0.1"]

[outbox]
path = "outbox.db"
"""


def bitgoeul(*arguments: str | Path, language: str = "en") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "commands", *map(str, arguments)]
    environment = os.environ | {"BITGOEUL_LANG": language, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def written(folder: Path, port: str = "/dev/null", text: str = SITE) -> Path:
    path = folder / "site.toml"
    path.write_text(text.format(port=port), "utf-8")
    return path


def test_check_shows_the_plan_of_reads_and_touches_nothing(tmp_path: Path) -> None:
    done = bitgoeul("edge", "check", written(tmp_path, "/dev/absent"))
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["e01", "1", "eastron_sdm630", "2", "48", "122", "201.7", "input", "0+18", "52+30"] in rows
    assert ["p03", "2", "advantech_adam6050", "1", "2", "17", "55.0", "holding", "4+2"] in rows
    assert ["pv", "1", "sunspec_inverter", "1", "24", "69", "-", "holding", "40073+24"] in rows
    assert "2 lines, 3 meters, 4 reads a tick. No line was touched." in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["site.toml"]


def test_check_speaks_korean_and_json(tmp_path: Path) -> None:
    done = bitgoeul("edge", "check", written(tmp_path), language="ko")
    assert "선로는 건드리지 않았습니다" in done.stdout
    plan = json.loads(bitgoeul("edge", "check", written(tmp_path), "--json").stdout)
    assert plan["lines"][0]["meters"][0]["reads"] == [["input", 0, 18], ["input", 52, 30]]
    assert plan["lines"][0]["share"] == pytest.approx(0.0257, abs=1e-4)


def test_check_warns_of_a_tick_that_is_too_short(tmp_path: Path) -> None:
    meters = "".join(f'[[line.meter]]\nname = "e{n}"\nmodel = "eastron_sdm630"\nunit = {n}\n\n' for n in range(10, 70))
    text = SITE.replace('[[line]]\nname = "pv-1"', meters + '[[line]]\nname = "pv-1"')
    done = bitgoeul("edge", "check", written(tmp_path, text=text))
    assert done.returncode == 0
    assert "warning: too much for a tick; make it 13 s or longer, or raise the baud rate." in done.stdout


def test_check_warns_of_an_outbox_that_the_disk_has_no_room_for(tmp_path: Path) -> None:
    too_small = shutil.disk_usage(tmp_path).free < 1_000_000 << 20  # as nearly every disk is
    big = written(tmp_path, text=SITE + "max_mb = 1_000_000\n")
    done = bitgoeul("edge", "check", big)
    assert done.returncode == 0
    assert (f"warning: outbox: max_mb = 1000000: '{tmp_path}' has room for" in done.stdout) == too_small
    (tmp_path / "outbox.db").touch()
    os.truncate(tmp_path / "outbox.db", 1_000_000 << 20)  # sparse: it stands for room that the outbox has already
    assert "warning" not in bitgoeul("edge", "check", big).stdout
    (tmp_path / "outbox.db").unlink()
    assert json.loads(bitgoeul("edge", "check", written(tmp_path), "--json").stdout)["warnings"] == []


def test_a_wrong_site_is_a_line_a_complaint(tmp_path: Path) -> None:
    text = SITE.replace("unit = 1\n", "unit = 300\n", 1).replace("channel = 3", "channel = 30")
    done = bitgoeul("edge", "check", written(tmp_path, text=text))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 2
    assert "line 'rs485-1': meter 'e01': unit = 300: expected 1 to 247" in done.stderr
    assert "Traceback" not in done.stderr


def test_read_shows_values_units_and_words(tmp_path: Path) -> None:
    meter = SimMeter("e01", load_model("eastron_sdm630"), 1, lambda _q, time_s: 230.5 if time_s else 0.0)
    with RtuBus(Line("rs485-1", [meter]), Wire(baud=9600, turnaround_s=0.005)) as bus:
        site = written(tmp_path, bus.port)
        text = bitgoeul("edge", "read", site, "e01")
        found = json.loads(bitgoeul("edge", "read", site, "e01", "--json").stdout)
        silent = bitgoeul("edge", "read", site, "p03")
    assert (text.returncode, text.stderr) == (0, "")
    row = "electricity_voltage_l1_v 230.5 V good 4366 8000 Phase 1 line to neutral volts"
    assert row.split() in [line.split() for line in text.stdout.splitlines()]
    assert text.stdout.splitlines()[2].split()[0] == "electricity_import_kwh"
    voltage = next(reading for reading in found["readings"] if reading["quantity"] == "electricity_voltage_l1_v")
    assert voltage == {
        "quantity": "electricity_voltage_l1_v",
        "value": 230.5,
        "unit": "V",
        "quality": "good",
        "words": "4366 8000",
    }
    assert silent.returncode == 1
    assert "no answer: check the meter's address and settings (shipped as 9600 8N1)" in silent.stdout


def test_read_says_what_to_look_at_when_there_is_no_line(tmp_path: Path) -> None:
    done = bitgoeul("edge", "read", written(tmp_path), "pv", language="ko")
    assert done.returncode == 1
    assert "127.0.0.1:1 tcp에 연결할 수 없습니다: 연결이 거부되었습니다. tcp_port와" in done.stdout
    assert done.stderr == ""
    absent = bitgoeul("edge", "read", written(tmp_path, "/dev/absent"), "e01")
    assert "→ no connection to /dev/absent 9600 8N1: no such device; check that the adapter" in absent.stdout
    found = json.loads(bitgoeul("edge", "read", written(tmp_path, "/dev/absent"), "e01", "--json").stdout)
    assert found["line_down"] == "no such device"
    unknown = bitgoeul("edge", "read", written(tmp_path), "e99")
    assert "meter 'e99': not in the site file; expected one of e01, p03, pv" in unknown.stderr


@pytest.mark.alone
def test_bench_line_ends_in_one_json_object_with_its_figures() -> None:
    done = bitgoeul("bench", "line", "--steady-s", "6", "--dead-s", "0", "--polls", "0", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["bound_ms"] == 67.5
    assert 0.9 < result["line_ratio"] <= 1.001  # a busy machine; the benchmark's own page has the figure
