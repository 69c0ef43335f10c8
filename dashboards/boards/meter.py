"""One meter: its register, its power or flow, what each slot took, and whether it answers."""

from dashboards import influxql as ask
from dashboards.boards.common import ALL, DOTS, LIVE, Desk, estimated_name
from dashboards.boards.site import reading_words
from dashboards.grafana import Board, Json, Panel, Query, Variable, override
from dashboards.palette import GOOD, PLAIN
from dashboards.panels import big, lines, states, table

METER = "\"meter\" = '${meter:raw}'"
AT_METER = f"\"level\" = 'meter' AND {METER}"
OUTAGES = "(\"scope\" = 'meter' AND \"name\" = '${meter:raw}' OR \"scope\" = 'site' AND \"name\" = '${site:raw}')"

# unscaled, as the meter's own display shows them
UNITS = {
    "electricity": {"reading": "kWh", "instant": "kW"},
    "gas": {"reading": "m³", "instant": "m³/h"},
    "water": {"reading": "m³", "instant": "m³/h"},
    "heat": {"reading": "kWh", "instant": "kW"},
}

# a meter has one utility, so that a pattern finds the measurements which it has points in
INSTANTS = (
    r"/^(electricity_power_kw|electricity_production_power_kw|gas_flow_m3_per_h|water_flow_m3_per_h|heat_power_kw)$/"
)
SLOTS = r"/^(usage|production|import|export)_(electricity_kwh|gas_m3|water_m3|heat_kwh)$/"
REGISTERS = (
    r"/^(electricity_import_kwh|electricity_export_kwh|electricity_production_kwh"
    r"|gas_volume_m3|water_volume_m3|heat_energy_kwh|pulses_count)$/"
)


def board(desk: Desk) -> Board:
    """The end of the way from the city; leads back to its site."""
    say = desk.say
    meters = ask.choices("meter_names", desk.language, "\"site\" = '${site:raw}'")
    return Board(
        uid=desk.uid("meter"),
        title=say("meter.title"),
        about=say("meter.about"),
        none=say("common.none"),
        tags=desk.tags(),
        variables=[desk.site_variable(), Variable("meter", say("common.meter"), meters)],
        links=desk.links("meter"),
        annotations=desk.outages_of(OUTAGES),
        refresh="10s",
        rows=[
            [
                _figure(desk, "reading", PLAIN, 1),
                _figure(desk, "instant", GOOD, 2),
                _quality(desk),
                _age(desk),
                _gateway(desk),
            ],
            [_instants(desk), _slots(desk)],
            [_registers(desk), _state(desk)],
            [_facts(desk)],
        ],
    )


def _figure(desk: Desk, field: str, color: str, decimals: int) -> Panel:
    query = f'{ask.latest("meter_now", METER, LIVE, field)} GROUP BY "utility"'
    units = [override(utility, unit=f"suffix: {unit[field]}") for utility, unit in UNITS.items()]
    shown = [Query(query, "$tag_utility")]
    return big(desk.say(f"columns.{field}"), (6, 5), shown, "locale", color, decimals=decimals, overrides=units)


def _gateway(desk: Desk) -> Panel:
    query = ask.listing("meter_now", {"text": "gateway"}, METER, ["meter"], LIVE, good=False)
    links = desk.link_to("fleet", gateway="${__value.text}")
    shown = [Query(query, table=True)]
    return big(desk.say("columns.gateway"), (4, 5), shown, "", PLAIN, fields="/^text$/", links=links)


def _quality(desk: Desk) -> Panel:
    query = ask.newest("meter_now", "quality", METER, LIVE)
    look = {"mappings": reading_words(desk)}
    return big(desk.say("columns.state"), (4, 5), [Query(query)], "", PLAIN, look=look)


def _age(desk: Desk) -> Panel:
    query = ask.newest("meter_now", "age_s", METER, LIVE)
    return big(desk.say("columns.age"), (4, 5), [Query(query)], "s", PLAIN, decimals=0)


def _instants(desk: Desk) -> Panel:
    query = f'SELECT mean("value") FROM {INSTANTS} WHERE {AT_METER} AND {ask.GOOD} AND {ask.TIME}'  # noqa: S608  # ours
    looks = [
        override(
            utility.live,
            displayName=desk.say(f"now.{utility.key}"),
            unit=utility.live_unit,
            color=_fixed(utility.color),
        )
        for utility in ALL
    ]
    return lines(
        desk.say("meter.instants"),
        (12, 9),
        [Query(f"{query} GROUP BY time($__interval) fill(null)", "$m")],
        "",
        least="10s",
        overrides=looks,
        legend=True,
    )


def _slots(desk: Desk) -> Panel:
    say = desk.say
    query = f'SELECT mean("value") * 4 FROM {SLOTS} WHERE {AT_METER} AND {ask.GOOD} AND {ask.TIME}'  # noqa: S608  # ours
    part = query.replace('"value"', '"estimated"')
    flows = [(utility.usage, say(f"words.{utility.key}"), utility.per_hour_unit, utility.color) for utility in ALL]
    flows += [(f"{flow}_electricity_kwh", say(f"words.{flow}"), "kwatt", PLAIN) for flow in ("import", "export")]
    looks = [_flow(name, shown, unit, color) for name, shown, unit, color in flows]
    for name, shown, unit, color in flows:
        look = _flow(estimated_name(desk, name), estimated_name(desk, shown), unit, color)
        look["properties"].append({"id": "custom.lineStyle", "value": DOTS})
        looks.append(look)
    return lines(
        say("meter.slots"),
        (12, 9),
        [
            Query(f"{query} GROUP BY time($__interval) fill(null)", "$m"),
            Query(f"{part} GROUP BY time($__interval) fill(null)", estimated_name(desk, "$m")),
        ],
        "",
        least="15m",
        overrides=looks,
        legend=True,
        about=say("common.mean_about"),
    )


def _registers(desk: Desk) -> Panel:
    query = f'SELECT last("value") FROM {REGISTERS} WHERE {AT_METER} AND {ask.GOOD} AND {ask.TIME}'  # noqa: S608  # ours
    looks = [
        override(name, displayName=desk.say(f"registers.{key}"), unit="locale", custom__axisPlacement=side)
        for name, key, side in (
            ("electricity_import_kwh", "import", "left"),
            ("electricity_export_kwh", "export", "right"),
            ("electricity_production_kwh", "production", "left"),
            ("gas_volume_m3", "gas", "left"),
            ("water_volume_m3", "water", "left"),
            ("heat_energy_kwh", "heat", "left"),
            ("pulses_count", "pulses", "left"),
        )
    ]
    return lines(
        desk.say("meter.registers"),
        (12, 8),
        [Query(f"{query} GROUP BY time($__interval) fill(null)", "$m")],
        "",
        least="1m",
        overrides=looks,
        legend=True,
        fill=0,
        about=desk.say("meter.registers_about"),
    )


def _state(desk: Desk) -> Panel:
    query = ask.course("meter_now", "quality", METER, function="max")
    return states(
        desk.say("meter.state"),
        (12, 8),
        [Query(query, desk.say("columns.state"))],
        reading_words(desk),
        least="1m",
        about=desk.say("meter.state_about"),
    )


def _facts(desk: Desk) -> Panel:
    say = desk.say
    columns = {"name": desk.column("name"), "model": "model", "gateway": "gateway"}
    query = ask.listing("meter_now", columns, METER, ["site", "meter"], LIVE, good=False)
    shown = [
        override("site", displayName=say("columns.site"), links=desk.link_to("site", site="${__data.fields.site}")),
        override("meter", displayName=say("columns.meter"), custom__minWidth=190),
        override("name", displayName=say("columns.name"), custom__minWidth=300),
        override("model", displayName=say("columns.model")),
        override("gateway", displayName=say("columns.gateway"), links=desk.link_to("fleet", gateway="${__value.raw}")),
    ]
    return table(say("meter.facts"), (24, 4), [Query(query, table=True)], shown, order=["site", "meter", *columns])


def _flow(name: str, shown: str, unit: str, color: str) -> Json:
    return override(name, displayName=shown, unit=unit, color=_fixed(color))


def _fixed(color: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": color}
