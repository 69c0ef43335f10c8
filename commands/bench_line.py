"""`bitgoeul bench line`: how full a 9600-baud line is used, what dead meters cost the others, and the gateway's memory.

The bus is a process of its own whose bytes take their real time; the line polls it back to back, since its ticks
are shorter than a round. The limit is what frame lengths, 3.5-character gaps and turnaround allow:

    request │ gap │ turnaround │ answer │ gap │ next request
"""

import argparse
import asyncio
import bisect
import contextlib
import json
import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from commands import bench_memory
from commands.language import say
from contract.problems import UsageProblem
from contract.quantities import QUANTITIES
from contract.reading import Reading
from edge.config import LineConfig, MeterConfig
from edge.drivers import frames
from edge.line import Line
from edge.models import Model, Register
from edge.registers import plan, select
from simulators.line import Line as SimLine
from simulators.meters import SimMeter
from simulators.rtu_bus import RtuBus, Wire

METERS = 32
DEAD = ("m-04", "m-12", "m-21")
WIRE = Wire(baud=9600, turnaround_s=0.005)
TICK_S = 2  # a round takes more than four seconds
WINDOW_S = 10.0
LEAST_S = 5.0  # a round, and a little
SETTLE_S = 6.0  # every meter has had its first turn, and its time is known

# 40 registers in two blocks that no read can span: twenty numbers of two words each.
MODEL = Model(
    maker="bench",
    model="bench",
    manual="none",
    utility="electricity",
    register=tuple(
        Register(quantity=name, table="holding", address=2 * i + 100 * (i // 10), type="float32", name=name)
        for i, name in enumerate([*QUANTITIES][:20])
    ),
)
READS = plan(select(MODEL), MODEL.max_words, MODEL.max_gap)


@dataclass
class Result:
    """The figures that are printed; ratios are to the limit, or to before."""

    meters: int = METERS
    registers: int = sum(read.words for read in READS)
    reads: int = len(READS)
    bound_ms: float = 0.0
    transaction_ms: float = 0.0
    line_ratio: float = 0.0
    bus_late_ms: float = 0.0
    dead: int = len(DEAD)
    dead_s: float = 0.0
    healthy_ratio: float = 0.0
    healthy_worst_10s_ratio: float = 0.0
    gateway_meters: int = 0
    gateway_polls: int = 0
    gateway_readings: int = 0
    gateway_rss_mb: float = 0.0
    load_1m: float = 0.0


@dataclass
class Taken:
    """What the line handed over: when (monotonic), and which meters had answered whole."""

    at_s: list[float] = field(default_factory=list)
    whole: list[list[str]] = field(default_factory=list)

    def take(self, line: str, tick_s: int, readings: list[Reading]) -> None:
        """As `Line.run` wants it."""
        del line, tick_s
        counts: dict[str, int] = {}
        for reading in readings:
            if reading.value is not None:
                counts[reading.meter] = counts.get(reading.meter, 0) + 1
        self.at_s.append(time.monotonic())
        self.whole.append([meter for meter, count in counts.items() if count == len(MODEL.register)])

    def rate(self, start_s: float, end_s: float, meters: Sequence[str]) -> float:
        """Whole turns a second of these meters, from the last tick taken before the time to the last within it.

        So the round in which something happened counts, however long it took.
        """
        first = max(bisect.bisect(self.at_s, start_s) - 1, 0)
        last = bisect.bisect(self.at_s, end_s) - 1
        if last <= first:
            return 0.0
        turns = sum(meter in meters for whole in self.whole[first + 1 : last + 1] for meter in whole)
        return turns / (self.at_s[last] - self.at_s[first])


def options(parser: argparse.ArgumentParser) -> None:
    """Durations; the defaults are what is published."""
    for name, default, ko, en in (
        ("--steady-s", 60.0, "모두 살아 있을 때 재는 시간", "how long all are alive"),
        ("--dead-s", 300.0, "셋이 죽은 뒤 재는 시간", "how long three are dead"),
        ("--polls", 360, "메모리를 재는 동안의 읽기 횟수 (10초 주기로 한 시간)", "polls while memory is measured"),
        ("--gateway-meters", 200, "메모리를 잴 때의 계량기 수", "meters while memory is measured"),
    ):
        parser.add_argument(name, type=type(default), default=default, help=say(ko, en))
    parser.add_argument("--json", action="store_true", help=say("마지막 줄에 JSON", "a JSON object as the last line"))


def run(args: argparse.Namespace) -> int:
    """0 when all was measured; the figures are judged by who reads them."""
    for option, value in (("--steady-s", args.steady_s), ("--dead-s", args.dead_s), ("--polls", args.polls)):
        if not 0 <= value < math.inf or (option == "--steady-s" and value < LEAST_S):
            least = LEAST_S if option == "--steady-s" else 0
            raise UsageProblem(
                f"{option} {value}: {least} 이상이어야 합니다", f"{option} {value}: expected {least} or more"
            )
    # what else runs here delays each answer's arrival
    result = Result(load_1m=round(os.getloadavg()[0], 2), bound_ms=round(_bound_s() * 1000, 3), dead_s=args.dead_s)
    _go_first()
    with _bus() as (port, bus):
        asyncio.run(_measure(_line(port), bus, args, result))
        result.bus_late_ms = round(1000 * float(_ask(bus, "late")), 3)
    if args.polls:
        memory = bench_memory.measure(args.gateway_meters, args.polls)
        result.gateway_meters, result.gateway_polls = args.gateway_meters, memory.polls
        result.gateway_readings, result.gateway_rss_mb = memory.readings, memory.rss_mb
    print("\n".join(_as_text(result)))
    if args.json:
        print(json.dumps(asdict(result)))
    return 0


def _line(port: str) -> Line:
    meters = [MeterConfig(name=name, model="bench", unit=unit) for unit, name in enumerate(_names(), 1)]
    return Line(LineConfig(name="bench", meter=meters, port=port), TICK_S, time.time, lambda _name: MODEL)


def _names() -> list[str]:
    return [f"m-{n:02}" for n in range(METERS)]


def _bound_s() -> float:
    """The limit of one transaction, on average of a meter's reads, as the wire has it."""
    answers = [frames.rtu_answer_bytes(read.words) for read in READS]
    return sum(WIRE.transaction_s(frames.REQUEST_BYTES, answer) for answer in answers) / len(READS)


async def _measure(line: Line, bus: Connection, args: argparse.Namespace, result: Result) -> None:
    taken = Taken()
    running = asyncio.create_task(line.run(lambda _name, _tick: True, taken.take))
    healthy = [name for name in _names() if name not in DEAD]
    print(say(f"모두 살아 있음: {args.steady_s:.0f}초", f"all alive: {args.steady_s:.0f} s"), flush=True)
    await asyncio.sleep(SETTLE_S)
    start_s = time.monotonic()
    await _pass(args.steady_s, taken)
    killed_s = time.monotonic()
    turns_a_second = taken.rate(start_s, killed_s, _names())
    before = taken.rate(start_s, killed_s, healthy)
    result.transaction_ms = round(1000 / (turns_a_second * len(READS)), 3)
    result.line_ratio = round(turns_a_second * len(READS) * _bound_s(), 4)
    print(f"line_ratio {result.line_ratio:.4f}", flush=True)
    if args.dead_s:
        print(say(f"{len(DEAD)}대 죽음: {args.dead_s:.0f}초", f"{len(DEAD)} dead: {args.dead_s:.0f} s"), flush=True)
        _ask(bus, "kill")
        await _pass(args.dead_s, taken)
        end_s = time.monotonic()
        result.healthy_ratio = round(taken.rate(killed_s, end_s, healthy) / before, 4)
        windows = [killed_s + WINDOW_S * i for i in range(int((end_s - killed_s) // WINDOW_S))]
        worst = min((taken.rate(at_s, at_s + WINDOW_S, healthy) for at_s in windows), default=0.0)
        result.healthy_worst_10s_ratio = round(worst / before, 4)
        print(f"healthy_ratio {result.healthy_ratio:.4f}", flush=True)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _pass(seconds: float, taken: Taken) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(left_s, 15.0))
        if left_s > 15.0:
            rate = taken.rate(time.monotonic() - 15.0, time.monotonic(), _names()) * len(READS)
            limit = rate * _bound_s()
            print(
                say(f"  초당 응답 {rate:.2f}, 한계의 {limit:.3f}", f"  {rate:.2f} answers/s, {limit:.3f} of the limit")
            )


@contextlib.contextmanager
def _bus() -> Any:  # an iterator of (port, connection)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv(), ours
    finally:
        ours.send("stop")
        process.join(5)


def _go_first() -> None:
    """A gateway has its machine for itself, and wires wait for nobody: what else runs here is not to be measured."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _ask(bus: Connection, what: str) -> Any:
    bus.send(what)
    return bus.recv()


def _serve(pipe: Connection) -> None:
    """The bus, in its process: sends its port, then obeys."""
    _go_first()
    meters = [SimMeter(name, MODEL, unit, lambda _q, time_s: time_s % 1000) for unit, name in enumerate(_names(), 1)]
    line = SimLine("bench", meters)
    with RtuBus(line, WIRE) as bus:
        pipe.send(bus.port)
        while (what := pipe.recv()) != "stop":
            if what == "kill":
                for name in DEAD:
                    line.meters[name].device.dead = True
            pipe.send(bus.overhead.mean_s)


def _as_text(result: Result) -> list[str]:
    lines = [
        "",
        say(
            f"9600 baud, 계량기 {result.meters}대, 레지스터 {result.registers}개를 읽기 {result.reads}번에",
            f"9600 baud, {result.meters} meters of {result.registers} registers in {result.reads} reads",
        ),
        say(
            f"  한 번 읽기: 한계 {result.bound_ms:.2f} ms, 실제 {result.transaction_ms:.2f} ms",
            f"  a read: limit {result.bound_ms:.2f} ms, found {result.transaction_ms:.2f} ms",
        ),
        f"  line_ratio {result.line_ratio:.4f} (≥ 0.98)",
    ]
    if result.dead_s:
        lines.append(f"  healthy_ratio {result.healthy_ratio:.4f} (≥ 0.95), {result.dead} dead, {result.dead_s:.0f} s")
        lines.append(f"  healthy_worst_10s_ratio {result.healthy_worst_10s_ratio:.4f}")
    if result.gateway_polls:
        told = f"{result.gateway_meters} meters, {result.gateway_polls} polls, {result.gateway_readings} readings"
        lines.append(f"  gateway_rss_mb {result.gateway_rss_mb:.1f} (≤ 60), {told}")
    return lines
