"""A thousand gateways in one cheap process: batches made beforehand, sent with QoS 1, paced by their receipts.

It speaks MQTT 3.1.1 itself, in a few lines, because the processor that it shares is what the benchmark measures.
"""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized

from contract.messages import Receipt, decode_receipt
from contract.reading import Reading
from contract.senml import encode_batch
from contract.topics import BatchId, topic
from simulators import mqtt_packets

AREA = "main"
RUN = "bench"
METERS = 10  # of a gateway
QUANTITIES = (
    "electricity_import_kwh",
    "electricity_export_kwh",
    "electricity_reactive_import_kvarh",
    "electricity_reactive_export_kvarh",
    "electricity_power_kw",
    "electricity_power_l1_kw",
    "electricity_power_l2_kw",
    "electricity_power_l3_kw",
    "electricity_reactive_power_kvar",
    "electricity_apparent_power_kva",
    "electricity_power_factor_ratio",
    "electricity_frequency_hz",
    "electricity_voltage_l1_v",
    "electricity_voltage_l2_v",
    "electricity_voltage_l3_v",
    "electricity_current_l1_a",
    "electricity_current_l2_a",
    "electricity_current_l3_a",
    "heat_energy_kwh",
    "water_volume_m3",
)
BATCH_READINGS = METERS * len(QUANTITIES)
TWICE_EVERY = 20  # one batch in so many is sent twice
WINDOW = 6  # batches of a gateway without a receipt; 32 is what the contract allows
AT_ONCE = 16


@dataclass(frozen=True)
class Load:
    """`batches` of each gateway, one tick a second from `start_s` on. The first of each is for warming up."""

    gateways: int
    batches: int
    start_s: int

    @property
    def readings(self) -> int:
        """All of them, each once."""
        return self.gateways * self.batches * BATCH_READINGS

    @property
    def sent_twice(self) -> int:
        """How many batches are sent a second time."""
        return sum(_is_sent_twice(gateway, n) for n in range(1, self.batches + 1) for gateway in range(self.gateways))


def _is_sent_twice(gateway: int, n: int) -> bool:
    return gateway % TWICE_EVERY == n % TWICE_EVERY


def gateway_name(number: int) -> str:
    """By its number."""
    return f"bench-{number:04d}"


def meter_names(number: int) -> list[str]:
    """The meters of a gateway."""
    return [f"b{number:04d}-e{meter:02d}" for meter in range(METERS)]


def batch(load: Load, gateway: int, n: int) -> list[Reading]:
    """Batch number n of a gateway: all its meters at one tick."""
    tick_s = load.start_s + n
    return [
        Reading(meter, quantity, tick_s, round(1000 + 0.37 * gateway + 11.1 * place + 0.013 * n, 3), at_ms=137 + at)
        for at, meter in enumerate(meter_names(gateway))
        for place, quantity in enumerate(QUANTITIES)
    ]


def publish(port: int, load: Load, receipted: "Synchronized[int]", orders: Connection) -> None:
    """Prepare, say so, and at each order send the batches of one phase; `receipted` counts what came back."""
    phases = [list(_packets(load, 1, 1)), list(_packets(load, 2, load.batches))]
    wire = _Wire(port)
    orders.send(len(phases))
    for packets in phases:
        orders.recv()
        orders.send(_send(wire, load.gateways, packets, receipted))


def _packets(load: Load, first: int, last: int) -> Iterator[bytes]:
    """The batches first..last of all gateways in turn, with one in TWICE_EVERY again, some time after."""
    again: list[bytes] = []
    count = 0
    for n in range(first, last + 1):
        for gateway in range(load.gateways):
            payload = encode_batch(batch(load, gateway, n), load.start_s + n + 0.9, "ntp")
            name = topic(AREA, gateway_name(gateway), "readings", BatchId(RUN, n))
            count += 1
            packet = mqtt_packets.publish(name, payload, count % 0xFFFF + 1)
            yield packet
            if _is_sent_twice(gateway, n):
                again.append(packet)
        yield from again
        again.clear()


def _send(wire: "_Wire", gateways: int, packets: Sequence[bytes], receipted: "Synchronized[int]") -> float:
    """Seconds from the first packet to the last receipt."""
    window = gateways * WINDOW
    seen: set[bytes] = set()
    distinct = [0]  # among the first so many packets
    for packet in packets:
        seen.add(packet)
        distinct.append(len(seen))
    expected = distinct[-1]
    done: set[tuple[bytes, int]] = set()
    began_s = time.perf_counter()
    before, sent = receipted.value, 0
    while len(done) < expected:
        ready = min(len(packets) - sent, window - (distinct[sent] - len(done)), AT_ONCE)
        if ready > 0:
            wire.send(b"".join(packets[sent : sent + ready]))
            sent += ready
        for name, receipt in wire.receipts(wait=ready <= 0):
            done.update((name, n) for first, last in receipt.stored[RUN] for n in range(first, last + 1))
        receipted.value = before + len(done)
    return time.perf_counter() - began_s


class _Wire:
    """One connection: PUBLISH out; PUBACKs and receipts (QoS 0, to be cheap) in."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._in = b""
        self.send(mqtt_packets.connect("bench-gateways"))
        self.send(mqtt_packets.subscribe(topic(AREA, "+", "receipts"), qos=0))
        while not any(kind == mqtt_packets.SUBACK for kind, _ in self._packets(wait=True)):
            pass

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def receipts(self, *, wait: bool) -> list[tuple[bytes, Receipt]]:
        """What has come in, with its topic; with `wait` at least something."""
        found = []
        for kind, body in self._packets(wait=wait):
            if kind & 0xF0 == mqtt_packets.PUBLISH:
                name, payload, _ = mqtt_packets.received(kind, body)
                found.append((name, decode_receipt(payload)))
        return found

    def _packets(self, *, wait: bool) -> list[tuple[int, bytes]]:
        if select.select([self._socket], [], [], 60.0 if wait else 0.0)[0]:
            self._in += self._socket.recv(1 << 18)
        elif wait:
            raise TimeoutError("no receipt for a minute")
        found, self._in = mqtt_packets.split(self._in)
        return found
