"""The site file that a gateway of a simulated site runs on, with the ports that the simulation has opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any

import msgspec

from edge.config import LineConfig, MeterConfig, OutboxConfig, Site, UplinkConfig
from simulators.site import GatewaySpec, LineSpec, SimSite, places


@dataclass(frozen=True)
class Endpoint:
    """Where a line is found: a device file, or a TCP port on loopback."""

    port: str = ""
    host: str = ""
    tcp_port: int = 0


@dataclass(frozen=True)
class GatewaySettings:
    """What a simulated gateway's file says beside its lines."""

    uplink: UplinkConfig
    outbox: OutboxConfig
    tick_s: int = 60


def gateway_site(site: SimSite, gateway: str, endpoints: Mapping[str, Endpoint], settings: GatewaySettings) -> Site:
    """The gateway's configuration. Its clock is the system's: a simulation has no other to trust."""
    spec = next(one for one in site.gateway if one.name == gateway)
    return Site(
        area=site.area,
        site=site.site,
        gateway=gateway,
        line=[_line(site, spec, line, endpoints[line.name]) for line in spec.line],
        uplink=settings.uplink,
        outbox=settings.outbox,
        tick_s=settings.tick_s,
        clock="system",
    )


def _line(site: SimSite, gateway: GatewaySpec, line: LineSpec, endpoint: Endpoint) -> LineConfig:
    meters = [
        MeterConfig(
            name=place.name,
            model=place.group.model,
            unit=place.unit,
            channel=place.channel,
            quantities=place.group.quantities,
            mains_powered=place.group.mains_powered,
        )
        for place in places(site)
        if (place.gateway, place.line) == (gateway.name, line.name)
    ]
    if line.carrier == "rtu":
        return LineConfig(
            name=line.name,
            meter=meters,
            port=endpoint.port,
            baud=line.baud,
            parity=line.parity,
            stop_bits=line.stop_bits,
            timeout_s=line.timeout_s,
        )
    return LineConfig(
        name=line.name,
        meter=meters,
        host=endpoint.host,
        tcp_port=endpoint.tcp_port,
        framing="tcp" if line.carrier == "tcp" else "rtu",
        timeout_s=line.timeout_s,
    )


def write_gateway_file(site: Site, path: Path) -> Path:
    """Write a gateway's configuration as the TOML that `edge.config.load_site` reads."""
    path.write_text("\n".join(_toml("", _set_fields(site))) + "\n", "utf-8")
    return path


def _set_fields(value: Any) -> Any:
    """The value as plain tables, without fields that have their default: what an installer would have written."""
    if isinstance(value, list):
        return [_set_fields(one) for one in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = msgspec.structs.fields(type(value))
    return {
        field.name: _set_fields(getattr(value, field.name))
        for field in fields
        if field.required or getattr(value, field.name) not in (field.default, [])
    }


def _toml(path: str, table: dict[str, Any]) -> Iterator[str]:
    """A table's own keys first, then its tables, each under its path."""
    for key, value in table.items():
        if not _is_tables(value):
            # a JSON string, number or array of them is a TOML one
            yield f"{key} = {dumps(value, ensure_ascii=False)}"
    for key, value in table.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            yield from ("", f"[{inner}]", *_toml(inner, value))
        elif _is_tables(value):
            for one in value:
                yield from ("", f"[[{inner}]]", *_toml(inner, one))


def _is_tables(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))
