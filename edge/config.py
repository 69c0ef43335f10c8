"""A gateway's site file: what an installer decided. One frozen value, built once at the entry point."""

from pathlib import Path
from typing import Literal

import msgspec

from edge.files import read_toml


class MeterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`name` is the meter's identity city-wide; `quantities` empty means all that the model has."""

    name: str
    model: str
    unit: int
    channel: int = 1
    quantities: list[str] = []


class LineConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One RS-485 line (`port`) or one Modbus TCP address (`host`), with all meters on it: one owner reads them.

    `timeout_s` is how long a meter may stay silent before its answer is given up.
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
    `allow_plain`). The password stands in a file of its own, readable by its owner only.
    """

    brokers: list[str]
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
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
    """The site file, checked as far as it can be without touching a line. Raises Problem."""
    return read_toml(path, Site)
