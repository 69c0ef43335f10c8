"""From the outbox to the brokers, and receipts back: one connection at a time, and what happens around it."""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Protocol

from contract.messages import OFFLINE, Birth, Receipt, State, decode_receipt, encode
from contract.problems import Problem
from contract.topics import BatchId, Leaf, parse_batch, topic
from edge.alarms import Alarms
from edge.broker import TlsContext, explain, read_login, tls_context
from edge.config import Broker, Site, parse_broker
from edge.connection import Connection, Refused
from edge.flow import BACKLOG_PER_S, HELD_AT_ONCE, LOOKAHEAD, Asks, Flow
from edge.outbox import Outbox

log = logging.getLogger(__name__)

RECONNECT_S = 1.0
RECONNECT_CAP_S = 60.0
STEADY_S = 30.0  # a connection that lasted so long was not refused a moment after its acceptance
DESERTED_S = 300.0  # without a receipt while batches wait: ingest may have found another broker of the list
RECEIPTS_QUEUED = 256
REFUSED = "readings-refused"

jitter = random.SystemRandom().random


class Gateway(Protocol):
    """What the uplink is for: it has something to say of itself, and wants to hear what comes back."""

    def birth(self) -> Birth:
        """Published at every connection."""
        ...

    def state(self) -> State:
        """Published at every connection, and by `Uplink.publish_state`."""
        ...

    def receipt(self, receipt: Receipt) -> None:
        """One has come just now, and its batches are noted already."""
        ...


class Uplink:
    """Owns the connection. `flow` is shared with the outbox, which leaves alone what is in flight.

    `broker` is the URL of the one that it is connected to, empty where there is none. `on_turn` is called at each
    attempt to connect and, once connected, each second at least.
    """

    def __init__(self, site: Site, gateway: Gateway, outbox: Outbox, flow: Flow, alarms: Alarms) -> None:
        """Raises Problem where the site's brokers, password or certificates cannot be used."""
        self._site, self._gateway, self._outbox, self._flow, self._alarms = site, gateway, outbox, flow, alarms
        self._brokers = [parse_broker(url) for url in site.uplink.brokers]
        read_login(site.uplink, site.gateway)
        for broker in self._brokers:
            self._tls(broker)
        self._connection: Connection | None = None
        self._asks = Asks()
        self._receipts: deque[bytes] = deque(maxlen=RECEIPTS_QUEUED)
        self._wake = asyncio.Event()
        self._said: dict[Broker, str] = {}
        self._leaving = False
        self.broker = ""
        self.on_turn: Callable[[], None] = lambda: None

    def offer(self, batches: Sequence[int]) -> None:
        """Batches just taken: they go out at once where there is a connection, and with the backlog elsewhere."""
        if batches and self._connection is not None:
            self._flow.offer(batches)
            self._wake.set()

    def publish_state(self) -> None:
        """Publish the state now; where there is no connection it is published with the next one."""
        if self._connection is not None:
            self._connection.publish(self._topic("state"), encode(self._gateway.state()), retain=True)

    async def run(self) -> None:
        """Keep one connection, for ever, until `leave`."""
        failures = 0
        for broker in cycle(self._brokers):
            began_s = time.monotonic()
            self.on_turn()
            await self._attend(broker)
            if self._leaving:
                return
            failures = 0 if time.monotonic() - began_s > STEADY_S else failures + 1
            pause_s = min(RECONNECT_CAP_S, RECONNECT_S * 2.0 ** min(failures, 10))
            # of a city that lost its broker not all come back in one second
            await asyncio.sleep(pause_s * (0.1 + 0.9 * jitter()))

    async def leave(self) -> None:
        """Say that we go, and disconnect; `run` then returns."""
        self._leaving = True
        if self._connection is not None:
            self._connection.publish(self._topic("state"), OFFLINE, retain=True)
            await self._connection.leave()

    async def _attend(self, broker: Broker) -> None:
        """One connection from its beginning to its end; failures are logged once, until they change."""
        try:
            # read anew each time: passwords and certificates are renewed while the gateway runs
            login = read_login(self._site.uplink, self._site.gateway)
            connection = Connection(login, (self._topic("state"), OFFLINE), self._tls(broker))
            try:
                await connection.open(broker, self._receive, self._wake.set)
                log.info("broker-connected broker=%s", _url(broker))
                self._said.pop(broker, None)
                self.broker = _url(broker)
                await self._serve(connection)
                if not self._leaving:
                    reason = connection.closed.result() if connection.closed.done() else "no receipt, trying the next"
                    log.warning("broker-lost broker=%s reason=%r", _url(broker), reason)
            finally:
                self._connection, self.broker = None, ""
                self._flow.reset(time.monotonic())
                connection.abandon()
        except (OSError, Refused, Problem, ValueError) as error:
            self._say(broker, explain(error))

    def _tls(self, broker: Broker) -> TlsContext | None:
        return tls_context(self._site.uplink) if broker.scheme == "mqtts" else None

    def _say(self, broker: Broker, text: str) -> None:
        # one cause may come in several words: what to do about it is the same
        action = text.rpartition(" action=")[2]
        if self._said.get(broker) != action:
            self._said[broker] = action
            log.error("broker-refuses broker=%s %s", _url(broker), text)

    async def _serve(self, connection: Connection) -> None:
        connection.subscribe(self._topic("receipts"))
        connection.publish(self._topic("birth"), encode(self._gateway.birth()), retain=True)
        self._flow.reset(time.monotonic())
        self._connection = connection
        self.publish_state()
        while not connection.closed.done() and not self._deserted():
            self.on_turn()
            self._wake.clear()
            self._settle()
            if not connection.busy:
                self._send(connection, time.monotonic())
            await self._pause(connection)

    def _deserted(self) -> bool:
        """Whether the cloud is not on this broker, it seems, and may be on another of the list."""
        silent = self._flow.unheard_s(time.monotonic()) > DESERTED_S
        return silent and len(self._brokers) > 1 and bool(self._outbox.waiting(1))

    async def _pause(self, connection: Connection) -> None:
        """Until something happens: a tick, a receipt, the socket free again, or time for a resend."""
        hurried = self._flow.starved or self._asks.open
        connection.closed.add_done_callback(self._on_closed)
        try:
            async with asyncio.timeout(1.0 / BACKLOG_PER_S if hurried else 1.0):
                await self._wake.wait()
        except TimeoutError:
            pass
        finally:
            connection.closed.remove_done_callback(self._on_closed)

    def _on_closed(self, _closed: asyncio.Future[str]) -> None:
        self._wake.set()

    def _send(self, connection: Connection, now_s: float) -> None:
        for batch in self._flow.pick(now_s, self._outbox.waiting(LOOKAHEAD)):
            message = self._outbox.message(batch)
            if message is None:
                self._flow.forget([batch])
            else:
                connection.publish(self._topic("readings", message.batch), message.payload)
        while self._asks.open and self._flow.token(now_s) and self._answer(connection):
            pass

    def _answer(self, connection: Connection) -> bool:
        """One step of what the cloud asks for: held batches wait for their receipt again, others are sent empty.

        False where the disk fails: an empty batch would tell the cloud that all in it is gone for ever.
        """
        empty = self._asks.next_empty()
        if empty is not None:
            connection.publish(self._topic("readings", empty), b"[]")
            return True
        span = self._asks.next_span()
        if span is None:
            return False
        held = self._outbox.reopen(*span, limit=HELD_AT_ONCE)
        if held is None:
            self._asks.later()
            return False
        self._asks.found(held)
        return True

    def _receive(self, _topic: str, payload: bytes) -> None:
        self._receipts.append(payload)
        self._wake.set()

    def _settle(self) -> None:
        """Work off the receipts that have come."""
        while self._receipts:
            payload = self._receipts.popleft()
            try:
                receipt = decode_receipt(payload)
            except Problem as problem:
                log.warning("receipt-unreadable error=%r", problem.text.en)
                continue
            done = self._outbox.done(receipt.stored) + self._outbox.refused(self._refused(receipt))
            self._flow.receipted(done, time.monotonic())
            # of a run that this outbox never had, another card may still hold what would be answered as gone
            asked = {run: spans for run, spans in receipt.resend.items() if self._outbox.knows(run)}
            self._asks.add(asked, self._outbox.run, self._outbox.last_n)
            self._gateway.receipt(receipt)

    def _refused(self, receipt: Receipt) -> dict[BatchId, int]:
        """By batch, how many readings were refused: they lie in the cloud's quarantine, and are done with."""
        counts = {}
        for text, reasons in receipt.refused.items():
            facts = " ".join(f"{reason}={count}" for reason, count in reasons.items())
            self._alarms.sound(REFUSED, f"batch={text} {facts} action=see-the-cloud's-quarantine")
            batch = parse_batch(text)
            if batch is not None:
                counts[batch] = sum(reasons.values())
        return counts

    def _topic(self, leaf: Leaf, batch: BatchId | None = None) -> str:
        return topic(self._site.area, self._site.gateway, leaf, batch)


def _url(broker: Broker) -> str:
    return f"{broker.scheme}://{broker.host}:{broker.port}"
