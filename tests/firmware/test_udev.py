"""The udev rules, by the real udevadm on a machine's /sys that has the adapters plugged in: names that last."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from commands.processes import ROOT

RULES = ROOT / "firmware-configs" / "etc" / "udev" / "rules.d" / "70-bitgoeul-rs485.rules"
USB = "sys/devices/pci0000:00/0000:00:14.0/usb1"
PLACE = "pci-0000:00:14.0-usb-0"
# in a mount namespace of its own: /sys is ours, and so are the rules beside those of Debian
SCRIPT = """
set -eu
mount --rbind "$1/sys" /sys
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
cp "$2" /run/udev/rules.d/
udevadm test --action=add "$3"
"""


def may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0


pytestmark = pytest.mark.skipif(
    shutil.which("udevadm") is None or not may_mount(), reason="udevadm is not installed, or /sys cannot be replaced"
)


class Adapter(NamedTuple):
    """One tty of a USB adapter that is plugged in at 1-<hole>."""

    vendor: str
    model: str
    serial: str = ""
    interface: int = 0
    port: int | None = 0  # None: a CDC ACM device
    driver: str = "ftdi_sio"


def plug_in(adapter: Adapter, hole: str, root: Path) -> str:
    """The adapter in a /sys below `root`; the device path of its tty."""
    device = root / USB / f"1-{hole}"
    interface = device / f"1-{hole}:1.{adapter.interface}"
    name = "ttyACM0" if adapter.port is None else "ttyUSB0"
    port = interface if adapter.port is None else interface / name
    tty = port / "tty" / name
    tty.mkdir(parents=True)
    (device / "power").mkdir()
    write(root / "sys/devices/pci0000:00/0000:00:14.0", "pci", PCI_SLOT_NAME="0000:00:14.0", DRIVER="xhci_hcd")
    write(root / USB, "usb", DEVTYPE="usb_device", DEVNAME="bus/usb/001/001", MAJOR="189", MINOR="0")
    write(device, "usb", DEVTYPE="usb_device", DEVNAME="bus/usb/001/002", MAJOR="189", MINOR="1", DRIVER="usb")
    write(interface, "usb", DEVTYPE="usb_interface", DRIVER="cdc_acm" if adapter.port is None else adapter.driver)
    if adapter.port is not None:
        write(port, "usb-serial", DRIVER=adapter.driver)
        (port / "port_number").write_text(f"{adapter.port}\n")
        (port / "latency_timer").write_text("16\n")
    write(tty, "tty", DEVNAME=name, MAJOR="188", MINOR="0")
    facts = {"idVendor": adapter.vendor, "idProduct": adapter.model, "serial": adapter.serial, "bcdDevice": "0600"}
    for fact, value in facts.items():
        if value:
            (device / fact).write_text(f"{value}\n")
    (device / "power/control").write_text("auto\n")
    for fact, value in {"bInterfaceNumber": f"{adapter.interface:02}", "bInterfaceClass": "ff"}.items():
        (interface / fact).write_text(f"{value}\n")
    return f"/{tty.relative_to(root)}"


def write(folder: Path, subsystem: str, **facts: str) -> None:
    """What the kernel shows of a device."""
    (folder / "uevent").write_text("".join(f"{key}={value}\n" for key, value in facts.items()))
    bus = next(parent for parent in folder.parents if parent.name == "sys") / "bus" / subsystem
    (bus / "drivers" / facts.get("DRIVER", "none")).mkdir(parents=True, exist_ok=True)
    links = {"subsystem": bus} | ({"driver": bus / "drivers" / facts["DRIVER"]} if "DRIVER" in facts else {})
    for name, target in links.items():
        (folder / name).symlink_to(os.path.relpath(target, folder))


def added(device: str, root: Path) -> str:
    """What udev would do with the device, and what it complained of."""
    argv = ["unshare", "-m", "sh", "-c", SCRIPT, "sh", str(root), str(RULES), device]
    environment = os.environ | {"SYSTEMD_DEVICE_VERIFY_SYSFS": "0", "SYSTEMD_LOG_LEVEL": "debug"}
    found = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout + found.stderr


def names(said: str) -> list[str]:
    links = re.search(r"^DEVLINKS=(.*)$", said, re.MULTILINE)
    return sorted(link for link in (links[1] if links else "").split() if link.startswith("/dev/bitgoeul/"))


ADAPTERS = {
    "ft232r": (Adapter("0403", "6001", "AB0K4X2Z"), ["AB0K4X2Z-if00-port0", f"at-{PLACE}:2:1.0-port0"]),
    "ft4232": (Adapter("0403", "6011", "FT7XYZ", 2), ["FT7XYZ-if02-port0", f"at-{PLACE}:2:1.2-port0"]),
    "ch340": (Adapter("1a86", "7523", driver="ch341"), [f"at-{PLACE}:2:1.0-port0"]),
    "ch343": (Adapter("1a86", "55d3", "5A1B2C", port=None), ["5A1B2C-if00", f"at-{PLACE}:2:1.0"]),
    "cp2102": (Adapter("10c4", "ea60", "0001", driver="cp210x"), [f"at-{PLACE}:2:1.0-port0"]),
    "cp2105": (
        Adapter("10c4", "ea70", "00C3A1F2", 1, driver="cp210x"),
        ["00C3A1F2-if01-port0", f"at-{PLACE}:2:1.1-port0"],
    ),
    "pl2303": (Adapter("067b", "2303", driver="pl2303"), [f"at-{PLACE}:2:1.0-port0"]),
    "uport-1250": (Adapter("110a", "1250", port=1, driver="mxuport"), [f"at-{PLACE}:2:1.0-port1"]),
    "an-arduino": (Adapter("2341", "0043", "75330303", port=None), []),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_gets_names_that_last(adapter: str, tmp_path: Path) -> None:
    plugged, expected = ADAPTERS[adapter]
    said = added(plug_in(plugged, "2", tmp_path), tmp_path)
    assert names(said) == sorted(f"/dev/bitgoeul/rs485-{name}" for name in expected)
    # udevadm names file and line of what it does not understand
    assert not [line for line in said.splitlines() if re.search(rf"{RULES.name}:\d+ .*(nvalid|nknown|gnoring)", line)]


def test_another_socket_is_another_place_and_the_same_serial_number(tmp_path: Path) -> None:
    adapter = Adapter("0403", "6001", "AB0K4X2Z")
    first, second = (names(added(plug_in(adapter, hole, tmp_path / hole), tmp_path / hole)) for hole in ("1.4", "3"))
    assert set(first) & set(second) == {"/dev/bitgoeul/rs485-AB0K4X2Z-if00-port0"}
    assert first != second


def test_ftdi_hands_bytes_over_at_once_and_does_not_sleep(tmp_path: Path) -> None:
    tty = plug_in(Adapter("0403", "6001", "AB0K4X2Z"), "2", tmp_path)
    port = Path(tty).parent.parent
    # a trial says what it would write, and leaves it at that
    assert f"{port}/latency_timer' writing '1'" in added(str(port), tmp_path)
    assert "/1-2/power/control' writing 'on'" in added(str(port.parent.parent), tmp_path)
