"""The systemd unit: systemd itself finds nothing wrong with it, and how far it locks the gateway in."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commands.processes import ROOT

ETC = ROOT / "firmware-configs" / "etc"
UNIT = ETC / "systemd" / "system" / "bitgoeul-edge.service"
EXPOSURE = 2.1  # of 10: the network, serial ports and the clock's state are what a gateway is for

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def settings(path: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's documentation has it
    found.read(path, "utf-8")
    return found


@needs_systemd
def test_systemd_finds_no_mistake_in_the_unit(tmp_path: Path) -> None:
    # its program is not installed here, and its user not made
    text = UNIT.read_text("utf-8").replace("/opt/bitgoeul/venv/bin/bitgoeul", "/bin/true")
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE), "utf-8")
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    own = [line for line in found.stderr.splitlines() if "bitgoeul" in line]
    assert (found.returncode, own) == (0, []), found.stderr


@needs_systemd
def test_the_unit_is_locked_in() -> None:
    argv = [
        "systemd-analyze",
        "security",
        "--offline=true",
        "--no-pager",
        f"--threshold={EXPOSURE * 10:.0f}",
        str(UNIT),
    ]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    level = re.search(r"Overall exposure level for bitgoeul-edge.service: ([\d.]+)", found.stdout)
    assert level is not None
    assert float(level[1]) <= EXPOSURE


def test_the_clock_stays_readable_in_the_cage() -> None:
    """`edge.clock` asks the kernel by ntp_adjtime, and the boot by /proc/sys/kernel/random/boot_id."""
    service = settings(UNIT)["Service"]
    assert "ProtectClock" not in service
    assert "ProcSubset" not in service
    assert "SystemCallFilter=adjtimex clock_adjtime clock_adjtime64" in UNIT.read_text("utf-8")


def test_a_gateway_that_hangs_or_ends_is_started_again_for_ever() -> None:
    unit = settings(UNIT)
    assert (unit["Service"]["Type"], unit["Service"]["Restart"]) == ("notify", "always")
    assert int(unit["Service"]["WatchdogSec"]) == 60
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_back_off_is_not_active_where_systemd_does_not_know_it() -> None:
    assert [path.name for path in (UNIT.parent / f"{UNIT.name}.d").iterdir()] == ["back-off.conf.systemd-254"]
