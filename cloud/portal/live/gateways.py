"""PURE: what the gateways say of themselves, as far as people must know it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from cloud.portal.live.view import clock
from cloud.portal.texts import Say, catalogue

_LISTED = 20
_LONGEST_CODE = 40
_WAITING_WORTH_TELLING = 100  # batches that wait for longer than a broker's restart


@dataclass(frozen=True)
class Gateway:
    """One row of an area's table "gateways"; `state_time_s` 0 where it never said a word."""

    gateway: str
    site: str
    online: bool
    state_time_s: int
    outbox_batches: int
    warnings: tuple[str, ...]


def gateways(table: pa.Table) -> list[Gateway]:
    """The rows of the table; raises KeyError where a column is absent."""
    return [
        Gateway(
            gateway=row["gateway"],
            site=row["site"] or "",
            online=bool(row["online"]),
            state_time_s=int(row["state_time_s"] or 0),
            outbox_batches=int(row["outbox_batches"] or 0),
            warnings=tuple(row["warnings"] or ()),
        )
        for row in table.to_pylist()
    ]


def offline_sites(known: Sequence[Gateway]) -> frozenset[str]:
    """Sites whose gateways are all offline."""
    online = {gateway.site for gateway in known if gateway.online}
    return frozenset(gateway.site for gateway in known if gateway.site) - online


def summary(known: Sequence[Gateway], say: Say) -> str:
    """How many are online, in one line."""
    if not known:
        return say("gateways.none")
    return say("gateways.online", n=len(known), online=sum(gateway.online for gateway in known))


def troubles(known: Sequence[Gateway], unlisted_series: int, say: Say) -> list[str]:
    """One line for everything that somebody should look at; empty when all is well."""
    lines = [line for gateway in known for line in _troubles_of(gateway, say)]
    if len(lines) > _LISTED:
        lines = [*lines[:_LISTED], say("gateways.more", n=len(lines) - _LISTED)]
    if unlisted_series:
        lines.append(say("gateways.unlisted", n=f"{unlisted_series:,}"))
    return lines


def _warning(code: str, say: Say) -> str:
    """What the code means; a gateway newer than this portal may have codes of its own."""
    return say(f"warning.{code}") if f"warning.{code}" in catalogue() else code[:_LONGEST_CODE]


def _troubles_of(gateway: Gateway, say: Say) -> list[str]:
    name = gateway.gateway
    if not gateway.online:
        if not gateway.state_time_s:
            return [say("gateways.offline_always", gateway=name)]
        return [say("gateways.offline", gateway=name, time=clock(gateway.state_time_s))]
    lines = [say("gateways.warning", gateway=name, warning=_warning(code, say)) for code in gateway.warnings]
    if gateway.outbox_batches >= _WAITING_WORTH_TELLING:
        lines.append(say("gateways.waiting", gateway=name, n=f"{gateway.outbox_batches:,}"))
    return lines
