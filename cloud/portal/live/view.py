"""PURE: figures → the texts of the page, the same for a page that is rendered and for an event that updates it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from math import ceil

from cloud.portal.live.recent import rounded
from cloud.portal.live.rules import DAY, NOW, SLOT_S, Snapshot
from cloud.portal.live.sums import Figure
from cloud.portal.texts import Say

SEOUL = timezone(timedelta(hours=9), "KST")
UNITS = {
    "electricity": ("unit.kw", "unit.kwh"),
    "gas": ("unit.m3_per_h", "unit.m3"),
    "water": ("unit.m3_per_h", "unit.m3"),
    "heat": ("unit.kw", "unit.kwh"),
    "production": ("unit.kw", "unit.kwh"),
}
CITY = "city"
_AGE_WORTH_TELLING_S = 10


@dataclass(frozen=True)
class Cell:
    """What one utility of one row shows. `state` and `day_state`: "ok", "partial", "missing", or "none" where
    nothing is metered. `number` is for the curve, and `meters` are how many are in it.
    """

    now: str
    day: str
    day_note: str
    note: str
    extra: str
    state: str
    day_state: str
    number: float | None
    meters: int


def cells(snapshot: Snapshot, sites: tuple[str, ...], offline: frozenset[str], say: Say) -> dict[str, Cell]:
    """By `{site}/{utility}`, the city's under CITY. `offline` are the sites that no gateway connects."""
    rows = {CITY: snapshot.city} | dict(zip(sites, snapshot.rows, strict=True))
    return {
        f"{site}/{utility}": _cell(figures, utility, site in offline, snapshot, say)
        for site, figures in rows.items()
        for utility in NOW
    }


def _cell(figures: dict[str, Figure], utility: str, offline: bool, snapshot: Snapshot, say: Say) -> Cell:
    now, day = figures[NOW[utility]], figures[DAY[utility]]
    if not now.expected:
        nothing = say("live.not_metered")
        return Cell(nothing, "", "", "", "", "none", "none", None, 0)
    missing = say("live.no_data")
    return Cell(
        now=missing if now.value is None else number(now.value),
        day=missing if day.value is None else number(day.value),
        day_note=_day_note(day, snapshot, say),
        note=_note(now, offline, snapshot.made_s, say),
        extra=_extra(figures, utility, say),
        state=_state(now),
        day_state=_state(day),
        number=rounded(now.value),
        meters=now.counted,
    )


def number(value: float) -> str:
    """Three significant digits or all before the point, with separators of thousands."""
    if not value:
        return "0"
    size = abs(value)
    text = f"{value:,.0f}" if size >= 99.95 else f"{value:,.1f}" if size >= 9.995 else f"{value:,.2f}"
    return text.replace("-", "−") if float(text.replace(",", "")) else text.lstrip("-")


def _state(figure: Figure) -> str:
    if figure.value is None:
        return "missing"
    return "partial" if figure.counted < figure.expected else "ok"


def _note(figure: Figure, offline: bool, now_s: float, say: Say) -> str:
    reason = say("reason.gateway-offline" if offline else f"reason.{figure.reason}") if figure.reason else ""
    if figure.value is None or figure.oldest_s is None:
        return reason
    absent = figure.expected - figure.counted
    counts = {"expected": figure.expected, "counted": figure.counted}
    parts = [say("note.meters_some" if absent else "note.meters_all", **counts)]
    if absent and reason:
        parts.append(say("note.absent", n=absent, reason=reason))
    if figure.derived:
        parts.append(say("note.derived"))
    if now_s - figure.oldest_s >= _AGE_WORTH_TELLING_S:
        parts.append(say("note.age", age=age(now_s - figure.oldest_s, say)))
    return say("note.separator").join(parts)


def _day_note(figure: Figure, snapshot: Snapshot, say: Say) -> str:
    if figure.value is None or figure.oldest_s is None:
        return say(f"reason.{figure.reason}") if figure.reason else ""
    parts = []
    if figure.counted < figure.expected:
        parts.append(say("note.coverage", expected=figure.expected, counted=figure.counted))
    on_time_s = snapshot.midnight_s + SLOT_S
    if figure.since_last_s is not None and figure.since_last_s > on_time_s:
        all_late = figure.since_first_s is not None and figure.since_first_s > on_time_s
        parts.append(say("note.since" if all_late else "note.since_some", time=clock(figure.since_last_s)))
    if snapshot.made_s - figure.oldest_s > SLOT_S:
        parts.append(say("note.until_some", time=clock(figure.oldest_s)))
    return say("note.separator").join(parts)


def _extra(figures: dict[str, Figure], utility: str, say: Say) -> str:
    """How electricity use divides between the grid and the sun, while there is sun and nothing is missing."""
    use, made = figures[NOW["electricity"]], figures[NOW["production"]]
    complete = made.expected and made.counted == made.expected and use.counted == use.expected
    if not complete or use.value is None or not made.value:
        return ""
    if utility == "electricity":
        from_grid = use.value - made.value
        return say("note.grid_export" if from_grid < 0 else "note.grid_import", n=number(abs(from_grid)))
    if utility == "production" and use.value > 0:
        return say("note.solar_share", n=f"{made.value / use.value * 100:,.0f}")
    return ""


def age(seconds: float, say: Say) -> str:
    """A duration in the unit that people would say it in."""
    whole = max(1, ceil(seconds))
    if whole < 60:
        return say("age.seconds", n=whole)
    return say("age.minutes", n=whole // 60) if whole < 3600 else say("age.hours", n=whole // 3600)


def clock(time_s: float, seconds: bool = False) -> str:
    """Local wall-clock time."""
    return local(time_s).strftime("%H:%M:%S" if seconds else "%H:%M")


def date(time_s: float, say: Say) -> str:
    """The local date in words."""
    day = local(time_s)
    return say(
        "live.date",
        year=day.year,
        month=day.month,
        month_name=say(f"month.{day.month}"),
        day=day.day,
        weekday=say(f"weekday.{day.weekday()}"),
    )


def local(time_s: float) -> datetime:
    """The moment in local time, with its offset."""
    return datetime.fromtimestamp(time_s, UTC).astimezone(SEOUL)
