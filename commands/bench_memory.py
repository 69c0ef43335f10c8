"""How much memory `edge run` takes: meters over TCP, a real broker, and a cloud that sends receipts at once."""

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from commands.language import say
from commands.processes import Child, bitgoeul, check_alive, wait_until
from contract.messages import Receipt, encode, to_ranges
from contract.problems import Problem
from contract.topics import ROOT, parse_topic, topic
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.models import load_model
from simulators.gateway_files import write_gateway_file
from simulators.line import Line
from simulators.meters import SimMeter
from simulators.servers import mosquitto
from simulators.tcp_server import TcpServer

MODEL = "eastron_sdm630"
LINES = 8
TICK_S = 1
PATIENCE = 3  # times the time that the polls should take
_BASE_TIME = re.compile(rb'"bt":(\d+)')


@dataclass
class Memory:
    """`rss_mb` is the most that was ever seen, in millions of bytes; `polls` counts ticks."""

    polls: int = 0
    readings: int = 0
    rss_mb: float = 0.0


def measure(meters: int, polls: int) -> Memory:
    """Run a gateway with that many meters for that many ticks, a second each."""
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bitgoeul-bench-") as name:
        folder = Path(name)
        broker = stack.enter_context(mosquitto(folder / "broker"))
        servers = [stack.enter_context(TcpServer(_sim(index, meters))) for index in range(LINES)]
        cloud = stack.enter_context(_cloud(broker.port))
        gateway = Child("gateway", bitgoeul("edge", "run", _file(folder, servers, broker.port)), folder / "gateway.log")
        stack.callback(gateway.stop)
        gateway.start()
        wait_until(lambda: cloud.readings > 0, "gateway", [gateway], 60)
        return _watch(gateway, cloud, polls)


def _watch(gateway: Child, cloud: "_Cloud", polls: int) -> Memory:
    print(say(f"게이트웨이 메모리: {polls}번 읽기", f"gateway memory: {polls} polls"), flush=True)
    memory = Memory()
    deadline_s = time.monotonic() + PATIENCE * polls * TICK_S
    while cloud.ticks < polls:
        time.sleep(1.0)
        check_alive([gateway])
        if time.monotonic() > deadline_s:
            raise Problem(
                f"게이트웨이가 {cloud.ticks}번만 읽었습니다 ({polls}번이어야 합니다)",
                f"the gateway polled {cloud.ticks} times only, expected {polls}",
            )
        memory.rss_mb = max(memory.rss_mb, _rss_mb(gateway.pid))
        if cloud.ticks % 30 == 0:
            print(f"  {cloud.ticks}/{polls}, {memory.rss_mb:.1f} MB", flush=True)
    memory.polls, memory.readings = cloud.ticks, cloud.readings
    memory.rss_mb = round(memory.rss_mb, 1)
    return memory


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def _sim(index: int, meters: int) -> Line:
    units = range(1, meters // LINES + 1 + (index < meters % LINES))
    model = load_model(MODEL)
    return Line(
        f"tcp-{index}", [SimMeter(f"m-{index}-{unit}", model, unit, lambda _q, time_s: time_s / 1e6) for unit in units]
    )


def _file(folder: Path, servers: list[TcpServer], broker_port: int) -> Path:
    lines = [
        LineConfig(
            name=server.line.name,
            host="127.0.0.1",
            tcp_port=server.port,
            meter=[MeterConfig(name=meter.name, model=MODEL, unit=meter.unit) for meter in server.line.meters.values()],
        )
        for server in servers
    ]
    site = Site(
        area="bench",
        site="bench",
        gateway="bench",
        line=lines,
        uplink=UplinkConfig(brokers=[f"mqtt://127.0.0.1:{broker_port}"]),
        outbox=OutboxConfig(path=str(folder / "outbox.sqlite")),
        tick_s=TICK_S,
        clock="system",
    )
    return write_gateway_file(site, folder / "site.toml")


class _Cloud:
    """Answers each batch with a receipt; counts readings, and the ticks that these are of."""

    def __init__(self, port: int) -> None:
        self.readings = 0
        self._ticks: set[bytes] = set()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"{ROOT}/bench/+/readings/+", qos=1)
        self._client.loop_start()

    @property
    def ticks(self) -> int:
        """How many ticks readings have come of."""
        return len(self._ticks)

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        address = parse_topic(message.topic)
        if address is None or address.batch is None:
            return
        self._ticks.update(_BASE_TIME.findall(message.payload))
        self.readings += message.payload.count(b'"n"')
        receipt = Receipt(time_s=int(time.time()), stored=to_ranges([address.batch]))
        client.publish(topic(address.area, address.gateway, "receipts"), encode(receipt), qos=1)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def _cloud(port: int) -> Iterator[_Cloud]:
    cloud = _Cloud(port)
    try:
        yield cloud
    finally:
        cloud.close()
