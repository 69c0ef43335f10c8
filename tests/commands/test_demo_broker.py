"""The demo's embedded broker hands on every message, whoever comes and subscribes meanwhile."""

import json
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from commands.processes import Child
from contract.topics import ROOT, topic
from simulators.servers import free_port

GATEWAYS = [f"g{n:02d}" for n in range(20)]
MESSAGES = 400


def client(name: str, port: int) -> mqtt.Client:
    """Connected, as soon as there is a broker."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name)
    made.username_pw_set(name, "pw")
    deadline_s = time.monotonic() + 30
    while True:
        try:
            made.connect("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
            continue
        made.loop_start()
        return made


def test_no_message_is_lost_while_others_subscribe(tmp_path: Path) -> None:
    hashed = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1),)).hash("pw")
    (tmp_path / "hashed").write_text("".join(f"{name}:{hashed}\n" for name in (*GATEWAYS, "ingest")), "utf-8")
    port = free_port()
    settings = {"port": port, "gateways": GATEWAYS, "area": "main", "password_file": str(tmp_path / "hashed")}
    (tmp_path / "broker.json").write_text(json.dumps(settings), "utf-8")
    broker = Child(
        "broker", [sys.executable, "-m", "commands.demo_broker", str(tmp_path / "broker.json")], tmp_path / "log"
    )
    broker.start()
    came: set[bytes] = set()
    ready = threading.Event()
    clients = []
    try:
        ingest = client("ingest", port)
        clients.append(ingest)
        ingest.on_message = lambda _client, _data, message: came.add(bytes(message.payload))
        ingest.on_subscribe = lambda *_: ready.set()
        ingest.subscribe(f"{ROOT}/main/+/readings", 1)
        assert ready.wait(30)
        for gateway in GATEWAYS:
            speaker = client(gateway, port)
            clients.append(speaker)
            # its own subscription comes while its messages, and those of others, are on their way
            for n in range(MESSAGES // len(GATEWAYS)):
                speaker.publish(topic("main", gateway, "readings"), f"{gateway}-{n}".encode(), qos=1)
            speaker.subscribe(topic("main", gateway, "receipts"), 1)
        deadline_s = time.monotonic() + 60
        while len(came) < MESSAGES and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert len(came) == MESSAGES
    finally:
        for one in clients:
            one.disconnect()
            one.loop_stop()
        broker.stop()
    assert "changed size" not in broker.log.read_text("utf-8")
