"""A gateway's site file: what an installer decided. One frozen value, built once at the entry point."""

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from contract.problems import Problem, Text
from contract.topics import check_name
from edge import certificate
from edge.files import read_toml
from edge.models import Model, load_model, quantities

BAUDS = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PORTS = {"mqtt": 1883, "mqtts": 8883}
_DAY_S = 86_400
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


class MeterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`name` is the meter's identity city-wide; `quantities` empty means all that the model has.

    `mains_powered`: a meter of a model that usually runs on a battery has been given power, and is read each tick.
    """

    name: str
    model: str
    unit: int
    channel: int = 1
    quantities: list[str] = []
    mains_powered: bool = False


class LineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One RS-485 line (`port`) or one Modbus TCP address (`host`), with all meters on it: one owner reads them.

    `timeout_s` is how long a meter may stay silent, beside the time that the bytes take, before its answer is
    given up; a meter that is known to be quicker is waited for less.
    """

    name: str
    meter: list[MeterConfig]
    port: str = ""
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    host: str = ""
    tcp_port: int = 502
    framing: Literal["tcp", "rtu"] = "tcp"
    timeout_s: float = 0.5
    tick_s: int = 0  # 0: the site's


class UplinkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`brokers` are tried in turn: "mqtts://host[:8883]" or "mqtt://host[:1883]" (loopback only, but by
    `allow_plain`). The password stands in a file of its own, readable by its owner only. `credentials_file` holds
    key, certificate and authority in one, as `bitgoeul cloud gateways add` writes it, in place of the three files.
    """

    brokers: list[str]
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    credentials_file: str = ""
    allow_plain: bool = False


class OutboxConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`sync_s` is what a power cut may cost; 0 syncs every batch (an SD card wears out faster)."""

    path: str
    max_mb: int = 512
    sync_s: float = 5.0
    keep_days: float = 7.0


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`clock`: "ntp" trusts the clock once the kernel says that it is synchronised, "system" always."""

    area: str
    site: str
    gateway: str
    line: list[LineConfig]
    uplink: UplinkConfig
    outbox: OutboxConfig
    tick_s: int = 60
    clock: Literal["ntp", "system"] = "ntp"


def load_site(path: Path) -> Site:
    """The site file, checked as far as it can be without touching a line; its paths absolute.

    Raises Problem, one line for each complaint. Relative paths in the file start at its own folder.
    """
    site = _with_absolute_paths(read_toml(path, Site), path.absolute().parent)
    if found := list(complaints(site)):
        ko, en = zip(*((f"{path}: {text.ko}", f"{path}: {text.en}") for text in found), strict=True)
        raise Problem("\n".join(ko), "\n".join(en))
    return site


def _with_absolute_paths(site: Site, folder: Path) -> Site:
    def absolute(name: str) -> str:
        return str(folder / name) if name else ""

    names = ("password_file", "ca_file", "certificate_file", "key_file", "credentials_file")
    uplink = msgspec.structs.replace(site.uplink, **{name: absolute(getattr(site.uplink, name)) for name in names})
    outbox = msgspec.structs.replace(site.outbox, path=absolute(site.outbox.path))
    return msgspec.structs.replace(site, uplink=uplink, outbox=outbox)


class Broker(NamedTuple):
    """A broker's URL in its parts."""

    scheme: str
    host: str
    port: int


def parse_broker(url: str) -> Broker:
    """Raises Problem where it is no "mqtts://host[:8883]" or "mqtt://host[:1883]"."""
    try:
        parts = urlsplit(url)
        port = PORTS[parts.scheme] if parts.port is None else parts.port
    except (ValueError, KeyError):
        parts, port = urlsplit(""), 0
    host = parts.hostname or ""
    if not (port and is_host(host)) or parts.username or parts.path or parts.query or parts.fragment:
        raise Problem(
            f"브로커 '{url}': mqtts://호스트[:8883] 또는 mqtt://호스트[:1883] 형식이어야 합니다",
            f"broker '{url}': expected mqtts://host[:8883] or mqtt://host[:1883]",
        )
    return Broker(parts.scheme, host, port)


def is_loopback(host: str) -> bool:
    """Whether nothing sent to that host leaves the machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_host(text: str) -> bool:
    """Whether that is an IP address or can be a host's name: no scheme, no port, no label that DNS cannot have."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        try:
            return bool(_NAME.fullmatch(text.encode("idna").decode()))
        except UnicodeError:
            return False
    return True


def complaints(site: Site) -> Iterator[Text]:
    """All that is wrong with a site and can be seen without touching a line."""
    names = [("area", site.area), ("site", site.site), ("gateway", site.gateway)]
    names += [("line", line.name) for line in site.line]
    names += [("meter", meter.name) for line in site.line for meter in line.meter]
    for what, name in names:
        try:
            check_name(what, name)
        except Problem as problem:
            yield problem.text
    for what, name in _repeated(names):
        yield Text(
            f"{what} '{name}': 이름이 두 번 이상 쓰였습니다", f"{what} '{name}': the name is used more than once"
        )
    if not 1 <= site.tick_s <= _DAY_S:
        yield Text(
            f"tick_s = {site.tick_s}: 1~{_DAY_S}이어야 합니다", f"tick_s = {site.tick_s}: expected 1 to {_DAY_S}"
        )
    if not site.line:
        yield Text("line이 하나도 없습니다", "no line: expected at least one [[line]]")
    yield from _same_wire(site.line)
    for line in site.line:
        for text in _line_complaints(line):
            yield Text(f"line '{line.name}': {text.ko}", f"line '{line.name}': {text.en}")
    yield from _uplink_complaints(site.uplink, site.gateway)
    yield from _outbox_complaints(site.outbox)


def _repeated(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [name for name, count in Counter(names).items() if count > 1]


def _same_wire(lines: Iterable[LineConfig]) -> Iterator[Text]:
    """Two owners of one wire would garble each other."""
    wires = [(_device(line.port) if line.port else f"{line.host}:{line.tcp_port}", line) for line in lines]
    for wire, group in groupby(sorted(wires, key=lambda pair: pair[0]), key=lambda pair: pair[0]):
        if len(same := [line.name for _, line in group]) > 1:
            together = ", ".join(same)
            yield Text(
                f"line {together}: 같은 '{wire}'을(를) 씁니다. 한 line에 모으십시오",
                f"lines {together}: share '{wire}'; put their meters on one line",
            )


def _device(port: str) -> str:
    """What a port's name leads to; the name itself where it can be no path."""
    try:
        return str(Path(port).resolve())
    except (OSError, ValueError):
        return port


def _outside(name: str, value: float, low: float, high: float) -> Iterator[Text]:
    if not low <= value <= high:
        yield Text(
            f"{name} = {value}: {low} 이상 {high} 이하여야 합니다", f"{name} = {value}: expected {low} to {high}"
        )


def _line_complaints(line: LineConfig) -> Iterator[Text]:
    if bool(line.port) == bool(line.host):
        yield Text("port와 host 중 하나만 써야 합니다", "expected either port or host")
    if "\0" in line.port:
        yield Text(f"port = {line.port!r}: 경로가 아닙니다", f"port = {line.port!r}: no path")
    if line.port and line.baud not in BAUDS:
        rates = ", ".join(map(str, BAUDS))
        yield Text(f"baud = {line.baud}: {rates} 중 하나여야 합니다", f"baud = {line.baud}: expected one of {rates}")
    if line.host and not is_host(line.host):
        yield Text(
            f"host = {line.host!r}: 호스트 이름이나 IP 주소만 써야 합니다. 포트는 tcp_port에 쓰십시오",
            f"host = {line.host!r}: expected a host name or an IP address; the port goes into tcp_port",
        )
    yield from _outside("tcp_port", line.tcp_port, 1, 65535)
    yield from _outside("timeout_s", line.timeout_s, 0.02, 30)
    yield from _outside("tick_s", line.tick_s, 0, _DAY_S)
    if not line.meter:
        yield Text("meter가 하나도 없습니다", "no meter: expected at least one [[line.meter]]")
    yield from _same_unit(line.meter)
    for meter in line.meter:
        for text in _meter_complaints(meter, line):
            yield Text(f"meter '{meter.name}': {text.ko}", f"meter '{meter.name}': {text.en}")


def _same_unit(meters: Iterable[MeterConfig]) -> Iterator[Text]:
    by_unit = groupby(sorted(meters, key=lambda meter: meter.unit), key=lambda meter: meter.unit)
    for unit, group in by_unit:
        same = list(group)
        channels, models = ({meter.channel for meter in same}, {meter.model for meter in same})
        one_device = len(models) == 1 and len(channels) == len(same)
        # an inverter and its meter stand in one chain of SunSpec blocks
        one_chain = len(models) == len(same) and all(map(_is_sunspec, models))
        if not (one_device or one_chain):
            together = ", ".join(f"'{meter.name}'" for meter in same)
            yield Text(
                f"unit {unit}: {together}이(가) 함께 씁니다. "
                "채널이 다른 같은 모델이나 서로 다른 SunSpec 모델만 그럴 수 있습니다",
                f"unit {unit}: shared by {together}; only channels of one device, or different SunSpec models, may",
            )


def _is_sunspec(model: str) -> bool:
    try:
        return load_model(model).protocol == "sunspec"
    except Problem:  # complained of where the meter is
        return False


def _meter_complaints(meter: MeterConfig, line: LineConfig) -> Iterator[Text]:
    # a Modbus TCP device that is no gateway is often unit 255
    if not (line.host and line.framing == "tcp" and meter.unit == 255):
        yield from _outside("unit", meter.unit, 1, 247)
    try:
        model = load_model(meter.model)
    except Problem as problem:
        yield problem.text
        return
    yield from _outside("channel", meter.channel, 1, model.channels)
    yield from _quantity_complaints(meter, model)


def _quantity_complaints(meter: MeterConfig, model: Model) -> Iterator[Text]:
    known = quantities(model)
    for quantity in meter.quantities:
        if quantity not in known:
            yield Text(
                f"'{quantity}': 모델 {meter.model}에 없습니다. 쓸 수 있는 항목: {', '.join(known)}",
                f"'{quantity}': model {meter.model} has no such quantity; expected one of {', '.join(known)}",
            )


def _uplink_complaints(uplink: UplinkConfig, gateway: str) -> Iterator[Text]:
    if not uplink.brokers:
        yield Text("uplink: brokers가 비었습니다", "uplink: brokers is empty; expected at least one URL")
    for url in uplink.brokers:
        yield from _broker_complaints(url, allow_plain=uplink.allow_plain)
    if bool(uplink.certificate_file) != bool(uplink.key_file):
        yield Text(
            "uplink: certificate_file과 key_file은 함께 써야 합니다",
            "uplink: certificate_file and key_file go together",
        )
    if uplink.password_file and not uplink.username:
        yield Text("uplink: password_file에는 username이 필요합니다", "uplink: password_file needs a username")
    for name in ("password_file", "ca_file", "certificate_file", "key_file"):
        yield from _file_complaints(name, getattr(uplink, name), secret=name in ("password_file", "key_file"))
    if uplink.credentials_file:
        yield from _credentials_complaints(uplink, gateway)


def _credentials_complaints(uplink: UplinkConfig, gateway: str) -> Iterator[Text]:
    if uplink.ca_file or uplink.certificate_file or uplink.key_file:
        yield Text(
            "uplink: credentials_file이 있으면 ca_file, certificate_file, key_file은 쓰지 않습니다",
            "uplink: credentials_file stands in place of ca_file, certificate_file, key_file; expected none of them",
        )
    unusable = list(_file_complaints("credentials_file", uplink.credentials_file, secret=True))
    for text in unusable or certificate.complaints(uplink.credentials_file, gateway):
        yield text if unusable else Text(f"uplink: {text.ko}", f"uplink: {text.en}")


def _broker_complaints(url: str, *, allow_plain: bool) -> Iterator[Text]:
    try:
        broker = parse_broker(url)
    except Problem as problem:
        yield Text(f"uplink: {problem.text.ko}", f"uplink: {problem.text.en}")
        return
    if broker.scheme == "mqtt" and not allow_plain and not is_loopback(broker.host):
        yield Text(
            f"uplink: 브로커 '{url}': 암호화되지 않습니다. mqtts를 쓰거나 allow_plain = true로 허용하십시오",
            f"uplink: broker '{url}': not encrypted; use mqtts, or allow it with allow_plain = true",
        )


def _file_complaints(name: str, path: str, *, secret: bool) -> Iterator[Text]:
    if not path:
        return
    if not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises for what can be no path at all
        yield Text(f"uplink: {name} '{path}': 파일이 없습니다", f"uplink: {name} '{path}': no such file")
    elif secret and Path(path).stat().st_mode & 0o077:
        yield Text(
            f"uplink: {name} '{path}': 다른 사용자가 읽을 수 있습니다 (chmod 600)",
            f"uplink: {name} '{path}': others can read it (chmod 600)",
        )


def _outbox_complaints(outbox: OutboxConfig) -> Iterator[Text]:
    folder = Path(outbox.path).parent
    if not outbox.path or os.path.isdir(outbox.path):  # noqa: PTH112  # as above
        yield Text(
            f"outbox: path = '{outbox.path}': 파일의 경로여야 합니다",
            f"outbox: path = '{outbox.path}': expected the path of a file",
        )
    elif not os.path.isdir(folder):  # noqa: PTH112  # as above
        yield Text(
            f"outbox: path의 폴더 '{folder}'이(가) 없습니다", f"outbox: the folder of path, '{folder}', is missing"
        )
    yield from _outside("outbox: max_mb", outbox.max_mb, 1, 1_000_000)
    yield from _outside("outbox: sync_s", outbox.sync_s, 0, _DAY_S)
    yield from _outside("outbox: keep_days", outbox.keep_days, 0, 3650)
