"""The documents of /api/v1/city. Their models are their documentation, too."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field

from cloud.metering.calendar import begin_s
from cloud.metering.factors import EPOCH
from cloud.portal.city.rules import LEAST, City, Figure, Row
from cloud.portal.city.sums import MEASURES, Sum
from cloud.portal.live.view import local

# The name carries the unit.
NAMES = {
    "electricity": "electricity_use_kwh",
    "gas": "gas_volume_m3",
    "water": "water_volume_m3",
    "heat": "heat_energy_kwh",
    "production": "electricity_production_kwh",
}
assert list(NAMES) == list(MEASURES)
_NAMED = f"by {', '.join(NAMES.values())}"


class TotalV1(BaseModel):
    """A sum since local midnight. The unit is in the name under which it stands."""

    value: float | None = Field(description="null when nothing counted, or when it is not shown alone: never 0")
    coverage: float | None = Field(
        description="of the quarter-hours of meters expected, what share counted, 0 to 1; null when none was expected"
    )
    estimated_share: float | None = Field(description="of those that counted, what share rests on an estimate, 0 to 1")
    not_shown_alone: bool = Field(
        description=f"it, or another by subtraction, would stand for fewer than {LEAST} meters: it is only in the "
        "sum of what is above"
    )
    change_since_yesterday: float | None = Field(description="to the same time, as a share; null: not comparable")
    change_since_week_ago: float | None


class HourV1(BaseModel):
    """An hour of the whole city."""

    begins: datetime
    value: float | None
    coverage: float | None
    estimated_share: float | None


class PlaceV1(BaseModel):
    """A dong or a type of building; `id` is its number in the registry, 0 where the place or type is not known."""

    id: int
    name_ko: str
    name_en: str
    figures: dict[str, TotalV1] = Field(description=_NAMED)


class DistrictV1(PlaceV1):
    """A district and its dongs."""

    dongs: list[PlaceV1]


class BehindV1(BaseModel):
    """An area whose totals end earlier; null: it has none of the day."""

    area: str
    as_of: datetime | None


class CityV1(BaseModel):
    """Settled totals of the day since local midnight. Times are ISO 8601 with offset; without totals all is empty."""

    version: str = Field(description="equal versions are equal documents")
    day: date | None
    as_of: datetime | None = Field(description="the end of the last quarter of an hour in the sums")
    areas_behind: list[BehindV1]
    city: dict[str, TotalV1] = Field(description=_NAMED)
    hours: dict[str, list[HourV1]] = Field(description=_NAMED)
    districts: list[DistrictV1]
    building_types: list[PlaceV1]


class CityVersionV1(BaseModel):
    """What a page needs to know whether it is the newest."""

    version: str
    as_of: datetime | None


def version_document(city: City | None, state: str) -> CityVersionV1:
    """`state` is that of the frame: a page says so when no slot comes."""
    if city is None:
        return CityVersionV1(version=state, as_of=None)
    return CityVersionV1(version=f"{city.version}-{state}", as_of=local(city.until_s))


def document(city: City | None) -> CityV1:
    """The city as the API shows it."""
    if city is None:
        return CityV1(
            version="none",
            day=None,
            as_of=None,
            areas_behind=[],
            city={},
            hours={},
            districts=[],
            building_types=[],
        )
    return CityV1(
        version=city.version,
        day=EPOCH + timedelta(days=city.day),
        as_of=local(city.until_s),
        areas_behind=[
            BehindV1(area=one.area, as_of=None if one.until_s is None else local(one.until_s)) for one in city.behind
        ],
        city=_totals(city.row),
        hours={NAMES[name]: _hours(city.day, hours) for name, hours in city.hours.items()},
        districts=[
            DistrictV1(**_place(one.row).model_dump(), dongs=[_place(dong) for dong in one.dongs])
            for one in city.districts
        ],
        building_types=[_place(one) for one in city.types],
    )


def _place(row: Row) -> PlaceV1:
    return PlaceV1(id=row.key, name_ko=row.name_ko, name_en=row.name_en, figures=_totals(row))


def _totals(row: Row) -> dict[str, TotalV1]:
    return {NAMES[name]: _total(figure) for name, figure in row.figures.items()}


def _total(figure: Figure) -> TotalV1:
    shown = Sum() if figure.hidden else figure.sum
    return TotalV1(
        value=_value(shown),
        coverage=_rounded(shown.coverage),
        estimated_share=_rounded(shown.estimated_share),
        not_shown_alone=figure.hidden,
        change_since_yesterday=None if figure.hidden else _rounded(figure.yesterday.ratio),
        change_since_week_ago=None if figure.hidden else _rounded(figure.week.ratio),
    )


def _hours(day: int, hours: Mapping[int, Sum]) -> list[HourV1]:
    return [
        HourV1(
            begins=local(begin_s(day) + hour * 3600),
            value=_value(one),
            coverage=_rounded(one.coverage),
            estimated_share=_rounded(one.estimated_share),
        )
        for hour, one in sorted(hours.items())
    ]


def _value(one: Sum) -> float | None:
    return None if one.milli is None else one.milli / 1000


def _rounded(part: float | None) -> float | None:
    return None if part is None else round(part, 6)
