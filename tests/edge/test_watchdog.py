"""What systemd is told, over a real socket: that the gateway lives, and nothing once a part of it does not."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.processes import ROOT, bitgoeul
from edge.agent import Agent
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.watchdog import REPORT_S, Pulse, notify, report_s
from simulators.gateway_files import write_gateway_file
from simulators.servers import free_port

WATCHDOG_S = 0.4  # reported every 0.1 s
PATIENCE_S = 60.0


class Manager:
    """What systemd is to a service: a datagram socket that hears what it says."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """All words that have come since the last call."""
        words = []
        while True:
            try:
                words += self.socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return words

    def wait_for(self, beginning: str, timeout_s: float = PATIENCE_S) -> str:
        """The first word that begins so."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for word in self.heard():
                if word.startswith(beginning):
                    return word
            time.sleep(0.02)
        raise AssertionError(f"never heard {beginning}")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    found = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", str(round(WATCHDOG_S * 1e6)))
    yield found
    found.socket.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A gateway whose meter and broker are not there: that is no reason to end it."""
    meter = MeterConfig(name="m-1", model="eastron_sdm120", unit=1)
    return Site(
        area="main",
        site="hanam",
        gateway="hanam-01",
        line=[LineConfig(name="a", meter=[meter], host="127.0.0.1", tcp_port=free_port())],
        uplink=UplinkConfig(brokers=[f"mqtt://127.0.0.1:{free_port()}"]),
        outbox=OutboxConfig(path=str(tmp_path / "outbox.db"), sync_s=0.1),
        tick_s=1,
        clock="system",
    )


async def run_and_listen(agent: Agent, manager: Manager) -> list[str]:
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    words = []
    for _ in range(5):  # such a socket holds ten messages only
        await asyncio.sleep(0.3)
        words += manager.heard()
    stop.set()
    assert await task == 0
    return words + manager.heard()


def test_a_gateway_says_that_it_runs_and_lives_and_stops(site: Site, manager: Manager) -> None:
    words = asyncio.run(run_and_listen(Agent(site), manager))
    assert words[0] == "READY=1"
    assert words.count("WATCHDOG=1") >= 8
    assert "STATUS=clock=system broker=none lines_down=a meters=1/1" in " ".join(words)
    assert words.index("STOPPING=1") > max(i for i, word in enumerate(words) if word == "WATCHDOG=1")


def test_a_loop_that_hangs_says_nothing(site: Site, manager: Manager) -> None:
    async def freeze() -> tuple[list[str], list[str]]:
        stop = asyncio.Event()
        task = asyncio.create_task(Agent(site).run(stop))
        await asyncio.sleep(0.5)
        before = manager.heard()
        time.sleep(3 * WATCHDOG_S)  # noqa: ASYNC251  # the loop hangs: that is what is tried
        during = manager.heard()
        stop.set()
        await task
        return before, during

    before, during = asyncio.run(freeze())
    assert "WATCHDOG=1" in before
    assert during == []


@pytest.mark.parametrize("part", ["line a", "uplink", "outbox"])
def test_a_part_that_hangs_is_told_of_and_the_watchdog_stops(
    part: str, site: Site, manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    async def hang() -> list[str]:
        stop = asyncio.Event()
        agent = Agent(site)
        task = asyncio.create_task(agent.run(stop))
        await asyncio.sleep(0.5)
        assert "WATCHDOG=1" in manager.heard()
        (work,) = (found for found in asyncio.all_tasks() if found.get_name() == {"outbox": "sync"}.get(part, part))
        work.cancel()  # it never comes to itself again, and everything else goes on
        agent.pulse.expect(part, 0.3)
        await asyncio.sleep(0.6)
        manager.heard()
        await asyncio.sleep(2 * WATCHDOG_S)
        stop.set()
        late = manager.heard()
        await task
        return late

    late = asyncio.run(hang())
    assert "WATCHDOG=1" not in late
    assert any(word.startswith(f"STATUS=stuck={part} ") for word in late)
    assert caplog.text.count(f'stuck part="{part}"') == 1


def test_the_process_notifies_a_socket_without_a_folder_and_logs_for_journald(site: Site, tmp_path: Path) -> None:
    name = f"bitgoeul-{time.monotonic_ns()}"
    manager = Manager(Path("\0" + name))
    write_gateway_file(site, tmp_path / "site.toml")
    environment = {"NOTIFY_SOCKET": "@" + name, "JOURNAL_STREAM": "8:1", "PATH": "/usr/bin:/bin"}
    argv = bitgoeul("edge", "run", tmp_path / "site.toml")
    log, until_s = tmp_path / "log", time.monotonic() + PATIENCE_S
    with log.open("w") as stderr, subprocess.Popen(argv, env=environment, cwd=ROOT, stderr=stderr) as process:
        try:
            manager.wait_for("WATCHDOG=1")
            while "<3>edge.uplink broker-refuses " not in log.read_text():
                assert time.monotonic() < until_s
                time.sleep(0.02)
        finally:
            process.terminate()
            manager.socket.close()
    assert process.returncode == 0
    assert "<6>edge.agent gateway-started gateway=main/hanam-01 lines=1 meters=1 outbox_batches=0\n" in log.read_text()


def test_pulse_tells_who_is_silent_for_how_long() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    pulse.expect("line a", 30)
    pulse.expect("uplink", 60)
    now[0] = 130.0
    assert pulse.silent() == {}
    now[0] = 131.0
    assert pulse.silent() == {"line a": 31.0}
    pulse.beat("line a")
    now[0] = 161.0
    assert pulse.silent() == {"uplink": 61.0}


@pytest.mark.parametrize(("asked", "expected"), [("", REPORT_S), ("x", REPORT_S), ("4000000", 1.0), ("0", 0.05)])
def test_reports_come_four_times_as_often_as_asked(
    asked: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", asked)
    assert report_s() == expected


def test_without_a_service_manager_nothing_is_sent_and_nothing_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")
