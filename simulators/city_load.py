"""A city's gateways on a real broker: each sends all its meters each tick, at a moment of its own within the tick,
and holds every batch until its receipt has come.

What goes out when, and again, is decided by what real gateways decide it with (`edge.flow`). Births carry no
catalogue: a real gateway has tens of meters, these have hundreds, and a thousand large births would be the load.
"""

import heapq
import random
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection
from typing import NamedTuple

from contract.messages import OFFLINE, Birth, Receipt, State, decode_receipt, encode
from contract.topics import BatchId, parse_batch, topic
from edge.flow import LOOKAHEAD, Flow
from edge.uplink import RECONNECT_CAP_S, RECONNECT_S, STEADY_S
from simulators import mqtt_packets
from simulators.city import QUANTITIES, City
from simulators.city_batches import Batches
from simulators.city_build import build
from simulators.city_wire import Connections

KEEPALIVE_S = 300  # something goes out each tick
SPREAD = 0.9  # of a tick
SWEEP_S = 1.0
SENTINELS = 40
OPENING_PER_S = 400  # connections begun at the start


@dataclass(frozen=True)
class LoadSettings:
    """`run` names this load's batches: [a-z0-9]{1,32}, another at each start."""

    port: int
    run: str
    meters: int
    gateways: int = 0
    seed: int = 1
    tick_s: int = 60
    area: str = "main"
    host: str = "127.0.0.1"


class Published(NamedTuple):
    """A series of a sentinel gateway, and when (UTC epoch seconds) its tick was first published."""

    meter: str
    quantity: str
    time_s: int
    published_s: float


@dataclass
class Progress:
    """So far. `sent` counts batches each time they were sent, `waiting` are those without a receipt now."""

    ticks: int = 0
    last_tick_s: int = 0
    batches: int = 0
    readings: int = 0
    sent: int = 0
    acknowledged: int = 0
    receipted: int = 0
    refused: int = 0
    asked: int = 0
    waiting: int = 0
    opened: int = 0
    connected: int = 0
    cpu_s: float = 0.0
    published: list[Published] = field(default_factory=list)  # since the last one


class _Gateway:
    def __init__(self, number: int, name: str, settings: LoadSettings, chance: random.Random) -> None:
        self.number, self.name = number, name
        self._settings = settings
        self.flow = Flow(chance.random)
        self.outbox: dict[int, bytes] = {}
        self.last_n = 0
        self.failures = 0
        self.opened_s: float | None = None  # of the connection that is open, by the monotonic clock

    def topic(self, leaf: str) -> str:
        return f"{self._prefix}/{leaf}"

    @property
    def _prefix(self) -> str:
        return topic(self._settings.area, self.name, "state").rpartition("/")[0]

    def hello(self) -> bytes:
        will = (self.topic("state"), OFFLINE)
        return mqtt_packets.connect(self.name, KEEPALIVE_S, will) + mqtt_packets.subscribe(self.topic("receipts"), 1)

    def take(self, payload: bytes) -> int:
        self.last_n += 1
        self.outbox[self.last_n] = payload
        return self.last_n

    def state(self, now_s: float) -> bytes:
        oldest = next(iter(self.outbox), self.last_n)
        return encode(
            State(
                status="online",
                time_s=int(now_s),
                clock="ntp",
                outbox_batches=len(self.outbox),
                outbox_bytes=sum(map(len, self.outbox.values())),
                held={self._settings.run: [(oldest, self.last_n)]} if self.last_n else {},
            )
        )

    def receipted(self, receipt: Receipt) -> tuple[list[int], int]:
        """The batches that are done with, and how many of these were refused in whole or in part."""
        run, done = self._settings.run, []
        for first, last in receipt.stored.get(run, []):
            done += [n for n in range(first, min(last, self.last_n) + 1) if n in self.outbox]
        found = [parse_batch(text) for text in receipt.refused]
        refused = [batch.n for batch in found if batch and batch.run == run and batch.n in self.outbox]
        for n in done + refused:
            self.outbox.pop(n, None)
        return done + refused, len(refused)


class CityLoad:
    """`step` in a loop; `more` says whether new ticks are taken. One thread."""

    def __init__(self, city: City, settings: LoadSettings) -> None:
        self._settings = settings
        self._batches = Batches(city)
        self._chance = random.Random(settings.run)
        names = city.gateway_names().to_pylist()
        self._gateways = [_Gateway(n, name, settings, self._chance) for n, name in enumerate(names)]
        self._wires = Connections(settings.host, settings.port, lambda n: self._gateways[n].hello())
        self.progress = Progress()
        self.more = True
        parts = len(self._batches.parts)
        spread = [settings.tick_s * SPREAD * (at + 0.5) / parts for at in range(parts)]
        self._chance.shuffle(spread)
        self._moments = sorted(zip(spread, range(parts), strict=True))
        self._due: Iterator[tuple[float, int]] = iter(())
        self._next: tuple[float, int] | None = None
        self._tick_s, self._next_tick_s = 0, 0
        self._sentinels = self._choose(city, names)
        now_s = time.monotonic()
        self._openings = [(now_s + n / OPENING_PER_S, n) for n in range(len(names))]
        self._swept_s = 0.0

    def _choose(self, city: City, names: list[str]) -> dict[int, tuple[str, str]]:
        """Meter and quantity of the last series of some gateways' first parts, by part."""
        every = max(1, len(names) // SENTINELS)
        meters = city.meter_names()
        return {
            at: (
                meters[int(city.series.meter[part.last - 1])].as_py(),
                QUANTITIES[int(city.series.quantity[part.last - 1])],
            )
            for at, part in enumerate(self._batches.parts)
            if part.gateway % every == 0
        }

    def begin(self) -> None:
        """Take ticks from the next one on."""
        self._next_tick_s = (int(time.time()) // self._settings.tick_s + 1) * self._settings.tick_s

    def step(self) -> None:
        """Do what is due, and wait a little for the network."""
        self._open_due(time.monotonic())
        self._tick(time.time())
        now_s = time.monotonic()
        if now_s - self._swept_s >= SWEEP_S:
            self._swept_s = now_s
            self._sweep()
        for number, kind, payload in self._wires.poll(self._patience_s()):
            gateway = self._gateways[number]
            if kind == "message":
                self._receive(gateway, payload)
            elif kind == "open":
                self._opened(gateway)
            else:
                self._closed(gateway)

    def leave(self) -> None:
        """Say that all gateways go, and disconnect."""
        for gateway in self._gateways:
            self._wires.publish(gateway.number, gateway.topic("state"), OFFLINE, retain=True)
        self._wires.close()

    def tell(self) -> Progress:
        """How things stand; what was published is told once."""
        told, used = self.progress, resource.getrusage(resource.RUSAGE_SELF)
        self.progress = Progress(**vars(told) | {"published": []})
        told.cpu_s = used.ru_utime + used.ru_stime
        told.acknowledged = self._wires.acknowledged
        told.waiting = sum(len(gateway.outbox) for gateway in self._gateways)
        told.connected = sum(gateway.opened_s is not None for gateway in self._gateways)
        return told

    def _patience_s(self) -> float:
        until = [SWEEP_S]
        if self._openings:
            until.append(self._openings[0][0] - time.monotonic())
        if self._next is not None:
            until.append(self._tick_s + self._next[0] - time.time())
        elif self._next_tick_s:
            until.append(self._next_tick_s - time.time())
        return max(0.0, min(until))

    def _open_due(self, now_s: float) -> None:
        while self._openings and self._openings[0][0] <= now_s:
            self._wires.open(heapq.heappop(self._openings)[1])

    def _tick(self, now_s: float) -> None:
        """Take the tick that has come, and publish what is due of it."""
        while self._next is not None and self._tick_s + self._next[0] <= now_s:
            self._produce(self._next[1], now_s)
            self._next = next(self._due, None)
        if self._next is None and self.more and self._next_tick_s and now_s >= self._next_tick_s:
            self._tick_s, self._next_tick_s = self._next_tick_s, self._next_tick_s + self._settings.tick_s
            self._batches.take(self._tick_s)
            self._due = iter(self._moments)
            self._next = next(self._due, None)
            self.progress.ticks += 1
            self.progress.last_tick_s = self._tick_s

    def _produce(self, at: int, now_s: float) -> None:
        part = self._batches.parts[at]
        gateway = self._gateways[part.gateway]
        n = gateway.take(self._batches.payload(at, now_s))
        self.progress.batches += 1
        self.progress.readings += part.last - part.first
        if gateway.opened_s is None:
            return
        gateway.flow.offer([n])
        if n in self._send(gateway) and at in self._sentinels:
            self.progress.published.append(Published(*self._sentinels[at], self._tick_s, now_s))
        self._wires.publish(gateway.number, gateway.topic("state"), gateway.state(now_s), retain=True)

    def _send(self, gateway: _Gateway) -> list[int]:
        chosen = gateway.flow.pick(time.monotonic(), list(islice(gateway.outbox, LOOKAHEAD)))
        for n in chosen:
            name = topic(self._settings.area, gateway.name, "readings", BatchId(self._settings.run, n))
            self._wires.publish(gateway.number, name, gateway.outbox[n])
        self.progress.sent += len(chosen)
        return chosen

    def _sweep(self) -> None:
        """What waits longer than a second may be due again."""
        for gateway in self._gateways:
            if gateway.outbox and gateway.opened_s is not None:
                self._send(gateway)

    def _opened(self, gateway: _Gateway) -> None:
        gateway.opened_s = time.monotonic()
        gateway.flow.reset(gateway.opened_s)
        now_s = time.time()
        birth = Birth(gateway.name, "", int(now_s), "bitgoeul city", tick_s=self._settings.tick_s, clock="ntp")
        self._wires.publish(gateway.number, gateway.topic("birth"), encode(birth), retain=True)
        self._wires.publish(gateway.number, gateway.topic("state"), gateway.state(now_s), retain=True)
        self.progress.opened += 1
        if gateway.outbox:
            self._send(gateway)

    def _closed(self, gateway: _Gateway) -> None:
        now_s = time.monotonic()
        steady = gateway.opened_s is not None and now_s - gateway.opened_s > STEADY_S
        gateway.failures = 0 if steady else gateway.failures + 1
        gateway.opened_s = None
        gateway.flow.reset(now_s)
        pause_s = min(RECONNECT_CAP_S, RECONNECT_S * 2.0 ** min(gateway.failures, 10))
        heapq.heappush(self._openings, (now_s + pause_s * (0.1 + 0.9 * self._chance.random()), gateway.number))

    def _receive(self, gateway: _Gateway, payload: bytes) -> None:
        receipt = decode_receipt(payload)
        done, refused = gateway.receipted(receipt)
        self.progress.receipted += len(done)
        self.progress.refused += refused
        gateway.flow.receipted(done, time.monotonic())
        for first, last in receipt.resend.get(self._settings.run, []):
            self._answer(gateway, range(first, min(last, gateway.last_n) + 1))
        if gateway.outbox:
            self._send(gateway)

    def _answer(self, gateway: _Gateway, numbers: range) -> None:
        """The cloud misses these: what is held goes again by itself, what was receipted is gone."""
        self.progress.asked += len(numbers)
        for n in numbers:
            if n not in gateway.outbox:
                name = topic(self._settings.area, gateway.name, "readings", BatchId(self._settings.run, n))
                self._wires.publish(gateway.number, name, b"[]")


def run(settings: LoadSettings, orders: Connection) -> None:
    """Be the load's process: connect all, tell a Progress each second, and obey: "begin", "stop" (no new ticks),
    "end". For multiprocessing.
    """
    load = CityLoad(build(settings.meters, settings.gateways, settings.seed), settings)
    obey: dict[str, Callable[[], None]] = {"begin": load.begin, "stop": lambda: setattr(load, "more", False)}
    told_s = 0.0
    while True:
        load.step()
        if time.monotonic() - told_s >= 1.0:
            told_s = time.monotonic()
            orders.send(load.tell())
        while orders.poll():
            order = orders.recv()
            if order == "end":
                load.leave()
                orders.send(load.tell())
                return
            obey[order]()
