"""The gateway's process: lines, outbox and uplink wired together, and watched over."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contract.messages import Birth, BirthMeter, Receipt, State
from contract.problems import Problem
from contract.quality import Quality
from contract.reading import Reading
from contract.version import VERSION
from edge import certificate
from edge.alarms import Alarms
from edge.clock import Clock
from edge.config import LineConfig, Site
from edge.flow import Flow
from edge.line import Line
from edge.models import load_model, quantities
from edge.outbox import DROPPED, FAILING, SET_ASIDE, Outbox
from edge.uplink import Uplink, jitter
from edge.watchdog import Pulse, notify, report

log = logging.getLogger(__name__)

STATE_S = 60.0
RESTART_S = 5.0
RUNS_WELL_S = 600.0
SYNC_S = 5.0  # where the setting syncs every batch: the log still has to be moved into the file
AGREES_S = 60.0
DRAIN_LOOK_S = 0.1
THREADS_A_LINE, THREADS_BESIDE = 4, 4
STUCK_S = 180.0  # more than any look-up of a name, any pause between connections, any sync of a card that still works

NOT_TRUSTED = "clock-not-trusted"
HOLDOVER = "clock-holdover"
BEHIND = "clock-behind-last-tick"
LAST_RESET = "clock-last-tick-reset"
TASK_FAILED = "task-failed"


class Agent:
    """One gateway, all of it in one event loop; also what the uplink wants of one (`edge.uplink.Gateway`)."""

    def __init__(self, site: Site, clock: Clock | None = None) -> None:
        """Raises Problem where the outbox, the uplink or a meter model cannot be used."""
        self.site = site
        self.alarms = Alarms()
        self.clock = clock or Clock(site.clock, mark=Path(f"{site.outbox.path}.clock"))
        self.flow = Flow(jitter)
        self.pulse = Pulse()
        self.lines = [Line(line, site.tick_s, self._clock_of(line.name)) for line in site.line]
        self.outbox = Outbox(site.outbox, self.alarms, in_flight=self.flow.sent.keys())
        try:
            self.uplink = Uplink(site, self, self.outbox, self.flow, self.alarms)
        except BaseException:
            self.outbox.close()
            raise
        self._first: set[str] = set()
        self._behind: set[str] = set()
        self._said: list[str] = []
        self._lost = (0, 0)
        self._certificate = site.uplink.credentials_file or site.uplink.certificate_file

    async def run(self, stop: asyncio.Event) -> int:
        """Until `stop`, 0; then what was taken stays in the outbox, and the brokers are told that we go."""
        works = [self._work_of(line) for line in self.lines]
        works += [("uplink", self.uplink.run), ("watch", self._watch), ("sync", self._sync)]
        works += [("watchdog", self._report)]
        tasks = [asyncio.create_task(supervise(name, work, self.alarms), name=name) for name, work in works]
        meters = sum(len(line.meters) for line in self.lines)
        facts = f"lines={len(self.lines)} meters={meters} outbox_batches={self.outbox.summary().batches}"
        log.info("gateway-started gateway=%s/%s %s", self.site.area, self.site.gateway, facts)
        try:
            await stop.wait()
        finally:
            log.info("gateway-stopping gateway=%s/%s", self.site.area, self.site.gateway)
            notify("STOPPING=1", "STATUS=stopping")
            await self.uplink.leave()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.outbox.close()
        return 0

    async def drain(self, stop: asyncio.Event) -> int:
        """Read no line; send what waits, and return when all has its receipt: 0, or 1 where `stop` came before.

        Raises Problem where the outbox cannot say so: it was damaged, or the disk failed.
        """
        dropped = self.outbox.readings_dropped
        task = asyncio.create_task(supervise("uplink", self.uplink.run, self.alarms))
        while self.outbox.waiting(1) and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LOOK_S):
                    await stop.wait()
        await self.uplink.leave()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        left = len(self.outbox.waiting(1))
        self.outbox.close()
        troubles = {SET_ASIDE, FAILING} & set(self.alarms.codes())
        if self.outbox.readings_dropped > dropped:
            troubles.add(DROPPED)
        if troubles:
            raise _not_drained(self.site.outbox.path, ", ".join(sorted(troubles)))
        return left

    def _work_of(self, line: Line) -> tuple[str, Callable[[], Awaitable[None]]]:
        return f"line {line.config.name}", lambda: line.run(self.may_tick, self.take)

    def _clock_of(self, line: str) -> Callable[[], float]:
        """The clock as that line sees it: it looks each second while it waits for a tick, and at the start of one."""

        def now_s() -> float:
            self.pulse.beat(f"line {line}")
            return self.clock.now_s()

        return now_s

    def may_tick(self, line: str, tick_s: int) -> bool:
        """Whether the line may be read for this tick: the clock is trusted, ran up to it without being set, and has
        passed the line's last one.

        A tick into which the clock was set may have been taken by whoever was this gateway before.
        """
        self.clock.log_step()
        if self.clock.trust() == "none":
            self.alarms.sound(NOT_TRUSTED, f"now_s={self.clock.now_s():.0f} action=check-the-time-servers")
            return False
        self.alarms.clear(NOT_TRUSTED)
        if tick_s <= self.clock.set_s:
            return False
        last_s = self.outbox.last_s(line)
        if tick_s <= last_s:
            self._behind.add(line)
            self.alarms.sound(BEHIND, f"line={line} tick_s={tick_s} last_s={last_s} action=check-the-clock")
            return False
        self._behind.discard(line)
        if not self._behind:
            self.alarms.clear(BEHIND)
        return True

    def take(self, line: str, tick_s: int, readings: list[Reading]) -> None:
        """A tick's readings are there: into the outbox, and out."""
        trust = self.clock.trust()
        if trust == "none":
            # stepped since the tick began, which was at a trusted time
            trust = "holdover"
        found = [_in_holdover(reading) for reading in readings] if trust == "holdover" else readings
        missing = sum(reading.value is None for reading in found)
        self._say_first(f"first-readings line={line}", f"readings={len(found)} missing={missing}")
        self.uplink.offer(self.outbox.take(line, tick_s, found, self.clock.now_s(), trust))

    def _say_first(self, what: str, facts: str) -> None:
        """In the log, once: an installer waits for it."""
        if what not in self._first:
            self._first.add(what)
            log.info("%s %s", what, facts)

    def birth(self) -> Birth:
        """What hangs on this gateway."""
        return Birth(
            gateway=self.site.gateway,
            site=self.site.site,
            time_s=int(self.clock.now_s()),
            software=f"bitgoeul {VERSION}",
            tick_s=self.site.tick_s,
            clock=self.clock.trust(),
            meters=[meter for line in self.site.line for meter in _meters(line)],
        )

    def state(self) -> State:
        """How this gateway is.

        Readings lost are counted over restarts until a receipt comes, which comes later than the state before it.
        """
        self._lost = self.outbox.readings_thinned, self.outbox.readings_dropped
        waiting = self.outbox.summary()
        return State(
            status="online",
            time_s=int(self.clock.now_s()),
            clock=self.clock.trust(),
            outbox_batches=waiting.batches,
            outbox_bytes=waiting.bytes,
            outbox_oldest_s=waiting.oldest_s,
            readings_thinned=self._lost[0],
            readings_dropped=self._lost[1],
            held=self.outbox.held(),
            lines={line.config.name: line.state() for line in self.lines},
            warnings=self.alarms.codes(),
        )

    def receipt(self, receipt: Receipt) -> None:
        """What the state said has been heard; and the way out of a clock that was wrong in the future.

        That way is open when the cloud's time agrees with ours now.
        """
        self._say_first("first-receipt", f"broker={self.uplink.broker}")
        self.outbox.reported(*self._lost)
        now_s = self.clock.now_s()
        if self.outbox.lines_ahead(now_s) and abs(receipt.time_s - int(now_s)) <= AGREES_S:
            lines = self.outbox.reset_last(now_s)
            self.alarms.sound(LAST_RESET, f"lines={','.join(lines)} now_s={now_s:.0f} cloud_s={receipt.time_s}")

    async def _watch(self) -> None:
        """Each second: has the clock been stepped, is there something new to say?"""
        said_s = asked_s = looked_s = float("-inf")
        loop = asyncio.get_running_loop()
        while True:
            self.clock.log_step()
            trust, now_s = self.clock.trust(), self.clock.now_s()
            if trust == "holdover":
                self.alarms.sound(HOLDOVER, "action=check-the-time-servers")
            else:
                self.alarms.clear(HOLDOVER)
            if trust != "none" and self.outbox.lines_ahead(now_s) and loop.time() - asked_s >= STATE_S:
                asked_s = loop.time()
                # no tick is taken, so no receipt would come and tell the cloud's time
                self.uplink.offer(self.outbox.take_nothing(int(now_s)))
            if trust != "none" and loop.time() - looked_s >= STATE_S:
                looked_s = loop.time()
                certificate.look(self._certificate, now_s, self.alarms)
            codes = self.alarms.codes()
            if set(codes) - set(self._said) or loop.time() - said_s >= STATE_S:
                said_s, self._said = loop.time(), codes
                self.uplink.publish_state()
            await asyncio.sleep(1.0)

    async def _sync(self) -> None:
        """The outbox to disk, in a thread: a card may take its time, and the lines must not wait for it."""
        while True:
            await asyncio.sleep(self.site.outbox.sync_s or SYNC_S)
            try:
                await asyncio.to_thread(self.outbox.sync)
            except (OSError, sqlite3.Error) as error:
                self.outbox.failed(error)
            self.pulse.beat("outbox")

    async def _report(self) -> None:
        """What systemd is told, for as long as lines, uplink and outbox are all at work."""
        for line in self.lines:
            # a meter that answers every other question takes its time, and is no reason to end the gateway
            limit_s = line.tick_s + STUCK_S + 20 * line.config.timeout_s
            self.pulse.expect(f"line {line.config.name}", limit_s)
        self.uplink.on_turn = lambda: self.pulse.beat("uplink")
        self.pulse.expect("uplink", STUCK_S)
        self.pulse.expect("outbox", (self.site.outbox.sync_s or SYNC_S) + STUCK_S)
        await report(self.pulse, self._status)

    def _status(self) -> str:
        """One line for `systemctl status`."""
        meters = [meter for line in self.lines for meter in line.meters]
        down = [line.config.name for line in self.lines if line.down]
        waiting = self.outbox.summary()
        return (
            f"clock={self.clock.trust()} broker={self.uplink.broker or 'none'} "
            f"lines_down={','.join(down) or 'none'} "
            f"meters={sum(not meter.health.dead for meter in meters)}/{len(meters)} "
            f"outbox_batches={waiting.batches} warnings={','.join(self.alarms.codes()) or 'none'}"
        )


async def supervise(name: str, work: Callable[[], Awaitable[None]], alarms: Alarms) -> None:
    """Do the work, and again after a pause whenever it fails, so that one line's trouble is not another's.

    The alarm holds until no task has failed for RUNS_WELL_S.
    """
    while True:
        try:
            await work()
        except Exception as error:  # whatever a driver or a library raises, the gateway goes on
            log.critical("task=%s error=%r restart_s=%s", name, error, RESTART_S)
            alarms.sound(TASK_FAILED, f'task="{name}" error={error!r} action=report-it', lasts_s=RUNS_WELL_S)
            log.debug("task=%s", name, exc_info=True)
            await asyncio.sleep(RESTART_S)
        else:
            return


def _in_holdover(reading: Reading) -> Reading:
    return reading._replace(quality=Quality.CLOCK_HOLDOVER) if reading.quality is Quality.GOOD else reading


def _meters(line: LineConfig) -> Sequence[BirthMeter]:
    return [
        BirthMeter(
            meter.name, meter.model, meter.quantities or quantities(load_model(meter.model)), line.name, meter.unit
        )
        for meter in line.meter
    ]


def _not_drained(path: str, troubles: str) -> Problem:
    return Problem(
        f"{path}: 전송 대기함에 이상이 있어 모두 보냈다고 볼 수 없습니다 ({troubles}). "
        "디스크와 로그, 따로 옮겨 둔 파일(.corrupt-*)을 확인하십시오",
        f"{path}: the outbox is in trouble, not all of it may have been sent ({troubles}): "
        "check the disk, the log and the files set aside (.corrupt-*)",
    )


def run(site: Site) -> int:
    """Be the gateway until SIGTERM or SIGINT: 0. Raises Problem where the site cannot be served at all."""
    return asyncio.run(_until_signal(site, Agent.run))


def drain(site: Site) -> int:
    """Send what the outbox still holds, reading nothing: 0 once all has its receipt, 1 at a signal before that.

    Raises Problem where the outbox was damaged, or the disk fails.
    """
    return asyncio.run(_until_signal(site, Agent.drain))


async def _until_signal(site: Site, work: Callable[[Agent, asyncio.Event], Awaitable[int]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # a look-up of a name that hangs keeps its thread after it was given up; the outbox's sync must still find one
    loop.set_default_executor(ThreadPoolExecutor(THREADS_A_LINE * len(site.line) + THREADS_BESIDE))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await work(Agent(site), stop)
