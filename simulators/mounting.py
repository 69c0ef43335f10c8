"""From a site's file to its simulated meters: each gets its load, its terminals and its place on a line."""

from collections.abc import Sequence
from math import isclose

from simulators.meters import SimMeter
from simulators.shapes import Load, Mixed, Series, seed_of
from simulators.site import Place, SimSite, places
from simulators.terminals import Terminals


def mount(site: SimSite) -> dict[str, list[SimMeter]]:
    """The meters by line."""
    placed = places(site)
    loads = loads_of(placed)
    lines: dict[str, list[SimMeter]] = {line.name: [] for gateway in site.gateway for line in gateway.line}
    for place in placed:
        lines[place.line].append(_meter(place, loads[place.name], _nominal(place, placed)))
    return lines


def loads_of(placed: Sequence[Place]) -> dict[str, Load]:
    """What flows through each meter, by its name."""
    loads: dict[str, Load] = {}
    # parents come first in a file, so that from its end on the children of each are known
    for place in reversed(placed):
        group = place.group
        own = Series(group.use, group.utility, group.scale, seed_of(place.name))
        behind = [
            (loads[child.name], -1.0 if child.group.role == "production" else 1.0) for child in _children(place, placed)
        ]
        loads[place.name] = Mixed([(own, 1.0), *behind]) if behind else own
    return loads


def _children(place: Place, placed: Sequence[Place]) -> list[Place]:
    """Those that hang behind this one."""
    return [child for child in placed if child.parent == place.name]


def _nominal(place: Place, placed: Sequence[Place]) -> float:
    """The load's usual size: its own, with what hangs behind it."""
    behind = [child for child in _children(place, placed) if child.group.role != "production"]
    return place.group.scale + sum(_nominal(child, placed) for child in behind)


def _meter(place: Place, load: Load, nominal: float) -> SimMeter:
    group, model = place.group, place.model
    three = any("_l3_" in quantity for quantity in [*(one.quantity for one in model.register), *model.points])
    seed = seed_of(f"{place.name}/terminals")
    terminals = Terminals(load, nominal, seed, group.multiplier, 3 if three else 1)
    rated_kw = nominal if not isclose(nominal, 0) else 1.0
    return SimMeter(place.name, model, place.unit, terminals, place.channel, group.block, rated_kw)
