"""The document of /api/v1/live. Its models are its documentation, too."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from cloud.portal.live.frame import Frame
from cloud.portal.live.rules import Tick
from cloud.portal.live.sums import Figure
from cloud.portal.live.view import local
from cloud.registry.columns import SITE_KINDS

Quality = Literal["measured", "derived", "partial", "missing", "not-metered"]


class FigureV1(BaseModel):
    """A sum over meters. The unit is in the name under which it stands."""

    value: float | None = Field(description="null when no meter counted: missing is never 0")
    quality: Quality = Field(
        description="measured: every expected meter counted, by its own value of the moment or its registers. "
        "derived: the same, but some report no value of the moment, so that the rise of their registers over the "
        "last minutes was taken. partial: some meters are missing from the sum. missing: none counted. "
        "not-metered: there is no meter for it."
    )
    meters_counted: int
    meters_expected: int
    newest: datetime | None = Field(description="time of the newest reading in the sum")
    oldest: datetime | None = Field(description="time of the oldest reading in the sum")
    since: datetime | None = Field(description="of a figure since midnight: when its last meter began to count")
    missing_reason: str | None = Field(description="why most of the meters that do not count are missing")


class SiteV1(BaseModel):
    """One site, or all households together."""

    site: str
    name_ko: str
    name_en: str
    kind: str = Field(description=f"one of {', '.join(SITE_KINDS)}")
    sites: int = Field(description="how many sites the row stands for: 1, or the number of households")
    figures: dict[str, FigureV1]


class AreaV1(BaseModel):
    """One area's process."""

    area: str
    answering: bool
    answered: datetime | None = Field(description="when it last answered")


class TickV1(BaseModel):
    """The newest moment at which gateways polled."""

    time: datetime
    series: int
    first_reading: datetime
    last_reading: datetime


class GatewayV1(BaseModel):
    """What a gateway said of itself last."""

    gateway: str
    site: str
    online: bool
    stated: datetime | None
    batches_waiting: int
    warnings: list[str]


class LiveV1(BaseModel):
    """The city now and since local midnight. Times are ISO 8601 with offset. Readings are not validated yet."""

    made: datetime
    midnight: datetime
    tick: TickV1 | None
    areas: list[AreaV1]
    gateways: list[GatewayV1]
    city: dict[str, FigureV1]
    sites: list[SiteV1]


def document(frame: Frame) -> LiveV1:
    """The frame as the API shows it."""
    snapshot = frame.snapshot
    return LiveV1(
        made=_time(snapshot.made_s),
        midnight=_time(snapshot.midnight_s),
        tick=_tick(snapshot.tick) if snapshot.tick else None,
        areas=[
            AreaV1(area=area.area, answering=area.answering, answered=_maybe(area.answered_s)) for area in frame.areas
        ],
        gateways=[
            GatewayV1(
                gateway=one.gateway,
                site=one.site,
                online=one.online,
                stated=_maybe(one.state_time_s or None),
                batches_waiting=one.outbox_batches,
                warnings=list(one.warnings),
            )
            for one in frame.gateways
        ],
        city=_figures(snapshot.city),
        sites=[
            SiteV1(
                site=row.site,
                name_ko=row.name_ko,
                name_en=row.name_en,
                kind=row.kind,
                sites=row.sites,
                figures=_figures(figures),
            )
            for row, figures in zip(frame.roster.rows, snapshot.rows, strict=True)
        ],
    )


def _figures(figures: dict[str, Figure]) -> dict[str, FigureV1]:
    return {name: _figure(figure) for name, figure in figures.items()}


def _figure(figure: Figure) -> FigureV1:
    return FigureV1(
        value=None if figure.value is None else round(figure.value, 6),
        quality=_quality(figure),
        meters_counted=figure.counted,
        meters_expected=figure.expected,
        newest=_maybe(figure.newest_s),
        oldest=_maybe(figure.oldest_s),
        since=_maybe(figure.since_last_s),
        missing_reason=figure.reason or None,
    )


def _quality(figure: Figure) -> Quality:
    if not figure.expected:
        return "not-metered"
    if figure.value is None:
        return "missing"
    if figure.counted < figure.expected:
        return "partial"
    return "derived" if figure.derived else "measured"


def _tick(tick: Tick) -> TickV1:
    return TickV1(
        time=_time(tick.time_s),
        series=tick.series,
        first_reading=_time(tick.first_ms / 1000),
        last_reading=_time(tick.last_ms / 1000),
    )


def _time(time_s: float) -> datetime:
    return local(round(time_s, 3))


def _maybe(time_s: float | None) -> datetime | None:
    return None if time_s is None else _time(time_s)
