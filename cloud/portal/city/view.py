"""PURE: the city's day → the texts of its page in one language."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from cloud.metering.calendar import begin_s
from cloud.portal.city.charts import HOURS, Chart, chart, share
from cloud.portal.city.rules import Change, City, District, Figure, Row, Why
from cloud.portal.city.sums import MEASURES, Sum
from cloud.portal.live.view import clock, date, number
from cloud.portal.texts import Language, Say

HOUR_S = 3600
LATE_S = 5400  # no new slot for so long: somebody should be told

# From how much on, the divisor, the unit.
_KWH = ((0, 1, "unit.kwh"), (10_000, 1_000, "unit.mwh"), (10_000_000, 1_000_000, "unit.gwh"))
_M3 = ((0, 1, "unit.m3"), (1_000_000, 1_000_000, "unit.million_m3"))
UNITS = {"electricity": _KWH, "gas": _M3, "water": _M3, "heat": _KWH, "production": _KWH}

SHOWS = {name: f"utility.{name}" for name in MEASURES}
SORTS = {
    "order": "city.sort_order",
    "amount": "city.sort_amount",
    "coverage": "city.sort_coverage",
    "estimated": "city.sort_estimated",
}
WHYS: Mapping[Why, str] = {
    "no-value": "city.why_no_value",
    "none-then": "city.why_none_then",
    "coverage": "city.why_coverage",
    "meters": "city.why_meters",
    "zero-then": "city.why_zero_then",
    "few-then": "city.why_few_then",
}
Scale = tuple[int, str]


@dataclass(frozen=True)
class Line:
    """A row of a table, or a figure of the city. `state`: "ok", "partial", "missing", "hidden" or "none"; `bar` is its
    share of the greatest in percent.
    """

    name: str
    state: str
    amount: str
    unit: str
    coverage: str
    estimated: str
    yesterday: str
    week: str
    bar: float


@dataclass(frozen=True)
class Block:
    """A table: a district with its dongs. `none` names those without any meter."""

    key: int
    total: Line
    lines: tuple[Line, ...]
    none: str


@dataclass(frozen=True)
class Hour:
    """An hour of the city in words."""

    label: str
    amount: str
    coverage: str
    estimated: str
    yesterday: str


@dataclass(frozen=True)
class View:
    """One page. `figures` by measure."""

    until: str
    until_clock: str
    figures: Mapping[str, Line]
    behind: tuple[str, ...]
    chart: Chart
    peak: str
    hours: tuple[Hour, ...]
    unit: str
    blocks: tuple[Block, ...]
    types: tuple[Line, ...]


def view(city: City, show: str, sort: str, say: Say, language: Language) -> View:
    """`show` is a measure, `sort` one of SORTS."""
    writer = Writer(show, sort, say, language)
    hours = writer.hours(city)
    return View(
        until=say("city.until", date=date(begin_s(city.day), say), time=until_clock(city)),
        until_clock=until_clock(city),
        figures=figures(city, say, language),
        behind=tuple(
            say("city.behind_none", area=one.area)
            if one.until_s is None
            else say("city.behind", area=one.area, time=clock(one.until_s))
            for one in city.behind
        ),
        chart=chart(city.hours[show], city.hours_yesterday[show], _hours_passed(city)),
        peak=writer.peak(city),
        hours=hours,
        unit=say(_hour_scale(city, show)[1]),
        blocks=writer.blocks(city.districts),
        types=writer.lines(city.types, greatest(city.types, show)),
    )


def figures(city: City, say: Say, language: Language) -> dict[str, Line]:
    """The city's own, by measure."""
    return {name: Writer(name, "order", say, language).line(city.row, None, 0) for name in MEASURES}


def until_clock(city: City) -> str:
    """Local time of the end of the last slot; a day ends at 24:00."""
    return "24:00" if city.until_s == begin_s(city.day + 1) else clock(city.until_s)


def greatest(rows: Iterable[Row], show: str) -> int:
    """In thousandths, of those that are shown."""
    return max((row.figures[show].sum.milli or 0 for row in rows if not row.figures[show].hidden), default=0)


def scale_of(show: str, most_milli: int) -> Scale:
    """The divisor and unit in which the greatest has not too many digits."""
    return [(by, unit) for least, by, unit in UNITS[show] if abs(most_milli) >= least * 1000][-1]


def amount(milli: int, scale: Scale) -> str:
    """In words; what is too little to have a digit is not 0."""
    value = milli / 1000 / scale[0]
    if 0 < abs(value) < 0.005:
        return "< 0.01" if value > 0 else "> −0.01"
    return number(value)


def percent(part: float) -> str:
    """A share with one decimal; all, or nothing, is said of nothing less, or more."""
    if part in (0, 1):
        return f"{part * 100:.0f}%"
    tenths = floor(part * 1000)
    return "< 0.1%" if tenths == 0 else f"{tenths / 10:.1f}%"


class Writer:
    """Lines of one measure in one language."""

    def __init__(self, show: str, sort: str, say: Say, language: Language) -> None:
        self._show, self._sort, self._say, self._language = show, sort, say, language

    def name(self, row: Row) -> str:
        """A place without a name is one that is not known."""
        return (row.name_ko if self._language == "ko" else row.name_en) or self._say("city.unknown_place")

    def line(self, row: Row, scale: Scale | None, most: int) -> Line:
        """Without a scale in its own."""
        figure, say = row.figures[self._show], self._say
        state = _state(figure)
        if state in ("none", "hidden"):
            nothing = say("live.not_metered") if state == "none" else ""
            return Line(self.name(row), state, nothing, "", "", "", "", "", 0)
        milli = figure.sum.milli
        scale = scale or scale_of(self._show, milli or 0)
        return Line(
            name=self.name(row),
            state=state,
            amount=self._amount(figure.sum, scale),
            unit="" if milli is None else say(scale[1]),
            coverage=_share(figure.sum.coverage),
            estimated=_share(figure.sum.estimated_share),
            yesterday=self._change(figure.yesterday),
            week=self._change(figure.week),
            bar=share(milli, most),
        )

    def lines(self, rows: Sequence[Row], most: int) -> tuple[Line, ...]:
        """In the order asked for; what is not shown alone comes last, and in its own order."""
        scale = scale_of(self._show, most)
        ordered = sorted(rows, key=lambda row: _SORT_KEYS[self._sort](row.figures[self._show]))
        return tuple(self.line(row, scale, most) for row in ordered)

    def blocks(self, districts: Sequence[District]) -> tuple[Block, ...]:
        """One for each district."""
        dongs = [dong for district in districts for dong in district.dongs]
        most = greatest(dongs, self._show)
        scale = scale_of(self._show, greatest([district.row for district in districts], self._show))
        found = []
        for district in districts:
            there = [dong for dong in district.dongs if dong.figures[self._show].sum.expected]
            none = [self.name(dong) for dong in district.dongs if dong not in there]
            lines = self.lines(there, most)
            found.append(Block(district.row.key, self.line(district.row, scale, 0), lines, ", ".join(none)))
        return tuple(found)

    def hours(self, city: City) -> tuple[Hour, ...]:
        """Those that have begun."""
        scale = _hour_scale(city, self._show)
        passed = _hours_passed(city)
        found = []
        for hour in range(passed + bool(city.until_s % HOUR_S)):
            now, then = (hours[self._show].get(hour, Sum()) for hours in (city.hours, city.hours_yesterday))
            key = "city.hour" if hour < passed else "city.hour_so_far"
            here, before = (self._amount(one, scale) for one in (now, then))
            label = self._say(key, start=f"{hour:02d}:00", end=f"{hour + 1:02d}:00", time=until_clock(city))
            found.append(Hour(label, here, _share(now.coverage), _share(now.estimated_share), before))
        return tuple(found)

    def peak(self, city: City) -> str:
        """Which whole hour had the most, in a sentence."""
        passed = {hour: one for hour, one in city.hours[self._show].items() if hour < _hours_passed(city)}
        known = {hour: one.milli for hour, one in passed.items() if one.milli is not None}
        if not known:
            return ""
        hour = max(known, key=lambda at: (known[at], -at))
        scale = _hour_scale(city, self._show)
        value = f"{amount(known[hour], scale)} {self._say(scale[1])}"
        return self._say("city.peak", start=f"{hour:02d}:00", end=f"{hour + 1:02d}:00", amount=value)

    def _amount(self, one: Sum, scale: Scale) -> str:
        return self._say("city.missing") if one.milli is None else amount(one.milli, scale)

    def _change(self, change: Change) -> str:
        if change.ratio is None:
            return self._say(WHYS[change.why])
        text = f"{change.ratio:+.1%}".replace("-", "−")
        return "0.0%" if text[1:] == "0.0%" else text


def _state(figure: Figure) -> str:
    if figure.hidden:
        return "hidden"
    if not figure.sum.expected:
        return "none"
    if figure.sum.milli is None:
        return "missing"
    return "ok" if figure.sum.counted == figure.sum.expected else "partial"


def _share(part: float | None) -> str:
    return "–" if part is None else percent(part)


def _hours_passed(city: City) -> int:
    return min((city.until_s - begin_s(city.day)) // HOUR_S, HOURS)


def _hour_scale(city: City, show: str) -> Scale:
    both = (*city.hours[show].values(), *city.hours_yesterday[show].values())
    return scale_of(show, max((one.milli or 0 for one in both), default=0))


def _last(figure: Figure) -> bool:
    return figure.hidden or figure.sum.milli is None


_SORT_KEYS: Mapping[str, Callable[[Figure], tuple[float, ...]]] = {
    "order": lambda _: (),
    "amount": lambda figure: (_last(figure), 0 if _last(figure) else -(figure.sum.milli or 0)),
    "coverage": lambda figure: (_last(figure), 0 if _last(figure) else figure.sum.coverage or 0),
    "estimated": lambda figure: (_last(figure), 0 if _last(figure) else -(figure.sum.estimated_share or 0)),
}
