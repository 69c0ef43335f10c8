"""`bitgoeul edge check`: the plan of reads of each line, and how much of its time that takes. Touches no line."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from commands.language import say
from commands.table import render
from contract.problems import Problem, Text
from edge import certificate
from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from edge.drivers import frames
from edge.drivers.modbus import transaction_s
from edge.models import Model, load_model
from edge.registers import Read, plan, select
from edge.sunspec import STARTS, Found, block, resolve

# What a meter needs before it answers, where nothing is known yet; most need less.
TURNAROUND_S = 0.03
_TCP_FRAME_BYTES = 7 + 5 + 7 + 2
_COMMON_WORDS = 2 + 68  # "SunS" and the common block, before an inverter's


@dataclass(frozen=True)
class MeterPlan:
    """`bytes` counts both frames of each read; `bus_ms` is 0 where no bus is known (TCP)."""

    name: str
    unit: int
    model: str
    reads: list[tuple[str, int, int]]
    words: int
    bytes: int
    bus_ms: float


@dataclass(frozen=True)
class LinePlan:
    """`share` is bus time over the tick, of a serial line."""

    name: str
    wire: str
    tick_s: int
    bus_s: float
    share: float
    meters: list[MeterPlan] = field(default_factory=list)


def show(site: Site, *, as_json: bool) -> int:
    """Print the plan; 0, since `load_site` has refused what is wrong. Raises Problem for a certificate that is over."""
    plans = [line_plan(line, site.tick_s) for line in site.line]
    warnings = [*_outbox_warnings(site.outbox), *_certificate_warnings(site.uplink)]
    if as_json:
        lines = [asdict(one) for one in plans]
        said = [text.en for text in warnings]
        print(json.dumps({"gateway": site.gateway, "lines": lines, "warnings": said}, ensure_ascii=False))
        return 0
    print(_head(site))
    for one in plans:
        print("\n".join(["", *_line_text(one)]))
    for text in warnings:
        print("\n" + say(text.ko, text.en))
    meters = sum(len(one.meters) for one in plans)
    reads = sum(len(meter.reads) for one in plans for meter in one.meters)
    print()
    print(
        say(
            f"이상 없음: 선로 {len(plans)}개, 계량기 {meters}대, 한 주기에 읽기 {reads}회. 선로는 건드리지 않았습니다.",
            f"all right: {len(plans)} lines, {meters} meters, {reads} reads a tick. No line was touched.",
        )
    )
    return 0


def _outbox_warnings(outbox: OutboxConfig) -> Iterator[Text]:
    path = Path(outbox.path)
    held = path.stat().st_size if path.is_file() else 0
    room_mb = (shutil.disk_usage(path.parent).free + held) >> 20  # the outbox counts so, too
    if outbox.max_mb > room_mb:
        yield Text(
            f"주의: outbox: max_mb = {outbox.max_mb}: '{path.parent}'에 남은 공간은 {room_mb} MB입니다. "
            "그보다 작게 하거나 공간을 비우십시오.",
            f"warning: outbox: max_mb = {outbox.max_mb}: '{path.parent}' has room for {room_mb} MB; "
            "make it less, or free some space.",
        )


def _certificate_warnings(uplink: UplinkConfig) -> Iterator[Text]:
    """A gateway with a certificate that is over starts, and keeps what it reads; a technician must not leave it so."""
    path = uplink.credentials_file or uplink.certificate_file
    found = certificate.expiry(path, time.time()) if path else None
    if found and found.over:
        raise Problem(found.text.ko, found.text.en)
    if found:
        yield Text(f"주의: {found.text.ko}", f"warning: {found.text.en}")


def line_plan(line: LineConfig, site_tick_s: int) -> LinePlan:
    """What will be asked on a line in a tick, as long as no meter refuses a merged read."""
    tick_s = line.tick_s or site_tick_s
    meters = [_meter_plan(meter, line) for meter in line.meter]
    bus_s = sum(meter.bus_ms for meter in meters) / 1000
    return LinePlan(line.name, wire_text(line), tick_s, round(bus_s, 3), round(bus_s / tick_s, 4), meters)


def _meter_plan(meter: MeterConfig, line: LineConfig) -> MeterPlan:
    model = load_model(meter.model)
    reads = _reads(model, meter)
    words = sum(read.words for read in reads)
    on_rtu = bool(line.port) or line.framing == "rtu"
    overhead = frames.REQUEST_BYTES + frames.rtu_answer_bytes(0) if on_rtu else _TCP_FRAME_BYTES
    bus_s = sum(transaction_s(line, read.words, TURNAROUND_S) for read in reads) if line.port else 0.0
    return MeterPlan(
        meter.name,
        meter.unit,
        meter.model,
        [(read.table, read.address, read.words) for read in reads],
        words,
        2 * words + overhead * len(reads),
        round(bus_s * 1000, 1),
    )


def _reads(model: Model, meter: MeterConfig) -> tuple[Read, ...]:
    registers = select(model, meter.quantities, meter.channel)
    if model.protocol == "sunspec":
        number = model.blocks[0]
        found = Found(number, STARTS[0] + _COMMON_WORDS, block(number).words)
        resolved = resolve(model, [found])
        registers = tuple(one for one in resolved if not meter.quantities or one.quantity in meter.quantities)
    return plan(registers, model.max_words, model.max_gap)


def wire_text(line: LineConfig) -> str:
    """Where a line is, as an installer writes it down: `/dev/ttyUSB0 9600 8N1`, `10.0.0.7:502 tcp`."""
    if line.port:
        return f"{line.port} {line.baud} 8{line.parity}{line.stop_bits}"
    return f"{line.host}:{line.tcp_port} {line.framing}"


def _head(site: Site) -> str:
    brokers = ", ".join(site.uplink.brokers)
    return "\n".join(
        render(
            [
                (say("게이트웨이", "gateway"), f"{site.area}/{site.gateway}"),
                (say("사이트", "site"), site.site),
                (say("주기", "tick"), f"{site.tick_s} s"),
                (say("브로커", "brokers"), brokers),
                (say("발신함", "outbox"), f"{site.outbox.path} ({site.outbox.max_mb} MB)"),
            ],
            indent="",
        )
    )


def _line_text(one: LinePlan) -> list[str]:
    head = tuple(
        say(
            "계량기,국번,모델,읽기,워드,바이트,선로 ms,읽는 곳", "meter,unit,model,reads,words,bytes,bus ms,spans"
        ).split(",")
    )
    rows = [
        (
            meter.name,
            str(meter.unit),
            meter.model,
            str(len(meter.reads)),
            str(meter.words),
            str(meter.bytes),
            f"{meter.bus_ms:.1f}" if meter.bus_ms else "-",
            _spans(meter),
        )
        for meter in one.meters
    ]
    lines = [say(f"선로 {one.name}  {one.wire}", f"line {one.name}  {one.wire}")]
    lines += render([head, *rows], right=(1, 3, 4, 5, 6))
    return [*lines, *_share_text(one)]


def _spans(meter: MeterPlan) -> str:
    tables = dict.fromkeys(table for table, _, _ in meter.reads)
    return "; ".join(
        f"{table} " + " ".join(f"{first}+{words}" for other, first, words in meter.reads if other == table)
        for table in tables
    )


def _share_text(one: LinePlan) -> list[str]:
    if not one.bus_s:
        return []
    assumed = f"{TURNAROUND_S * 1000:.0f} ms"
    text = say(
        f"  선로 시간 {one.bus_s:.2f} s / 주기 {one.tick_s} s = {one.share:.1%} (응답 준비 {assumed} 가정)",
        f"  bus time {one.bus_s:.2f} s of the tick's {one.tick_s} s = {one.share:.1%} (turnaround taken as {assumed})",
    )
    if one.share <= 1:
        return [text]
    need_s = -(-one.bus_s // 1)
    return [
        text,
        say(
            f"  주의: 한 주기에 다 읽지 못합니다. 주기를 {need_s:.0f} s 이상으로 하거나 속도를 높이십시오.",
            f"  warning: too much for a tick; make it {need_s:.0f} s or longer, or raise the baud rate.",
        ),
    ]
