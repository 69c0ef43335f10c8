"""`bitgoeul edge read`: one meter, now: what a technician holds against the meter's display."""

import asyncio
import json
import time
from collections.abc import Sequence

from commands.edge_check import wire_text
from commands.language import language, say
from commands.table import render
from contract.problems import Problem, Text
from contract.quality import Quality
from contract.quantities import QUANTITIES
from contract.reading import Reading
from edge.config import LineConfig, Site
from edge.drivers.down import Down
from edge.line import Line
from edge.meter import Meter
from edge.models import WORDS, Model

# SenML's units as a display shows them.
_SHOWN = {"Cel": "°C", "/": "", "m3": "m³", "m3/h": "m³/h"}


def show(site: Site, name: str, *, as_json: bool) -> int:
    """Read and print; 0 when at least one value came."""
    line = Line(_line_of(site, name), site.tick_s, time.time)
    started_s = time.monotonic()
    readings = asyncio.run(_read(line, name))
    took_s = time.monotonic() - started_s
    meter = next(meter for meter in line.meters if meter.config.name == name)
    readings.sort(key=lambda reading: meter.quantities.index(reading.quantity))
    if as_json:
        print(json.dumps(_as_json(meter, line, readings, took_s), ensure_ascii=False))
    else:
        print("\n".join(_as_text(meter, line, readings, took_s)))
    return 0 if any(reading.value is not None for reading in readings) else 1


def _line_of(site: Site, name: str) -> LineConfig:
    for line in site.line:
        if any(meter.name == name for meter in line.meter):
            return line
    known = ", ".join(meter.name for line in site.line for meter in line.meter)
    raise Problem(
        f"계량기 '{name}': 사이트 파일에 없습니다. 있는 계량기: {known}",
        f"meter '{name}': not in the site file; expected one of {known}",
    )


async def _read(line: Line, name: str) -> list[Reading]:
    try:
        return await line.read_now(name)
    finally:
        line.close()


def _words(meter: Meter) -> dict[str, str]:
    """By quantity: its raw words as hexadecimal."""
    found = {}
    for read, words in meter.heard:
        for register in read.registers:
            first = register.address - read.address
            own = words[first : first + WORDS[register.type]]
            found[register.quantity] = " ".join(f"{word:04X}" for word in own)
    return found


def _as_json(meter: Meter, line: Line, readings: Sequence[Reading], took_s: float) -> dict[str, object]:
    words = _words(meter)
    return {
        "meter": meter.config.name,
        "model": meter.config.model,
        "unit": meter.config.unit,
        "time_s": readings[0].time_s,
        "took_ms": round(took_s * 1000),
        "line_down": line.down.reason.en if line.down else "",
        "readings": [
            {
                "quantity": reading.quantity,
                "value": reading.value,
                "unit": QUANTITIES[reading.quantity].unit,
                "quality": _quality(reading),
                "words": words.get(reading.quantity, ""),
            }
            for reading in readings
        ],
    }


def _as_text(meter: Meter, line: Line, readings: Sequence[Reading], took_s: float) -> list[str]:
    words = _words(meter)
    names = {register.quantity: register.name for register in meter.registers}
    head = tuple(say("항목,값,단위,상태,워드,설명서의 이름", "quantity,value,unit,quality,words,register").split(","))
    rows = [
        (
            reading.quantity,
            "-" if reading.value is None else f"{reading.value:.12g}",
            _SHOWN.get(QUANTITIES[reading.quantity].unit, QUANTITIES[reading.quantity].unit),
            _quality(reading),
            words.get(reading.quantity, ""),
            names.get(reading.quantity, ""),
        )
        for reading in readings
    ]
    title = f"{meter.config.name}  {meter.model.maker} {meter.model.model}  {wire_text(line.config)}"
    unit = say(f"국번 {meter.config.unit}, {took_s * 1000:.0f} ms", f"unit {meter.config.unit}, {took_s * 1000:.0f} ms")
    lines = [f"{title}  {unit}", *render([head, *rows], right=(1,))]
    found = {reading.quality for reading in readings}
    return lines + [
        hint.of(language()) for quality, hint in _hints(meter.model, line.config, line.down) if quality in found
    ]


def _quality(reading: Reading) -> str:
    return reading.quality.name.lower().replace("_", "-")


def _hints(model: Model, line: LineConfig, down: Down | None) -> list[tuple[Quality, Text]]:
    """What to look at first, by what was found."""
    shipped = f"{model.baud} 8{model.parity}{model.stop_bits}"
    return [
        (
            Quality.NO_ANSWER,
            Text(
                f"→ 응답이 없습니다. 계량기의 국번과 통신 설정(출고값 {shipped}), A/B 배선, 전원을 확인하십시오.",
                f"→ no answer: check the meter's address and settings (shipped as {shipped}), A/B wiring and power.",
            ),
        ),
        (
            Quality.GARBLED,
            Text(
                "→ 깨진 응답입니다. 속도와 패리티, 같은 국번의 다른 기기, 종단 저항과 접지를 확인하십시오.",
                "→ garbled: check baud rate and parity, another device of the same address, termination and ground.",
            ),
        ),
        (
            Quality.EXCEPTION,
            Text(
                f"→ 계량기가 이 레지스터를 거부합니다. 모델이 {model.maker} {model.model}이(가) 맞는지 확인하십시오.",
                f"→ the meter refuses these registers: is it really a {model.maker} {model.model}?",
            ),
        ),
        *([(Quality.LINE_DOWN, _down_hint(line, down))] if down else []),
    ]


def _down_hint(line: LineConfig, down: Down) -> Text:
    where = wire_text(line)
    return Text(
        f"→ {where}에 연결할 수 없습니다: {down.reason.ko}. {down.action.ko}.",
        f"→ no connection to {where}: {down.reason.en}; {down.action.en}.",
    )
