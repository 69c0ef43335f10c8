"""What boards share: who they are, how one leads to another, and the utilities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards import palette
from dashboards.grafana import Json, Query, Variable, annotation, link, override
from dashboards.influxql import GOOD, TIME, choices, daily, mean, percent
from dashboards.texts import Language, Say, say_in

# in the order in which the head of a board lists them
BOARDS = ("city", "region", "type", "industry", "apartments", "site", "meter", "quality", "fleet", "platform")

# boards that show nothing before something was chosen are reached from others
FROM_OTHERS = ("site", "meter")

FIRST_REGION = "6"  # among the registry's own regions: a district, since the first of the alphabet is any dong
LIVE = "2m"  # a live value older than this is none
# What is written with each settled slot is older than this only where settling is late; its time may be the slot's
# begin, and settling takes up to three quarters of an hour.
NEWEST_SLOT = "75m"


@dataclass(frozen=True)
class Utility:
    """One utility: its key in the catalogue, what is stored of it, and in which units."""

    key: str
    usage: str
    usage_unit: str
    live: str
    live_unit: str
    per_hour_unit: str

    @property
    def color(self) -> str:
        """The colour it has on every board."""
        return palette.OF_UTILITY[self.key]

    @property
    def today(self) -> str:
        """The live usage since midnight."""
        return f"today_{self.usage}"


ELECTRICITY = Utility("electricity", "usage_electricity_kwh", "kwatth", "electricity_power_kw", "kwatt", "kwatt")
PRODUCTION = Utility(
    "production", "production_electricity_kwh", "kwatth", "electricity_production_power_kw", "kwatt", "kwatt"
)
GAS = Utility("gas", "usage_gas_m3", "m3", "gas_flow_m3_per_h", "suffix: m³/h", "suffix: m³/h")
WATER = Utility("water", "usage_water_m3", "m3", "water_flow_m3_per_h", "suffix: m³/h", "suffix: m³/h")
HEAT = Utility("heat", "usage_heat_kwh", "kwatth", "heat_power_kw", "kwatt", "kwatt")

USED = (ELECTRICITY, GAS, WATER, HEAT)
ALL = (ELECTRICITY, PRODUCTION, GAS, WATER, HEAT)
CARBON_UNIT, CARBON_KG = "masst", 1000  # shown in tonnes
COUNT = "none"
RATIO = "percentunit"
DOTS = {"fill": "dot", "dash": [2, 6]}


@dataclass(frozen=True)
class Desk:
    """Where a board is written: its language and the words of it."""

    language: Language
    say: Say
    map_url: str

    def uid(self, board: str) -> str:
        """The stable name of a board."""
        return f"bitgoeul-{board}-{self.language}"

    def to(self, board: str, **variables: str) -> str:
        """The address of a board with what is chosen there: `to("site", site="${__data.fields.site}")`."""
        asked = "&".join(f"var-{name}={value}" for name, value in variables.items())
        return f"/d/{self.uid(board)}" + (f"?{asked}" if asked else "")

    def link_to(self, board: str, **variables: str) -> list[Json]:
        """A click on a value leads to another board."""
        return [{"title": self.say(f"open.{board}"), "url": self.to(board, **variables), "targetBlank": False}]

    def column(self, field: str) -> str:
        """The field that holds the words in this language."""
        return f"{field}_{self.language}"

    def links(self, here: str) -> list[Json]:
        """The head of a board: all others, and this one in the other language."""
        others = [board for board in BOARDS if board != here and board not in FROM_OTHERS]
        other: Language = "en" if self.language == "ko" else "ko"
        switch = link(say_in(other)("links.this_language"), f"/d/bitgoeul-{here}-{other}", keep_time=True)
        return [*(link(self.say(f"{board}.title"), self.to(board)) for board in others), switch]

    def tags(self, *more: str) -> list[str]:
        """By which boards are found."""
        return ["bitgoeul", self.language, *more]

    def outages(self, *scopes: str) -> list[Json]:
        """Marks where something of these scopes was cut off, whichever it was."""
        return self.outages_of(f'"scope" =~ /^({"|".join(scopes)})$/')

    def outages_of(self, where: str) -> list[Json]:
        """Marks where that which is chosen was cut off."""
        words = self.column("text")
        query = f'SELECT "{words}", "end_ms", "name" FROM "outages" WHERE {where} AND {TIME}'  # noqa: S608  # our own words
        return [annotation(self.say("common.outages"), palette.BAD, query, text=words, until="end_ms")]

    def region_variable(self) -> Variable:
        """A district or a dong."""
        query = choices("region_names", self.language, '"level" =~ /^(district|dong)$/')
        return Variable("region", self.say("common.region"), query, first=(self.say("region.first"), FIRST_REGION))

    def site_variable(self, where: str = "") -> Variable:
        """A site."""
        return Variable("site", self.say("common.site"), choices("site_names", self.language, where))


def course_of(
    desk: Desk, utilities: Sequence[Utility], where: str, names: Mapping[str, str] | None = None
) -> tuple[list[Query], list[Json]]:
    """What was used in each slot as a rate per hour, and dotted below it how much of that is estimated; the looks of
    both. `names` are by the utility's key, else its own.
    """
    queries: list[Query] = []
    looks: list[Json] = []
    for utility in utilities:
        name = (names or {}).get(utility.key, desk.say(f"words.{utility.key}"))
        guessed = estimated_name(desk, name)
        queries.append(Query(mean(utility.usage, where, times=4), name))
        queries.append(Query(mean(utility.usage, where, times=4, field="estimated"), guessed))
        color = {"mode": "fixed", "fixedColor": utility.color}
        looks.append(override(name, color=color))
        looks.append(override(guessed, color=color, custom__lineStyle=DOTS, custom__lineWidth=2, custom__fillOpacity=0))
    return queries, looks


def days_of(desk: Desk, utilities: Sequence[Utility], where: str) -> tuple[list[Query], list[Json]]:
    """What was used on each day as a bar, and before it, light and narrow, how much of that is estimated."""
    queries: list[Query] = []
    looks: list[Json] = []
    for utility in utilities:
        name = desk.say(f"words.{utility.key}")
        guessed = estimated_name(desk, name)
        queries.append(Query(daily(utility.usage, where), name))
        queries.append(Query(daily(utility.usage, where, field="estimated"), guessed))
        looks.append(override(name, color={"mode": "fixed", "fixedColor": utility.color}))
        looks.append(override(guessed, color={"mode": "fixed", "fixedColor": palette.PLAIN}))
    return queries, looks


def heat_apart(desk: Desk) -> list[Json]:
    """Heat is energy where its neighbours are volumes: it has the axis at the right."""
    name = desk.say("words.heat")
    both = (name, estimated_name(desk, name))
    return [override(one, unit="kwatt", custom__axisPlacement="right") for one in both]


def estimated_name(desk: Desk, name: str) -> str:
    """What the estimated part of a series is called."""
    return f"{name}: {desk.say('words.estimated')}"


def reporting(desk: Desk, measurement: str, where: str) -> tuple[Query, Json]:
    """Beside a figure of now: how many of its meters are counted in it; and the look of that."""
    name = desk.say("words.reporting")
    text = percent(measurement, "live", "meters", where, f"time > now() - {LIVE}")
    return Query(text, name), override(name, unit=f"suffix:{desk.say('words.percent_reporting')}", decimals=0)


def guessed(desk: Desk, measurement: str, where: str) -> tuple[Query, Json]:
    """Beside a figure of today: how much of it is estimated; and the look of that."""
    name = desk.say("words.estimated")
    text = percent(f"{measurement}_daily", "estimated", "value", f"{where} AND {GOOD}", TIME)
    return Query(text, name), override(name, unit=f"suffix:{desk.say('words.percent_estimated')}", decimals=1)


def city(type_: str = "all") -> str:
    """The points of the whole city."""
    return f"\"level\" = 'city' AND \"type\" = '{type_}'"


def named_columns(desk: Desk, columns: Sequence[str]) -> dict[str, str]:
    """Column → field: those with words in the language of the board, the others as they are."""
    worded = ("name", "region_name")
    return {column: desk.column(column) if column in worded else column for column in columns}
