"""What the tests of ingest share: an area running on a real Mosquitto, and a gateway that says what it is told to."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import paho.mqtt.client as mqtt
import pyarrow as pa
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.ingest.area import Area
from cloud.ingest.known import Known
from cloud.ingest.settings import AreaSettings
from cloud.registry import snapshot
from cloud.registry.snapshot import OPEN_FROM_S, OPEN_TO_S
from cloud.store.duck import Counts, DuckStore
from cloud.store.protocol import Store
from contract.messages import Receipt, State, decode_receipt, encode
from contract.problems import Problem
from contract.reading import Reading
from contract.senml import encode_batch
from contract.topics import BatchId, topic
from simulators.registered import spans
from simulators.servers import Server, mosquitto

KWH, KW = "electricity_import_kwh", "electricity_power_kw"
METERS = [f"e{n:02d}" for n in range(1, 6)]


class Row(NamedTuple):
    """A span: what a gateway may report from `from_s` on and until before `to_s`."""

    gateway: str
    meter: str
    quantity: str
    from_s: int = OPEN_FROM_S
    to_s: int = OPEN_TO_S
    live: bool = True


def rows_of(gateway: str) -> list[Row]:
    """Two quantities of each of its meters."""
    return [Row(gateway, f"{gateway}-{meter}", quantity) for meter in METERS for quantity in (KWH, KW)]


KNOWN = rows_of("g1") + rows_of("g2")
PATIENCE_S = 60.0  # covers the start of Python, pyarrow and DuckDB on a loaded machine; costs nothing when green


def start_broker(folder: Path) -> Server:
    """A Mosquitto where each gateway, and ingest, must log in. Skips the test where there is none."""
    try:
        return mosquitto(folder, users=dict.fromkeys(("g1", "g2", "g9", "ingest"), "pw")).start()
    except Problem as problem:
        pytest.skip(problem.text.en)


def spans_of(rows: Sequence[Row], area: str = "main") -> pa.Table:
    """SPANS."""
    columns: dict[str, object] = {name: [getattr(row, name) for row in rows] for name in Row._fields}
    return spans(columns | {"area": [area] * len(rows)})


def register(folder: Path, rows: Sequence[Row]) -> Path:
    """Publish them as the registry would; the snapshot's folder."""
    snapshot.write(folder / "registry", {"spans": spans_of(rows)})
    return folder / "registry"


def known(rows: Sequence[Row], series: Sequence[int] | None = None) -> Known:
    """The rows, which must ascend; their series count from 0 unless given."""
    assert list(rows) == sorted(rows)
    return Known(spans_of(rows), np.array(range(len(rows)) if series is None else series, np.int32))


def settings(folder: Path, broker: Server, rows: Sequence[Row] = KNOWN) -> AreaSettings:
    """Quick ones: gaps are asked for after a second."""
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text("pw\n", "utf-8")
    return AreaSettings(
        name="main",
        data=folder,
        brokers=(f"mqtt://{broker.host}:{broker.port}",),
        registry=register(folder, rows),
        username="ingest",
        password_file=secret,
        flush_ms=20,
        gap_timeout_s=1,
    )


def eventually(holds: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def running(chosen: AreaSettings, store: Store | None = None) -> Iterator[Area]:
    """An area in a thread of this process, once it is connected; a store that is handed in stays open."""
    used = store or DuckStore(chosen.file)
    area = Area(chosen, used)
    thread = threading.Thread(target=area.run)
    thread.start()
    try:
        eventually(lambda: area.link.connected)
        yield area
    finally:
        area.stop()
        thread.join(PATIENCE_S)
        if store is None:
            used.close()


def batch(gateway: str, tick_s: int, value: float = 1.0) -> bytes:
    """Two readings of each meter of the gateway."""
    readings = [
        Reading(f"{gateway}-{meter}", quantity, tick_s, value + n)
        for n, meter in enumerate(METERS)
        for quantity in (KWH, KW)
    ]
    return encode_batch(readings, tick_s + 0.5, "ntp")


BATCH_ROWS = 2 * len(METERS)


class Gateway:
    """Publishes what it is told to, and keeps the receipts."""

    def __init__(self, name: str, broker: Server) -> None:
        self.name = name
        self.receipts: list[Receipt] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.username_pw_set(name, "pw")
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_message = lambda _client, _data, message: self.receipts.append(
            decode_receipt(bytes(message.payload))
        )
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert granted.wait(PATIENCE_S)

    def _subscribe(self, *_: object) -> None:
        self._client.subscribe(topic("main", self.name, "receipts"), 1)

    def send(self, n: int, payload: bytes, run: str = "r") -> None:
        """One batch; returns once the broker has it."""
        self.say(topic("main", self.name, "readings", BatchId(run, n)), payload)

    def state(self, state: State) -> None:
        """Its state, retained."""
        self.say(topic("main", self.name, "state"), encode(state), retain=True)

    def say(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        """Anything, anywhere, once there is a broker."""
        eventually(self._client.is_connected)
        self._client.publish(name, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def stored(self, run: str = "r") -> set[int]:
        """The batches that were receipted as stored."""
        spans = [span for receipt in self.receipts for span in receipt.stored.get(run, [])]
        return {n for first, last in spans for n in range(first, last + 1)}

    def asked(self, run: str = "r") -> set[int]:
        """The batches that the cloud asked for again."""
        spans = [span for receipt in self.receipts for span in receipt.resend.get(run, [])]
        return {n for first, last in spans for n in range(first, last + 1)}

    def refused(self) -> dict[str, dict[str, int]]:
        """Reasons by batch."""
        return {batch: reasons for receipt in self.receipts for batch, reasons in receipt.refused.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Process:
    """`bitgoeul cloud area` as a process of its own, or another program that runs an area."""

    def __init__(self, chosen: AreaSettings, *command: str) -> None:
        self.log = chosen.data / "area.log"
        self.command = list(command) or [sys.executable, "-m", "commands", "cloud", "area", "main"]
        self._arguments = ["--data", str(chosen.data), "--registry", str(chosen.registry)]
        self._arguments += ["--broker", chosen.brokers[0]]
        self._arguments += ["--username", chosen.username, "--password-file", str(chosen.password_file)]
        self._arguments += ["--flush-ms", str(chosen.flush_ms), "--gap-timeout-s", str(chosen.gap_timeout_s)]
        self.start()

    def start(self) -> None:
        """Returns once it is connected."""
        self.log.unlink(missing_ok=True)
        with self.log.open("wb") as log:
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
            self._process = subprocess.Popen(
                [*self.command, *self._arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        # what is published before the subscription stands reaches nobody
        eventually(lambda: "broker subscribed" in self.said() or self._process.poll() is not None)
        assert self._process.poll() is None, self.said()

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8")

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(PATIENCE_S)

    def nudge(self, which: signal.Signals) -> None:
        """Send it one."""
        self._process.send_signal(which)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status after a signal."""
        self.nudge(how)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


def fetch(area: Area, path: str) -> tuple[int, str]:
    """Status and body of the area's own little web server."""
    url = f"http://127.0.0.1:{area.metrics_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def raw_rows(file: Path) -> Counts:
    """Rows, identities and conflicts in an area's file that no process has open."""
    store = DuckStore(file)
    try:
        return store.counts(0, 2**40)
    finally:
        store.close()
