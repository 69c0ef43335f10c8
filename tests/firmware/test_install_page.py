"""docs/install-gateway.md, followed literally: from a bare Debian to readings at the broker, and back to before."""

import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloud.pki.authority import create_authority
from cloud.pki.issuing import issue_client, issue_server, write_credentials, write_pair
from commands.processes import ROOT
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.models import load_model
from simulators.gateway_files import write_gateway_file
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.receiver import Receiver
from simulators.servers import Tls, mosquitto
from simulators.tcp_server import TcpServer
from tests.firmware.gateway_box import Box, absent, box, forwarded, machine_options, network

pytestmark = pytest.mark.long

PAGE = ROOT / "docs" / "install-gateway.md"
BROKER = "broker.city.example"
METER, MODEL = "hanam-e-main", "eastron_sdm630"
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# a watchdog that does not let a test wait for a minute, and a look from inside the unit's cage
HURRIED = """
mkdir -p /run/systemd/system/bitgoeul-edge.service.d
cat > /run/systemd/system/bitgoeul-edge.service.d/hurried.conf <<'END'
[Service]
WatchdogSec=2
RestartSec=1
ExecStartPre=/opt/bitgoeul/venv/bin/python /run/look.py
END
cat > /run/look.py <<'END'
import ctypes
from edge.clock import BOOT_ID, _Timex

libc, timex = ctypes.CDLL(None), _Timex()
read = libc.ntp_adjtime(ctypes.byref(timex)) >= 0
timex.modes = 1  # set the offset, to what it is
print(f"adjtimex={read} set={libc.ntp_adjtime(ctypes.byref(timex)) >= 0} boot={BOOT_ID.read_text() != ''}")
END
systemctl daemon-reload
systemctl restart bitgoeul-edge
"""


def blocks(page: Path, kind: str) -> list[str]:
    return [found["text"] for found in FENCE.finditer(page.read_text("utf-8")) if found["kind"].split()[-1] == kind]


def until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.1)


def test_both_languages_have_the_same_commands() -> None:
    english, korean = (
        [(found["kind"], found["text"]) for found in FENCE.finditer(page.read_text("utf-8"))]
        for page in (PAGE, PAGE.with_suffix(".ko.md"))
    )
    assert english == korean
    assert {kind.split()[0] for kind, _ in english} == {"sh", "text"}


@dataclass
class Follower:
    """Who follows the page: what is carried, the gateway, and what the city hears of it."""

    stick: Path
    gateway: Box
    city: Box
    cloud: Receiver
    blocks: list[str] = field(default_factory=lambda: blocks(PAGE, "gateway"))

    def follow(self, *words: str) -> str:
        """Run the page's next block, which has these words in it; what it said."""
        script = self.blocks.pop(0)
        assert all(word in script for word in words), f"{words} expected in:\n{script}"
        return self.gateway.run(script, {"LANG": "ko_KR.UTF-8"})

    def wait_for_readings(self) -> None:
        """Of a later tick than all that came before."""
        before = max((time_s for _, time_s in self.cloud.stored), default=0)
        until(lambda: max((time_s for _, time_s in self.cloud.stored), default=0) > before, "readings")

    def journal(self) -> str:
        return self.gateway.run("journalctl -u bitgoeul-edge --no-pager -o cat")


def site_file(host: str) -> Site:
    """What an installer carries; its clock is trusted, since no time server is reached from here."""
    meter = MeterConfig(name=METER, model=MODEL, unit=1)
    uplink = UplinkConfig(brokers=[f"mqtts://{BROKER}:8883"], credentials_file="gateway.pem")
    return Site(
        area="main",
        site="hanam",
        gateway="hanam-01",
        line=[LineConfig(name="meter-room", meter=[meter], host=host)],
        uplink=uplink,
        outbox=OutboxConfig(path="/var/lib/bitgoeul/outbox.db"),
        tick_s=1,
        clock="system",
    )


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """What the page's first step puts on a stick, by its own commands, in this checkout."""
    folder = tmp_path / "stick"
    folder.mkdir()
    (script,) = blocks(PAGE, "office")
    assert "STICK=/media/stick\n" in script
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = script.replace("STICK=/media/stick\n", f"STICK={folder}\n")
    subprocess.run(["sh", "-eu"], input=script, text=True, cwd=ROOT, env=environment, check=True)
    return folder


@pytest.fixture
def follower(stick: Path, tmp_path: Path) -> Iterator[Follower]:
    """A bare gateway beside a city: a broker that knows certificates, and a meter on the network."""
    authority = create_authority(tmp_path / "pki", "a passphrase of a test", "Test city")
    write_credentials(issue_client(authority, "hanam-01", kind="gateway"), stick / "gateway.pem")
    write_pair(issue_server(authority, [BROKER, "127.0.0.1"]), tmp_path, "broker")
    write_pair(issue_client(authority, "ingest"), tmp_path, "ingest")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    tls = Tls(tmp_path / "broker.crt", tmp_path / "broker.key", tmp_path / "ca.crt", clients=True)
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    context.load_cert_chain(tmp_path / "ingest.crt", tmp_path / "ingest.key")
    meter = SimMeter(METER, load_model(MODEL), 1, lambda _quantity, time_s: time_s % 10_000)
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(tmp_path / "broker", users={"hanam-01": "", "ingest": ""}, tls=tls))
        cloud = stack.enter_context(Receiver("127.0.0.1", broker.port, "ingest", tls=context))
        meters = stack.enter_context(TcpServer(SimLine("meter-room", [meter])))
        net = stack.enter_context(network())
        city = stack.enter_context(box([f"--network={net}"], ["sleep", "infinity"]))
        for port, target in ((8883, broker.port), (502, meters.port), (8080, broker.port)):
            stack.enter_context(forwarded(city.listen(port), ("127.0.0.1", target)))
        write_gateway_file(site_file(city.address), stick / "site.toml")
        options = [f"--add-host={BROKER}:{city.address}", f"--volume={stick}:/media/stick:ro"]
        gateway = stack.enter_context(box([*machine_options(net), *options], ["/sbin/init"]))
        until(lambda: "running" in gateway.run("systemctl is-system-running || true"), "systemd")
        yield Follower(stick, gateway, city, cloud)


@pytest.mark.skipif(bool(absent()), reason=f"a bare gateway cannot be had: {absent()}")
def test_the_page_leads_from_a_bare_debian_to_readings_at_the_broker(follower: Follower) -> None:
    follower.follow("apt-get install")
    follower.follow("firmware-configs/etc/.", "systemd-sysusers")
    follower.follow("python3 -m venv", "--require-hashes")
    follower.follow("gateway.pem")
    said = follower.follow("edge check", "edge read")
    assert "이상 없음" in said
    assert "electricity_import_kwh" in said
    assert not follower.cloud.stored
    assert follower.follow("enable --now bitgoeul-edge").endswith("active\n")
    follower.wait_for_readings()
    assert_the_log_says_what_the_page_does(follower.follow("journalctl", "systemctl status"))

    assert reaches(follower, 8080)
    follower.follow("nftables")
    assert not reaches(follower, 8080)
    follower.wait_for_readings()

    old = follower.gateway.run("readlink -f /opt/bitgoeul/venv")
    follower.follow("before", "python3 -m venv")
    assert follower.gateway.run("readlink -f /opt/bitgoeul/venv") != old
    follower.wait_for_readings()
    assert follower.follow("/opt/bitgoeul/before").endswith("active\n")
    assert follower.gateway.run("readlink -f /opt/bitgoeul/venv") == old
    follower.wait_for_readings()

    hang(follower)
    follower.follow("gateway.pem", "restart")
    follower.wait_for_readings()
    follower.follow("edge drain")
    assert not follower.blocks, "blocks of the page that nobody followed"
    assert {len(contents) for contents in follower.cloud.contents().values()} == {1}
    assert {len(values) for values in follower.cloud.stored.values()} == {1}
    assert "Traceback" not in follower.journal()


def assert_the_log_says_what_the_page_does(said: str) -> None:
    (log,), (status,) = blocks(PAGE, "log"), blocks(PAGE, "status")
    for line in log.splitlines():
        assert line in said
    # its clock is another, as its site file is, and a batch may just be on its way
    expected = re.escape(status.strip()).replace("clock=ntp", "clock=system").replace("batches=0", r"batches=\d")
    assert re.search(expected, said), said


def reaches(follower: Follower, port: int) -> bool:
    script = f"timeout 1 bash -c ': < /dev/tcp/{follower.city.address}/{port}' 2>/dev/null && echo yes || echo no"
    return follower.gateway.run(script) == "yes\n"


def hang(follower: Follower) -> None:
    """A gateway that hangs is ended, and another started; and the unit's cage lets it read the clock's state."""
    follower.gateway.run(HURRIED)
    follower.wait_for_readings()
    assert "adjtimex=True set=False boot=True" in follower.journal()
    follower.gateway.run("kill -STOP $(systemctl show -p MainPID --value bitgoeul-edge)")
    restarts = "systemctl show -p NRestarts --value bitgoeul-edge"
    until(lambda: follower.gateway.run(restarts) == "1\n", "a new start after the watchdog")
    assert "Watchdog timeout" in follower.journal()
    follower.wait_for_readings()
