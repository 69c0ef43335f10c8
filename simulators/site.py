"""A simulated site: one TOML file that says what hangs where, and the meters that come of it.

Names of meters are `{site}-{group}-{number}`; units count from 1 on each line, a group begins a new unit.
"""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from contract.problems import Problem
from contract.topics import check_name
from edge.files import read_toml
from edge.models import Model, load_model
from simulators.shapes import SOLAR, shape

SITES = Path(__file__).parent / "sites"
_LAST_UNIT = 247

Kind = Literal["industrial-complex", "apartment-block", "public-building", "household", "other"]
UtilityName = Literal["electricity", "gas", "water", "heat"]
Role = Literal["main", "sub", "production"]
Carrier = Literal["rtu", "tcp", "rtu-over-tcp"]
BuildingUse = Annotated[int, msgspec.Meta(ge=0, le=29)]  # as the building register numbers them; 0: not known
Region = Annotated[int, msgspec.Meta(ge=0)]  # the registry's number of the dong; 0: not known


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`count` meters alike. `use` is a load shape or "solar", `scale` each one's rate at factor 1 (solar: kW rated).

    A sub-meter or a solar array feeds from (into) a meter of the group `parent`, named earlier in the file: that
    meter's load is its own, plus those of its sub-meters, less the arrays behind it. `multiplier` is a fact of
    the installation: what there is = what the meter shows × multiplier (current transformers, m3 a pulse).
    `quantities` are those that the gateway reads, all if empty; `block` is a SunSpec device's; `mains_powered` as
    in `edge.config.MeterConfig`; `building_use` is the site's where it is 0.
    """

    name: str
    model: str
    use: str
    scale: float
    count: int = 1
    utility: UtilityName = "electricity"
    role: Role = "main"
    parent: str = ""
    multiplier: float = 1.0
    quantities: list[str] = []
    block: int = 0
    mains_powered: bool = False
    building_use: BuildingUse = 0


class LineSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`baud` and `turnaround_ms` count only when bytes are to take their real time, and in the gateway's file.

    `holes_readable = false`: a read over addresses that no register has is refused with exception 2.
    `answers_for_silent`: as a TCP gateway does, with exception 0x0B, for a unit that is silent.
    """

    name: str
    group: list[Group]
    carrier: Carrier = "rtu"
    baud: int = 115200
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    turnaround_ms: float = 5.0
    timeout_s: float = 0.3
    holes_readable: bool = True
    answers_for_silent: bool = False


class GatewaySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One gateway and its lines."""

    name: str
    line: list[LineSpec]


class SimSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One site. Everything by chance in it comes from the names of its meters."""

    site: str
    name_ko: str
    name_en: str
    kind: Kind
    gateway: list[GatewaySpec]
    area: str = "main"
    region: Region = 0
    building_use: BuildingUse = 0


@dataclass(frozen=True)
class Place:
    """One meter of a site, and where it hangs; `parent` is the meter that it feeds from (into), or ""."""

    name: str
    gateway: str
    line: str
    unit: int
    channel: int
    group: Group
    model: Model
    parent: str


def shipped() -> list[str]:
    """The names of the sites in `simulators/sites/`."""
    return sorted(path.stem for path in SITES.glob("*.toml"))


def load_sim_site(name: str | Path) -> SimSite:
    """A shipped site by its name, or any site file by its path; checked whole. Raises Problem."""
    path = SITES / f"{name}.toml"
    if str(name) not in shipped():
        path = Path(name)
        if not os.path.isfile(path):  # noqa: PTH113  # Path.is_file raises for a name that is too long
            known = ", ".join(shipped())
            raise Problem(
                f"시설 '{name}': 그런 파일도, 제공되는 시설도 없습니다. 제공되는 시설: {known}",
                f"site '{name}': no such file, and not one of those shipped: {known}",
            )
    site = read_toml(path, SimSite)
    _check(path, site)
    return site


def places(site: SimSite) -> list[Place]:
    """All meters of a site, in the file's order."""
    groups = [group for gateway in site.gateway for line in gateway.line for group in line.group]
    counts = {group.name: group.count for group in groups if group.count > 0}
    return [
        place for gateway in site.gateway for line in gateway.line for place in _on_line(site, gateway, line, counts)
    ]


def _on_line(site: SimSite, gateway: GatewaySpec, line: LineSpec, counts: Mapping[str, int]) -> Iterator[Place]:
    unit = 1
    for group in line.group:
        model = load_model(group.model)
        for number in range(group.count):
            own, channel = divmod(number, model.channels)
            # a group's meters are dealt out to their parents one after the other
            parent = _meter(site, group.parent, number % counts[group.parent]) if group.parent in counts else ""
            name = _meter(site, group.name, number)
            yield Place(name, gateway.name, line.name, unit + own, channel + 1, group, model, parent)
        unit += math.ceil(group.count / model.channels)


def _meter(site: SimSite, group: str, number: int) -> str:
    return f"{site.site}-{group}-{number + 1:02d}"


def quantities(place: Place) -> list[str]:
    """What the gateway reads from this meter."""
    of_model = [register.quantity for register in place.model.register] or list(place.model.points)
    return [quantity for quantity in of_model if not place.group.quantities or quantity in place.group.quantities]


def _check(path: Path, site: SimSite) -> None:
    lines = [line for gateway in site.gateway for line in gateway.line]
    for what, names in (
        ("site", [site.site]),
        ("area", [site.area]),
        ("gateway", [gateway.name for gateway in site.gateway]),
        ("line", [line.name for line in lines]),
        ("group", [group.name for line in lines for group in line.group]),
        ("meter", [place.name for place in places(site)]),
    ):
        for name in names:
            check_name(f"{path}: {what}", name)
        check_unique(f"{path}: {what}", f"{path}: {what}", names)
    seen: dict[str, Group] = {}
    for line in lines:
        for group in line.group:
            _check_group(f"{path}: group '{group.name}'", group, seen)
            seen[group.name] = group
    for place in places(site):
        if place.unit > _LAST_UNIT:
            raise Problem(
                f"{path}: 선로 '{place.line}': 계량기가 국번 {_LAST_UNIT}개를 넘습니다",
                f"{path}: line '{place.line}': more than {_LAST_UNIT} units",
            )


def _check_group(at: str, group: Group, earlier: dict[str, Group]) -> None:
    model = load_model(group.model)
    if model.utility not in (group.utility, "pulses"):
        raise Problem(
            f"{at}: 모델 '{group.model}'은(는) {group.utility} 계량기가 아닙니다",
            f"{at}: model '{group.model}' measures {model.utility}, not {group.utility}",
        )
    if group.use != SOLAR:
        shape(group.use, group.utility)
    if group.count < 1 or group.multiplier <= 0 or group.scale < 0:
        raise Problem(
            f"{at}: count는 1 이상, multiplier는 0 초과, scale은 0 이상이어야 합니다",
            f"{at}: expected count >= 1, multiplier > 0, scale >= 0",
        )
    parent = earlier.get(group.parent)
    if group.parent and (parent is None or parent.utility != group.utility):
        raise Problem(
            f"{at}: parent '{group.parent}': 같은 종류의 앞선 그룹이어야 합니다",
            f"{at}: parent '{group.parent}': expected an earlier group of the same utility",
        )
    known = [register.quantity for register in model.register] or list(model.points)
    for quantity in group.quantities:
        if quantity not in known:
            raise Problem(
                f"{at}: 모델 '{group.model}'에 '{quantity}' 항목이 없습니다",
                f"{at}: model '{group.model}' has no quantity '{quantity}'; expected one of {', '.join(known)}",
            )


def check_unique(what_ko: str, what_en: str, names: Sequence[str]) -> None:
    """Raises Problem that names what is there twice."""
    for name, count in Counter(names).items():
        if count > 1:
            raise Problem(f"{what_ko} '{name}': 두 번 있습니다", f"{what_en} '{name}' is named twice")
